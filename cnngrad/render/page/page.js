"use strict";
// The page knows nothing of convolution: every value is a sum of products of cells that the derivation has listed.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const given = ["x", "w", "b", "do"].filter((t) => data.names[t]), results = ["o", "dw", "dx", "db"];
  const byId = (id) => document.getElementById(id);
  const numbers = window.numbersOf(data, results), { value, shown, factor, sumOf, parsed } = numbers;
  const state = { chosen: null, told: false, pinned: false, names: !data.values.x, lead: {}, way: "gather", step: null, asked: "", typed: { dw: {}, dx: {} }, editing: false };
  const numeric = () => Boolean(data.values.x);
  const key = (tensor, flat) => `${tensor}:${flat}`;

  // The results that use each cell, from the terms of all results.
  const feeds = new Map();
  for (const t of results) {
    (data.terms[t] || []).forEach((terms, flat) => (terms || []).forEach((factors) => factors.forEach(([other, at]) => {
      const from = key(other, at);
      if (!feeds.has(from)) feeds.set(from, new Set());
      feeds.get(from).add(key(t, flat));
    })));
  }

  // Whether the layer is too large for the page to have all its sums.
  const inPart = results.some((t) => (data.terms[t] || []).includes(null));
  const someAlone = "The layer is large: this page has only the sums of some elements.";

  // The flat index of a cell in the grid's tensor; -1 for a zero of the frame, -2 for one in a gap.
  function flatOf(grid, r, c) {
    const axes = grid.axes;
    const spatial = [...(axes.length === 3 ? [axes[0][state.lead[`${grid.id}.depth`] || 0]] : []),
      ...(axes.length > 1 ? [axes[axes.length - 2][r]] : []), axes[axes.length - 1][c]];
    if (spatial.includes(-1)) return -1;
    if (spatial.includes(-2)) return -2;
    const lead = grid.lead.map((name) => state.lead[name] || 0);
    const shape = data.shapes[grid.tensor], index = [...lead, ...spatial];
    return index.reduce((flat, k, axis) => flat * shape[axis] + k, 0);
  }

  // Whether a cell of the padding repeats an element.
  function isRepeated(grid, r, c) {
    const places = [state.lead[`${grid.id}.depth`] || 0, r, c].slice(-grid.axes.length);
    return places.some((k, axis) => k < grid.inside[axis][0] || k >= grid.inside[axis][1]);
  }

  function span(kind, text) {
    const made = document.createElement("span");
    made.className = kind;
    made.textContent = text;
    return made;
  }

  function tabs() {
    const box = byId("tabs");
    box.replaceChildren();
    const all = data.leads.map((lead) => [lead.name, lead.word, lead.size]);
    for (const grid of data.grids) {
      if (grid.axes.length === 3) all.push([`${grid.id}.depth`, `depth of ${grid.title}`, grid.axes[0].length]);
    }
    for (const [name, word, size] of all) {
      if (size < 2) continue;
      const row = span("tabs", "");
      row.setAttribute("role", "tablist");
      row.setAttribute("aria-label", word);
      row.append(`${word}: `);
      for (let k = 0; k < size; k++) {
        const tab = document.createElement("button");
        tab.type = "button";
        tab.className = "tab";
        tab.setAttribute("role", "tab");
        tab.setAttribute("aria-selected", String((state.lead[name] || 0) === k));
        tab.dataset.number = String(k + 1);
        tab.addEventListener("click", () => {
          state.lead[name] = k;
          tabs();
          draw();
          byId(`tab-${name}-${k}`).focus();
        });
        tab.id = `tab-${name}-${k}`;
        row.append(tab);
      }
      box.append(row);
    }
  }

  const cells = new Map();  // grid id -> rows of cells

  // The number of a row or column in its array, from 1; empty for zeros.
  function counted(grid, fromEnd, k) {
    const slot = grid.axes[grid.axes.length - fromEnd][k];
    return slot < 0 ? "" : String(slot + 1);
  }

  function heading(scope, text) {
    const cell = document.createElement(text === "" ? "td" : "th");
    if (text === "") { cell.className = "corner"; cell.setAttribute("role", "presentation"); }
    else { cell.scope = scope; cell.setAttribute("role", `${scope === "col" ? "column" : "row"}header`); }
    cell.textContent = text;
    return cell;
  }

  function build() {
    const box = byId("grids");
    box.replaceChildren();
    cells.clear();
    for (const grid of data.grids) {
      const table = document.createElement("table");
      table.className = "grid";
      table.id = `grid-${grid.id}`;
      table.setAttribute("role", "grid");
      const caption = document.createElement("caption");
      caption.textContent = grid.title;
      table.append(caption);
      const rows = grid.axes.length > 1 ? grid.axes[grid.axes.length - 2].length : 1;
      const columns = grid.axes[grid.axes.length - 1].length, made = [];
      const head = document.createElement("tr");
      head.append(heading("col", ""), ...Array.from({ length: columns }, (_, c) => heading("col", counted(grid, 1, c))));
      table.append(head);
      for (let r = 0; r < rows; r++) {
        const row = document.createElement("tr"), across = [];
        row.append(heading("row", rows > 1 || grid.axes.length > 1 ? counted(grid, 2, r) : ""));
        for (let c = 0; c < columns; c++) {
          const cell = document.createElement("td");
          cell.setAttribute("role", "gridcell");
          cell.tabIndex = -1;
          cell.addEventListener("mouseenter", () => { if (!state.pinned && !state.editing) choose(grid, r, c); });
          cell.addEventListener("focus", () => { if (!state.pinned && !state.editing) choose(grid, r, c); });
          cell.addEventListener("click", () => hold(grid, r, c));
          cell.addEventListener("dblclick", () => edit(grid, r, c));
          cell.addEventListener("keydown", (event) => move(event, grid, r, c));
          across.push(cell);
          row.append(cell);
        }
        table.append(row);
        made.push(across);
      }
      cells.set(grid.id, made);
      // The tab stop is the first visible element, if there is one, not a zero of the frame.
      const at = made.flatMap((across, r) => across.map((cell, c) => [cell, flatOf(grid, r, c)])).find(([, flat]) => flat >= 0);
      (at ? at[0] : made[0][0]).tabIndex = 0;
      box.append(table);
    }
  }

  function move(event, grid, r, c) {
    if (event.target.tagName === "INPUT") return;
    if (event.key === "Enter") {
      hold(grid, r, c);
    } else if (event.key === "F2") {
      edit(grid, r, c);
    } else {
      window.walk(event, cells.get(grid.id), r, c);
    }
  }

  const why = (grid, flat) => flat === -1 ? grid.zeros : flat === -2 ? data.gap : "";

  function choose(grid, r, c) {
    const flat = flatOf(grid, r, c);
    state.chosen = { tensor: grid.tensor, flat, zero: why(grid, flat) };
    state.told = false;
    draw();
  }

  function hold(grid, r, c) {
    choose(grid, r, c);
    state.pinned = true;
    address();
  }

  function edit(grid, r, c) {
    const flat = flatOf(grid, r, c), asked = state.asked === grid.tensor;
    if (flat < 0 || !numeric() || !(given.includes(grid.tensor) || asked)) return;
    const cell = cells.get(grid.id)[r][c], input = document.createElement("input");
    if (timer !== null) play();
    state.editing = true;
    const answers = state.typed[grid.tensor];
    const before = asked ? answers[flat] ?? "" : shown(value(grid.tensor, flat));
    input.value = before;
    input.setAttribute("aria-label", data.names[grid.tensor][flat]);
    const done = (keep) => {
      // Accept a decimal comma.
      const text = input.value.trim().replace(",", "."), number = parsed(text), right = number !== null;
      state.editing = false;
      if (keep && asked && text === "") delete answers[flat];
      else if (keep && right && asked) answers[flat] = text;
      else if (keep && right && input.value !== before) { numbers.change(grid.tensor, flat, number); byId("changed").hidden = false; }
      draw();
      cell.focus();
      if (keep && !right && text !== "") byId("why").textContent = `"${input.value}" is not a number: the old value stays.`;
    };
    let ended = false;
    const end = (keep) => { if (!ended) { ended = true; done(keep); } };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true));
    cell.replaceChildren(input);
    input.focus();
    input.select();
  }

  // The cells to light up: the chosen cell's factors with the numbers of their products, and the cells that use it.
  function lit() {
    const made = new Map(), fed = new Set();
    if (!state.chosen || state.chosen.flat < 0) return { made, fed };
    const { tensor, flat } = state.chosen;
    if (stamping()) {
      stamps(flat).forEach(([w, at], k) => { made.set(key("w", w), [k + 1]); made.set(key(onto, at), [k + 1]); });
      return { made, fed };
    }
    ((data.terms[tensor] || [])[flat] || []).forEach((factors, k) => factors.forEach(([other, at]) => {
      const id = key(other, at);
      made.set(id, [...(made.get(id) || []), k + 1]);
    }));
    for (const id of feeds.get(key(tensor, flat)) || []) fed.add(id);
    return { made, fed };
  }

  // W is stamped onto ∂E/∂X by each element of ∂E/∂O, or in a transposed layer onto O by each x.
  const onto = data.stamped, from = data.stamping;
  const factorOf = (factors, tensor) => (factors.find(([other]) => other === tensor) || [])[1];
  // Whether W is being stamped, and the elements of W and of the result for one element.
  const stamping = () => state.way === "scatter" && state.step !== null && state.chosen && state.chosen.tensor === from && state.chosen.flat === state.step;
  const stamps = (flat) => data.terms[onto].flatMap((terms, at) => (terms || []).filter((factors) => factorOf(factors, from) === flat)
    .map((factors) => [factorOf(factors, "w"), at]));

  function draw() {
    const { made, fed } = lit();
    const chosen = state.chosen && key(state.chosen.tensor, state.chosen.flat);
    const largest = {};
    for (const t in data.values) largest[t] = Math.max(1e-300, ...data.values[t].map((each) => Math.abs(Number(each ?? 0))));
    for (const grid of data.grids) {
      if (grid.id === onto) {
        const last = data.names[from].length - 1, unfinished = state.way === "scatter" && state.step !== null && state.step < last;
        byId(`grid-${onto}`).caption.textContent = unfinished ? `${grid.title} so far` : grid.title;
      }
      cells.get(grid.id).forEach((row, r) => row.forEach((cell, c) => {
        const flat = flatOf(grid, r, c), id = key(grid.tensor, flat);
        // W rotated is used only for what W is stamped onto.
        const others = onto === "dx" ? ["o", "x", "b"] : ["dx", "do", "b"];
        const apart = grid.id === "wr" && state.chosen && others.includes(state.chosen.tensor);
        const pairs = apart ? undefined : made.get(id);
        const hidden = state.asked === grid.tensor;
        let text = "0", number = null;
        if (flat >= 0) {
          if (numeric()) number = partial(grid.tensor, flat);
          text = hidden ? state.typed[grid.tensor][flat] ?? "?" : numeric() && !state.names ? shown(number) : data.names[grid.tensor][flat];
        }
        const classes = [`of-${grid.letter}`];
        if (flat < 0 || isRepeated(grid, r, c)) classes.push("zero");
        // The two cells of a product have the same shade and number.
        if (pairs) classes.push("made", `shade-${(pairs[0] - 1) % 6}`);
        if (fed.has(id) && !apart) classes.push("feeds");
        if (flat >= 0 && id === chosen) classes.push("chosen");
        if (flat >= 0 && numeric() && byId("colours").checked && !hidden) {
          const share = Number(value(grid.tensor, flat)) / largest[grid.tensor];
          if (share > 0.33) classes.push("high");
          if (share < -0.33) classes.push("low");
        }
        const answer = hidden && flat >= 0 ? state.typed[grid.tensor][flat] : undefined;
        if (answer !== undefined) classes.push(isRight(grid.tensor, flat) ? "ok" : "bad");
        cell.className = classes.join(" ");
        cell.replaceChildren(text);
        if (pairs) cell.append(span("mark", pairs.slice(0, 3).join(",")));
        cell.setAttribute("aria-label", flat < 0 ? why(grid, flat) : `${data.names[grid.tensor][flat]}${answer !== undefined ? ` ${answer}, ${isRight(grid.tensor, flat) ? "right" : "wrong"}` : number !== null && !hidden ? ` ${shown(number)}` : ""}`);
      }));
    }
    markTabs(made, fed);
    line();
  }

  // While scattering, an element holds the sum of what has arrived so far, and b from the beginning.
  function partial(tensor, flat) {
    const terms = (data.terms[onto] || [])[flat];
    if (tensor !== onto || state.way !== "scatter" || state.step === null || !terms) return value(tensor, flat);
    return sumOf(terms.filter((factors) => (factorOf(factors, from) ?? -1) <= state.step));
  }

  const isRight = (tensor, flat) => shown(parsed(state.typed[tensor][flat])) === shown(value(tensor, flat));

  function question(tensor, flat) {
    const name = data.names[tensor][flat], answer = state.typed[tensor][flat], all = data.names[tensor].length;
    const right = Object.keys(state.typed[tensor]).filter((at) => isRight(tensor, Number(at))).length;
    if (value(tensor, flat) === undefined) return `${name} = ? Its sum is not in this page.`;
    const said = answer === undefined ? `${name} = ? Double-click or F2 to answer.`
      : isRight(tensor, flat) ? `${name} = ${answer} is right.` : `${name} is not ${answer}.`;
    return `${said} ${right} of ${all} are right.`;
  }

  function line() {
    const out = byId("line"), note = byId("why");
    out.replaceChildren();
    note.textContent = "";
    byId("show").hidden = !state.chosen || state.asked !== state.chosen.tensor;
    if (!state.chosen) return;
    const { tensor, flat, zero } = state.chosen;
    if (flat < 0) { note.textContent = zero; return; }
    const name = data.names[tensor][flat], terms = (data.terms[tensor] || [])[flat];
    if (state.asked === tensor && !state.told) { out.textContent = question(tensor, flat); return; }
    if (stamping()) {
      const all = stamps(flat), back = numeric() && factor(value(from, flat));
      out.append(`${name}${numeric() ? ` = ${shown(value(from, flat))}` : ""} stamps W:`, document.createElement("br"));
      all.slice(0, 25).forEach(([w, at], k) => {
        const by = numeric() && value(from, flat) * value("w", w);
        // An x that stands in the padding too may be stamped again.
        const again = all.slice(k + 1).filter(([, other]) => other === at).map(([other]) => [[from, flat], ["w", other]]);
        const so = numeric() && partial(onto, at) - sumOf(again);
        const text = `${data.names[onto][at]} += ${numeric() ? `${back}·${factor(value("w", w))}: ${shown(so - by)} → ${shown(so)}` : `${name}·${data.names.w[w]}`}`;
        out.append(k ? ", " : "", span("link", text));
      });
      if (all.length > 25) out.append(", …");
      if (inPart) note.textContent = someAlone;
      return;
    }
    if (!results.includes(tensor)) {
      const into = [...(feeds.get(key(tensor, flat)) || [])].map((id) => { const [t, at] = id.split(":"); return data.names[t][at]; });
      out.textContent = `${name}${numeric() ? ` = ${shown(value(tensor, flat))}` : ""} is used in ${into.slice(0, 24).join(", ") || (inPart ? "no sum of this page" : "no sum")}${into.length > 24 ? ", …" : ""}`;
      if (inPart) note.textContent = someAlone;
      else if (tensor === "x" && !into.length) note.textContent = data.unread.dx;
      return;
    }
    if (terms === null || terms === undefined) { out.textContent = `${name}: its sum is not in this page`; return; }
    if (terms.length && (tensor === "dw" || tensor === "dx")) {
      // Each product has a factor ∂E/∂o: the error depends on this element through that output.
      const array = data.names[tensor.slice(1)][flat];
      const chain = [...new Set(terms.map((factors) => factors.find(([other]) => other === "do")[1]))]
        .map((at) => `${data.names.do[at]}·∂${data.names.o[at]}/∂${array}`);
      out.append(`${name} = `);
      chain.forEach((text, k) => out.append(k ? " + " : "", span("link", text)));
      out.append(document.createElement("br"));
    }
    out.append(`${name} = `);
    if (!terms.length) out.append("0");
    terms.forEach((factors, k) => {
      const term = span("term", factors.map(([other, at]) => data.names[other][at]).join("·"));
      term.addEventListener("mouseenter", () => light(factors, true));
      term.addEventListener("mouseleave", () => light(factors, false));
      out.append(k ? " + " : "", term);
    });
    if (numeric() && terms.length) {
      const sums = terms.map((factors) => factors.map(([other, at]) => factor(value(other, at))).join("·"));
      const so = partial(tensor, flat), all = value(tensor, flat);
      out.append(document.createElement("br"), `= ${sums.join(" + ")} = ${shown(all)}`);
      if (so !== all) note.textContent = `So far ${shown(so)} of ${shown(all)} has arrived.`;
    }
    // Without any product the sum is 0, or b.
    if (data.unread[tensor] && !terms.some((factors) => factors.length > 1)) note.textContent = data.unread[tensor];
  }

  function light(factors, on) {
    const ids = new Set(factors.map(([other, at]) => key(other, at)));
    for (const grid of data.grids) {
      cells.get(grid.id).forEach((row, r) => row.forEach((cell, c) => {
        if (ids.has(key(grid.tensor, flatOf(grid, r, c)))) cell.classList.toggle("chosen", on);
      }));
    }
  }

  function showStep(k) {
    const slider = byId("step");
    slider.max = String(steps() - 1);
    slider.value = String(k);
    slider.setAttribute("aria-valuetext", data.names[stepped()][k]);
  }

  const stepped = () => !data.names[onto] ? "o" : state.way === "gather" ? onto : from;
  const steps = () => data.names[stepped()].length;
  function step(k) {
    state.step = k;
    holdElement(stepped(), k);
    tabs();
    draw();
    address();
  }

  // The tabs that show an element of a grid, as names and numbers.
  function tabsOf(grid, flat) {
    const shape = data.shapes[grid.tensor];
    let rest = flat;
    const index = shape.map((_, axis) => {
      const below = shape.slice(axis + 1).reduce((a, b) => a * b, 1), k = Math.floor(rest / below);
      rest -= k * below;
      return k;
    });
    const depth = grid.axes.length === 3 ? [[`${grid.id}.depth`, grid.axes[0].indexOf(index[grid.lead.length])]] : [];
    return [...grid.lead.map((name, k) => [name, index[k]]), ...depth];
  }

  // Choose the tabs that show an element.
  function lookAt(tensor, flat) {
    for (const grid of data.grids) {
      if (grid.tensor === tensor) for (const [name, k] of tabsOf(grid, flat)) state.lead[name] = k;
    }
  }

  // Mark the tabs with lit cells, which may be hidden.
  function markTabs(made, fed) {
    const marked = new Set();
    for (const grid of data.grids) {
      for (const id of [...made.keys(), ...fed]) {
        const [tensor, flat] = id.split(":");
        if (tensor === grid.tensor) for (const [name, k] of tabsOf(grid, Number(flat))) marked.add(`tab-${name}-${k}`);
      }
    }
    for (const tab of document.querySelectorAll("button.tab")) {
      const lights = marked.has(tab.id), number = tab.dataset.number;
      tab.textContent = lights ? `${number} •` : number;
      tab.setAttribute("aria-label", lights ? `${number}, lights up` : number);
    }
  }

  function holdElement(tensor, flat) {
    lookAt(tensor, flat);
    state.chosen = { tensor, flat, zero: "" };
    state.pinned = true;
    if (tensor === stepped()) showStep(flat);
  }

  function address() {
    const c = state.chosen;
    if (!c || c.flat < 0) return;
    try { history.replaceState(null, "", `#${c.tensor}-${data.short[c.tensor][c.flat]}`); } catch { /* a page without an address */ }
  }

  function fromAddress() {
    const [tensor, name] = window.asked().split("-");
    // Ignore an address that names no element of an array on this page.
    if (!Object.hasOwn(data.short, tensor) || !data.grids.some((grid) => grid.tensor === tensor)) return;
    const flat = data.short[tensor].indexOf(name);
    if (flat >= 0) holdElement(tensor, flat);
  }

  let timer = null;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  function play() {
    const button = byId("play-steps");
    if (timer !== null) {
      clearInterval(timer);
      timer = null;
    } else if (still) {
      step(((state.step ?? -1) + 1) % steps());
    } else {
      timer = setInterval(() => step(((state.step ?? -1) + 1) % steps()), Number(byId("speed").value));
    }
    if (still) return;
    button.setAttribute("aria-pressed", String(timer !== null));
    button.textContent = timer === null ? "Play" : "Stop";
  }

  byId("step").addEventListener("input", (event) => step(Number(event.target.value)));
  byId("play-steps").addEventListener("click", play);
  byId("names").addEventListener("change", (event) => { state.names = event.target.checked || !numeric(); draw(); });
  byId("colours").addEventListener("change", (event) => { byId("legend").hidden = !event.target.checked; draw(); });
  byId("ask").addEventListener("change", (event) => {
    state.asked = event.target.value;
    // The lesson would show the answers.
    for (const section of document.querySelectorAll("details")) section.open = !state.asked;
    draw();
  });
  byId("speed").addEventListener("change", () => { if (timer !== null) { play(); play(); } });
  byId("reset").addEventListener("click", () => {
    numbers.reset();
    state.typed = { dw: {}, dx: {} };
    state.step = null;
    byId("changed").hidden = true;
    showStep(0);
    draw();
  });
  byId("show").addEventListener("click", () => { state.told = true; draw(); });
  byId("copy").addEventListener("click", async () => {
    const button = byId("copy"), keys = { x: "X", w: "W", do: "dEdO", b: "b" };
    const parts = given.map((t) => `"${keys[t]}": ${numbers.written(t)}`);
    const options = Object.entries(data.options).map(([name, option]) => `"${name}": ${JSON.stringify(option)}`);
    const text = `{${[...parts, ...options].join(", ")}}`;
    byId("why").textContent = text;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it from below";
    }
    setTimeout(() => { button.textContent = "Copy as JSON"; }, 2000);
  });
  for (const radio of document.querySelectorAll("input[name=way]")) {
    radio.addEventListener("change", () => {
      state.way = radio.value;
      state.step = null;
      // Scattering becomes visible once the first output has stamped W.
      if (state.way === "scatter") step(0);
      else { showStep(0); draw(); }
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || state.editing) return;
    state.pinned = false;
    state.chosen = null;
    try { history.replaceState(null, "", " "); } catch { /* a page without an address */ }
    draw();
  });
  addEventListener("hashchange", () => { fromAddress(); tabs(); draw(); });

  byId("names").checked = state.names;
  document.querySelector("fieldset").hidden = !data.names[onto];
  document.querySelector("legend").textContent = `${onto === "o" ? "O" : "∂E/∂X"} by`;
  byId("ask").parentElement.hidden = !data.names.dx;
  byId("copy").hidden = byId("reset").hidden = !numeric();
  showStep(0);
  if (still) byId("play-steps").textContent = "Next step";
  fromAddress();
  tabs();
  build();
  draw();
  byId("play").hidden = false;
})();
