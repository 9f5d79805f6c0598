// Fills the cells whenever something is chosen, and draws the window on the grid it slides over.

// The cells that a window covers from its first cell on, each with the number that lies on it.
function covered(equation, first) {
  const { grids: [, upper], steps } = equation, { axes } = upper;
  return cellsOf(equation.lower).flatMap((at) => {
    const slots = at.places.map((k, axis) => axes[axis][(k - first[axis]) / steps[axis]]);
    return slots.includes(undefined) ? []
      : [{ ...at, text: textOf(upper, elementAt(upper, slots)) }];
  });
}

// The windows of the chosen element: the texts that lie on cells, and the frames.
function windowsOf(equation, isOwn) {
  const kind = `of-${equation.grids[1].array}`;
  const starts = isOwn && equation.starts ? crossed(page.layer.tables.map((table, axis) =>
    equation.starts(table, state.chosen.index[axis + 2]))) : [];
  // An x that stands in the padding too has several windows: numbers lie in that at its own place.
  const all = starts.map((first) => covered(equation, first)).filter((cells) => cells.length);
  const frames = all.map((cells, k) => made(`div.window.${kind}${k ? ".other" : ""}`, {
    style: `--top: ${cells[0].r}; --left: ${cells[0].c}; `
      + `--bottom: ${cells.at(-1).r}; --right: ${cells.at(-1).c}`,
  }));
  return { kind, marks: new Map(all[0]?.map(({ cell, text }) => [cell, text])), frames };
}

// Cells that need not change are left as they are; a text that is longer than others is smaller.
function paint(cell, { text, mark, kind, ...look }) {
  const style = `font-size: ${Math.min(1, cell.grid.length / text.length)}em`;
  const whole = JSON.stringify([text, style, mark, kind, look]);
  if (cell.painted === whole) return;
  if (mark) look.ariaLabel += `, times ${mark}`;
  Object.assign(cell, look, { painted: whole });
  const marks = mark ? [made(`span.mark.${kind}`, {}, `×${mark}`)] : [];
  cell.replaceChildren(made("span.number", { style }, text), ...marks);
}

function lookOf({ grid, places, element, zero }, { factors, readers }, isOwn, most) {
  if (!element) return { className: `of-${grid.array} zero`, ariaLabel: zero };
  const isHidden = state.asked === grid.tensor, hasNumber = isNumeric && !isHidden;
  const answer = isHidden && state.typed.get(element), right = answer && isRight(element);
  // An element of several products has a stripe in the colour of each.
  const shades = (factors.get(element) ?? []).map(({ number }) => shadeOf(number));
  const stripes = shades.map((each, k) => `${each} 0 ${(100 * (k + 1)) / shades.length}%`);
  const share = hasNumber ? Number(page.numbers.value(element)) / most : 0;
  const classes = [
    `of-${grid.array}`, places.some((k, axis) => grid.isBorder?.(axis, k)) && "zero border",
    readers.has(element) && "feeds", element === state.chosen && "chosen",
    state.linked === `#${element.key}` && "pointed", isOwn && shades.length > 0 && "made",
    hasNumber && `heat ${share < 0 ? "cold" : "hot"}`, answer && (right ? "ok" : "bad"),
  ];
  const verdict = answer ? ` ${answer}, ${right ? "right" : "wrong"}` : "";
  return {
    className: classes.filter(Boolean).join(" "),
    style: `--share: ${Math.round(Math.abs(share) * 100)}%; --stripes: ${stripes}`,
    ariaLabel: element.name + (hasNumber ? ` ${shown(arrived(element), 12)}` : verdict),
  };
}

export function draw() {
  const all = lit();
  for (const equation of page.equations) {
    const { grids, lower, walks, panel } = equation;
    const isOwn = all.factors.size > 0 && walks === state.chosen.tensor;
    const { kind, marks, frames } = windowsOf(equation, isOwn);
    for (const old of panel.querySelectorAll(".window")) old.remove();
    lower.box.append(...frames);
    for (const grid of grids) {
      grid.caption.textContent = grid.name + (isOwn && grid.isGrowing ? " so far" : "");
      const cells = cellsOf(grid), elements = cells.map(({ element }) => element).filter(Boolean);
      const numbers = isNumeric ? elements.map(page.numbers.value) : [];
      // Not 0, by which shares are divided.
      const most = Math.max(1e-300, ...numbers.map((each) => Math.abs(Number(each))));
      for (const at of cells) {
        const text = textOf(grid, at.element, arrived), mark = marks.get(at.cell);
        paint(at.cell, { ...lookOf(at, all, isOwn, most), text, mark, kind });
      }
      // The window, or the chosen cell, or what that is made of.
      const under = cells.filter(({ cell }) => marks.has(cell));
      const ownCells = ({ element }) => element === state.chosen || all.factors.has(element);
      if (panel.matches(".parts")) reveal(grid, under.length ? under : cells.filter(ownCells));
    }
  }
}
