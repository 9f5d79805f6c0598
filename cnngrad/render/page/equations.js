"use strict";
// The layer's equations, X ∗ W = O, X ∗ ∂E/∂O = ∂E/∂W and framed ∂E/∂O ∗ W rotated = ∂E/∂X: their grids, which zeros
// these have, and where the window of an element lies.
(() => {
  const TITLES = { x: "X", w: "W", b: "b", o: "O", do: "∂E/∂O", dw: "∂E/∂W", dx: "∂E/∂X", db: "∂E/∂b" };
  // A slot of an axis is an element's position, or one of these.
  const FRAME = -1, GAP = -2;

  const plain = (size, turned = false) => Array.from({ length: size }, (_, k) => turned ? size - 1 - k : k);
  const spread = ({ stride, windows }) => plain(stride * (windows - 1) + 1).map((k) => k % stride ? GAP : k / stride);
  const zeros = (count) => Array.from({ length: count }, () => FRAME);
  const framed = (table) => [...zeros(table.span - 1), ...spread(table), ...zeros(table.span - 1 + table.leftover)];

  // The equations of a layer. `scattering` shows how the full convolution's products are made by stamps of W.
  window.equationsOf = (layer, backward, scattering) => {
    const { tables, transposed } = layer, [{ flip, mode }] = tables;
    const [still, moving, made, full] = transposed ? ["do", "x", "dx", "o"] : ["x", "do", "o", "dx"];
    const all = (make) => tables.map(make), whole = (turned) => all((table) => plain(table.kernel, turned));
    const isPadded = tables.some((table) => table.border.length > table.wide), isSpread = tables.some((table) => table.stride > 1);

    function grid(tensor, axes, [before, after] = ["", ""], inner = null) {
      // Positions outside `inner` stand in the padding, though they may repeat elements.
      const isInner = (axis, k) => !inner || (k >= inner[axis][0] && k < inner[axis][1]);
      return { tensor, axes, isInner, title: `${before}${TITLES[tensor]}${after}`, array: window.layerOf.arrayOf(tensor) };
    }
    const rotated = (turned) => ["", turned ? " rotated" : ""];
    const padded = () => grid(still, all((table) => table.border), [isPadded ? "padded " : "", ""],
      all((table) => [table.before, table.before + table.wide]));

    const sliding = { result: made, grids: [padded(), grid("w", whole(flip), rotated(flip)), grid(made, all((table) => plain(table.windows)))],
      starts: (table, i) => [table.stride * i], step: "dilation", words: "W slides" };
    const filter = { result: "dw", grids: [padded(), grid(moving, all(spread), ["", isSpread ? " with zeros" : ""]), grid("dw", whole(flip), rotated(flip))],
      starts: (table, u) => [table.dilation * (flip ? table.kernel - 1 - u : u)], step: "", words: `${TITLES[moving]} slides` };
    const gathered = { result: full, grids: [grid(moving, all(framed), ["framed ", ""]), grid("w", whole(!flip), rotated(!flip)),
      grid(full, all((table) => plain(table.wide)), ["", mode === "zeros" ? "" : " folded"])],
      starts: (table, h) => table.places(h), step: "dilation", words: "W slides" };
    const scattered = { result: full, stamps: moving, signs: ["stamps", "onto"], grids: [grid(moving, all((table) => plain(table.windows))),
      grid("w", whole(flip), rotated(flip)), grid(full, all((table) => plain(table.wide)))],
      starts: (table, i) => [table.stride * i - table.before], step: "dilation" };
    const summed = { result: "db", signs: ["summed ="], grids: [grid("do", all((table) => plain(table.out))), grid("db", [plain(layer.spec.filters)])] };

    const found = [sliding, filter, scattering ? scattered : gathered, summed].filter(({ result }) =>
      result === "o" || (backward && (result !== "db" || layer.spec.bias)));
    for (const equation of found) {
      const { grids, result } = equation;
      equation.signs ||= ["∗", "="];
      if (result === "o" && layer.spec.bias) {
        grids.splice(2, 0, grid("b", [plain(layer.spec.filters)]));
        equation.signs.splice(1, 0, "+");
      }
      grids.forEach((one, k) => { one.id = `${result}-${k === grids.length - 1 ? "result" : one.tensor}`; });
    }
    const order = ["o", "dw", "dx", "db"];
    return found.toSorted((a, b) => order.indexOf(a.result) - order.indexOf(b.result));
  };

  // Where the window of an element lies, for each place: the first cell and the cells' filter slots along each axis.
  window.windowsOf = (layer, equation, tensor, flat) => {
    const stamped = equation.stamps === tensor, moved = equation.grids[1];
    if (!equation.starts || !(stamped || (equation.result === tensor && !equation.stamps))) return [];
    const place = layer.indexOf(tensor, flat).slice(2);
    return layer.tables.map((table, axis) => equation.starts(table, place[axis]).map((start) => {
      const step = equation.step ? table[equation.step] : 1;
      return { start, size: step * (moved.axes[axis].length - 1) + 1, step };
    })).reduce((found, choices) => found.flatMap((row) => choices.map((each) => [...row, each])), [[]]);
  };

  // Why a cell of a grid holds a zero.
  window.whyZero = (layer, grid, slots) => {
    if (slots.includes(FRAME)) {
      const { transposed } = layer;
      return layer.roles[grid.array] === "wide" ? `A zero of the padding around ${TITLES[grid.tensor]}.`
        : `A zero of the frame: there is no ${transposed ? "x" : "output"} here, since the rotated filter overlaps the edge.`;
    }
    return layer.transposed ? "A zero between elements of X: neighbours stamp W onto O a stride apart."
      : "A zero between elements of ∂E/∂O: in the forward pass the window moves by the stride, so neighbours lie that far apart on X.";
  };
  window.titleOf = (tensor) => TITLES[tensor];
})();
