// Chooses elements, holds them, and steps from one to the next.
let timer = null;
export const isPlaying = () => timer !== null;

// Chooses what a cell holds: an element, or a zero with its reason. What is held has an address.
export function choose({ tensor, flat, zero = "" }, told = false) {
  Object.assign(state, { chosen: { tensor, flat, zero }, told });
  if (state.held && flat >= 0) setAddress(`#${tensor}-${page.layer.short(tensor, flat)}`);
  if (flat >= 0 && page.layer.tables.length === 3) showDepths(tensor, flat);
  page.render();
}

export function release() {
  setAddress(" ");
  page.set({ chosen: null, held: false });
}

// Holds an element, and shows its sample and channel.
export function hold({ tensor, flat }) {
  const { layer } = page, array = arrayOf(tensor), index = layer.indexOf(tensor, flat);
  const first = Math.floor(index[1] / layer.channels) * layer.filters, { f } = state.lead;
  const group = layer.roles[array] === "wide" && { f: first + (f % layer.filters) };
  Object.assign(state.lead, group, layer.partOf(array, index));
  state.held = true;
  choose({ tensor, flat });
}

// A grid at whose depth nothing of an element lights up shows another depth, if there is one.
function showDepths(tensor, flat) {
  const all = [{ tensor, index: page.layer.indexOf(tensor, flat) }, ...litPlaces()];
  for (const { id, axes, tensor: own } of page.equations.flatMap(({ grids }) => grids)) {
    const depths = all.filter((each) => each.tensor === own).map(({ index }) => index[2]);
    const isThere = axes.length < 3 || depths.includes(axes[0][state.depth[id] || 0]);
    if (depths.length && !isThere) state.depth[id] = axes[0].indexOf(depths[0]);
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
  page.refit();
  hold({ tensor, flat });
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
  if (at >= 0 && at < count) hold({ tensor, flat: at });
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
    if (!isAtEnd()) hold({ tensor: walked().tensor, flat: walked().at + 1 });
    if (isAtEnd()) stop();
  }, Number(byId("speed").value));
  page.render();
}
