// Chooses the cells' sizes. They depend on the numbers and the window, never on what is chosen.

// The heights of numbers and marks in pixels: in the large equation, by the window's width, and in
// small ones. Numbers become smaller than `least` only if nothing else fits.
const LARGE = [[1200, { most: 26, least: 18, smallest: 11, mark: 13 }],
  [900, { most: 26, least: 16, smallest: 11, mark: 13 }],
  [0, { most: 26, least: 12, smallest: 11, mark: 11 }]];
const SMALL = { most: 15, least: 11, smallest: 9, mark: 9 };

// The grid on which the window lies.
export const lowerOf = ({ grids, stamps }) => stamps ? grids.at(-1) : grids[0];

// Tells the style the longest texts of an equation's grids, with decimals of so many characters.
function measure(equation, most, hasUnits) {
  const { grids, stamps, starts } = equation, { value } = page.numbers;
  const lengths = grids.map((grid) => {
    const elements = cellsOf(grid).map(({ element }) => element);
    const unit = hasUnits ? unitOf(elements.filter(Boolean).map(value)) : 1;
    Object.assign(grid, { most, unit });
    grid.caption.textContent = grid.title + (unit === 1 ? "" : ` (unit ${shown(unit)})`);
    return Math.max(2, ...elements.map((element) => textOf(grid, element).length));
  });
  grids.forEach((grid, k) => {
    const isLower = grid === lowerOf(equation), marks = starts && isLower ? lengths[1] + 1 : 0;
    // What has arrived so far may be longer than the sum.
    const text = lengths[k] + (stamps && isLower ? 1 : 0);
    grid.box.style = `--columns: ${grid.rows[0].length}; --text: ${text}; --marks: ${marks}`;
  });
}

// Gives a panel the first of some heights in which its numbers fit, and the largest numbers there.
// If even the smallest do not fit, it scrolls.
function resize(equation, { most, least, smallest, ...kind }, heights, hasUnits) {
  const { panel } = equation, body = panel.lastChild, crowded = MOST.at(-1);
  const tallest = Math.max(...equation.grids.map(({ rows }) => rows.length));
  const smaller = range(least - smallest, smallest).toReversed();
  const tries = crossed([MOST, heights, [least]]);
  tries.push(...crossed([[crowded], heights.slice(-1), smaller]));
  // Scroll bars would take room.
  panel.classList.remove("cut");
  for (const [characters, height, font] of tries) {
    // Whether numbers fit in rows of a height in relation to them.
    const fits = (size, rows) => {
      const row = Math.round(rows * size), mark = Math.min(kind.mark, 0.75 * size);
      // The number of the window lies above the cell's own, or beside it in a low cell.
      const beside = row < size + 0.8 * mark + 3 ? 1 : 0;
      panel.style = `--high: ${height}px; --row: ${row}px; --font: ${size}px; --mark: ${mark}px; `
        + `--beside: ${beside}`;
      // What is too high in any case need not be laid out.
      return tallest * row < height && body.scrollWidth <= body.clientWidth
        && body.scrollHeight <= body.clientHeight;
    };
    // A unit stands in the caption.
    measure(equation, characters, hasUnits && characters === crowded);
    const rows = [2, 1.6].find((each) => fits(font, each));
    const larger = rows === 2 && font === least ? range(most - least, least + 1) : [];
    const over = larger.find((size) => !fits(size, rows));
    if (rows && fits(over ? over - 1 : larger.at(-1) ?? font, rows)) return;
  }
  panel.classList.add("cut");
}

export function fit() {
  const stage = byId("stage"), wide = document.documentElement.clientWidth, isNarrow = wide < 700;
  stage.style = `--longest: ${longest()}px`;
  for (const { result, panel } of page.equations) {
    panel.classList.toggle("large", result === state.equation);
    panel.firstChild.ariaPressed = result === state.equation;
  }
  // What is left for the large equation beside its sum, with and without the small ones in sight.
  const top = isNarrow ? 0 : stage.getBoundingClientRect().top + scrollY;
  const room = innerHeight - top - byId("said").offsetHeight - 56;
  const heights = [isNarrow ? 0 : room - 184, Math.max(room, 240)].filter((each) => each >= 240);
  const [, large] = LARGE.find(([from]) => wide >= from);
  for (const equation of page.equations) {
    if (equation.result === state.equation) resize(equation, large, heights, isNumeric);
    else resize(equation, SMALL, [144, isNarrow ? 300 : 200], false);
  }
}
