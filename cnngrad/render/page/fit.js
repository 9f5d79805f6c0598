// The largest cells with which a panel shows the result and what it is made of together.
const SPACE = 8;
// How the grids are divided into rows, by the first grid in each.
const ROWS = {
  2: [[0], [0, 1]],
  3: [[0], [0, 2], [0, 1], [0, 1, 2]],
  4: [[0], [0, 3], [0, 1], [0, 2], [0, 1, 2]],
};

// What grids of these sizes need with cells of this height.
function needed(sizes, rows, height, { font, mark, head, caption, sign }) {
  // The number of the window lies above the cell's own, or beside it in a low cell.
  const isLow = height < font + 0.8 * mark + 3;
  const widths = sizes.map((size) => {
    const [own, other] = [0.61 * font * size.text, 0.61 * mark * size.mark];
    return Math.ceil(Math.max(height, (isLow ? own + other : Math.max(own, other)) + 8));
  });
  const across = sizes.map((size, k) => head + 0.62 * sign * size.sign + 2 * SPACE + 12
    + Math.max(size.columns * widths[k], caption && 9 * size.title));
  const parts = (list) => rows.map((start, k) => list.slice(start, rows[k + 1]));
  const wide = Math.max(...parts(across).map((row) => row.reduce((a, b) => a + b)));
  const high = parts(sizes).reduce((sum, row) =>
    sum + Math.max(...row.map((size) => size.rows)) * height + head + caption + 4, 0);
  return { widths, wide, high };
}

// The rows, the cells' height and widths, and the size of the numbers. `kind` has the sizes of what
// is in a panel; its numbers become smaller than `least` only if nothing else fits, and a panel
// that is still too small scrolls.
export function fitted(sizes, width, height, kind) {
  const all = [];
  for (let least = kind.least; least >= kind.smallest; least -= 1) {
    for (const rows of ROWS[sizes.length]) {
      const lowest = Math.round(least * 1.45);
      const highest = Math.round(least < kind.least ? least * 2 : kind.most * 2.2);
      for (let h = highest; h >= lowest; h--) {
        const font = Math.min(Math.max(h / 2, least), kind.most);
        const mark = Math.min(kind.mark, 0.75 * font);
        const { wide, high, widths } = needed(sizes, rows, h, { ...kind, font, mark });
        const over = Math.max(wide / width, 1) * Math.max(high / height, 1);
        if (over === 1 || h === lowest) all.push({ rows, font, mark, over, height: h, widths });
        if (over === 1) break;
      }
    }
    if (all.some((each) => each.over === 1)) break;
  }
  return all.toSorted((a, b) => a.over - b.over || b.height - a.height)[0];
}
