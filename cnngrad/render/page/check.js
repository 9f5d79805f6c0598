// Shows the sums of the element under the pointer, and marks it in all three matrices.
const sums = JSON.parse(byId("data").textContent), cells = new Map();
let pinned = false;

function show(at) {
  for (const marked of document.querySelectorAll("td.chosen")) marked.classList.remove("chosen");
  for (const cell of cells.get(at)) cell.classList.add("chosen");
  const lines = sums[at] || ["The sum of this element is not in this page."];
  byId("line").textContent = lines.join("\n");
  typeset(byId("line"), false);
}

function pin(at) {
  pinned = true;
  show(at);
  setAddress(`#${encodeURIComponent(at)}`);
}

for (const table of document.querySelectorAll("table.grid")) {
  const rows = Array.from(table.rows, (row) => [...row.querySelectorAll("td[data-at]")])
    .filter((row) => row.length);
  rows.forEach((row, r) => row.forEach((cell, c) => {
    const { at } = cell.dataset, point = () => { if (!pinned) show(at); };
    cells.set(at, [...(cells.get(at) || []), cell]);
    cell.tabIndex = r === 0 && c === 0 ? 0 : -1;
    cell.addEventListener("mouseenter", point);
    cell.addEventListener("focus", point);
    cell.addEventListener("click", () => pin(at));
    cell.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pin(at);
      else walk(event, rows, r, c);
    });
  }));
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") pinned = false; });
const wrong = document.querySelector("td.wrong");
if (cells.has(asked())) pin(asked());
else if (wrong) show(wrong.dataset.at);
