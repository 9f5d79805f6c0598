// What the page shows: the layer and its numbers, what is chosen, and what follows from that.
export const data = JSON.parse(byId("data").textContent);
// The layer of the file, and its numbers.
export const fileLayer = layerOf(data.layer), file = givenOf(fileLayer, data.values);
export const isNumeric = "x" in data.values;
// What is chosen is an element, or a zero, for the reason in `zero`; `playing` is Play's timer.
export const NOTHING = { chosen: null, zero: "", held: false, told: false, playing: 0, linked: "" };
// `at` has the sample, filter and channel that are shown, and the depth of each grid. A sum with
// more products than the limit is folded.
export const state = {
  ...NOTHING, limit: 0, unfolded: false, equation: "", way: "gather", names: !isNumeric,
  at: { n: 0, f: 0, c: 0 }, asked: data.asked, typed: new Map(),
};
// The layer, its numbers and equations, and what draws them anew.
export const page = {};
export const equationOf = (result) => page.equations.find((each) => each.result === result);
export const allGrids = () => page.equations.flatMap(({ grids }) => grids);
export const has = (tensor) => allGrids().some((grid) => grid.tensor === tensor);
// The equation in which the chosen element stamps W; undefined if none does.
export const stamping = () => page.equations.find(({ walks, result }) =>
  walks !== result && walks === state.chosen?.tensor);
// The elements of W and of the result that an element stamps.
export const stamps = (element, full) =>
  page.layer.meeting(element, ["w", full]).toSorted(([, a], [, b]) => a.flat - b.flat);

// An element's number; of one onto which W is stamped, what has arrived, with b from the beginning.
export function arrived(element) {
  const from = stamping();
  if (from?.result !== element.tensor) return page.numbers.value(element);
  return page.numbers.sumOf(page.layer.terms(element).filter((factors) =>
    factors.every(({ tensor, flat }) => tensor !== from.walks || flat <= state.chosen.flat)));
}

// Whether an element's number is asked for, and no hint has been.
export const isSecret = (element) => state.asked === element.tensor && !state.told;

// The colour of a product; nine have one of their own.
export const shadeOf = (k) => `var(--shade-${k % 9})`;

// What lights up: the chosen element's factors, with their products' numbers, and its users.
export function lit() {
  const { chosen } = state, from = stamping();
  if (!chosen || isSecret(chosen)) return { factors: new Map(), readers: new Set() };
  const products = from ? stamps(chosen, from.result) : page.layer.terms(chosen);
  const all = products.flatMap((product, number) => product.map((factor) => ({ factor, number })));
  const factors = Map.groupBy(all, ({ factor }) => factor);
  return { factors, readers: new Set(from ? [] : page.layer.readers(chosen)) };
}

export const allLit = () => Object.values(lit()).flatMap((each) => Array.from(each.keys()));

// Whether an answer to "ask me" is the number, or what a cell shows of it.
export function isRight(element) {
  const number = page.numbers.parsed(state.typed.get(element)), value = page.numbers.value(element);
  const texts = MOST.map((most) => brief(value, most).replace("≈", ""));
  return number !== null && [shown(value), ...texts].includes(shown(number));
}
