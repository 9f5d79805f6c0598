// The controls that depend on the layer: which sample, filter and channel are shown, and its sizes.
const LARGEST = 12;

// A chooser of one of a number of things, which is kept under a key, if there is a choice.
function addChooser(word, size, kept, key) {
  if (size < 2) return;
  const onchange = () => {
    // What is chosen in a grid that shows something else now moves along.
    const target = document.querySelector(`${key in state.lead ? "" : `#grid-${key} `}td.chosen`);
    kept[key] = Number(select.value);
    if (target) choose(cellAt({ target }));
    else page.render();
  };
  const select = made("select", { onchange }, ...range(size).map((k) => new Option(k + 1, k)));
  const label = made("label.lead", { dataset: { lead: key } }, `${word} `, select, ` of ${size}`);
  byId("leads").append(label);
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
  const parts = allLit().map(page.layer.partOf);
  for (const option of document.querySelectorAll("[data-lead] option")) {
    const { lead } = option.closest("label").dataset, k = Number(option.value);
    option.textContent = k + 1 + (parts.some((part) => part[lead] === k) ? " •" : "");
    option.selected = k === ({ ...state.lead, ...state.depth }[lead] || 0);
  }
}

const FIELDS = {
  size: "X", kernel: "W", stride: "stride", before: "padding", dilation: "dilation",
};

// Number fields, whose axes `relay` gets.
export function addFields(relay) {
  const form = byId("fields"), { axes } = data.layer, note = byId("note");
  const words = axes.length === 1 ? [""] : ["depths", "rows", "columns"].slice(-axes.length);
  for (const [name, label] of Object.entries(FIELDS)) {
    const inputs = words.map((word, k) => {
      const { [name]: defaultValue } = axes[k], min = name === "before" ? 0 : 1;
      const ariaLabel = `${label} ${word}`.trim(), max = Math.max(LARGEST, defaultValue);
      const id = `${name}-${k}`, type = "number", required = true;
      return made("input", { type, min, max, required, id, ariaLabel, defaultValue });
    });
    const parts = inputs.flatMap((input, k) => k ? [" × ", input] : [input]);
    note.before(made("span.group", {}, `${label} `, ...parts));
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

// Hides what the page has no use for.
export function offer() {
  const { transposed } = page.layer, full = transposed ? "o" : "dx";
  byId("ways").hidden = !has(full) || (!data.backward && !transposed);
  byId("ways").firstChild.textContent = TITLES[full];
  for (const tensor of ["o", "dw", "dx"].filter((each) => has(each))) {
    byId("ask").append(new Option(TITLES[tensor], tensor, false, tensor === data.asked));
  }
  for (const each of document.querySelectorAll(".numeric")) each.hidden = !isNumeric;
}
