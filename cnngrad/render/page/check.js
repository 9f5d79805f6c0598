// Shows the sums of the element under the pointer, and marks it in all three matrices.
const sums = JSON.parse(byId("data").textContent);
const cells = [...document.querySelectorAll("[data-at]")];
let pinned = false;

function show({ dataset: { at } }, isPinned) {
  pinned = isPinned;
  if (pinned) setAddress(`#${encodeURIComponent(at)}`);
  for (const cell of cells) cell.classList.toggle("chosen", cell.dataset.at === at);
  byId("line").textContent = sums[at]?.join("\n") ?? "The sum of this element is not in this page.";
  typeset(byId("line"), inText);
}

const cellOf = ({ target }) => target.closest("[data-at]");
onCells(document, cellOf, (cell) => pinned || show(cell, false), (cell) => show(cell, true));
addEventListener("keydown", ({ key }) => { if (key === "Escape") pinned = false; });
// The first element of each matrix is a tab stop.
for (const cell of cells) cell.tabIndex = cell.matches("tr:nth-child(2) :nth-child(2)") ? 0 : -1;
const inAddress = () => cells.find(({ dataset }) => dataset.at === asked());
const first = inAddress() ?? document.querySelector(".wrong");
if (first) show(first, first === inAddress());
addEventListener("hashchange", () => { if (inAddress()) show(inAddress(), true); });
