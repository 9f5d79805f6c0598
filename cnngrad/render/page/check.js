// Shows the sums of the element under the pointer, and marks it in all three matrices.
const sums = JSON.parse(byId("data").textContent);
const cellsAt = (at) => document.querySelectorAll(`td[data-at="${CSS.escape(at)}"]`);
let pinned = false;

function show(at) {
  for (const marked of document.querySelectorAll("td.chosen")) marked.classList.remove("chosen");
  for (const cell of cellsAt(at)) cell.classList.add("chosen");
  byId("line").textContent = sums[at]?.join("\n") ?? "The sum of this element is not in this page.";
  typeset(byId("line"), false);
}

function pin(at) {
  pinned = true;
  show(at);
  setAddress(`#${encodeURIComponent(at)}`);
}

for (const table of document.querySelectorAll("table.grid")) {
  for (const cell of table.querySelectorAll("[data-at]")) {
    const { at } = cell.dataset;
    cell.tabIndex = -1;
    for (const kind of ["mouseenter", "focus"]) {
      cell.addEventListener(kind, () => { if (!pinned) show(at); });
    }
    cell.addEventListener("click", () => pin(at));
    cell.addEventListener("keydown", (event) => {
      if (event.key === "Enter") pin(at);
      else walk(event, cell);
    });
  }
  table.querySelector("[data-at]").tabIndex = 0;
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") pinned = false; });
const wrong = document.querySelector("td.wrong");
if (cellsAt(asked()).length) pin(asked());
else if (wrong) show(wrong.dataset.at);
