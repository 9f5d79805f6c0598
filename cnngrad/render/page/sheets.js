// The equations' grids, built once for each layer: their cells, and the elements these stand for.
export const isDeep = ({ axes }) => axes.length === 3;
// The element in these slots; undefined for a zero.
export const elementAt = ({ tensor, array }, slots) => slots.some((slot) => slot < 0) ? undefined
  : page.layer.element(tensor, [...page.layer.leadOf(array, state.at), ...slots]);

// A cell with its places on its grid's axes, and its element, or why it holds a zero.
function found(cell) {
  const { grid, r, c } = cell, places = [state.at[grid.id], r, c].slice(-grid.axes.length);
  const slots = places.map((k, axis) => grid.axes[axis][k]), element = elementAt(grid, slots);
  const zero = element ? "" : whyZero(page.layer, grid, slots);
  return { cell, grid, r, c, places, element, zero };
}
export const cellsOf = (grid) => grid.rows.flat().map(found);

// The cell that an event is about; a field that is open on a cell has events of its own.
export function cellAt({ target }) {
  const cell = target.closest("#stage td:not(.corner, :has(input))");
  return cell && found(cell);
}

// What a cell shows of an element's number, or of what has arrived of it.
export function textOf(grid, element, value = page.numbers.value) {
  if (!element) return "0";
  if (state.asked === grid.tensor) return state.typed.get(element) || "?";
  if (state.names || !isNumeric) return element.name;
  return brief(value(element), grid.most, grid.unit);
}

function sheet(grid, id) {
  const across = grid.axes.at(-1), down = grid.axes.at(-2) || [-1];
  const rows = down.map((_, r) => across.map((__, c) => made("td", { tabIndex: -1, grid, r, c })));
  const heading = (scope, slot) => slot < 0 ? made("td.corner", { role: "presentation" })
    : made("th", { scope }, slot + 1);
  const caption = made(`caption.of-${grid.array}`, {}, grid.title);
  const table = made("table.grid", { id: `grid-${id}`, role: "grid" }, caption,
    made("tr", {}, ...[-1, ...across].map((slot) => heading("col", slot))),
    ...rows.map((cells, r) => made("tr", {}, heading("row", down[r]), ...cells)));
  const size = [down.length, across.length], box = made("div.sheet", {}, table);
  Object.assign(grid, { id, rows, size, caption, box });
  state.at[id] = 0;
  // The tab stop is the first element, if there is one, not a zero.
  (cellsOf(grid).find(({ element }) => element)?.cell ?? rows[0][0]).tabIndex = 0;
  // A line breaks in front of a sign.
  return made("div.signed", {}, ...grid.sign && [made("span.sign", {}, grid.sign)], grid.box);
}

function panelOf(equation) {
  const { result, grids } = equation;
  const onclick = () => page.set({ equation: result, playing: 0 }, page.refit);
  const words = grids.flatMap(({ sign, array, title }) =>
    [sign && ` ${sign} `, made(`span.of-${array}`, {}, title)]);
  equation.panel = made("section.equation", { id: `equation-${result}` },
    made("button.title", { onclick }, ...words),
    made("div.body", {}, ...grids.map((grid) =>
      sheet(grid, `${result}-${grid === grids.at(-1) ? "result" : grid.tensor}`))));
  return equation.panel;
}
export const build = () => byId("equations").replaceChildren(...page.equations.map(panelOf));
