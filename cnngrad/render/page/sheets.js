// The equations' grids, built once for each layer: their cells, and the elements these stand for.

// By a grid's id: the grid, its box and caption, and its rows of cells.
export const sheets = new Map();

export const placesOf = (grid, r, c) =>
  [state.depth[grid.id] || 0, r, c].slice(-grid.axes.length);

// The flat index of the element in these slots of the axes; negative for a zero.
export const flatAt = ({ tensor, array }, slots) => slots.some((slot) => slot < 0) ? -1
  : page.layer.flatOf(tensor, [...page.layer.leadOf(array, state.lead), ...slots]);

// A cell with its element, and why it holds a zero if it does.
function found(grid, r, c) {
  const slots = placesOf(grid, r, c).map((k, axis) => grid.axes[axis][k]);
  const flat = flatAt(grid, slots), zero = flat < 0 ? whyZero(page.layer, grid, slots) : "";
  return { cell: sheets.get(grid.id).rows[r][c], grid, tensor: grid.tensor, r, c, flat, zero };
}
export const cellsOf = (grid) => sheets.get(grid.id).rows.flatMap((row, r) =>
  row.map((_, c) => found(grid, r, c)));

// The cell that an event is about; a field that is open on a cell has events of its own.
export function cellAt({ target }) {
  const { grid, r, c } = target.closest("#stage td[data-grid]:not(:has(input))")?.dataset || {};
  return grid && found(sheets.get(grid).grid, Number(r), Number(c));
}

// What a cell shows of a number, or of what has arrived of it.
export function textOf(grid, flat, value = page.numbers.value) {
  if (flat < 0) return "0";
  if (state.asked === grid.tensor) return state.typed[grid.tensor][flat] || "?";
  if (state.names || !isNumeric) return page.layer.name(grid.tensor, flat);
  return brief(value(grid.tensor, flat), grid.most, grid.unit);
}

const heading = (scope, slot) => slot < 0
  ? Object.assign(made("td", "corner"), { role: "presentation" })
  : Object.assign(made("th", "", slot + 1), { scope });

function sheet(grid) {
  const across = grid.axes.at(-1), down = grid.axes.at(-2) || [-1];
  const rows = down.map((_, r) => across.map((__, c) => {
    const cell = Object.assign(made("td", ""), { tabIndex: -1 });
    Object.assign(cell.dataset, { grid: grid.id, r, c });
    return cell;
  }));
  const caption = made("caption", `of-${grid.array}`, grid.title);
  const head = made("tr", "", ...[-1, ...across].map((slot) => heading("col", slot)));
  const body = rows.map((cells, r) => made("tr", "", heading("row", down[r]), ...cells));
  const table = made("table", "grid", caption, head, ...body), box = made("div", "sheet", table);
  Object.assign(table, { id: `grid-${grid.id}`, role: "grid" });
  sheets.set(grid.id, { grid, box, caption, rows });
  // The tab stop is the first element, if there is one, not a zero.
  const cells = cellsOf(grid), stop = cells.find(({ flat }) => flat >= 0) || cells[0];
  stop.cell.tabIndex = 0;
  return box;
}

export function build() {
  sheets.clear();
  for (const old of document.querySelectorAll(".equation")) old.remove();
  for (const { result, grids, signs } of page.equations) {
    const title = Object.assign(made("button", "title"), { type: "button", value: result });
    const body = made("div", "body");
    grids.forEach((grid, k) => {
      if (k) body.append(made("i", "break"));
      if (signs[k]) body.append(made("span", "sign", signs[k]));
      title.append(signs[k] && ` ${signs[k]} `, made("span", `of-${grid.array}`, grid.title));
      body.append(sheet(grid));
    });
    const section = made("section", "equation", title, body);
    byId("stage").append(Object.assign(section, { id: `equation-${result}` }));
  }
}
