// Chooses the cells' sizes in pixels, by the numbers and the window, never by what is chosen.

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
    grid.box.style = `--columns: ${grid.rows[0].length}; --text: ${text}; --marks: ${marks}; `
      + `--title: ${grid.caption.textContent.length}`;
  });
}

// Gives a panel the first height in which its numbers fit, as large as possible; tells if they do.
function resize(equation, { most, least, smallest }, heights, hasUnits) {
  const { panel, grids } = equation, body = panel.lastChild, crowded = MOST.at(-1);
  const tallest = Math.max(...grids.map(({ rows }) => rows.length));
  const usual = range(most - least + 1, least).toReversed().map((size) => [size, 0]);
  const smaller = crossed([range(least - smallest, smallest).toReversed(), [0, 1]]);
  const tries = [...crossed([MOST, heights, [...usual, [least, 1]]]),
    ...crossed([[crowded], heights.slice(-1), smaller])];
  let measured;
  const fits = ([characters, height, [size, isLow]]) => {
    // A unit stands in the caption.
    if (characters !== measured) measure(equation, characters, hasUnits && characters === crowded);
    measured = characters;
    const row = Math.round((isLow ? 1.6 : 2) * size);
    // The number of the window lies above the cell's own, or beside it in a low cell.
    panel.style = `--high: ${height}px; --row: ${row}px; --font: ${size}px; --beside: ${isLow}`;
    // What is too high in any case need not be laid out.
    return tallest * row < height && body.scrollWidth <= body.clientWidth
      && body.scrollHeight <= body.clientHeight;
  };
  // Scroll bars would take room.
  panel.classList.remove("cut");
  return !panel.classList.toggle("cut", !tries.some(fits));
}

export function fit() {
  const stage = byId("stage"), wide = document.documentElement.clientWidth, isNarrow = wide < 700;
  const top = isNarrow ? 0 : stage.getBoundingClientRect().top + scrollY;
  // Heights of numbers; they become smaller than `least` only if nothing else fits.
  const large = { most: 26, least: wide < 900 ? 12 : wide < 1200 ? 16 : 18, smallest: 11 };
  for (const { result, panel } of page.equations)
    panel.firstChild.ariaPressed = panel.classList.toggle("large", result === state.equation);
  // The sum's place is small only if the large equation does not fit above it otherwise.
  [longest(), 0].some((length) => {
    stage.style = `--longest: ${length}px`;
    // What is left for the equation, with and without the small ones in sight.
    const room = innerHeight - top - byId("said").offsetHeight - 56;
    const heights = [isNarrow ? 0 : room - 184, Math.max(room, 240)].filter((each) => each >= 240);
    return resize(equationOf(state.equation), large, heights, isNumeric);
  });
  for (const equation of page.equations.filter(({ result }) => result !== state.equation))
    resize(equation, { most: 15, least: 11, smallest: 9 }, [144, 200, 300], false);
}
