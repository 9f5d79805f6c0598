"use strict";
// The document: its elements, the keys that move in a grid, and the address.
export const byId = (id) => document.getElementById(id);

export function made(tag, kind, ...parts) {
  const element = document.createElement(tag);
  element.className = kind;
  element.append(...parts);
  return element;
}

// Sets variables of an element's style.
export function setStyle(element, values) {
  for (const name in values) element.style.setProperty(`--${name}`, values[name]);
}

const MOVES = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -Infinity], End: [0, Infinity],
};

// The W3C's grid pattern: keys move the focus within rows of cells, one of which is a tab stop.
export function walk(event, rows, r, c) {
  if (!MOVES[event.key]) return;
  event.preventDefault();
  const [down, right] = MOVES[event.key];
  const inside = (k, size) => Math.min(Math.max(k, 0), size - 1);
  const next = rows[inside(r + down, rows.length)][inside(c + right, rows[r].length)];
  for (const cell of rows.flat()) cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// The address's fragment as text, whatever it holds.
export const asked = () => new URLSearchParams(`at=${location.hash.slice(1)}`).get("at");

export function setAddress(url) {
  try { history.replaceState(null, "", url); } catch { /* a page without an address */ }
}
