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
export function walk(event, cell) {
  // With Alt or Command an arrow is the browser's.
  if (!MOVES[event.key] || event.altKey || event.metaKey) return;
  event.preventDefault();
  const table = cell.closest("table"), [down, right] = MOVES[event.key];
  const inside = (k, { length }) => clamp(k, 1, length - 1);
  const { cells } = table.rows[inside(cell.parentNode.rowIndex + down, table.rows)];
  const next = cells[inside(cell.cellIndex + right, cells)];
  table.querySelector("[tabindex='0']").tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// The address's fragment as text, whatever it holds.
export const asked = () => new URLSearchParams(`at=${location.hash.slice(1)}`).get("at");
export function setAddress(url) {
  try { history.replaceState(null, "", url); } catch { /* a page without an address */ }
}
