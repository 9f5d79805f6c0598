"use strict";
// The W3C's grid pattern: arrows, Home and End move the focus within rows of cells, one of which is a tab stop.
window.walk = (event, rows, r, c) => {
  const last = rows[r].length - 1;
  const to = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1],
    Home: [r, 0], End: [r, last] }[event.key];
  if (!to) return;
  event.preventDefault();
  const next = rows[Math.min(Math.max(to[0], 0), rows.length - 1)][Math.min(Math.max(to[1], 0), last)];
  for (const cell of rows.flat()) cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
};

// The address's fragment as text; empty if it can't be decoded.
window.asked = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
};
