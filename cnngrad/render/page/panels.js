// Chooses the cells' sizes in pixels, by the numbers and the window, never by what is chosen.

// Tells the style the longest texts of an equation's grids, with decimals of so many characters.
function measure({ grids, lower, starts }, most, hasUnits) {
  for (const grid of grids) {
    // Those of all samples and channels, if these are few.
    const all = page.layer.all(grid.tensor);
    const elements = all.length < 500 ? all : cellsOf(grid).flatMap(({ element }) => element ?? []);
    const unit = hasUnits ? unitOf(elements.map(page.numbers.value)) : 1;
    const name = grid.title + (unit === 1 ? "" : ` (unit ${shown(unit)})`);
    Object.assign(grid, { most, unit, name });
    grid.length = Math.max(2, ...elements.map((each) => textOf(grid, each).length));
    // What has arrived so far may be longer than the sum.
    if (grid.isGrowing) grid.length += 1;
  }
  for (const { box, size, name, length } of grids) {
    const marks = starts && box === lower.box ? grids[1].length + 1 : 0;
    box.style = `--columns: ${size[1]}; --text: ${length}; --marks: ${marks}; `
      + `--title: ${name.length}`;
  }
}

// Gives a panel the first height in which its numbers fit, as large as possible; tells if they do.
function resize(equation, heights, [most, least, smallest], hasParts) {
  const { panel, grids, result } = equation, body = panel.lastChild, crowded = MOST.at(-1);
  const low = [least, 1], whole = [0, 1].map((k) => Math.max(...grids.map(({ size }) => size[k])));
  const usual = range(most - least + 1, least).toReversed().map((size) => [size, 0]);
  const smaller = crossed([range(least - smallest, smallest).toReversed(), [0, 1]]);
  // A part has three rows and columns at least.
  const parts = crossed(whole.map((all) => range(Math.max(all - 2, 1), Math.min(all, 3))))
    .toSorted(([a, b], [c, d]) => c * d - a * b);
  const tries = [...crossed([MOST, heights, [...usual, low], [whole]]),
    ...crossed([[crowded], heights.slice(-1), ...hasParts ? [[low], parts] : [smaller, [whole]]])];
  let measured;
  const fits = ([characters, height, [size, isLow], part]) => {
    // A unit stands in the caption, which small equations have none of.
    const hasUnits = characters === crowded && result === state.equation;
    if (characters !== measured) measure(equation, characters, hasUnits);
    measured = characters;
    const row = Math.round((isLow ? 1.6 : 2) * size), [rows, columns] = part;
    // The number of the window lies above the cell's own, or beside it in a low cell.
    panel.style = `--high: ${height}px; --row: ${row}px; --font: ${size}px; --beside: ${isLow}; `
      + `--rows: ${rows}; --most: ${columns}`;
    panel.classList.toggle("parts", String(part) !== String(whole));
    // What is too high in any case need not be laid out.
    return rows * row < height && body.scrollWidth <= body.clientWidth
      && body.scrollHeight <= body.clientHeight;
  };
  // Scroll bars would take room.
  panel.classList.remove("cut");
  const found = tries.find(fits);
  for (const { size, caption, box, rows: [[first]] } of grids) {
    // A long caption makes room for more columns.
    const seen = [found?.[3][0] ?? size[0], Math.round((box.clientWidth - 18) / first.offsetWidth)];
    const part = size.map((all, k) => Math.min(all, seen[k])).join("×");
    caption.dataset.part = part === size.join("×") ? "" : `${part} of ${size.join("×")} cells`;
  }
  return !panel.classList.toggle("cut", !found);
}

// Brings these cells in sight, the first in any case; what is pointed at stays where it is.
export function reveal({ box, rows: [[head]] }, cells) {
  if (!cells.length || box.matches(":hover")) return;
  const [{ cell: first }, { cell: last }] = [cells[0], cells.at(-1)];
  const left = first.offsetLeft - head.offsetLeft, top = first.offsetTop - head.offsetTop;
  const right = last.offsetLeft + last.offsetWidth, bottom = last.offsetTop + last.offsetHeight;
  box.scrollTo(clamp(box.scrollLeft, right - box.clientWidth, left),
    clamp(box.scrollTop, bottom - box.clientHeight, top));
}

export function fit() {
  const stage = byId("stage"), wide = document.documentElement.clientWidth, isNarrow = wide < 700;
  const top = isNarrow ? 0 : stage.getBoundingClientRect().top + scrollY;
  // Heights of numbers; rather than smaller ones, parts of grids are shown.
  const least = wide < 900 ? 12 : wide < 1200 ? 16 : 18;
  for (const { result, panel } of page.equations)
    panel.firstChild.ariaPressed = panel.classList.toggle("large", result === state.equation);
  // The chain rule has about two lines, or one if the large equation does not fit above otherwise.
  const most = stage.clientWidth / (24 * page.layer.all("dx")[0].name.length + 72);
  [2, 1].some((lines) => {
    state.limit = clamp(Math.floor(lines * most), 4, 9);
    stage.style = `--longest: ${longest()}px`;
    // What is left for the equation, with and without the small ones in sight.
    const room = innerHeight - top - byId("said").offsetHeight - 56;
    const heights = [isNarrow ? 0 : room - 184, Math.max(room, 240)].filter((each) => each >= 240);
    return resize(equationOf(state.equation), heights, [26, least, least], lines === 1);
  });
  for (const equation of page.equations.filter(({ result }) => result !== state.equation))
    resize(equation, [144, 200, 300], [15, 11, 9], false);
}
