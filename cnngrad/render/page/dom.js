"use strict";
// The document: its elements, the keys that move in a grid, and the address.
export const byId = (id) => document.getElementById(id);
export const clamp = (k, least, most) => Math.min(Math.max(k, least), most);
// Makes elements like this one, HTML or MathML, as `made("td.zero", properties, ...parts)`.
const makerOf = ({ namespaceURI }) => (kind, properties, ...parts) => {
  const [tag, ...classes] = kind.split("."), className = classes.join(" ");
  const element = document.createElementNS(namespaceURI, tag);
  Object.assign(element, { className, ...properties });
  element.append(...parts);
  return element;
};
export const made = makerOf(document.documentElement);
export const maths = makerOf(byId("maths"));
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -Infinity], End: [0, Infinity] };

// The W3C's grid pattern: keys move a table's only tab stop among the cells behind its headings.
function walk(event) {
  // With Alt or Command an arrow is the browser's.
  if (!MOVES[event.key] || event.altKey || event.metaKey) return;
  event.preventDefault();
  const cell = event.target.closest("td"), [down, right] = MOVES[event.key];
  const table = cell.closest("table");
  const inside = (k, { length }) => clamp(k, 1, length - 1);
  const { cells } = table.rows[inside(cell.parentNode.rowIndex + down, table.rows)];
  const next = cells[inside(cell.cellIndex + right, cells)];
  table.querySelector("[tabindex='0']").tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// A cell can be pointed at, also by the focus, and be picked by a click or Enter.
export function onCells(root, cellOf, point, pick) {
  for (const kind of ["mouseover", "focusin", "click", "keydown"]) {
    root.addEventListener(kind, (event) => {
      const found = cellOf(event);
      if (!found) return;
      if (kind === "click" || event.key === "Enter") pick(found);
      else if (kind === "keydown") walk(event);
      else point(found);
    });
  }
}

// The address's fragment as text, whatever it holds.
export const asked = () => new URLSearchParams(`at=${location.hash.slice(1)}`).get("at");
export function setAddress(url) {
  try { history.replaceState(null, "", url); } catch { /* a page without an address */ }
}
