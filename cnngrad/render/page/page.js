// The page's events: what happens when a cell is pointed at, and what the controls do.
page.render = () => {
  say();
  draw();
  const { all, at } = walked(), { length } = all;
  byId("held").hidden = !state.held;
  byId("hint").disabled = !state.chosen || state.asked !== state.chosen.tensor;
  byId("told").classList.toggle("open", state.unfolded);
  byId("changed").hidden = !state.changed;
  // No count is wider than the last.
  const style = `width: ${2 * String(length).length + 3}ch`;
  Object.assign(byId("count"), { value: `${at < 0 ? "–" : at + 1} of ${length}`, style });
  const value = Math.max(at, 0), ariaValueText = all[value].name;
  Object.assign(byId("step"), { max: length - 1, value, ariaValueText });
  byId("back").disabled = at <= 0;
  byId("forward").disabled = at >= length - 1;
  const textContent = isPlaying() ? "Stop" : "Play";
  Object.assign(byId("play-steps"), { textContent, ariaPressed: isPlaying() });
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

// Makes the grids, and keeps the equation that is large.
function lay() {
  page.equations = equationsOf(page.layer, data.backward, state.way === "scatter");
  state.equation = [state.equation, "dx", "o"].find(equationOf);
  build();
  page.refit();
}

function use(layer, values) {
  byId("layer").textContent = state.changed ? lineOf(layer) : ownLine;
  Object.assign(page, { layer, numbers: numbersOf(layer, values) });
  page.set({ typed: new Map(), depth: {}, chosen: null, zero: "", held: false }, lay);
}

// The layer of the file, with its numbers.
function reset() {
  state.changed = false;
  use(layerOf(data.layer), file);
}

// The layer with other sizes or options: numbers stay where they are, new ones are made up.
function relay(axes) {
  const old = page.layer, layer = layerOf({ ...old.spec, axes }), given = {};
  stop();
  for (const [tensor, list] of Object.entries(page.numbers.given)) {
    given[tensor] = layer.all(tensor).map(({ index, flat }) => {
      const fresh = ((flat * 7 + index.length) % 9) - 4;
      const isOld = index.every((k, axis) => k < old.shape(tensor)[axis]);
      if (isOld) return list[old.element(tensor, index).flat];
      return typeof list[0] === "bigint" ? BigInt(fresh) : fresh;
    });
  }
  state.changed = true;
  use(layer, given);
}

function click(found) {
  const { element } = found;
  stop();
  if (state.held && (!element || element === state.chosen)) release();
  else if (element) hold(element);
  else choose(found);
}

const ownLine = byId("layer").textContent;
const on = (id, kind, act) => byId(id).addEventListener(kind, act);

for (const kind of ["mouseover", "focusin"]) {
  on("stage", kind, (event) => {
    const found = cellAt(event);
    if (found && !state.held && !isEditing() && !isPlaying()) choose(found);
  });
}
on("stage", "keydown", (event) => {
  const found = cellAt(event), isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
  if (!found) return;
  const isTyped = isPlain && /^\S$/.test(event.key);
  if (event.key === "Enter") click(found);
  walk(event, found.cell);
  if (!canChange(found) || (!isTyped && event.key !== "F2")) return;
  event.preventDefault();
  edit(found, isTyped ? event.key : null);
});
on("stage", "click", (event) => {
  const found = cellAt(event), title = event.target.closest("button.title");
  if (found) click(found);
  if (!title) return;
  stop();
  page.set({ equation: title.value }, page.refit);
});
on("stage", "dblclick", (event) => {
  const found = cellAt(event);
  if (found && canChange(found)) edit(found);
});

// A name in a sum points at its cells.
for (const kind of ["mouseover", "mouseout"]) {
  on("line", kind, ({ target }) => {
    for (const { cell, element } of gridsOf(page.equations).flatMap(cellsOf)) {
      const isMeant = kind === "mouseover" && target.hash === `#${element?.key}`;
      cell.classList.toggle("pointed", isMeant);
    }
  });
}

on("held", "click", release);
on("play-steps", "click", () => { if (isPlaying()) stop(); else play(); });
on("speed", "change", () => { if (isPlaying()) play(); });
on("step", "input", ({ target }) => stepTo(target.valueAsNumber));
on("back", "click", () => stepTo(walked().at - 1));
on("forward", "click", () => stepTo(walked().at + 1));
on("names", "change", ({ target }) => page.set({ names: target.checked }, page.refit));
on("hint", "click", () => choose({ element: state.chosen }, true));
on("ask", "change", ({ target }) => {
  // The lesson would show the answers.
  for (const section of document.querySelectorAll("details")) section.open = !target.value;
  page.set({ asked: target.value }, page.refit);
});
on("reset", "click", () => {
  stop();
  byId("fields").reset();
  reset();
  release();
});
on("copy", "click", async () => {
  const text = written();
  byId("why").textContent = text;
  const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  byId("copy").textContent = isCopied ? "Copied" : "Copy below";
  setTimeout(() => { byId("copy").textContent = "Copy as JSON"; }, 2000);
});
on("way", "change", ({ target }) => {
  const equation = page.layer.transposed ? "o" : "dx";
  stop();
  page.set({ way: target.value, chosen: null, zero: "", equation }, lay);
  // Scattering becomes visible once the first element has stamped W.
  if (state.way === "scatter") stepTo(0);
});
// What was typed and refused is said until something else is done.
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => { byId("refused").textContent = ""; }, true);
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  stop();
  release();
});
addEventListener("hashchange", () => {
  stop();
  holdAsked();
  byId("stage").scrollIntoView({ block: "nearest" });
});
addEventListener("resize", page.refit);

byId("play").hidden = false;
addFields(relay);
reset();
offer();
holdAsked();
