// The layer: which elements meet. Besides cnngrad's layer/axis.py this is the only place that knows
// input position = stride·i + dilation·u − padding; all that the page shows comes from this table.
export const range = (size, first = 0) => Array.from({ length: size }, (_, k) => first + k);
export const arrayOf = (tensor) => tensor.slice(-1);
// All rows with an element of each list.
export const crossed = (lists) =>
  lists.reduce((rows, list) => rows.flatMap((row) => list.map((each) => [...row, each])), [[]]);

// The element that stands at a position; -1 for a zero.
const HELD = {
  zeros: (h, size) => h < 0 || h >= size ? -1 : h,
  replicate: (h, size) => clamp(h, 0, size - 1),
  circular: (h, size) => (h + size) % size,
  reflect: (h, size) => h < size ? Math.abs(h) : 2 * (size - 1) - h,
};

// The table of one axis. Windows lie on the wide array with its padding; in a transposed layer that
// is O, and each x is a window. `meets` has what makes a product: window, filter and wide element.
export function tableOf(axis) {
  const { size, kernel, stride, dilation, before, after, flip, mode, transposed, extra } = axis;
  const span = dilation * (kernel - 1) + 1, padding = before + after;
  const out = transposed ? stride * (size - 1) + span - padding + extra
    : Math.floor((size + padding - span) / stride) + 1;
  const [wide, windows] = transposed ? [out, size] : [size, out];
  const border = range(padding + wide, -before).map((at) => HELD[mode](at, wide));
  const stepOf = (u) => dilation * (flip ? kernel - 1 - u : u);
  const meets = crossed([range(windows), range(kernel)])
    .map(([i, u]) => ({ windows: i, w: u, wide: border[stride * i + stepOf(u)] }))
    .filter((each) => each.wide >= 0);
  // Where an element of the wide array stands: its own place, then those in the padding.
  const places = (h) => [...new Set([before + h,
    ...range(border.length).filter((at) => border[at] === h)])];
  const most = { reflect: size - 1, circular: size }[mode] ?? Infinity;
  // Why there can be no such layer, if there can be none.
  const reasons = [
    Math.max(before, after) > most && `padding by ${mode} is at most ${most} here`,
    transposed && extra >= Math.max(stride, dilation)
      && "the output padding must be smaller than the stride",
    out < 1 && (transposed ? "the padding cuts off all of O"
      : `the filter spans ${span}, more than X with its padding`),
  ].filter(Boolean);
  return { ...axis, span, out, wide, windows, border, meets, places, reasons };
}

// The factors of each result's products, which are in the order of these elements.
const OPERANDS = { o: ["w", "x"], dw: ["do", "x"], dx: ["do", "w"] };

