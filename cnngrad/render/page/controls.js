// The controls that depend on the layer: which sample, filter and channel are shown, and its sizes.

// Choosers of what there are several of: samples, filters, channels, and depths of a grid.
export function showLeads() {
  const { layer, layer: { spec } } = page, words = ["filter", "channel"];
  const [outer, inner] = layer.transposed ? words.toReversed() : words;
  const all = [
    ["n", "sample", spec.batch], ["f", outer, layer.outer],
    ["c", spec.groups > 1 ? `${inner} of its group` : inner, layer.channels],
    ...equationOf(state.equation).grids.filter(isDeep)
      .map(({ id, title, axes: [depths] }) => [id, `depth of ${title}`, depths.length]),
  ];
  const labels = all.filter(([, , size]) => size > 1).map(([name, word, size]) => {
    const options = range(size).map((k) => new Option("", k));
    return made("label", {}, `${word} `, made("select", { name }, ...options), ` of ${size}`);
  });
  byId("leads").replaceChildren(...labels);
}

export function choosePart({ name, value }) {
  // What is chosen in a grid that shows something else now moves along.
  const grid = allGrids().find(({ id }) => id === name);
  const target = (grid?.box ?? document).querySelector("td.chosen");
  state.at[name] = Number(value);
  if (target) choose(cellAt({ target }));
  else page.render();
}

// Shows the choices, and marks the samples, filters and channels with cells that light up.
export function markLeads() {
  const all = allLit().map(page.layer.partsOf);
  for (const option of document.querySelectorAll("#leads option")) {
    const { name } = option.closest("select"), k = Number(option.value);
    const isLit = all.some(({ [name]: parts }) => parts?.every((part) => part === k));
    option.textContent = k + 1 + (isLit ? " •" : "");
    option.selected = k === state.at[name];
  }
}

const WORDS = { size: "X", kernel: "W", stride: "stride", before: "padding", dilation: "dilation" };

// Number fields; the numbers of the layer before stay where they are.
export function addFields() {
  const form = byId("fields"), { axes } = data.layer, note = byId("note");
  const words = axes.length === 1 ? [""] : ["depths", "rows", "columns"].slice(-axes.length);
  for (const [name, label] of Object.entries(WORDS)) {
    const inputs = words.flatMap((word, k) => [k ? " × " : `${label} `, made("input", {
      type: "number", min: name === "before" ? 0 : 1, max: 12, required: true, id: `${name}-${k}`,
      ariaLabel: `${label} ${word}`.trim(), defaultValue: axes[k][name],
    })]);
    note.before(made("span.group", {}, ...inputs));
  }
  form.hidden = !form.checkValidity();
  form.addEventListener("change", () => {
    const wanted = structuredClone(axes);
    wanted.forEach((axis, k) => {
      for (const name in WORDS) axis[name] = byId(`${name}-${k}`).valueAsNumber;
      // The padding behind follows that in front.
      if (axis.before !== axes[k].before) axis.after = axis.before;
    });
    const wrong = form.querySelector("input:invalid");
    note.value = wrong ? `${wrong.ariaLabel}: a whole number from ${wrong.min} to ${wrong.max}`
      : wanted.flatMap((axis) => tableOf(axis).reasons)[0] ?? "";
    if (!note.value) use(layerOf({ ...data.layer, axes: wanted }), page.numbers.given);
  });
}

export function offer() {
  const { transposed } = page.layer, full = transposed ? "o" : "dx";
  byId("ways").hidden = !has(full);
  byId("ways").firstChild.textContent = TITLES[full];
  byId("ask").append(...["o", "dw", "dx"].filter(has).map((each) =>
    new Option(TITLES[each], each, false, each === data.asked)));
}
