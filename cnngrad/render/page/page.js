// The page's events: what happens when a cell is pointed at, and what the controls do.
page.render = () => {
  say();
  draw();
  const { tensor, at, count } = walked(), first = Math.max(at, 0);
  byId("held").hidden = !state.held;
  byId("hint").disabled = !(state.chosen?.flat >= 0) || state.asked !== state.chosen.tensor;
  byId("told").classList.toggle("open", state.unfolded);
  byId("changed").hidden = !state.changed;
  byId("count").textContent = `${at < 0 ? "–" : at + 1} of ${count}`;
  // No count is wider than the last.
  setStyle(byId("count"), { count: `${2 * String(count).length + 3}ch` });
  const ariaValueText = page.layer.name(tensor, first);
  Object.assign(byId("step"), { max: count - 1, value: first, ariaValueText });
  byId("back").disabled = at <= 0;
  byId("forward").disabled = at >= count - 1;
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
  page.set({ typed: { o: {}, dw: {}, dx: {} }, chosen: null, held: false }, lay);
}

function point(event) {
  const at = cellAt(event), isFree = !state.held && !state.editing && !isPlaying();
  if (at && isFree) choose(at);
}

function click(found) {
  stop();
  if (state.held && (found.flat < 0 || isChosen(found))) release();
  else if (found.flat < 0) choose(found);
  else hold(found);
}

function key(event) {
  const found = cellAt(event), isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
  if (!found) return;
  const isTyped = isPlain && /^\S$/.test(event.key);
  if (event.key === "Enter") click(found);
  walk(event, sheets.get(found.grid.id).rows, found.r, found.c);
  if (!canChange(found) || (!isTyped && event.key !== "F2")) return;
  event.preventDefault();
  edit(found, isTyped ? event.key : null);
}

// The layer as JSON, as a problem's file has it.
function written() {
  const keys = { x: "X", w: "W", do: "dEdO", b: "b" }, { axes, groups } = page.layer.spec;
  const [{ flip, mode, transposed }] = axes, each = (name) => axes.map((axis) => axis[name]);
  const options = {
    stride: each("stride"), padding: axes.map((axis) => [axis.before, axis.after]),
    dilation: each("dilation"), groups, flip, dims: axes.length,
    ...(mode === "zeros" ? {} : { padding_mode: mode }),
    ...(transposed ? { transposed, output_padding: each("extra") } : {}),
  };
  const arrays = Object.keys(file).map((t) => `"${keys[t]}": ${page.numbers.written(t)}`);
  return `{${arrays.join(", ")}, ${JSON.stringify(options).slice(1)}`;
}

// The layer in one line, as in the heading.
function lineOf({ spec, shape, ofUser }) {
  const { axes, groups, bias } = spec, [{ flip, mode, transposed }] = axes;
  const isEven = axes.every(({ before, after }) => before === after);
  const pads = axes.map(({ before, after }) => `${before}:${after}`).join(",");
  const each = (name) => axes.map((axis) => axis[name]).join().replace(/^(\d+)(,\1)+$/, "$1");
  const sized = (tensor) => `${TITLES[tensor]} ${ofUser(tensor, shape(tensor)).join("×")}`.trim();
  const parts = [
    sized("x"), sized("w"), bias && sized("b"), transposed && "transposed",
    `stride ${each("stride")}`, `padding ${isEven ? each("before") : pads}`,
    mode !== "zeros" && mode, each("extra") !== "0" && `output padding ${each("extra")}`,
    each("dilation") !== "1" && `dilation ${each("dilation")}`,
    groups > 1 && `groups ${groups}`, flip && "flip",
  ];
  return `${parts.filter(Boolean).join(" · ")} → ${sized("o")}`;
}

// The layer with other sizes or options: numbers stay where they are, new ones are made up.
function relay(axes) {
  const old = page.layer, layer = layerOf({ ...old.spec, axes }), given = {};
  stop();
  for (const [tensor, list] of Object.entries(page.numbers.given)) {
    given[tensor] = range(layer.count(tensor)).map((flat) => {
      const index = layer.indexOf(tensor, flat), fresh = ((flat * 7 + index.length) % 9) - 4;
      const isOld = index.every((k, axis) => k < old.shape(tensor)[axis]);
      if (isOld) return list[old.flatOf(tensor, index)];
      return typeof list[0] === "bigint" ? BigInt(fresh) : fresh;
    });
  }
  Object.assign(state, { changed: true, depth: {} });
  use(layer, given);
}

const ownLine = byId("layer").textContent;
const on = (id, kind, act) => byId(id).addEventListener(kind, act);

on("stage", "mouseover", point);
on("stage", "focusin", point);
on("stage", "keydown", key);
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
    const all = [...sheets.values()].flatMap(({ grid }) => cellsOf(grid));
    const meant = all.filter(({ tensor, flat }) => target.dataset.key === `${tensor}:${flat}`);
    for (const { cell } of meant) cell.classList.toggle("pointed", kind === "mouseover");
  });
}

on("held", "click", release);
on("play-steps", "click", () => { if (isPlaying()) stop(); else play(); });
on("speed", "change", () => { if (isPlaying()) play(); });
on("step", "input", ({ target }) => stepTo(Number(target.value)));
on("back", "click", () => stepTo(walked().at - 1));
on("forward", "click", () => stepTo(walked().at + 1));
on("names", "change", ({ target }) => page.set({ names: target.checked }, page.refit));
on("colours", "change", ({ target }) => page.set({ colours: target.checked }));
on("hint", "click", () => choose(state.chosen, true));
on("ask", "change", ({ target }) => {
  // The lesson would show the answers.
  for (const section of document.querySelectorAll("details")) section.open = !target.value;
  page.set({ asked: target.value }, page.refit);
});
on("reset", "click", () => {
  stop();
  state.changed = false;
  byId("fields").reset();
  use(layerOf(data.layer), file);
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
  page.set({ way: target.value, chosen: null, equation }, lay);
  // Scattering becomes visible once the first element has stamped W.
  if (state.way === "scatter") stepTo(0);
});
// What was typed and refused is said until something else is done.
for (const kind of ["pointerdown", "keydown"]) {
  addEventListener(kind, () => { byId("refused").textContent = ""; }, true);
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || state.editing) return;
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
use(layerOf(data.layer), file);
offer();
holdAsked();
