// Chooses the cells' sizes. They depend on the numbers and the window, never on what is chosen.

// The sizes of what is in the large equation, by the window's width, and in small ones.
const LARGE = { smallest: 11, most: 26, head: 18, caption: 24, sign: 22 };
const BY_WIDTH = [[1200, { least: 18, mark: 13 }], [900, { least: 16, mark: 13 }],
  [0, { least: 12, mark: 11 }]];
const SMALL = { least: 11, smallest: 9, most: 15, mark: 9, head: 16, caption: 0, sign: 16 };

// The grid on which the window lies.
export const lowerOf = ({ grids, stamps }) => stamps ? grids.at(-1) : grids[0];

// The rows, columns and longest texts of an equation's grids, with decimals of so many characters.
function sizesOf(equation, most, hasUnits) {
  const { grids, signs, stamps, starts } = equation, lower = lowerOf(equation);
  const sizes = grids.map((grid, k) => {
    const all = cellsOf(grid).filter(({ flat }) => flat >= 0), { value } = page.numbers;
    grid.unit = hasUnits ? unitOf(all.map(({ tensor, flat }) => value(tensor, flat))) : 1;
    grid.most = most;
    const { rows } = sheets.get(grid.id);
    const text = Math.max(2, ...cellsOf(grid).map(({ flat }) => textOf(grid, flat).length));
    // What has arrived so far may be longer than the sum.
    return { rows: rows.length, columns: rows[0].length, sign: signs[k].length, mark: 0,
      title: grid.title.length, text: stamps && grid === lower ? text + 1 : text };
  });
  if (starts) sizes[grids.indexOf(lower)].mark = sizes[1].text + 1;
  return sizes;
}

function resize(equation, section, width, kind, heights) {
  // A unit stands in the caption.
  const hasUnits = (most) => isNumeric && most === MOST.at(-1) && kind.caption > 0;
  const tries = MOST.flatMap((most) => {
    const sizes = sizesOf(equation, most, hasUnits(most));
    return heights.map((panel) => ({ most, panel, ...fitted(sizes, width, panel, kind) }));
  });
  const best = tries.find(({ font, over }) => font >= kind.least && over === 1) || tries.at(-1);
  setStyle(section, { high: `${best.panel}px` });
  const breaks = section.querySelectorAll(".break");
  breaks.forEach((each, k) => { each.hidden = !best.rows.includes(k + 1); });
  sizesOf(equation, best.most, hasUnits(best.most));
  equation.grids.forEach((grid, k) => {
    const { box, caption: above, rows } = sheets.get(grid.id), { head, caption } = kind;
    const { height: row, widths: { [k]: cell }, font, mark } = best;
    const lengths = { cell, row, font, mark, head, caption };
    for (const name in lengths) setStyle(box, { [name]: `${lengths[name]}px` });
    setStyle(box, { columns: rows[0].length });
    above.textContent = grid.title + (grid.unit === 1 ? "" : ` (unit ${shown(grid.unit)})`);
  });
}

export function fit() {
  const stage = byId("stage"), wide = document.documentElement.clientWidth, isNarrow = wide < 700;
  setStyle(stage, { others: page.equations.length - 1 || 1, lines: lines() });
  const sections = page.equations.map(({ result }) => byId(`equation-${result}`));
  sections.forEach((section, k) => {
    const isLarge = page.equations[k].result === state.equation;
    section.classList.toggle("large", isLarge);
    section.firstChild.setAttribute("aria-pressed", isLarge);
  });
  // All panels are measured before any is changed: each measurement lays out the whole page.
  const widths = sections.map((section) => section.lastChild.clientWidth);
  // What is left for the large equation beside its sum, with and without the small ones in sight.
  const top = isNarrow ? 0 : stage.getBoundingClientRect().top + scrollY;
  const room = innerHeight - top - byId("said").offsetHeight - 56;
  const large = [isNarrow ? 0 : room - 184, Math.max(room, 240)].filter((each) => each >= 240);
  const largeKind = { ...LARGE, ...BY_WIDTH.find(([from]) => wide >= from)[1] };
  page.equations.forEach((equation, k) => {
    const [kind, heights] = equation.result === state.equation ? [largeKind, large]
      : [SMALL, [144, isNarrow ? 300 : 200]];
    resize(equation, sections[k], widths[k], kind, heights);
  });
}
