// Typesets names in texts as MathML: fractions as in ∂E/∂o11, indices below and in brackets above.
const ELEMENT = "[xwob](?:\\[[\\d,]+\\])?(?:\\d+(?:,\\d+)*)?";
const NAME = new RegExp(`(?<![a-zA-Z∂])((?:∂(?:E|${ELEMENT})/∂)?${ELEMENT})(?![a-zA-Z])`);

function letter(text) {
  const [, name, lead, place] = /^(.)(\[.*\])?(.*)$/.exec(text);
  const scripts = [place, lead].filter(Boolean).map((script) => maths("mn", {}, script));
  const kind = scripts.length ? `m${place ? "sub" : ""}${lead ? "sup" : ""}` : "mrow";
  return maths(kind, {}, maths(`mi.of-${name}`, {}, name), ...scripts);
}

// ∂E/∂o11, ∂o11/∂w11 or o11; as a link to the element's cell, if it is one.
function formula(name, hasLinks) {
  const [, of, by] = /^(?:∂(.*)\/∂)?(.*)$/.exec(name), href = `#${of ? "d" : ""}${by[0]}-${by}`;
  const partial = (text) => maths("mrow", {}, maths("mo", {}, "∂"), letter(text));
  const shown = maths("math", {}, of ? maths("mfrac", {}, partial(of), partial(by)) : letter(by));
  return hasLinks && (!of || of === "E") ? made("a", { href, ariaLabel: name }, shown) : shown;
}

export function typeset(element, hasLinks) {
  for (const text of [...element.childNodes].filter(({ data }) => data)) {
    // Every second part is a name.
    const parts = text.data.split(NAME);
    text.replaceWith(...parts.map((part, k) => k % 2 ? formula(part, hasLinks) : part));
  }
}

for (const each of document.querySelectorAll(".matrix td, .figure td, .sums tbody td")) {
  typeset(each, each.closest(".sums") !== null);
}
