"use strict";
// The size of an equation's cells: as large as its panel allows, so that the result and what it is made of are in sight
// together. The grids stand in a row, or in two or three rows in a narrow window.
(() => {
  const GAP = 8;
  // How the grids are divided into rows, by the number of grids in each.
  const ROWS = { 2: [[2], [1, 1]], 3: [[3], [2, 1], [1, 2], [1, 1, 1]], 4: [[4], [3, 1], [1, 3], [2, 2], [1, 1, 2]] };

  // What an equation needs with cells of this height; `sizes` has for each grid its rows, columns and longest text.
  function needed(sizes, rows, height, { font, mark, head, caption, sign }) {
    let at = 0, wide = 0, high = 0;
    // The number of the window lies above the cell's own, or beside it in a low cell.
    const isLow = height < font + 0.8 * mark + 3;
    const widths = sizes.map((size) => {
      const [own, other] = [0.61 * font * size.text, 0.61 * mark * size.mark];
      return Math.ceil(Math.max(height, (isLow ? own + other : Math.max(own, other)) + 8));
    });
    for (const count of rows) {
      const part = sizes.slice(at, at + count), signs = part.reduce((sum, size) => sum + size.sign, 0);
      const across = part.reduce((sum, size, k) =>
        sum + head + Math.max(size.columns * widths[at + k], caption && 9 * size.title), 0);
      wide = Math.max(wide, across + signs * 0.62 * sign + count * (2 * GAP + 12));
      high += Math.max(...part.map((size) => size.rows)) * height + head + caption + 4;
      at += count;
    }
    return { widths, wide, high };
  }

  // The rows, the cells' height and widths, and the size of the numbers. `kind` has the sizes of what is in a panel; its
  // numbers become smaller than `least` only if nothing else fits, and a panel that is still too small scrolls.
  window.fitted = (sizes, width, height, kind) => {
    const all = [];
    for (let least = kind.least; least >= kind.smallest; least -= 1) {
      for (const rows of ROWS[sizes.length]) {
        const lowest = Math.round(least * 1.45);
        const highest = Math.round(least < kind.least ? least * 2 : kind.most * 2.2);
        for (let h = highest; h >= lowest; h--) {
          const font = Math.min(Math.max(h / 2, least), kind.most);
          const mark = Math.min(kind.mark, 0.75 * font);
          const need = needed(sizes, rows, h, { ...kind, font, mark });
          const over = Math.max(need.wide / width, 1) * Math.max(need.high / height, 1);
          if (over === 1 || h === lowest) {
            all.push({ rows, font, mark, over, height: h, widths: need.widths });
          }
          if (over === 1) break;
        }
      }
      if (all.some((each) => each.over === 1)) break;
    }
    return all.toSorted((a, b) => a.over - b.over || b.height - a.height)[0];
  };
})();
