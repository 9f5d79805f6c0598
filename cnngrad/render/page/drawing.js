// Fills the cells whenever something is chosen, and draws the window on the grid it slides over.

// What each cell shows, to leave it as it is if it need not change.
export const painted = new WeakMap();

// The cells that a window covers from its first cell on, each with the number that lies on it.
function covered(equation, first) {
  const { grids: [, upper], steps } = equation, lower = lowerOf(equation);
  return cellsOf(lower).flatMap(({ cell, r, c }) => {
    const slots = placesOf(lower, r, c).map((place, axis) =>
      upper.axes[axis][(place - first[axis]) / steps[axis]]);
    return slots.includes(undefined) ? []
      : [{ cell, r, c, text: textOf(upper, elementAt(upper, slots)) }];
  });
}

// The frame around cells that a window covers.
function frameOf(cells, kind) {
  const { r: top, c: left } = cells[0], { r: bottom, c: right } = cells.at(-1);
  const size = `--high: ${bottom - top + 1}; --wide: ${right - left + 1}`;
  return made(`div.window.${kind}`, { style: `--top: ${top}; --left: ${left}; ${size}` });
}

// The windows of the chosen element: the texts that lie on each cell, and the frames.
function windowsOf(equation) {
  const { chosen, lead } = state, kind = `of-${equation.grids[1].array}`;
  const isShown = equation.starts
    && page.layer.leadOf(chosen.array, lead).every((k, axis) => k === chosen.index[axis]);
  const starts = isShown ? crossed(page.layer.tables.map((table, axis) =>
    equation.starts(table, chosen.index[axis + 2]))) : [];
  // An x that stands in the padding too has several windows: numbers lie in that at its own place.
  const all = starts.map((first) => covered(equation, first));
  const frames = all.flatMap((cells, k) =>
    cells.length ? [frameOf(cells, k ? `${kind}.other` : kind)] : []);
  return { kind, marks: new Map(all[0]?.map(({ cell, text }) => [cell, text])), frames };
}

function paint(cell, { text, mark, kind, ...look }) {
  const whole = JSON.stringify([text, mark, kind, look]);
  if (painted.get(cell) === whole) return;
  painted.set(cell, whole);
  Object.assign(cell, look, { ariaLabel: look.ariaLabel + (mark ? `, times ${mark}` : "") });
  cell.replaceChildren(made("span.number", {}, text));
  if (mark) cell.append(made(`span.mark.${kind}`, {}, `×${mark}`));
}

function lookOf({ grid, r, c, element, zero }, { factors, readers }, isOwn, most) {
  if (!element) return { className: `of-${grid.array} zero`, ariaLabel: zero };
  const isHidden = state.asked === grid.tensor, hasNumber = isNumeric && !isHidden;
  const answer = isHidden && state.typed.get(element), right = answer && isRight(element);
  const share = hasNumber ? Number(page.numbers.value(element)) / most : 0;
  const isBorder = placesOf(grid, r, c).some((k, axis) => grid.isBorder?.(axis, k));
  const classes = [
    `of-${grid.array}`, isBorder && "zero border", readers.has(element) && "feeds",
    isOwn && factors.has(element) && `made shade-${factors.get(element) % 6}`,
    element === state.chosen && "chosen", hasNumber && `heat ${share < 0 ? "cold" : "hot"}`,
    answer && (right ? "ok" : "bad"),
  ];
  const verdict = answer ? ` ${answer}, ${right ? "right" : "wrong"}` : "";
  return {
    className: classes.filter(Boolean).join(" "),
    style: `--share: ${Math.round(Math.abs(share) * 100)}%`,
    ariaLabel: element.name + (hasNumber ? ` ${shown(arrived(element), 12)}` : verdict),
  };
}

function drawGrid(grid, all, isOwn, windows) {
  const cells = cellsOf(grid), elements = cells.map(({ element }) => element).filter(Boolean);
  const sizes = isNumeric ? elements.map((each) => Math.abs(Number(page.numbers.value(each)))) : [];
  // Not 0, by which shares are divided.
  const most = Math.max(1e-300, ...sizes);
  for (const at of cells) {
    const mark = windows?.marks.get(at.cell), text = textOf(grid, at.element, arrived);
    paint(at.cell, { ...lookOf(at, all, isOwn, most), text, mark, kind: windows?.kind });
  }
  for (const old of grid.box.querySelectorAll(".window")) old.remove();
  grid.box.append(...windows?.frames ?? []);
}

export function draw() {
  const all = lit();
  for (const equation of page.equations) {
    const isOwn = all.factors.size > 0 && walkedIn(equation) === state.chosen.tensor;
    const { caption, title } = equation.grids.at(-1), lower = lowerOf(equation);
    if (equation.stamps) caption.textContent = title + (isOwn ? " so far" : "");
    for (const grid of equation.grids) {
      drawGrid(grid, all, isOwn, isOwn && grid === lower ? windowsOf(equation) : null);
    }
  }
}
