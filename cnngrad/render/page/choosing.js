// Chooses elements, holds them, and steps from one to the next.

// Chooses what a cell holds: an element, or a zero with its reason. What is held has an address.
export function choose({ element = null, zero = "" }, told = false) {
  if (state.held) setAddress(element ? `#${element.key}` : " ");
  Object.assign(state, NOTHING, { chosen: element, zero, told, held: state.held && element });
  if (element) showDepths(element);
  page.render();
}

export const release = () => choose({});

// Holds an element, and shows its sample and channel.
export function hold(element) {
  for (const [name, parts] of Object.entries(page.layer.partsOf(element)))
    if (!parts.includes(state.at[name])) [state.at[name]] = parts;
  state.held = true;
  choose({ element });
}

// A grid at whose depth nothing of an element lights up shows another depth, if there is one.
function showDepths(element) {
  for (const { id, axes, tensor } of allGrids().filter(isDeep)) {
    const all = [element, ...allLit()].filter((each) => each.tensor === tensor);
    const [depths, depth] = [all.map(({ index }) => index[2]), axes[0][state.at[id]]];
    if (all.length && !depths.includes(depth)) state.at[id] = axes[0].indexOf(depths[0]);
  }
}

// Holds the element in the address, if it is one of an array on this page.
export function holdAsked() {
  const key = asked(), [tensor] = key.split("-");
  const element = has(tensor) && page.layer.all(tensor).find((each) => each.key === key);
  if (!element) return;
  // The equation whose result this is becomes large, or one that has it.
  const best = [equationOf(tensor), equationOf(state.equation), ...page.equations];
  state.equation = best.find((each) => each?.grids.some((grid) => grid.tensor === tensor)).result;
  page.refit();
  hold(element);
}

// What Play walks through in the large equation, and where it is.
export function walked() {
  const all = page.layer.all(equationOf(state.equation).walks);
  return { all, at: all.indexOf(state.chosen) };
}

export const stepTo = (at) => hold(walked().all[at]);

// Plays from here on, at the end from the beginning, until something else is chosen.
export function play() {
  const timer = setTimeout(() => {
    const { all, at } = walked(), next = (at + 1) % all.length;
    if (state.playing !== timer) return;
    hold(all[next]);
    if (next < all.length - 1) play();
  }, byId("speed").value);
  page.set({ playing: timer });
}
