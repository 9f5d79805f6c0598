"use strict";
// Shows the sums of the element under the pointer, and marks it in all three matrices.
(() => {
  const sums = JSON.parse(document.getElementById("data").textContent), line = document.getElementById("line");
  const cells = new Map();
  let pinned = false;

  const cellsOf = (table) => Array.from(table.rows, (row) => Array.from(row.querySelectorAll("td[data-at]")))
    .filter((row) => row.length);

  function choose(at) {
    for (const marked of document.querySelectorAll("td.chosen")) marked.classList.remove("chosen");
    for (const cell of cells.get(at)) cell.classList.add("chosen");
    line.textContent = (sums[at] || ["The sum of this element is not in this page."]).join("\n");
    window.typeset(line, false);
  }

  function pin(at) {
    pinned = true;
    choose(at);
    try { history.replaceState(null, "", `#${encodeURIComponent(at)}`); } catch { /* a page without an address */ }
  }

  function move(event, rows, r, c) {
    if (event.key === "Enter") pin(rows[r][c].dataset.at);
    else window.walk(event, rows, r, c);
  }

  for (const table of document.querySelectorAll("table.grid")) {
    table.setAttribute("role", "grid");
    for (const head of table.querySelectorAll("th")) head.setAttribute("role", head.scope === "col" ? "columnheader" : "rowheader");
    table.querySelector("td.corner").setAttribute("role", "presentation");
    const rows = cellsOf(table);
    rows.forEach((row, r) => row.forEach((cell, c) => {
      const at = cell.dataset.at;
      cells.set(at, [...(cells.get(at) || []), cell]);
      cell.setAttribute("role", "gridcell");
      cell.tabIndex = r === 0 && c === 0 ? 0 : -1;
      cell.addEventListener("mouseenter", () => { if (!pinned) choose(at); });
      cell.addEventListener("focus", () => { if (!pinned) choose(at); });
      cell.addEventListener("click", () => pin(at));
      cell.addEventListener("keydown", (event) => move(event, rows, r, c));
    }));
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") pinned = false; });
  const asked = window.asked(), wrong = document.querySelector("td.wrong");
  if (cells.has(asked)) pin(asked);
  else if (wrong) choose(wrong.dataset.at);
})();
