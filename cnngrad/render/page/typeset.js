"use strict";
// Typesets names in texts, as in ∂E/∂o11·x11: with indices below and in brackets above, and fractions, as MathML.
(() => {
  const ELEMENT = "[xwob](?:\\[[\\d,]+\\])?(?:\\d+(?:,\\d+)*)?", PARTS = /^([xwobE])(\[[\d,]+\])?(.*)$/;
  const NAMES = new RegExp(`(?<![a-zA-Z∂])(?:∂(E|${ELEMENT})/∂)?(${ELEMENT})(?![a-zA-Z])`, "g");
  const space = document.getElementById("maths").namespaceURI;

  function node(kind, ...parts) {
    const made = document.createElementNS(space, kind);
    made.append(...parts);
    return made;
  }

  function letter(text) {
    const [, name, lead, place] = PARTS.exec(text), parts = [node("mi", name)];
    if (place) parts.push(node("mn", place));
    if (lead) parts.push(node("mn", lead));
    const made = parts.length > 1 ? node(`m${place ? "sub" : ""}${lead ? "sup" : ""}`, ...parts) : parts[0];
    made.setAttribute("class", `of-${name}`);
    return made;
  }

  // A name as a formula: ∂E/∂o11 of E and o11.
  function formula(of, by) {
    const partial = (text) => node("mrow", node("mo", "∂"), letter(text));
    return node("math", of ? node("mfrac", partial(of), partial(by)) : letter(by));
  }

  // Typesets the texts in an element. With links, each name of an element is one to its cell.
  window.typeset = (element, links) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = [];
      let done = 0;
      for (const { 0: whole, 1: of, 2: by, index } of text.data.matchAll(NAMES)) {
        const made = formula(of, by);
        parts.push(text.data.slice(done, index));
        done = index + whole.length;
        if (links && (!of || of === "E")) {
          const link = document.createElement("a");
          link.href = `#${of ? "d" : ""}${by[0]}-${by}`;
          link.setAttribute("aria-label", whole);
          link.append(made);
          parts.push(link);
        } else {
          parts.push(made);
        }
      }
      if (parts.length) text.replaceWith(...parts, text.data.slice(done));
    }
  };
  for (const each of document.querySelectorAll(".matrix td, .figure td")) window.typeset(each, false);
  for (const each of document.querySelectorAll(".sums tbody td")) window.typeset(each, true);
})();