export function layerOf(spec) {
  const tables = spec.axes.map(tableOf), { transposed } = spec.axes[0];
  const { groups } = spec, [x, o] = transposed ? ["windows", "wide"] : ["wide", "windows"];
  const roles = { x, w: "w", o, b: "b" };
  // Counted for the convolution that makes the same products.
  const [outer, inner] = transposed ? [spec.channels, spec.filters] : [spec.filters, spec.channels];
  const [filters, channels] = [outer / groups, inner / groups];
  const along = (key) => tables.map((table) => table[key]);
  const shapes = {
    x: [spec.batch, spec.channels, ...along("size")],
    w: [outer, channels, ...along("kernel")],
    o: [spec.batch, spec.filters, ...along("out")],
    b: [spec.filters],
  };
  const shape = (tensor) => shapes[arrayOf(tensor)];
  // What belongs to the axes of the user's arrays, which may have fewer in front.
  const ofUser = (tensor, each) =>
    each.slice((tensor.endsWith("b") ? 1 : 2) - spec.lead[arrayOf(tensor)]);

  const commas = tables.length > 1 && Math.max(...["size", "kernel", "out"].flatMap(along)) > 9;
  function named(tensor, index, flat) {
    const array = arrayOf(tensor), leads = spec.lead[array];
    const own = ofUser(tensor, index.map((k) => k + 1)), lead = own.splice(0, leads).join();
    const short = array + (leads ? `[${lead}]` : "") + own.join(commas ? "," : "");
    const name = (tensor.length > 1 ? "∂E/∂" : "") + short, place = `${tensor} ${index}`;
    return { tensor, array, index, flat, short, name, place, key: `${tensor}-${short}` };
  }
  const known = {};
  // The elements of a tensor: always the same objects. Their keys are their addresses, too.
  const all = (tensor) => (known[tensor] ??= crossed(shape(tensor).map((size) => range(size)))
    .map((index, flat) => named(tensor, index, flat)));
  const element = (tensor, index) =>
    all(tensor)[shape(tensor).reduce((flat, size, axis) => flat * size + index[axis], 0)];

  // What meets at each position of an array's axes, if anything does.
  const metAt = (role) => tables.map(({ meets }) => Object.groupBy(meets, (each) => each[role]));
  const met = Object.fromEntries(["windows", "w", "wide"].map((role) => [role, metAt(role)]));

  // Sample n, filter f and channel c of the group stand for a sample and channel of each array.
  const leadOf = (array, { n, f, c }) => ({
    windows: [n, f], w: [f, c], wide: [n, Math.floor(f / filters) * channels + c], b: [],
  })[roles[array]];
  // The samples, filters and channels that an element meets.
  function partsOf({ array, index: [a, b] }) {
    const [n, c] = [range(spec.batch), range(channels)];
    return {
      windows: { n: [a], f: [b], c }, w: { n, f: [a], c: [b] }, b: { n, f: [a], c },
      wide: { n: [a], f: range(filters, Math.floor(b / channels) * filters), c: [b % channels] },
    }[roles[array]];
  }
  // The elements of these tensors that meet at an element, for each product.
  function meeting(at, tensors) {
    const leads = crossed(Object.values(partsOf(at))).map(([n, f, c]) => ({ n, f, c }));
    const [, , ...own] = at.index;
    const rows = crossed(met[roles[at.array]].map((lists, axis) => lists[own[axis]] ?? []));
    return crossed([leads, rows]).map(([lead, row]) => tensors.map((tensor) => {
      const array = arrayOf(tensor), place = row.map((each) => each[roles[array]]);
      return element(tensor, [...leadOf(array, lead), ...place]);
    }));
  }
  const ofFilter = (tensor, f) => all(tensor).filter(({ index }) => index[1] === f);

  // The products whose sum an element is, as lists of factors; none if it is given.
  function terms(result) {
    const { tensor, index } = result;
    if (tensor === "db") return ofFilter("do", index[0]).map((each) => [each]);
    const products = (OPERANDS[tensor] ? meeting(result, OPERANDS[tensor]) : [])
      .toSorted(([a, first], [b, other]) => a.flat - b.flat || first.flat - other.flat);
    return spec.bias && tensor === "o" ? [...products, [element("b", [index[1]])]] : products;
  }

  // The elements of results that use an element.
  function readers(used) {
    const { tensor, index } = used;
    if (tensor === "b") return ofFilter("o", index[0]);
    const found = Object.keys(OPERANDS).filter((result) => OPERANDS[result].includes(tensor))
      .flatMap((result) => [...new Set(meeting(used, [result]).flat())]
        .toSorted((a, b) => a.flat - b.flat));
    return tensor === "do" && spec.bias ? [...found, element("db", [index[1]])] : found;
  }

  // Why an element is in no product; empty if it is in one.
  function whyUnread(at) {
    const ofX = transposed ? "The padding cuts off all that this x stamps."
      : "No window reads this x.";
    const words = { x: ofX, dx: ofX, o: transposed && "No x reaches this o." }[at.tensor];
    return words && !meeting(at, []).length ? words : "";
  }
  return {
    spec, tables, along, roles, transposed, channels, outer, shape, ofUser, all, element,
    leadOf, partsOf, meeting, terms, readers, whyUnread,
  };
}
