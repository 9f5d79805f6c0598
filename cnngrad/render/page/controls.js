// The controls that depend on the layer: which sample, filter and channel are shown, and its sizes.
const LARGEST = 12;

// A chooser of one of a number of things, which is kept under a key, if there is a choice.
function addChooser(word, size, kept, key) {
  if (size < 2) return;
  const select = made("select", "", ...range(size).map((k) => new Option(k + 1, k)));
  select.addEventListener("change", () => {
    // What is chosen in a grid that shows something else now moves along.
    const target = document.querySelector(`${key in state.lead ? "" : `#grid-${key} `}td.chosen`);
    kept[key] = Number(select.value);
    if (target) choose(cellAt({ target }));
    else page.render();
  });
  const label = made("label", "lead", `${word} `, select, ` of ${size}`);
  byId("leads").append(label);
  label.dataset.lead = key;
}

export function showLeads() {
  const { layer } = page, words = ["filter", "channel"];
  const [outer, inner] = layer.transposed ? words.toReversed() : words;
  const within = layer.spec.groups > 1 ? `${inner} of its group` : inner;
  const all = { n: ["sample", layer.batch], f: [outer, layer.outer], c: [within, layer.channels] };
  byId("leads").replaceChildren();
  for (const [name, [word, size]] of Object.entries(all)) addChooser(word, size, state.lead, name);
  for (const { id, title, axes } of equationOf(state.equation).grids) {
    if (axes.length === 3) addChooser(`depth of ${title}`, axes[0].length, state.depth, id);
  }
}

// Shows the choices, and marks the samples, filters and channels with cells that light up.
export function markLeads() {
  const parts = litPlaces().map(({ tensor, index }) => page.layer.partOf(arrayOf(tensor), index));
  for (const option of document.querySelectorAll("[data-lead] option")) {
    const { lead } = option.closest("label").dataset, k = Number(option.value);
    option.textContent = k + 1 + (parts.some((part) => part[lead] === k) ? " •" : "");
    option.selected = k === ({ ...state.lead, ...state.depth }[lead] || 0);
  }
}

// Number fields, whose axes `relay` gets.
export function addFields(relay) {
  const box = byId("fields"), { axes } = data.layer, note = byId("note");
  const all = { X: "size", W: "kernel", stride: "stride", padding: "before", dilation: "dilation" };
  const words = axes.length === 1 ? [""] : ["depths", "rows", "columns"].slice(-axes.length);
  const inputs = Object.entries(all).flatMap(([label, name]) => {
    const list = words.map((word, axis) => {
      const input = made("input", ""), id = `${name}-${axis}`, min = name === "before" ? 0 : 1;
      const { [name]: defaultValue } = axes[axis], max = Math.max(LARGEST, defaultValue);
      const ariaLabel = `${label} ${word}`.trim(), required = true;
      Object.assign(input, { type: "number", min, max, id, ariaLabel, defaultValue, required });
      return { input, name, axis };
    });
    const parts = list.flatMap(({ input, axis }) => [axis ? " × " : "", input]);
    note.before(made("span", "group", `${label} `, ...parts));
    return list;
  });
  box.hidden = axes.some((axis) => Math.max(axis.size, axis.kernel) > LARGEST);
  box.addEventListener("change", () => {
    const wanted = axes.map((axis) => ({ ...axis }));
    for (const { input, name, axis } of inputs) wanted[axis][name] = Number(input.value);
    const wrong = inputs.find(({ input }) => !input.validity.valid)?.input;
    // The padding behind follows that in front.
    wanted.forEach((axis, k) => { if (axis.before !== axes[k].before) axis.after = axis.before; });
    note.value = wrong ? `${wrong.ariaLabel}: a whole number from ${wrong.min} to ${wrong.max}`
      : wanted.map(reason).find(Boolean) || "";
    if (!note.value) relay(wanted);
  });
}

// Hides what the page has no use for.
export function offer() {
  const { transposed } = page.layer, full = transposed ? "o" : "dx";
  byId("ways").hidden = !has(full) || (!data.backward && !transposed);
  byId("ways").firstChild.textContent = TITLES[full];
  for (const tensor of ["o", "dw", "dx"].filter(has)) {
    byId("ask").append(new Option(TITLES[tensor], tensor, false, tensor === data.asked));
  }
  for (const each of document.querySelectorAll(".numeric")) each.hidden = !isNumeric;
}
