// Fills the cells whenever something is chosen, and draws the window on the grid it slides over.

// What each cell shows, to leave it as it is if it need not change.
export const painted = new WeakMap();

// The part of a grid that a window covers, if it covers any; `isOther` than the element's own.
function frameOf(axes, isOther, depth, rows) {
  const [deep, down, along] = [{ start: 0, size: 1 }, { start: 0, size: 1 }, ...axes].slice(-3);
  const [top, left] = [Math.max(down.start, 0), Math.max(along.start, 0)];
  const high = Math.min(down.start + down.size, rows.length) - top;
  const wide = Math.min(along.start + along.size, rows[0].length) - left;
  const isCut = depth < deep.start || depth >= deep.start + deep.size;
  return isCut || high <= 0 || wide <= 0 ? [] : [{ isOther, top, left, high, wide }];
}

// What the window of the chosen element covers: the texts that lie on each cell, and the frames.
function covered(equation) {
  const { tensor, flat } = state.chosen, { layer } = page, marks = new Map();
  const lower = lowerOf(equation), upper = equation.grids[1], { rows } = sheets.get(lower.id);
  const lead = layer.leadOf(arrayOf(tensor), state.lead), index = layer.indexOf(tensor, flat);
  const isShown = equation.starts && lead.every((k, axis) => k === index[axis]);
  const windows = isShown ? windowsOf(layer, equation, flat) : [];
  // An x that stands in the padding too has several windows: numbers lie in that at its own place.
  for (const { cell, r, c } of windows.length ? cellsOf(lower) : []) {
    const slots = placesOf(lower, r, c).map((place, axis) => {
      const { start, step } = windows[0][axis];
      return upper.axes[axis][(place - start) / step];
    });
    if (!slots.includes(undefined)) marks.set(cell, textOf(upper, flatAt(upper, slots)));
  }
  const depth = state.depth[lower.id] || 0;
  const frames = windows.flatMap((axes, k) => frameOf(axes, k > 0, depth, rows));
  return { lower, upper, marks, frames };
}

function paint(cell, look) {
  const whole = JSON.stringify(look);
  if (painted.get(cell) === whole) return;
  painted.set(cell, whole);
  cell.className = look.classes.join(" ");
  cell.replaceChildren(made("span", "number", look.text));
  if (look.mark) cell.append(made("span", look.by, `×${look.mark}`));
  cell.setAttribute("aria-label", look.label + (look.mark ? `, times ${look.mark}` : ""));
  setStyle(cell, { share: look.share });
}

function lookOf({ grid, r, c, flat }, { factors, readers }, isOwn, most) {
  const { tensor } = grid, key = `${tensor}:${flat}`, isHidden = state.asked === tensor;
  const classes = [], answer = isHidden && state.typed[tensor][flat];
  let share = 0, label = page.layer.name(tensor, flat);
  const isBorder = placesOf(grid, r, c).some((k, axis) => grid.isBorder?.(axis, k));
  if (isBorder) classes.push("zero", "border");
  if (isOwn && factors.has(key)) classes.push("made", `shade-${factors.get(key) % 6}`);
  if (readers.has(key)) classes.push("feeds");
  if (isChosen({ tensor, flat })) classes.push("chosen");
  if (most && !isHidden) {
    share = Number(page.numbers.value(tensor, flat)) / most;
    classes.push("heat", share < 0 ? "cold" : "hot");
  }
  if (answer) {
    const right = isRight(tensor, flat);
    classes.push(right ? "ok" : "bad");
    label += ` ${answer}, ${right ? "right" : "wrong"}`;
  } else if (isNumeric && !isHidden) {
    label += ` ${shown(arrived(tensor, flat), 12)}`;
  }
  return { classes, label, share: `${Math.round(Math.abs(share) * 100)}%` };
}

function drawGrid(grid, lit, own) {
  const { box } = sheets.get(grid.id), isLower = own?.lower === grid;
  // Not 0, by which shares are divided.
  const cells = cellsOf(grid), sizeOf = ({ tensor, flat }) =>
    flat < 0 ? 0 : Math.abs(Number(page.numbers.value(tensor, flat)));
  const most = state.colours && Math.max(1e-300, ...cells.map(sizeOf));
  for (const at of cells) {
    const look = at.flat < 0 ? { classes: ["zero"], label: at.zero, share: "0%" }
      : lookOf(at, lit, Boolean(own), most);
    look.classes.unshift(`of-${grid.array}`);
    look.text = textOf(grid, at.flat, arrived);
    if (isLower) look.mark = own.marks.get(at.cell);
    look.by = isLower && `mark of-${own.upper.array}`;
    paint(at.cell, look);
  }
  for (const old of box.querySelectorAll(".window")) old.remove();
  for (const { isOther, ...place } of isLower ? own.frames : []) {
    const frame = made("div", `window of-${own.upper.array}${isOther ? " other" : ""}`);
    setStyle(frame, place);
    box.append(frame);
  }
}

export function draw() {
  const lit = litCells();
  for (const equation of page.equations) {
    const from = equation.stamps || equation.result;
    const own = lit.factors.size > 0 && from === state.chosen.tensor ? covered(equation) : null;
    if (equation.stamps) {
      const { grid, caption } = sheets.get(`${equation.result}-result`);
      caption.textContent = grid.title + (own ? " so far" : "");
    }
    for (const grid of equation.grids) drawGrid(grid, lit, own);
  }
}
