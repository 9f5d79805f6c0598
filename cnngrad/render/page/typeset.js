// Typesets names in texts as MathML: fractions as in ∂E/∂o11, indices below and in brackets above.
const ELEMENT = "[xwob](?:\\[[\\d,]+\\])?(?:\\d+(?:,\\d+)*)?";
// Splits a text so that every second part is a name.
const NAME = new RegExp(`(?<![a-zA-Z∂])((?:∂(?:E|${ELEMENT})/∂)?${ELEMENT})(?![a-zA-Z])`);

function formula(name) {
  const [over, under] = name.split("/");
  if (under) return maths("mfrac", {}, formula(over), formula(under));
  const [, sign, letter, lead, place] = /^(∂?)(.)(\[.*\])?(.*)$/.exec(name);
  const scripts = [place, lead].filter(Boolean).map((script) => maths("mn", {}, script));
  const kind = scripts.length ? `m${place ? "sub" : ""}${lead ? "sup" : ""}` : "mrow";
  const shown = maths(`${kind}.of-${letter}`, {}, maths("mi", {}, letter), ...scripts);
  return sign ? maths("mrow", {}, maths("mo", {}, sign), shown) : shown;
}
export const inText = (name) => maths("math", {}, formula(name));

// A name of an element is a link to its cell, but not ∂o11/∂w11.
function linked(name) {
  const [, gradient, by] = /^(∂E\/∂)?([^∂]*)$/.exec(name) ?? [];
  if (!by) return inText(name);
  const href = `#${gradient ? "d" : ""}${by[0]}-${by}`;
  return made("a", { href, ariaLabel: name }, inText(name));
}

const unbroken = (...parts) => made("span.product", {}, ...parts);

// Replaces the names in an element's texts, and what is between them; no line ends in a product.
export function typeset(element, name, rest = String, product = unbroken) {
  const typed = (part) => part.split(NAME).map((each, k) => k % 2 ? name(each) : rest(each));
  for (const text of [...element.childNodes].filter(({ data }) => data)) {
    text.replaceWith(...text.data.split(/(\S+·\S+)/).flatMap((part, k) =>
      k % 2 ? product(...typed(part)) : typed(part)));
  }
}

for (const each of document.querySelectorAll(".sums tbody td")) typeset(each, linked);
for (const each of document.querySelectorAll(".matrix mi")) {
  typeset(each, formula, (part) => maths("mtext", {}, part), (...parts) => parts);
  each.replaceWith(...each.childNodes);
}
