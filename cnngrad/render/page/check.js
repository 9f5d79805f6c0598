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

for (const kind of ["mouseover", "focusin", "click", "keydown"]) {
  document.addEventListener(kind, (event) => {
    const cell = event.target.closest("[data-at]");
    if (event.key === "Escape") pinned = false;
    if (!cell) return;
    if (kind === "click" || event.key === "Enter") show(cell, true);
    else if (kind === "keydown") walk(event, cell);
    else if (!pinned) show(cell, false);
  });
}
// The first element of each matrix is a tab stop.
for (const cell of cells) cell.tabIndex = cell.matches("tr:nth-child(2) :nth-child(2)") ? 0 : -1;
const inAddress = () => cells.find(({ dataset }) => dataset.at === asked());
const first = inAddress() ?? document.querySelector(".wrong");
if (first) show(first, first === inAddress());
addEventListener("hashchange", () => { if (inAddress()) show(inAddress(), true); });
