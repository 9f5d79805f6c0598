// The layer's equations, as X ∗ W = O: their grids, the zeros in these, and where windows lie.
export const TITLES = {
  x: "X", w: "W", b: "b", o: "O", do: "∂E/∂O", dw: "∂E/∂W", dx: "∂E/∂X", db: "∂E/∂b",
};
export const RESULTS = ["o", "dw", "dx", "db"];
// A slot of an axis is an element's position, or one of these.
const FRAME = -1, GAP = -2;
const zeros = (count) => range(count).fill(FRAME);
const spread = ({ stride, windows }) =>
  range(stride * (windows - 1) + 1).map((k) => k % stride ? GAP : k / stride);
const framed = (table) =>
  [...zeros(table.span - 1), ...spread(table), ...zeros(table.span - 1 + table.leftover)];

// The equations of a layer, or of O alone; `scattering` shows the full convolution as stamps of W.
export function equationsOf(layer, gradients, scattering) {
  const { tables, transposed, spec } = layer, [{ flip, mode }] = tables;
  const [still, moving, plain, full] = transposed ? ["do", "x", "dx", "o"] : ["x", "do", "o", "dx"];
  const isPadded = tables.some((table) => table.border.length > table.wide);
  const isSpread = tables.some((table) => table.stride > 1);

  const grid = (tensor, axes, before = "", after = "") =>
    ({ tensor, axes, title: before + TITLES[tensor] + after, array: arrayOf(tensor) });
  const whole = (tensor, key, after = "") =>
    grid(tensor, tables.map((table) => range(table[key])), "", after);
  const filter = (tensor, turned) => turned
    ? grid(tensor, tables.map((table) => range(table.kernel).toReversed()), "", " rotated")
    : whole(tensor, "kernel");
  // Positions of the padding, though they may repeat elements, are marked.
  const padded = () => {
    const isBorder = (axis, k) => tables[axis].border[k] !== k - tables[axis].before;
    const axes = tables.map((table) => table.border);
    return { ...grid(still, axes, isPadded ? "padded " : ""), isBorder };
  };
  const ofFilters = (tensor) => grid(tensor, [range(spec.filters)]);

  // Each grid has the sign in front of it.
  const signs = ["", "∗", "="];
  const forward = {
    result: plain, signs,
    grids: [padded(), filter("w", flip), whole(plain, "windows")],
    starts: (table, i) => [table.stride * i],
  };
  const ofFilter = {
    result: "dw", signs,
    grids: [padded(), grid(moving, tables.map(spread), "", isSpread ? " with zeros" : ""),
      filter("dw", flip)],
    starts: (table, u) => [table.dilation * (flip ? table.kernel - 1 - u : u)],
  };
  const gathered = {
    result: full, signs,
    grids: [grid(moving, tables.map(framed), "framed "), filter("w", !flip),
      whole(full, "wide", mode === "zeros" ? "" : " folded")],
    starts: (table, h) => table.places(h),
  };
  const scattered = {
    result: full, signs: ["", "stamps", "onto"], stamps: moving,
    grids: [whole(moving, "windows"), filter("w", flip), whole(full, "wide")],
    starts: (table, i) => [table.stride * i - table.before],
  };
  const all = [forward, ofFilter, scattering ? scattered : gathered,
    { result: "db", signs: ["", "summed ="], grids: [whole("do", "out"), ofFilters("db")] }];
  const found = all.filter(({ result }) =>
    result === "o" || (gradients && (result !== "db" || spec.bias)));
  for (const equation of found) {
    if (equation.result === "o" && spec.bias) {
      equation.grids.splice(2, 0, ofFilters("b"));
      equation.signs = equation.signs.toSpliced(2, 0, "+");
    }
    for (const each of equation.grids) {
      each.id = `${equation.result}-${each === equation.grids.at(-1) ? "result" : each.tensor}`;
    }
  }
  return found.toSorted((a, b) => RESULTS.indexOf(a.result) - RESULTS.indexOf(b.result));
}

// Where the window of an element lies, for each place where it stands: along each axis its first
// cell, its size and the step from one element of the filter to the next.
export function windowsOf(layer, equation, flat) {
  const place = layer.indexOf(equation.stamps || equation.result, flat).slice(2);
  return crossed(layer.tables.map((table, axis) => {
    const step = equation.result === "dw" ? 1 : table.dilation;
    const size = step * (equation.grids[1].axes[axis].length - 1) + 1;
    return equation.starts(table, place[axis]).map((start) => ({ start, size, step }));
  }));
}

// Why a cell of a grid holds a zero.
export function whyZero({ transposed, roles }, grid, slots) {
  if (!slots.includes(FRAME)) {
    return transposed ? "A zero between elements of X: neighbours stamp W onto O a stride apart."
      : "A zero between elements of ∂E/∂O: in the forward pass the window moves by the stride, "
        + "so neighbours lie that far apart on X.";
  }
  if (roles[grid.array] === "wide") return `A zero of the padding around ${TITLES[grid.tensor]}.`;
  return `A zero of the frame: there is no ${transposed ? "x" : "output"} here, since the rotated `
    + "filter overlaps the edge.";
}
