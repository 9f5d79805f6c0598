// The layer: which elements meet. Besides cnngrad's layer/axis.py this is the only place that knows
// input position = stride·i + dilation·u − padding; all that the page shows comes from this table.
export const range = (size, first = 0) => Array.from({ length: size }, (_, k) => first + k);
export const arrayOf = (tensor) => tensor.slice(-1);

// All rows with an element of each list.
export const crossed = (lists) =>
  lists.reduce((rows, list) => rows.flatMap((row) => list.map((each) => [...row, each])), [[]]);

const within = (k, size) => ((k % size) + size) % size;
// The element that stands at a position; -1 for a zero.
const HELD = {
  zeros: (h, size) => h < 0 || h >= size ? -1 : h,
  replicate: (h, size) => Math.min(Math.max(h, 0), size - 1),
  circular: within,
  reflect: (h, size) => {
    const period = Math.max(2 * (size - 1), 1), k = within(h, period);
    return k < size ? k : period - k;
  },
};

// The table of one axis. Windows lie on the wide array with its padding; in a transposed layer that
// is O, and each x is a window. `meets` has what makes a product: window, filter and wide element.
function tableOf(axis) {
  const { size, kernel, stride, dilation, before, after, flip, mode, transposed, extra } = axis;
  const span = dilation * (kernel - 1) + 1;
  const out = transposed ? stride * (size - 1) + span - before - after + extra
    : Math.floor((size + before + after - span) / stride) + 1;
  const [wide, windows] = transposed ? [out, size] : [size, out];
  const border = range(before + wide + after, -before).map((at) => HELD[mode](at, wide));
  const stepOf = (u) => dilation * (flip ? kernel - 1 - u : u);
  const meets = crossed([range(windows), range(kernel)])
    .map(([i, u]) => ({ windows: i, w: u, wide: border[stride * i + stepOf(u)] }))
    .filter((each) => each.wide >= 0);
  const leftover = border.length - span - stride * (windows - 1);
  // Where an element of the wide array stands: its own place, then those in the padding.
  const places = (h) => {
    const all = [...border.keys()].filter((at) => border[at] === h);
    return [before + h, ...all.filter((at) => at !== before + h)];
  };
  return { ...axis, span, out, wide, windows, border, leftover, meets, places };
}

// Why there can be no such layer; empty if there can.
export function reason(axis) {
  const { size, stride, dilation, before, after, mode, transposed, extra } = axis;
  const most = { reflect: size - 1, circular: size }[mode] ?? Infinity;
  if (Math.max(before, after) > most) return `padding by ${mode} is at most ${most} here`;
  if (transposed && extra >= Math.max(stride, dilation)) {
    return "the output padding must be smaller than the stride";
  }
  const { out, span } = tableOf({ ...axis, mode: "zeros" });
  if (out >= 1) return "";
  return transposed ? "the padding cuts off all of O"
    : `the filter spans ${span}, more than X with its padding`;
}

// The factors of each result's products, and by what those of an array's element are sorted.
const OPERANDS = { o: ["w", "x"], dw: ["do", "x"], dx: ["do", "w"] };
const SORTED = { o: ["w", "x"], w: ["o", "x"], x: ["o", "w"] };
// The results that use an array.
const USERS = { x: ["o", "dw"], w: ["o", "dx"], do: ["dw", "dx"] };

