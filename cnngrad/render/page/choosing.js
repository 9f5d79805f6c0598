// Chooses elements, holds them, and steps from one to the next.
let timer = null;
export const isPlaying = () => timer !== null;

export function choose(tensor, flat, zero = "") {
  page.set({ chosen: { tensor, flat, zero }, told: false });
}

export function release() {
  setAddress(" ");
  page.set({ chosen: null, held: false });
}

// Holds an element, shows its sample and channel, and writes its address.
export function hold(tensor, flat) {
  const { layer } = page, array = arrayOf(tensor), index = layer.indexOf(tensor, flat);
  const group = Math.floor(index[1] / layer.channels), { f } = state.lead;
  const isOther = layer.roles[array] === "wide" && Math.floor(f / layer.filters) !== group;
  Object.assign(state.lead, isOther && { f: group * layer.filters }, layer.partOf(array, index));
  if (layer.tables.length === 3) showDepths(tensor, flat);
  showLeads();
  state.held = true;
  choose(tensor, flat);
  setAddress(`#${tensor}-${layer.short(tensor, flat)}`);
}

// With three axes, the depths of an element and of the first elements that it is made of.
function showDepths(tensor, flat) {
  const first = RESULTS.includes(tensor) ? page.layer.terms(tensor, flat)[0] || [] : [];
  const known = new Map([[tensor, flat], ...first]);
  for (const { result, grids } of page.equations) {
    for (const grid of grids) {
      const isMeant = grid.tensor === tensor || result === tensor;
      if (!isMeant || !known.has(grid.tensor) || grid.axes.length < 3) continue;
      const index = page.layer.indexOf(grid.tensor, known.get(grid.tensor));
      state.depth[grid.id] = grid.axes[0].indexOf(index[2]);
    }
  }
}

// Holds the element in the address, if it is one of an array on this page.
export function holdAsked() {
  const [tensor, name] = asked().split("-"), { layer } = page;
  if (!/^d?[xwob]$/.test(tensor) || !has(tensor)) return;
  const flat = range(layer.count(tensor)).find((at) => layer.short(tensor, at) === name);
  if (flat === undefined) return;
  // The equation whose result this is becomes large, or one that has it.
  const shows = (equation) => equation.grids.some((grid) => grid.tensor === tensor);
  const now = equationOf(state.equation);
  state.equation = (equationOf(tensor) || (shows(now) ? now : page.equations.find(shows))).result;
  fit();
  hold(tensor, flat);
}

// What Play walks through: the elements of the large equation's result, or those that stamp W.
export function walked() {
  const equation = equationOf(state.equation), tensor = equation.stamps || equation.result;
  const at = state.chosen?.tensor === tensor ? state.chosen.flat : -1;
  return { tensor, at, count: page.layer.count(tensor) };
}

export function stepTo(at) {
  const { tensor, count } = walked();
  stop();
  if (at >= 0 && at < count) hold(tensor, at);
}

export function stop() {
  if (!isPlaying()) return;
  clearInterval(timer);
  timer = null;
  page.render();
}

// Plays from here on, at the end from the beginning.
export function play() {
  const isAtEnd = () => walked().at >= walked().count - 1;
  stop();
  if (isAtEnd()) stepTo(0);
  timer = setInterval(() => {
    if (!isAtEnd()) hold(walked().tensor, walked().at + 1);
    if (isAtEnd()) stop();
  }, Number(byId("speed").value));
  page.render();
}
