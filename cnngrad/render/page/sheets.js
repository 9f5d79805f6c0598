// The equations' grids, built once for each layer: their cells, and the elements these stand for.

// The slots of a grid's axes for a cell.
export const placesOf = ({ id, axes }, r, c) => [state.depth[id] || 0, r, c].slice(-axes.length);

// The element in these slots; undefined for a zero.
export const elementAt = ({ tensor, array }, slots) => slots.some((slot) => slot < 0) ? undefined
  : page.layer.element(tensor, [...page.layer.leadOf(array, state.lead), ...slots]);

// A cell with its element, or why it holds a zero.
function found(grid, r, c) {
  const slots = placesOf(grid, r, c).map((k, axis) => grid.axes[axis][k]);
  const element = elementAt(grid, slots), zero = element ? "" : whyZero(page.layer, grid, slots);
  return { cell: grid.rows[r][c], grid, r, c, element, zero };
}
export const cellsOf = (grid) =>
  grid.rows.flatMap((row, r) => row.map((_, c) => found(grid, r, c)));

// The cell that an event is about; a field that is open on a cell has events of its own.
export function cellAt({ target }) {
  const { grid, r, c } = target.closest("#stage td[data-grid]:not(:has(input))")?.dataset || {};
  return grid && found(gridsOf(page.equations).find(({ id }) => id === grid), Number(r), Number(c));
}

// What a cell shows of an element's number, or of what has arrived of it.
export function textOf(grid, element, value = page.numbers.value) {
  if (!element) return "0";
  if (state.asked === grid.tensor) return state.typed.get(element) || "?";
  if (state.names || !isNumeric) return element.name;
  return brief(value(element), grid.most, grid.unit);
}

function sheet(grid) {
  const across = grid.axes.at(-1), down = grid.axes.at(-2) || [-1];
  const rows = down.map((_, r) => across.map((__, c) =>
    made("td", { tabIndex: -1, dataset: { grid: grid.id, r, c } })));
  const heading = (scope, slot) => slot < 0 ? made("td.corner", { role: "presentation" })
    : made("th", { scope }, slot + 1);
  const caption = made(`caption.of-${grid.array}`, {}, grid.title);
  const table = made("table.grid", { id: `grid-${grid.id}`, role: "grid" }, caption,
    made("tr", {}, ...[-1, ...across].map((slot) => heading("col", slot))),
    ...rows.map((cells, r) => made("tr", {}, heading("row", down[r]), ...cells)));
  Object.assign(grid, { rows, caption, box: made("div.sheet", {}, table) });
  // The tab stop is the first element, if there is one, not a zero.
  (cellsOf(grid).find(({ element }) => element)?.cell ?? rows[0][0]).tabIndex = 0;
  return grid.box;
}

export function build() {
  for (const old of document.querySelectorAll(".equation")) old.remove();
  for (const equation of page.equations) {
    const { result, grids } = equation;
    const words = grids.flatMap(({ sign, array, title }) =>
      [sign && ` ${sign} `, made(`span.of-${array}`, {}, title)]);
    // A line breaks in front of a sign.
    const signed = grids.map((grid) =>
      made("div.signed", {}, ...grid.sign && [made("span.sign", {}, grid.sign)], sheet(grid)));
    equation.panel = made("section.equation", { id: `equation-${result}` },
      made("button.title", { type: "button", value: result }, ...words),
      made("div.body", {}, ...signed));
    byId("stage").append(equation.panel);
  }
}
