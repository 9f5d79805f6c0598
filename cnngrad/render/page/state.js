// What the page shows: the layer and its numbers, what is chosen, and what follows from that.
export const data = JSON.parse(byId("data").textContent);
export const file = Object.fromEntries(
  Object.entries(data.values).map(([tensor, list]) => [tensor, read(list)]));
export const isNumeric = Boolean(file.x);
export const state = {
  chosen: null, held: false, told: false, unfolded: false, editing: false, changed: false,
  equation: "", way: "gather", names: !isNumeric, colours: false, lead: { n: 0, f: 0, c: 0 },
  depth: {}, asked: data.asked, typed: {},
};
// The layer, its numbers and equations, and what draws them anew.
export const page = {};
export const equationOf = (result) => page.equations.find((each) => each.result === result);

// The page has a grid of this tensor.
export const has = (tensor) =>
  page.equations.some(({ grids }) => grids.some((grid) => grid.tensor === tensor));
export const isChosen = ({ tensor, flat }) =>
  state.chosen?.tensor === tensor && state.chosen.flat === flat;

// The equation in which the chosen element stamps W; undefined if none does.
export const stamping = () =>
  state.chosen?.flat >= 0 && page.equations.find((each) => each.stamps === state.chosen.tensor);

// The elements of W and of the result that an element stamps.
export function stamps(tensor, flat, full) {
  const all = page.layer.triples(tensor, flat);
  return all.map((each) => [each.w, each[arrayOf(full)]]).toSorted(([, a], [, b]) => a - b);
}

// An element's number; of one onto which W is stamped, what has arrived, with b from the beginning.
export function arrived(tensor, flat) {
  const from = stamping();
  if (!from || from.result !== tensor) return page.numbers.value(tensor, flat);
  return page.numbers.sumOf(page.layer.terms(tensor, flat).filter((factors) =>
    factors.every(([other, at]) => other !== from.stamps || at <= state.chosen.flat)));
}

// The cells to light up: the chosen one's factors, with their products' numbers, and its users.
export function litCells() {
  const factors = new Map(), readers = new Set(), { chosen, asked, told } = state;
  if (!chosen || chosen.flat < 0 || (asked === chosen.tensor && !told)) return { factors, readers };
  const { tensor, flat } = chosen, from = stamping();
  let products = RESULTS.includes(tensor) ? page.layer.terms(tensor, flat) : [];
  if (from) {
    products = stamps(tensor, flat, from.result).map(([w, at]) => [["w", w], [from.result, at]]);
  } else {
    for (const reader of page.layer.readers(tensor, flat)) readers.add(reader.join(":"));
  }
  products.forEach((product, k) => product.forEach((each) => {
    const key = each.join(":");
    if (!factors.has(key)) factors.set(key, k);
  }));
  return { factors, readers };
}

// The tensors and indices of all that lights up.
export function litPlaces() {
  const { factors, readers } = litCells();
  return [...factors.keys(), ...readers].map((key) => {
    const [tensor, flat] = key.split(":");
    return { tensor, index: page.layer.indexOf(tensor, Number(flat)) };
  });
}

// Whether an answer to "ask me" is the number, or what a cell shows of it.
export function isRight(tensor, flat) {
  const number = page.numbers.parsed(state.typed[tensor][flat]);
  const value = page.numbers.value(tensor, flat);
  const texts = MOST.map((most) => brief(value, most).replace("≈", ""));
  return number !== null && [shown(value), ...texts].includes(shown(number));
}
