// The layer's equations, as X ∗ W = O: their grids, the zeros in these, and where windows lie.
export const TITLES = {
  x: "X", w: "W", b: "b", o: "O", do: "∂E/∂O", dw: "∂E/∂W", dx: "∂E/∂X", db: "∂E/∂b",
};
export const RESULTS = ["o", "dw", "dx", "db"];
// A slot of an axis is an element's position, or one of these.
const FRAME = -1, GAP = -2;
const slotsOf = ({ stride, windows }, count, before) => range(count, -before).map((k) =>
  k < 0 || k > stride * (windows - 1) ? FRAME : k % stride ? GAP : k / stride);
const spread = (table) => slotsOf(table, table.stride * (table.windows - 1) + 1, 0);
const framed = (table) => slotsOf(table, table.border.length + table.span - 1, table.span - 1);

// The equations of a layer, or of O alone; `scattering` shows the full convolution as stamps of W.
export function equationsOf(layer, gradients, scattering) {
  const { tables, along, transposed, spec } = layer, [{ flip, mode }] = tables;
  const [still, moving, plain, full] = transposed ? ["do", "x", "dx", "o"] : ["x", "do", "o", "dx"];
  const isPadded = tables.some((table) => table.border.length > table.wide);
  const isSpread = tables.some((table) => table.stride > 1);

  // A grid has the sign in front of it, and words around its name.
  const grid = (sign, tensor, axes, before = "", after = "") =>
    ({ sign, tensor, axes, title: before + TITLES[tensor] + after, array: arrayOf(tensor) });
  const whole = (sign, tensor, key, after = "") =>
    grid(sign, tensor, tables.map((table) => range(table[key])), "", after);
  const filter = (sign, tensor, turned) => turned
    ? grid(sign, tensor, tables.map((table) => range(table.kernel).toReversed()), "", " rotated")
    : whole(sign, tensor, "kernel");
  // Positions of the padding, though they may repeat elements, are marked.
  const padded = () => ({
    ...grid("", still, tables.map((table) => table.border), isPadded ? "padded " : ""),
    isBorder: (axis, k) => tables[axis].border[k] !== k - tables[axis].before,
  });
  const ofFilters = (sign, tensor) => grid(sign, tensor, [range(spec.filters)]);
  const bias = (tensor) => spec.bias && tensor === "o" ? [ofFilters("+", "b")] : [];

  // Windows lie on the lower grid: they start at some of its cells for each place of an element of
  // the tensor that is walked through, and have numbers that are so many steps apart.
  const equation = (result, grids, starts, more) => ({
    result, grids, starts, walks: result, lower: grids[0], steps: along("dilation"), ...more,
  });
  const lower = { ...whole("onto", full, "wide"), isGrowing: true };
  const all = [
    equation(plain,
      [padded(), filter("∗", "w", flip), ...bias(plain), whole("=", plain, "windows")],
      (table, i) => [table.stride * i]),
    equation("dw",
      [padded(), grid("∗", moving, tables.map(spread), "", isSpread ? " with zeros" : ""),
        filter("=", "dw", flip)],
      (table, u) => [table.dilation * (flip ? table.kernel - 1 - u : u)],
      { steps: tables.map(() => 1) }),
    scattering ? equation(full,
      [whole("", moving, "windows"), filter("stamps", "w", flip), ...bias(full), lower],
      (table, i) => [table.stride * i - table.before], { walks: moving, lower })
      : equation(full,
        [grid("", moving, tables.map(framed), "framed "), filter("∗", "w", !flip), ...bias(full),
          whole("=", full, "wide", mode === "zeros" ? "" : " folded")],
        (table, h) => table.places(h)),
    equation("db", [whole("", "do", "out"), ofFilters("summed =", "db")]),
  ];
  return RESULTS.filter((each) => each === "o" || (gradients && (each !== "db" || spec.bias)))
    .map((result) => all.find((each) => each.result === result));
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
