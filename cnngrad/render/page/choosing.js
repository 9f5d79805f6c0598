// Chooses elements, holds them, and steps from one to the next.
let timer = null;
export const isPlaying = () => timer !== null;

// Chooses what a cell holds: an element, or a zero with its reason. What is held has an address.
export function choose({ element = null, zero = "" }, told = false) {
  Object.assign(state, { chosen: element, zero, told });
  if (state.held && element) setAddress(`#${element.key}`);
  if (element && page.layer.tables.length === 3) showDepths(element);
  page.render();
}

export function release() {
  setAddress(" ");
  page.set({ chosen: null, zero: "", held: false });
}

// Holds an element, and shows its sample and channel.
export function hold(element) {
  const { layer } = page, [, channel] = element.index, { f } = state.lead;
  const first = Math.floor(channel / layer.channels) * layer.filters;
  const group = layer.roles[element.array] === "wide" && { f: first + (f % layer.filters) };
  Object.assign(state.lead, group, layer.partOf(element));
  state.held = true;
  choose({ element });
}

// A grid at whose depth nothing of an element lights up shows another depth, if there is one.
function showDepths(element) {
  const all = [element, ...allLit()];
  for (const { id, axes, tensor } of gridsOf(page.equations)) {
    const depths = all.filter((each) => each.tensor === tensor).map(({ index }) => index[2]);
    const isThere = axes.length < 3 || depths.includes(axes[0][state.depth[id] || 0]);
    if (depths.length && !isThere) state.depth[id] = axes[0].indexOf(depths[0]);
  }
}

// Holds the element in the address, if it is one of an array on this page.
export function holdAsked() {
  const key = asked(), [tensor] = key.split("-");
  const element = has(tensor) && page.layer.all(tensor).find((each) => each.key === key);
  if (!element) return;
  // The equation whose result this is becomes large, or one that has it.
  const best = [equationOf(tensor), equationOf(state.equation), ...page.equations];
  state.equation = best.find((each) => each && has(tensor, [each])).result;
  page.refit();
  hold(element);
}

// What Play walks through in the large equation, and where it is.
export function walked() {
  const all = page.layer.all(walkedIn(equationOf(state.equation)));
  return { all, at: all.indexOf(state.chosen) };
}

export function stepTo(at) {
  const { [at]: element } = walked().all;
  stop();
  if (element) hold(element);
}

export function stop() {
  if (!isPlaying()) return;
  clearInterval(timer);
  timer = null;
  page.render();
}

// Plays from here on, at the end from the beginning.
export function play() {
  const isAtEnd = () => walked().at === walked().all.length - 1;
  stop();
  if (isAtEnd()) stepTo(0);
  timer = setInterval(() => {
    const { all, at } = walked();
    if (!isAtEnd()) hold(all[at + 1]);
    if (isAtEnd()) stop();
  }, Number(byId("speed").value));
  page.render();
}
