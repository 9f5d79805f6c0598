"use strict";
// The page: what is chosen, its controls, and what happens when a cell is pointed at, held, changed or asked for.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent), byId = (id) => document.getElementById(id);
  const { made } = window.drawingOf, { shown } = window.numbersOf;
  const file = Object.fromEntries(Object.entries(data.values).map(([t, list]) => [t, window.numbersOf.read(list)]));
  const state = {
    chosen: null, held: false, told: false, unfolded: false, equation: "", way: "gather", names: !file.x,
    colours: false, lead: { n: 0, f: 0, c: 0 }, depth: {}, asked: "", typed: {}, editing: false,
  };
  const page = { state, render, lit, stamping, stamps, arrived, question, isRight, has };
  const drawing = window.drawingOf(page, byId("stage"));
  const say = window.sumsOf(page, byId("line"), byId("why"));
  const results = new Set(["o", "dw", "dx", "db"]);
  // The most products that are shown at once: about two lines by the chain rule.
  page.most = () => {
    const two = 2 * drawing.across() / (2 * page.layer.name("dx", 0).length + 6);
    return Math.min(Math.max(4, Math.floor(two)), 9);
  };
  let timer = null, changed = false;

  function use(layer, values) {
    page.layer = layer;
    page.numbers = window.numbersOf(layer, values);
    state.typed = { o: {}, dw: {}, dx: {} };
    state.chosen = null;
    state.held = false;
    lay();
  }

  // Makes the grids for the layer and the way, and keeps the equation that is large.
  function lay() {
    page.equations = window.equationsOf(page.layer, data.backward, state.way === "scatter");
    const there = page.equations.map((each) => each.result);
    if (!there.includes(state.equation)) state.equation = there.includes("dx") ? "dx" : there.at(-1);
    drawing.build();
    window.controlsOf.leads(page, byId("leads"));
    drawing.fit();
    render();
  }

  function render() {
    say();
    drawing.draw();
    const { chosen, held, asked } = state, all = walked(), at = place();
    byId("held").hidden = !held;
    byId("hint").disabled = !chosen || chosen.flat < 0 || asked !== chosen.tensor;
    byId("told").classList.toggle("open", state.unfolded);
    byId("legend").classList.toggle("shown", state.colours);
    byId("changed").hidden = !changed;
    byId("count").textContent = `${at < 0 ? "–" : at + 1} of ${all.count}`;
    // No count is wider than the last.
    byId("count").style.setProperty("--count", `${2 * String(all.count).length + 3}ch`);
    byId("step").max = String(all.count - 1);
    byId("step").value = String(Math.max(at, 0));
    byId("step").setAttribute("aria-valuetext", page.layer.name(all.tensor, Math.max(at, 0)));
    byId("back").disabled = at <= 0;
    byId("forward").disabled = at >= all.count - 1;
    window.controlsOf.mark(page, byId("leads"), lit());
  }

  // The layer has this tensor, and the page a grid of it.
  function has(tensor) { return page.equations.some((each) => each.grids.some((grid) => grid.tensor === tensor)); }

  // The equation in which the chosen element stamps W; undefined if none does.
  function stamping() {
    const { tensor, flat } = state.chosen || { flat: -1 };
    return flat < 0 ? undefined : page.equations.find((each) => each.stamps === tensor);
  }
  // The elements of W and of the result that an element stamps.
  function stamps(tensor, flat, full) {
    const { arrayOf } = window.layerOf, all = page.layer.triples({ x: "dx", do: "o" }[tensor], flat);
    return all.map((each) => [each.w, each[arrayOf(full)]]).toSorted(([, a], [, b]) => a - b);
  }
  // An element's number, while the element stamps W only what has arrived so far, with b from the beginning.
  function arrived(tensor, flat) {
    const from = stamping();
    if (!from || from.result !== tensor) return page.numbers.value(tensor, flat);
    return page.numbers.sumOf(page.layer.terms(tensor, flat).filter((factors) =>
      factors.every(([other, at]) => other !== from.stamps || at <= state.chosen.flat)));
  }

  // The cells to light up: the chosen cell's factors, each with the number of its product, and the cells that use it.
  function lit() {
    const found = new Map(), readers = new Set(), { chosen, asked, told } = state;
    if (!chosen || chosen.flat < 0 || (asked === chosen.tensor && !told)) return { made: found, readers };
    const { tensor, flat } = chosen, from = stamping();
    const products = from ? stamps(tensor, flat, from.result).map(([w, at]) => [["w", w], [from.result, at]])
      : results.has(tensor) ? page.layer.terms(tensor, flat) : [];
    products.forEach((factors, k) => factors.forEach(([other, at]) => {
      if (!found.has(`${other}:${at}`)) found.set(`${other}:${at}`, k);
    }));
    if (!from) for (const [t, at] of page.layer.readers(tensor, flat)) readers.add(`${t}:${at}`);
    return { made: found, readers };
  }

  function isRight(tensor, flat) {
    const number = page.numbers.parsed(state.typed[tensor][flat]);
    return number !== null && shown(number) === shown(page.numbers.value(tensor, flat));
  }
  function question(tensor, flat) {
    const name = page.layer.name(tensor, flat), answer = state.typed[tensor][flat];
    const right = Object.keys(state.typed[tensor]).filter((at) => isRight(tensor, Number(at))).length;
    const told = answer === undefined ? `${name} = ? Type it on its cell.`
      : isRight(tensor, flat) ? `${name} = ${answer} is right.` : `${name} is not ${answer}.`;
    return `${told} ${right} of ${page.layer.count(tensor)} are right.`;
  }

  function choose(tensor, flat, zero = "") {
    Object.assign(state, { chosen: { tensor, flat, zero }, told: false });
    render();
  }

  function release() {
    Object.assign(state, { chosen: null, held: false });
    try { history.replaceState(null, "", " "); } catch { /* a page without an address */ }
    render();
  }

  // Holds an element, shows its sample and channel, and writes its address.
  function hold(tensor, flat) {
    const { layer } = page, array = window.layerOf.arrayOf(tensor), index = layer.indexOf(tensor, flat);
    const [a, b] = index, { n, f, c } = state.lead, group = Math.floor(b / layer.channels);
    if (array !== "b") {
      // A filter of the channel's group.
      const reader = Math.floor(f / layer.filters) === group ? f : group * layer.filters;
      state.lead = { windows: { n: a, f: b, c }, w: { n, f: a, c: b },
        wide: { n: a, f: reader, c: b % layer.channels } }[layer.roles[array]];
    }
    if (layer.tables.length === 3) showDepths(tensor, flat);
    window.controlsOf.leads(page, byId("leads"));
    state.held = true;
    choose(tensor, flat);
    try { history.replaceState(null, "", `#${tensor}-${layer.short(tensor, flat)}`); } catch { /* a page without an address */ }
  }

  // With three axes, the depths of an element and of the first elements that it is made of.
  function showDepths(tensor, flat) {
    const first = results.has(tensor) ? page.layer.terms(tensor, flat)[0] || [] : [];
    const known = new Map([[tensor, flat], ...first]);
    for (const equation of page.equations) {
      for (const grid of equation.grids) {
        if (!known.has(grid.tensor) || grid.axes.length < 3) continue;
        if (grid.tensor !== tensor && equation.result !== tensor) continue;
        const index = page.layer.indexOf(grid.tensor, known.get(grid.tensor));
        state.depth[grid.id] = grid.axes[0].indexOf(index[2]);
      }
    }
  }

  function cellOf(target) {
    const cell = target instanceof Element && target.closest("#stage td[data-grid]");
    if (!cell) return null;
    const { grid } = drawing.sheets.get(cell.dataset.grid);
    const [r, c] = [Number(cell.dataset.r), Number(cell.dataset.c)];
    return { cell, grid, r, c, flat: drawing.flatOf(grid, r, c) };
  }
  const zeroOf = ({ grid, r, c, flat }) =>
    flat < 0 ? window.whyZero(page.layer, grid, drawing.slotsOf(grid, r, c)) : "";

  function point(event) {
    const found = cellOf(event.target);
    if (!found || state.held || state.editing || timer !== null) return;
    choose(found.grid.tensor, found.flat, zeroOf(found));
  }

  function click(found) {
    if (timer !== null) play();
    const { chosen, held } = state, { flat, grid: { tensor } } = found;
    const isSame = held && chosen.tensor === tensor && chosen.flat === flat;
    if (isSame || (held && flat < 0)) release();
    else if (flat < 0) choose(tensor, flat, zeroOf(found));
    else hold(tensor, flat);
  }

  const canChange = ({ grid: { tensor }, flat }) =>
    flat >= 0 && file.x && (page.numbers.given[tensor] || state.asked === tensor);

  function edit(found, begun = null) {
    const { grid, flat, cell } = found, asked = state.asked === grid.tensor, input = made("input", "");
    const answers = state.typed[grid.tensor];
    const before = asked ? answers[flat] ?? "" : shown(page.numbers.value(grid.tensor, flat));
    if (timer !== null) play();
    state.editing = true;
    input.value = begun ?? before;
    input.setAttribute("aria-label", page.layer.name(grid.tensor, flat));
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      state.editing = false;
      // Accept a decimal comma.
      const text = input.value.trim().replace(",", ".");
      const number = page.numbers.parsed(text), right = number !== null;
      if (keep && asked && text === "") delete answers[flat];
      else if (keep && right && asked) answers[flat] = text;
      else if (keep && right && input.value !== before) {
        page.numbers.change(grid.tensor, flat, number);
        changed = true;
      }
      drawing.fit();
      render();
      cell.focus();
      if (asked) choose(grid.tensor, flat);
      if (keep && !right && text !== "") {
        byId("why").textContent = `"${input.value}" is not a number: the old value stays.`;
      }
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true));
    drawing.painted.delete(cell);
    cell.replaceChildren(input);
    input.focus();
    if (begun === null) input.select();
  }

  function key(event) {
    const found = cellOf(event.target);
    if (!found || event.target.tagName === "INPUT") return;
    if (event.key === "Enter") {
      click(found);
    } else if (event.key === "F2" && canChange(found)) {
      edit(found);
    } else if (/^[-+.\d]$/.test(event.key) && !(event.ctrlKey || event.metaKey || event.altKey)
      && canChange(found)) {
      event.preventDefault();
      edit(found, event.key);
    } else {
      window.walk(event, drawing.sheets.get(found.grid.id).rows, found.r, found.c);
    }
  }

  // The elements that Play walks through: those of the large equation's result, or those that stamp W.
  function walked() {
    const equation = page.equations.find((each) => each.result === state.equation);
    const tensor = equation.stamps || equation.result;
    return { tensor, count: page.layer.count(tensor) };
  }
  const place = () => state.chosen && state.chosen.tensor === walked().tensor ? state.chosen.flat : -1;
  function step(to) {
    const { tensor, count } = walked();
    if (to >= 0 && to < count) hold(tensor, to);
  }
  function play() {
    if (timer !== null) {
      clearInterval(timer);
      timer = null;
    } else {
      if (place() >= walked().count - 1) step(0);
      timer = setInterval(() => {
        step(place() + 1);
        if (place() >= walked().count - 1) play();
      }, Number(byId("speed").value));
    }
    byId("play-steps").setAttribute("aria-pressed", String(timer !== null));
    byId("play-steps").textContent = timer === null ? "Play" : "Stop";
  }
  const stop = () => { if (timer !== null) play(); };

  function fromAddress() {
    const [tensor, name] = window.asked().split("-");
    // Ignore an address that names no element of an array on this page.
    if (!name || !/^(d?[xwob])$/.test(tensor) || !has(tensor)) return;
    for (let flat = 0; flat < page.layer.count(tensor); flat++) {
      if (page.layer.short(tensor, flat) !== name) continue;
      enlarge(tensor);
      hold(tensor, flat);
      return;
    }
  }

  // Makes the equation large whose result this is, or that has it.
  function enlarge(tensor) {
    const now = page.equations.find((each) => each.result === state.equation);
    const shows = (equation) => equation.grids.some((grid) => grid.tensor === tensor);
    const own = page.equations.find((each) => each.result === tensor);
    state.equation = (own || (shows(now) ? now : page.equations.find(shows))).result;
    drawing.fit();
  }

  async function copy() {
    const keys = { x: "X", w: "W", do: "dEdO", b: "b" }, { axes, groups } = page.layer.spec;
    const [{ flip, mode, transposed }] = axes, each = (name) => axes.map((axis) => axis[name]);
    const options = {
      stride: each("stride"), padding: axes.map((axis) => [axis.before, axis.after]), dilation: each("dilation"),
      groups, flip, dims: axes.length, ...(mode === "zeros" ? {} : { padding_mode: mode }),
      ...(transposed ? { transposed, output_padding: each("extra") } : {}),
    };
    const arrays = Object.keys(page.numbers.given).map((t) => `"${keys[t]}": ${page.numbers.written(t)}`);
    const text = `{${arrays.join(", ")}, ${JSON.stringify(options).slice(1)}`;
    byId("why").textContent = text;
    try {
      await navigator.clipboard.writeText(text);
      byId("copy").textContent = "Copied";
    } catch {
      byId("copy").textContent = "Copy below";
    }
    setTimeout(() => { byId("copy").textContent = "Copy as JSON"; }, 2000);
  }

  function reset() {
    stop();
    changed = false;
    setFields();
    use(window.layerOf(data.layer), file);
    release();
  }

  // The layer with other sizes or options: numbers stay where they are, new ones are made up.
  function relay(axes) {
    const layer = window.layerOf({ ...page.layer.spec, axes }), given = {};
    stop();
    for (const [tensor, list] of Object.entries(page.numbers.given)) {
      given[tensor] = layer.range(layer.count(tensor)).map((flat) => {
        const index = layer.indexOf(tensor, flat), fresh = ((flat * 7 + index.length) % 9) - 4;
        if (index.every((k, axis) => k < page.layer.shape(tensor)[axis])) {
          return list[page.layer.flatOf(tensor, index)];
        }
        return typeof list[0] === "bigint" ? BigInt(fresh) : fresh;
      });
    }
    changed = true;
    state.depth = {};
    use(layer, given);
  }

  byId("stage").addEventListener("mouseover", point);
  byId("stage").addEventListener("focusin", point);
  byId("stage").addEventListener("click", (event) => {
    const found = cellOf(event.target), title = event.target.closest("button.title");
    if (title) {
      stop();
      state.equation = title.dataset.equation;
      drawing.fit();
      render();
    } else if (found && event.target.tagName !== "INPUT") {
      click(found);
    }
  });
  byId("stage").addEventListener("dblclick", (event) => {
    const found = cellOf(event.target);
    if (found && canChange(found) && event.target.tagName !== "INPUT") edit(found);
  });
  byId("stage").addEventListener("keydown", key);
  // A name in a sum points at its cells.
  const lightUp = (event, on) => {
    const { key: id } = event.target.dataset || {};
    if (!id) return;
    const [tensor, flat] = id.split(":");
    for (const { grid, rows } of drawing.sheets.values()) {
      if (grid.tensor !== tensor) continue;
      rows.forEach((row, r) => row.forEach((cell, c) => {
        if (drawing.flatOf(grid, r, c) === Number(flat)) cell.classList.toggle("pointed", on);
      }));
    }
  };
  byId("line").addEventListener("mouseover", (event) => lightUp(event, true));
  byId("line").addEventListener("mouseout", (event) => lightUp(event, false));
  byId("held").addEventListener("click", release);
  byId("step").addEventListener("input", (event) => { stop(); step(Number(event.target.value)); });
  byId("back").addEventListener("click", () => { stop(); step(place() - 1); });
  byId("forward").addEventListener("click", () => { stop(); step(place() + 1); });
  byId("play-steps").addEventListener("click", play);
  byId("speed").addEventListener("change", () => { if (timer !== null) { play(); play(); } });
  byId("names").addEventListener("change", (event) => {
    state.names = event.target.checked || !file.x;
    drawing.fit();
    render();
  });
  byId("colours").addEventListener("change", (event) => {
    state.colours = event.target.checked;
    render();
  });
  byId("ask").addEventListener("change", (event) => {
    state.asked = event.target.value;
    // The lesson would show the answers.
    for (const section of document.querySelectorAll("details")) section.open = !state.asked;
    drawing.fit();
    render();
  });
  byId("hint").addEventListener("click", () => { state.told = true; render(); });
  byId("reset").addEventListener("click", reset);
  byId("copy").addEventListener("click", copy);
  byId("way").addEventListener("change", (event) => {
    stop();
    state.way = event.target.value;
    state.chosen = null;
    state.equation = page.equations.find((each) => each.result === (page.layer.transposed ? "o" : "dx")).result;
    lay();
    // Scattering becomes visible once the first element has stamped W.
    if (state.way === "scatter") step(0);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || state.editing) return;
    stop();
    release();
  });
  addEventListener("hashchange", () => {
    stop();
    fromAddress();
    byId("stage").scrollIntoView({ block: "nearest" });
  });
  addEventListener("resize", () => {
    drawing.fit();
    render();
  });

  byId("play").hidden = false;
  const setFields = window.controlsOf.fields(byId("fields"), relay, data.layer.axes);
  use(window.layerOf(data.layer), file);
  window.controlsOf.offer(page, data.backward, Boolean(file.x));
  fromAddress();
})();
