// Typesets names in texts as MathML: fractions as in ∂E/∂o11, indices below and in brackets above.
const ELEMENT = "[xwob](?:\\[[\\d,]+\\])?(?:\\d+(?:,\\d+)*)?";
const NAMES = new RegExp(`(?<![a-zA-Z∂])(?:∂(E|${ELEMENT})/∂)?(${ELEMENT})(?![a-zA-Z])`, "g");

function letter(text) {
  const [, name, lead, place] = /^([xwobE])(\[[\d,]+\])?(.*)$/.exec(text);
  const scripts = [place, lead].filter(Boolean).map((script) => maths("mn", {}, script));
  const kind = `m${place ? "sub" : ""}${lead ? "sup" : ""}`, className = `of-${name}`;
  const base = maths("mi", { className }, name);
  return scripts.length ? maths(kind, { className }, base, ...scripts) : base;
}

// ∂E/∂o11 of E and o11.
function formula(of, by) {
  const partial = (text) => maths("mrow", {}, maths("mo", {}, "∂"), letter(text));
  return maths("math", {}, of ? maths("mfrac", {}, partial(of), partial(by)) : letter(by));
}

// Typesets the texts in an element. With links, each name of an element is one to its cell.
export function typeset(element, links) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = [];
    let done = 0;
    for (const { 0: whole, 1: of, 2: by, index } of text.data.matchAll(NAMES)) {
      const shown = formula(of, by), href = `#${of ? "d" : ""}${by[0]}-${by}`;
      const isLink = links && (!of || of === "E");
      parts.push(text.data.slice(done, index),
        isLink ? made("a", { href, ariaLabel: whole }, shown) : shown);
      done = index + whole.length;
    }
    if (parts.length) text.replaceWith(...parts, text.data.slice(done));
  }
}

for (const each of document.querySelectorAll(".matrix td, .figure td")) typeset(each, false);
for (const each of document.querySelectorAll(".sums tbody td")) typeset(each, true);
