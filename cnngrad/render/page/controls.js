// The controls that depend on the layer: which sample, filter and channel are shown, and its sizes.

// Choosers of what there are several of: samples, filters, channels, and depths of a grid.
export function showLeads() {
  const { layer, layer: { spec } } = page, words = ["filter", "channel"];
  const [outer, inner] = layer.transposed ? words.toReversed() : words;
  const all = [
    ["n", "sample", layer.batch], ["f", outer, layer.outer],
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
  const parts = allLit().map(page.layer.partOf);
  for (const option of document.querySelectorAll("#leads option")) {
    const { name } = option.closest("select"), k = Number(option.value);
    option.textContent = k + 1 + (parts.some((part) => part[name] === k) ? " •" : "");
    option.selected = k === state.at[name];
  }
}

const LARGEST = 12;
const FIELDS = {
  size: "X", kernel: "W", stride: "stride", before: "padding", dilation: "dilation",
};

// Number fields, whose axes `relay` gets.
export function addFields(relay) {
  const form = byId("fields"), { axes } = data.layer, note = byId("note");
  const words = axes.length === 1 ? [""] : ["depths", "rows", "columns"].slice(-axes.length);
  for (const [name, label] of Object.entries(FIELDS)) {
    const inputs = words.flatMap((word, k) => {
      const { [name]: defaultValue } = axes[k], min = name === "before" ? 0 : 1;
      const ariaLabel = `${label} ${word}`.trim(), max = Math.max(LARGEST, defaultValue);
      const id = `${name}-${k}`, type = "number", required = true;
      const input = made("input", { type, min, max, required, id, ariaLabel, defaultValue });
      return [k ? " × " : `${label} `, input];
    });
    note.before(made("span.group", {}, ...inputs));
  }
  form.hidden = axes.some((axis) => Math.max(axis.size, axis.kernel) > LARGEST);
  form.addEventListener("change", () => {
    const wanted = structuredClone(axes);
    wanted.forEach((axis, k) => {
      for (const name in FIELDS) axis[name] = byId(`${name}-${k}`).valueAsNumber;
      // The padding behind follows that in front.
      if (axis.before !== axes[k].before) axis.after = axis.before;
    });
    const wrong = form.querySelector("input:invalid");
    note.value = wrong ? `${wrong.ariaLabel}: a whole number from ${wrong.min} to ${wrong.max}`
      : wanted.flatMap((axis) => tableOf(axis).reasons)[0] ?? "";
    if (!note.value) relay(wanted);
  });
}

export function offer() {
  const { transposed } = page.layer, full = transposed ? "o" : "dx";
  byId("ways").hidden = !has(full);
  byId("ways").firstChild.textContent = TITLES[full];
  byId("ask").append(...["o", "dw", "dx"].filter(has).map((each) =>
    new Option(TITLES[each], each, false, each === data.asked)));
}
