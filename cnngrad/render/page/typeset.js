// Typesets names in texts as MathML: fractions as in ∂E/∂o11, indices below and in brackets above.
const ELEMENT = "[xwob](?:\\[[\\d,]+\\])?(?:\\d+(?:,\\d+)*)?";
const NAMES = new RegExp(`(?<![a-zA-Z∂])(?:∂(E|${ELEMENT})/∂)?(${ELEMENT})(?![a-zA-Z])`, "g");

function node(kind, ...parts) {
  const element = document.createElementNS(byId("maths").namespaceURI, kind);
  element.append(...parts);
  return element;
}

function letter(text) {
  const [, name, lead, place] = /^([xwobE])(\[[\d,]+\])?(.*)$/.exec(text);
  const scripts = [place, lead].filter(Boolean).map((script) => node("mn", script));
  const kind = `m${place ? "sub" : ""}${lead ? "sup" : ""}`, base = node("mi", name);
  const element = scripts.length ? node(kind, base, ...scripts) : base;
  element.setAttribute("class", `of-${name}`);
  return element;
}

// ∂E/∂o11 of E and o11.
function formula(of, by) {
  const partial = (text) => node("mrow", node("mo", "∂"), letter(text));
  return node("math", of ? node("mfrac", partial(of), partial(by)) : letter(by));
}

// Typesets the texts in an element. With links, each name of an element is one to its cell.
export function typeset(element, links) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = [];
    let done = 0;
    for (const { 0: whole, 1: of, 2: by, index } of text.data.matchAll(NAMES)) {
      parts.push(text.data.slice(done, index));
      done = index + whole.length;
      if (links && (!of || of === "E")) {
        const href = `#${of ? "d" : ""}${by[0]}-${by}`;
        parts.push(Object.assign(made("a", "", formula(of, by)), { href, ariaLabel: whole }));
      } else {
        parts.push(formula(of, by));
      }
    }
    if (parts.length) text.replaceWith(...parts, text.data.slice(done));
  }
}

for (const each of document.querySelectorAll(".matrix td, .figure td")) typeset(each, false);
for (const each of document.querySelectorAll(".sums tbody td")) typeset(each, true);
