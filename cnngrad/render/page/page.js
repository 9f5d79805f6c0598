// The page's events: what happens when a cell is pointed at, and what the controls do.
page.render = () => {
  say();
  draw();
  const { all, at } = walked(), { length } = all, value = Math.max(at, 0);
  byId("held").hidden = !state.held;
  byId("hint").disabled = !state.chosen || state.asked !== state.chosen.tensor;
  byId("changed").hidden = page.layer === fileLayer && page.numbers.given === file;
  // No count is wider than the last.
  const style = `width: ${2 * String(length).length + 3}ch`;
  Object.assign(byId("count"), { value: `${at < 0 ? "–" : at + 1} of ${length}`, style });
  Object.assign(byId("step"), { max: length - 1, value, ariaValueText: all[value].name });
  byId("back").disabled = at <= 0;
  byId("forward").disabled = at >= length - 1;
  const textContent = state.playing ? "Stop" : "Play";
  Object.assign(byId("play-steps"), { textContent, ariaPressed: state.playing > 0 });
  markLeads();
};

page.refit = () => {
  showLeads();
  fit();
  page.render();
};
page.set = (values, act = page.render) => {
  Object.assign(state, values);
  act();
};

// Shows a layer. The equation that is large stays so.
const ownLine = byId("layer").textContent;
export function use(layer, given) {
  const equations = equationsOf(layer, data.backward, state.way === "scatter");
  if (page.layer) release();
  byId("layer").textContent = layer === fileLayer ? ownLine : lineOf(layer);
  Object.assign(page, { layer, numbers: numbersOf(layer, given), equations });
  state.equation = [state.equation, "dx", "o"].find(equationOf);
  build();
  page.refit();
}

function click({ element, zero }) {
  if (state.held && (!element || element === state.chosen)) release();
  else if (element) hold(element);
  else choose({ zero });
}

const on = (id, kind, act) => byId(id).addEventListener(kind, act);
const isEditing = () => byId("stage").querySelector("input");
const isBusy = () => state.held || state.playing || isEditing();
onCells(byId("stage"), cellAt, (found) => { if (!isBusy()) choose(found); }, click);
on("stage", "dblclick", edit);
on("stage", "keydown", (event) => {
  const isTyped = /^\S$/.test(event.key) && !(event.ctrlKey || event.metaKey || event.altKey);
  if (isTyped || event.key === "F2") edit(event, isTyped ? event.key : null);
});

// A name in a sum points at its cells.
for (const kind of ["mouseover", "mouseout"]) {
  on("line", kind, ({ target }) => page.set({ linked: kind === "mouseover" && target.hash }, draw));
}

on("held", "click", release);
on("play-steps", "click", () => { if (state.playing) page.set({ playing: 0 }); else play(); });
on("step", "input", ({ target }) => stepTo(target.valueAsNumber));
on("back", "click", () => stepTo(walked().at - 1));
on("forward", "click", () => stepTo(walked().at + 1));
on("leads", "change", ({ target }) => choosePart(target));
on("names", "change", ({ target }) => page.set({ names: target.checked }, page.refit));
on("hint", "click", () => choose({ element: state.chosen }, true));
on("ask", "change", ({ target }) => {
  // The lesson would show the answers.
  for (const section of document.querySelectorAll("details")) section.open = !target.value;
  page.set({ asked: target.value }, page.refit);
});
// Its button puts the fields back by itself.
on("fields", "reset", () => use(fileLayer, file));
on("copy", "click", async () => {
  const text = written();
  byId("why").textContent = text;
  const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  byId("copy").textContent = isCopied ? "Copied" : "Copy below";
  setTimeout(() => { byId("copy").textContent = "Copy as JSON"; }, 2000);
});
on("way", "change", ({ target }) => {
  Object.assign(state, { way: target.value, equation: page.layer.transposed ? "o" : "dx" });
  use(page.layer, page.numbers.given);
  // Scattering becomes visible once the first element has stamped W.
  if (state.way === "scatter") stepTo(0);
});
// What was typed and refused is said until something else is done.
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => { byId("refused").textContent = ""; }, true);
}
addEventListener("keydown", ({ key }) => { if (key === "Escape") release(); });
addEventListener("hashchange", () => {
  holdAsked();
  byId("stage").scrollIntoView({ block: "nearest" });
});
// A tablet's keyboard makes the window smaller while a number is typed, after which all is fitted.
addEventListener("resize", () => { if (!isEditing()) page.refit(); });

Object.assign(byId("play"), { hidden: false, className: isNumeric ? "" : "symbols" });
addFields();
use(fileLayer, file);
offer();
holdAsked();
