"use strict";
// The layer's equations, X ∗ W = O, X ∗ ∂E/∂O = ∂E/∂W and framed ∂E/∂O ∗ W rotated = ∂E/∂X: their
// grids, which zeros these have, and where the window of an element lies.
(() => {
  const TITLES = { x: "X", w: "W", b: "b", o: "O", do: "∂E/∂O", dw: "∂E/∂W", dx: "∂E/∂X", db: "∂E/∂b" };
  const ORDER = ["o", "dw", "dx", "db"];
  // A slot of an axis is an element's position, or one of these.
  const FRAME = -1, GAP = -2;

  const forward = (size) => Array.from({ length: size }, (_, k) => k);
  const backward = (size) => forward(size).toReversed();
  const spread = ({ stride, windows }) =>
    forward(stride * (windows - 1) + 1).map((k) => k % stride ? GAP : k / stride);
  const zeros = (count) => Array.from({ length: count }, () => FRAME);
  const framed = (table) =>
    [...zeros(table.span - 1), ...spread(table), ...zeros(table.span - 1 + table.leftover)];
  const border = (table) => table.border;

  // The equations of a layer, or of O alone. `scattering` shows the products of the full convolution
  // as stamps of W.
  window.equationsOf = (layer, gradients, scattering) => {
    const { tables, transposed, spec } = layer, [{ flip, mode }] = tables;
    const [still, moving, plain, full] = transposed ? ["do", "x", "dx", "o"] : ["x", "do", "o", "dx"];
    const isPadded = tables.some((table) => table.border.length > table.wide);
    const isSpread = tables.some((table) => table.stride > 1);

    function grid(tensor, slots, { before = "", after = "", isInner = () => true } = {}) {
      const axes = slots.map((each) => Array.isArray(each) ? each : forward(each));
      const title = `${before}${TITLES[tensor]}${after}`;
      return { tensor, axes, title, isInner, array: window.layerOf.arrayOf(tensor) };
    }
    const sizes = (key) => tables.map((table) => table[key]);
    // W or its gradient, as it is or rotated.
    const filter = (tensor, turned) => grid(tensor,
      sizes("kernel").map(turned ? backward : forward), { after: turned ? " rotated" : "" });
    // Positions of the padding, though they may repeat elements, are marked.
    const padded = () => grid(still, tables.map(border), { before: isPadded ? "padded " : "",
      isInner: (axis, k) => k >= tables[axis].before && k < tables[axis].before + tables[axis].wide });

    const found = [{
      result: plain,
      grids: [padded(), filter("w", flip), grid(plain, sizes("windows"))],
      starts: (table, i) => [table.stride * i],
      step: "dilation",
    }, {
      result: "dw",
      grids: [padded(), grid(moving, tables.map(spread), { after: isSpread ? " with zeros" : "" }),
        filter("dw", flip)],
      starts: (table, u) => [table.dilation * (flip ? table.kernel - 1 - u : u)],
    }, scattering ? {
      result: full,
      stamps: moving,
      signs: ["stamps", "onto"],
      grids: [grid(moving, sizes("windows")), filter("w", flip), grid(full, sizes("wide"))],
      starts: (table, i) => [table.stride * i - table.before],
      step: "dilation",
    } : {
      result: full,
      grids: [grid(moving, tables.map(framed), { before: "framed " }), filter("w", !flip),
        grid(full, sizes("wide"), { after: mode === "zeros" ? "" : " folded" })],
      starts: (table, h) => table.places(h),
      step: "dilation",
    }, {
      result: "db",
      signs: ["summed ="],
      grids: [grid("do", sizes("out")), grid("db", [spec.filters])],
    }].filter(({ result }) => result === "o" || (gradients && (result !== "db" || spec.bias)));

    for (const equation of found) {
      const { grids, result } = equation;
      equation.signs ||= ["∗", "="];
      if (result === "o" && spec.bias) {
        grids.splice(2, 0, grid("b", [spec.filters]));
        equation.signs.splice(1, 0, "+");
      }
      for (const each of grids) each.id = `${result}-${each === grids.at(-1) ? "result" : each.tensor}`;
    }
    return found.toSorted((a, b) => ORDER.indexOf(a.result) - ORDER.indexOf(b.result));
  };

  // Where the window of an element lies, for each place where it stands: along each axis its first
  // cell, its size and the step from one element of the filter to the next.
  window.windowsOf = (layer, equation, tensor, flat) => {
    if (tensor !== (equation.stamps || equation.result)) return [];
    const place = layer.indexOf(tensor, flat).slice(2);
    return layer.tables.map((table, axis) => equation.starts(table, place[axis]).map((start) => {
      const step = equation.step ? table[equation.step] : 1;
      return { start, size: step * (equation.grids[1].axes[axis].length - 1) + 1, step };
    })).reduce((all, choices) => all.flatMap((row) => choices.map((each) => [...row, each])), [[]]);
  };

  // Why a cell of a grid holds a zero.
  window.whyZero = (layer, grid, slots) => {
    const { transposed, roles } = layer;
    if (!slots.includes(FRAME)) {
      return transposed ? "A zero between elements of X: neighbours stamp W onto O a stride apart."
        : "A zero between elements of ∂E/∂O: in the forward pass the window moves by the stride, "
          + "so neighbours lie that far apart on X.";
    }
    if (roles[grid.array] === "wide") return `A zero of the padding around ${TITLES[grid.tensor]}.`;
    const missing = transposed ? "x" : "output";
    return `A zero of the frame: there is no ${missing} here, since the rotated filter overlaps the edge.`;
  };
  window.titleOf = (tensor) => TITLES[tensor];
})();
