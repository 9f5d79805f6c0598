"use strict";
// The controls that depend on the layer: what sample, filter and channel are shown, and the fields of its sizes.
(() => {
  const { made } = window.drawingOf, LARGEST = 12;

  function chooser(word, size, at, choose) {
    const label = made("label", "lead", `${word} `), select = made("select", "");
    for (let k = 0; k < size; k++) select.append(new Option(String(k + 1), String(k), false, k === at));
    select.addEventListener("change", () => choose(Number(select.value)));
    label.append(select, ` of ${size}`);
    return label;
  }

  // Choosers of what the grids show, where there is a choice.
  function leads(page, box) {
    const { layer, state } = page, words = ["filter", "channel"];
    const [outer, inner] = layer.transposed ? words.toReversed() : words;
    const within = layer.spec.groups > 1 ? `${inner} of its group` : inner;
    const all = [["n", "sample", layer.batch], ["f", outer, layer.outer], ["c", within, layer.channels]];
    box.replaceChildren();
    for (const [name, word, size] of all) {
      if (size < 2) continue;
      const label = chooser(word, size, state.lead[name], (k) => {
        state.lead = { ...state.lead, [name]: k };
        page.render();
      });
      label.dataset.lead = name;
      box.append(label);
    }
    const large = page.equations.find((each) => each.result === state.equation);
    for (const { id, title, axes } of large.grids.filter((grid) => grid.axes.length === 3)) {
      if (axes[0].length < 2) continue;
      box.append(chooser(`depth of ${title}`, axes[0].length, state.depth[id] || 0, (k) => {
        state.depth[id] = k;
        page.render();
      }));
    }
    box.hidden = !box.children.length;
  }

  // Marks the samples, filters and channels with cells that light up, which may be hidden.
  function mark(page, box, { made: lit, readers }) {
    const { layer } = page, found = { n: new Set(), f: new Set(), c: new Set() };
    for (const key of [...lit.keys(), ...readers]) {
      const [tensor, flat] = key.split(":"), array = window.layerOf.arrayOf(tensor);
      if (array === "b") continue;
      const [a, b] = layer.indexOf(tensor, Number(flat)), role = layer.roles[array];
      if (role !== "w") found.n.add(a);
      if (role === "windows") found.f.add(b);
      if (role === "w") { found.f.add(a); found.c.add(b); }
      if (role === "wide") found.c.add(b % layer.channels);
    }
    for (const label of box.querySelectorAll("[data-lead]")) {
      for (const option of label.querySelectorAll("option")) {
        const k = Number(option.value);
        option.textContent = `${k + 1}${found[label.dataset.lead].has(k) ? " •" : ""}`;
      }
    }
  }

  // Number fields of the layer; `relay` gets the axes of the layer that they describe. Gives a function that sets them.
  function fields(box, relay, axes) {
    const names = [["X", "size"], ["W", "kernel"], ["stride", "stride"], ["padding", "before"],
      ["dilation", "dilation"]];
    const words = axes.length === 1 ? [""] : ["depths", "rows", "columns"].slice(-axes.length);
    const note = made("output", "note");
    const inputs = new Map(names.map(([label, name]) => {
      const group = made("span", "group", `${label} `);
      const list = axes.map((_, k) => {
        const input = made("input", "");
        Object.assign(input, { type: "number", min: name === "before" ? 0 : 1, max: LARGEST, id: `${name}-${k}` });
        input.setAttribute("aria-label", `${label} ${words[k]}`.trim());
        group.append(k ? " × " : "", input);
        return input;
      });
      box.append(group);
      return [name, list];
    }));
    box.append(note);
    box.hidden = axes.some((axis) => Math.max(axis.size, axis.kernel) > LARGEST);
    const set = () => {
      note.textContent = "";
      for (const [name, list] of inputs) list.forEach((input, k) => { input.value = axes[k][name]; });
    };
    box.addEventListener("change", () => {
      const wanted = axes.map((axis, k) => {
        const numbers = Array.from(inputs, ([name, list]) => [name, Math.min(Number(list[k].value), LARGEST)]);
        const changed = { ...axis, ...Object.fromEntries(numbers) };
        // The padding behind follows that in front.
        if (changed.before !== axis.before) changed.after = changed.before;
        return changed;
      });
      note.textContent = wanted.map(window.layerOf.reason).find(Boolean) || "";
      if (!note.textContent) relay(wanted);
    });
    set();
    return set;
  }

  // Hides what the page has no use for.
  function offer(page, backward, numeric) {
    const byId = (id) => document.getElementById(id), full = page.layer.transposed ? "o" : "dx";
    byId("ways").hidden = !page.has(full) || (!backward && !page.layer.transposed);
    byId("ways").firstChild.textContent = window.titleOf(full);
    for (const tensor of ["o", "dw", "dx"].filter(page.has)) {
      byId("ask").append(new Option(window.titleOf(tensor), tensor));
    }
    for (const id of ["ask", "names", "colours"]) byId(id).parentElement.hidden = !numeric;
    for (const id of ["hint", "legend"]) byId(id).hidden = !numeric;
    byId("file").hidden = !numeric;
    // Nothing moves by itself for those who ask for less motion.
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    byId("play-steps").hidden = byId("speed").hidden = isStill;
  }

  window.controlsOf = { leads, mark, fields, offer };
})();