export function layerOf(spec) {
  const tables = spec.axes.map(tableOf), { transposed } = spec.axes[0];
  const { batch, groups } = spec, [x, o] = transposed ? ["windows", "wide"] : ["wide", "windows"];
  const roles = { x, w: "w", o, b: "b" };
  // Counted for the convolution that makes the same products.
  const [outer, inner] = transposed ? [spec.channels, spec.filters] : [spec.filters, spec.channels];
  const [filters, channels] = [outer / groups, inner / groups];
  const along = (key) => tables.map((table) => table[key]);
  const shapes = {
    x: [batch, spec.channels, ...along("size")],
    w: [outer, channels, ...along("kernel")],
    o: [batch, spec.filters, ...along("out")],
    b: [spec.filters],
  };
  const shape = (tensor) => shapes[arrayOf(tensor)];
  const count = (tensor) => shape(tensor).reduce((a, b) => a * b);
  // What belongs to the axes of the user's arrays, which may have fewer in front.
  const ofUser = (tensor, each) => {
    const array = arrayOf(tensor), all = array === "b" ? 1 : 2;
    return each.slice(all - spec.lead[array]);
  };
  const flatOf = (tensor, index) =>
    shape(tensor).reduce((flat, size, axis) => flat * size + index[axis], 0);
  const indexOf = (tensor, flat) => shape(tensor).reduceRight(([rest, index], size) =>
    [Math.floor(rest / size), [rest % size, ...index]], [flat, []])[1];

  // For an array and axis, what meets at each position.
  const met = Object.fromEntries(Object.entries(SORTED).map(([array, keys]) => {
    const role = roles[array], size = role === "w" ? "kernel" : role;
    const [first, then] = keys.map((key) => roles[key]);
    const compare = (a, b) => a[first] - b[first] || a[then] - b[then];
    return [array, tables.map((table) => {
      const lists = range(table[size]).map(() => []);
      for (const each of table.meets.toSorted(compare)) lists[each[role]].push(each);
      return lists;
    })];
  }));

  // Sample n, filter f and channel c of the group stand for a sample and channel of each array.
  const leadOf = (array, { n, f, c }) => ({
    windows: [n, f], w: [f, c], wide: [n, Math.floor(f / filters) * channels + c], b: [],
  })[roles[array]];
  // The sample, filter and channel that an element belongs to, as far as it has them.
  const partOf = (array, [a, b]) => ({
    windows: { n: a, f: b }, w: { f: a, c: b }, wide: { n: a, c: b % channels }, b: {},
  })[roles[array]];
  // The elements x, w and o that meet at an element.
  function triples(tensor, flat) {
    const array = arrayOf(tensor), [a, b, ...place] = indexOf(array, flat);
    const group = range(filters, Math.floor(b / channels) * filters);
    const { n = range(batch), f = group, c = range(channels) } = partOf(array, [a, b]);
    const leads = crossed([n, f, c].map((each) => [each].flat()));
    const rows = crossed(met[array].map((lists, axis) => lists[place[axis]]));
    const at = (of, [sample, filter, channel], row) => {
      const lead = leadOf(of, { n: sample, f: filter, c: channel });
      return flatOf(of, [...lead, ...row.map((each) => each[roles[of]])]);
    };
    return leads.flatMap((lead) => rows.map((row) =>
      ({ x: at("x", lead, row), w: at("w", lead, row), o: at("o", lead, row) })));
  }

  const filterOf = (flat) => indexOf("o", flat)[1];
  const ofFilter = (f) => range(count("o")).filter((flat) => filterOf(flat) === f);

  // The products whose sum an element is, each factor as its tensor and flat index.
  function terms(result, flat) {
    if (result === "db") return ofFilter(flat).map((at) => [["do", at]]);
    const products = triples(result, flat).map((triple) =>
      OPERANDS[result].map((of) => [of, triple[arrayOf(of)]]));
    return spec.bias && result === "o" ? [...products, [["b", filterOf(flat)]]] : products;
  }

  // The results that use an element.
  function readers(tensor, flat) {
    if (tensor === "b") return ofFilter(flat).map((at) => ["o", at]);
    if (!(tensor in USERS)) return [];
    const all = triples(tensor, flat), bias = tensor === "do" && spec.bias;
    const found = USERS[tensor].flatMap((of) => {
      const flats = new Set(all.map((triple) => triple[arrayOf(of)]));
      return [...flats].toSorted((a, b) => a - b).map((at) => [of, at]);
    });
    return bias ? [...found, ["db", filterOf(flat)]] : found;
  }

  const commas = tables.length > 1
    && tables.some((table) => Math.max(table.size, table.kernel, table.out) > 9);
  function short(tensor, flat) {
    const array = arrayOf(tensor), { [array]: leads } = spec.lead;
    const index = ofUser(tensor, indexOf(tensor, flat).map((k) => k + 1));
    const brackets = leads ? `[${index.slice(0, leads).join(",")}]` : "";
    return array + brackets + index.slice(leads).join(commas ? "," : "");
  }
  const name = (tensor, flat) => `${tensor.length > 1 ? "∂E/∂" : ""}${short(tensor, flat)}`;
  // Why an element of O or dE/dX has no product.
  const unread = transposed
    ? { o: "No x reaches this o.", dx: "The padding cuts off all that this x stamps." }
    : { dx: "No window reads this x." };
  return {
    spec, tables, roles, transposed, filters, channels, outer, batch, unread, shape, count, flatOf,
    ofUser, indexOf, leadOf, partOf, triples, terms, readers, short, name,
  };
}
