"use strict";
// Draws the equations: their grids are built once for each layer, and filled anew whenever something is chosen.
(() => {
  const made = (tag, kind, text = "") => {
    const element = document.createElement(tag);
    element.className = kind;
    element.textContent = text;
    return element;
  };
  const isDecimal = (number) =>
    typeof number === "number" && Number.isFinite(number) && !Number.isInteger(number);
  // A decimal in a cell has few digits, in the grid's unit; the sums have more.
  function brief(number, digits, unit) {
    if (!isDecimal(number)) return window.numbersOf.shown(number);
    if (unit) {
      const text = (number / 10 ** unit).toFixed(1);
      return Number(text) ? text : "≈0";
    }
    const short = Number(number.toPrecision(digits)), [plain, power] = [String(short), short.toExponential()];
    return power.length < plain.length ? power : plain;
  }
  // The power of ten in whose unit a grid of small or large decimals is shown; 0 for none.
  function unitOf(numbers) {
    if (!numbers.some(isDecimal)) return 0;
    const power = Math.floor(Math.log10(Math.max(...numbers.map(Math.abs)))) || 0;
    return power < -1 || power > 3 ? power : 0;
  }
  const raised = (power) => String(power).replace(/./g, (each) => each === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[each]);

  // The sizes of numbers, marks, headings and signs in the large equation, by the window's width, and in small ones.
  const LARGE = { smallest: 11, most: 26, head: 18, caption: 24, sign: 22,
    by: [[1200, { least: 18, mark: 13 }], [900, { least: 16, mark: 13 }], [0, { least: 12, mark: 11 }]] };
  const SMALL = { least: 11, smallest: 9, most: 15, mark: 9, head: 16, caption: 0, sign: 16 };

  window.drawingOf = (page, stage) => {
    const sheets = new Map();  // grid id -> its grid, equation, table, and rows of cells
    const painted = new WeakMap();  // cell -> what it shows

    // The slots of a cell along each axis, and its flat index; negative for a zero.
    const placesOf = (grid, r, c) => [page.state.depth[grid.id] || 0, r, c].slice(-grid.axes.length);
    function slotsOf(grid, r, c) {
      return placesOf(grid, r, c).map((k, axis) => grid.axes[axis][k]);
    }
    function flatOf(grid, r, c) {
      const slots = slotsOf(grid, r, c);
      if (slots.some((slot) => slot < 0)) return -1;
      const lead = grid.array === "b" ? [] : page.layer.leadOf(grid.array, page.state.lead);
      return page.layer.flatOf(grid.tensor, [...lead, ...slots]);
    }
    // Whether the sample and channel that an element belongs to are shown.
    function isShown(grid, flat) {
      if (grid.array === "b") return true;
      const index = page.layer.indexOf(grid.tensor, flat), lead = page.layer.leadOf(grid.array, page.state.lead);
      return lead.every((k, axis) => k === index[axis]);
    }

    function heading(scope, slot) {
      const cell = made(slot < 0 ? "td" : "th", slot < 0 ? "corner" : "", slot < 0 ? "" : String(slot + 1));
      if (slot >= 0) cell.scope = scope;
      cell.setAttribute("role", slot < 0 ? "presentation" : `${scope === "col" ? "column" : "row"}header`);
      return cell;
    }

    function sheet(equation, grid) {
      const box = made("div", "sheet"), table = made("table", "grid");
      const caption = made("caption", `of-${grid.array}`, grid.title);
      table.id = `grid-${grid.id}`;
      table.setAttribute("role", "grid");
      const across = grid.axes.at(-1), down = grid.axes.at(-2) || [-1], head = made("tr", "");
      head.append(heading("col", -1), ...across.map((slot) => heading("col", slot)));
      table.append(caption, head);
      const rows = down.map((slot, r) => {
        const row = made("tr", ""), cells = across.map((_, c) => {
          const cell = made("td", "");
          cell.setAttribute("role", "gridcell");
          cell.tabIndex = -1;
          Object.assign(cell.dataset, { grid: grid.id, r, c });
          return cell;
        });
        row.append(heading("row", slot), ...cells);
        table.append(row);
        return cells;
      });
      // The tab stop is the first element, if there is one, not a zero.
      const stops = rows.flat();
      const isElement = ({ dataset: { r, c } }) => flatOf(grid, Number(r), Number(c)) >= 0;
      (stops.find(isElement) || stops[0]).tabIndex = 0;
      box.append(table);
      sheets.set(grid.id, { equation, grid, box, table, caption, rows });
      return box;
    }

    function build() {
      sheets.clear();
      for (const old of stage.querySelectorAll(".equation")) old.remove();
      for (const equation of page.equations) {
        const section = made("section", "equation"), title = made("button", "title"), body = made("div", "body");
        section.id = `equation-${equation.result}`;
        title.type = "button";
        title.dataset.equation = equation.result;
        const signs = equation.grids.length > equation.signs.length ? ["", ...equation.signs] : equation.signs;
        equation.grids.forEach((grid, k) => {
          if (k) body.append(made("i", "break"));
          if (signs[k]) body.append(made("span", "sign", signs[k]));
          title.append(signs[k] ? ` ${signs[k]} ` : "", made("span", `of-${grid.array}`, grid.title));
          body.append(sheet(equation, grid));
        });
        section.append(title, body);
        stage.append(section);
      }
    }

    const numberOf = (grid, flat) => page.numbers.given.x ? page.numbers.value(grid.tensor, flat) : null;
    const flatsOf = (grid) => sheets.get(grid.id).rows.flatMap((row, r) => row.map((_, c) => flatOf(grid, r, c)));
    const numbersIn = (grid) => flatsOf(grid).filter((flat) => flat >= 0).map((flat) => numberOf(grid, flat));
    // What a cell shows, of an unfinished sum what has arrived.
    function textOf(grid, flat, unit, arrived) {
      if (flat < 0) return "0";
      if (page.state.asked === grid.tensor) return page.state.typed[grid.tensor][flat] ?? "?";
      if (page.state.names || !page.numbers.given.x) return page.layer.name(grid.tensor, flat);
      return brief(arrived ? page.arrived(grid.tensor, flat) : numberOf(grid, flat), grid.digits, unit);
    }

    // The characters in a line of the sum, and how many lines the longest takes, about.
    const across = () => {
      const font = parseFloat(getComputedStyle(stage).getPropertyValue("--sum"));
      return (stage.clientWidth - 112) / (0.62 * font);
    };
    function lines() {
      const counts = page.equations.map(({ result }) => {
        const telling = [0, Math.floor(page.layer.count(result) / 2)].map((flat) => page.layer.terms(result, flat));
        const most = Math.min(Math.max(...telling.map((terms) => terms.length)), page.most());
        const name = page.layer.name(result, 0).length, symbols = Math.ceil(most * (name + 6) / across());
        const chain = result === "dw" || result === "dx" ? Math.ceil(most * (2 * name + 6) / across()) : 0;
        return symbols + chain + (page.numbers.given.x ? Math.ceil(most * 12 / across()) : 0);
      });
      return Math.min(Math.max(2, ...counts), 8);
    }

    // Chooses the sizes of all cells. They depend on the numbers and the window, never on what is chosen.
    function fit() {
      const wide = document.documentElement.clientWidth;
      stage.style.setProperty("--others", String(page.equations.length - 1 || 1));
      stage.style.setProperty("--lines", String(lines()));
      const sections = page.equations.map((equation) => {
        const section = document.getElementById(`equation-${equation.result}`);
        const large = equation.result === page.state.equation;
        section.classList.toggle("large", large);
        section.firstChild.setAttribute("aria-pressed", String(large));
        return [equation, section, large];
      });
      // All panels are measured before any is changed: each measurement lays out the whole page.
      const panels = new Map(sections.map(([equation, section, large]) =>
        [equation, { section, large, width: section.lastChild.clientWidth }]));
      // What is left for the large equation beside its sum, with and without the small ones in sight.
      const top = wide < 700 ? 0 : stage.getBoundingClientRect().top + scrollY;
      const room = innerHeight - top - document.getElementById("said").offsetHeight - 56;
      for (const equation of page.equations) {
        const { section, large, width } = panels.get(equation);
        const columns = equation.grids.reduce((sum, grid) => sum + grid.axes.at(-1).length, 0);
        const laid = equation.grids[equation.stamps ? equation.grids.length - 1 : 0];
        const sizes = equation.grids.map((grid, k) => {
          const { rows } = sheets.get(grid.id), flats = flatsOf(grid);
          grid.digits = columns > 12 ? 2 : 4;
          grid.unit = page.numbers.given.x ? unitOf(numbersIn(grid)) : 0;
          const text = Math.max(2, ...flats.map((flat) => textOf(grid, flat, grid.unit, false).length));
          const sign = equation.signs[k - (equation.grids.length > equation.signs.length ? 1 : 0)] || "";
          // What has arrived so far may be longer than the sum.
          return { rows: rows.length, columns: rows[0].length, sign: sign.length, title: grid.title.length,
            text: text + Number(grid === laid && Boolean(equation.stamps)), mark: 0 };
        });
        const moved = sizes[Math.min(1, sizes.length - 1)];
        if (equation.starts) sizes[equation.grids.indexOf(laid)].mark = moved.text + 1;
        const kind = large ? { ...LARGE, ...LARGE.by.find(([from]) => wide >= from)[1] } : SMALL;
        let best = null;
        const heights = large ? [wide < 700 ? 0 : room - 184, Math.max(room, 240)] : [144, wide < 700 ? 300 : 200];
        for (const high of heights.filter((each) => !large || each >= 240)) {
          if (best && best.font >= kind.least && best.over === 1) continue;
          best = { ...window.fitted(sizes, width, high, kind), panel: high };
        }
        section.style.setProperty("--high", `${best.panel}px`);
        let at = 0;
        const ends = new Set(best.rows.map((count) => { at += count; return at; }));
        section.querySelectorAll(".break").forEach((each, k) => { each.hidden = !ends.has(k + 1); });
        equation.grids.forEach((grid, k) => {
          const { box, caption } = sheets.get(grid.id);
          const { height: row, font, mark } = best, { head, caption: above } = kind;
          const lengths = { cell: best.widths[k], row, font, mark, head, caption: above };
          for (const [name, length] of Object.entries(lengths)) box.style.setProperty(`--${name}`, `${length}px`);
          box.style.setProperty("--columns", String(sizes[k].columns));
          const unit = grid.unit && !page.state.names ? ` · 10${raised(-grid.unit)}` : "";
          caption.textContent = grid.title + unit;
        });
      }
    }

    // What the window of the chosen element covers: the texts that lie on each cell, and the frames to draw.
    function covered(equation) {
      const { tensor, flat } = page.state.chosen, marks = new Map(), frames = [];
      if (!equation.starts) return { marks, frames };
      const upper = equation.grids[1], lower = equation.stamps ? equation.grids.at(-1) : equation.grids[0];
      const shown = isShown(equation.stamps ? equation.grids[0] : equation.grids.at(-1), flat);
      const windows = shown ? window.windowsOf(page.layer, equation, tensor, flat) : [];
      const { rows } = sheets.get(lower.id);
      windows.forEach((axes, which) => {
        const meets = (places) => places.map((place, axis) => {
          const { start, size, step } = axes[axis], k = (place - start) / step;
          return place >= start && place < start + size && Number.isInteger(k) ? upper.axes[axis][k] : null;
        });
        rows.forEach((row, r) => row.forEach((_, c) => {
          const slots = meets(placesOf(lower, r, c));
          // An x that stands in the padding too has several windows: numbers lie in the first, at its own place.
          if (which || slots.includes(null)) return;
          const lead = page.layer.leadOf(upper.array, page.state.lead);
          const by = slots.some((slot) => slot < 0) ? -1 : page.layer.flatOf(upper.tensor, [...lead, ...slots]);
          marks.set(`${r} ${c}`, textOf(upper, by, upper.unit, false));
        }));
        const depth = axes.length === 3 && placesOf(lower, 0, 0)[0] - axes[0].start;
        if (depth < 0 || (axes.length === 3 && depth >= axes[0].size)) return;
        const [down, along] = [axes.at(-2) || { start: 0, size: 1 }, axes.at(-1)];
        const clipped = ({ start, size }, most) => [Math.max(start, 0), Math.min(start + size, most)];
        const [top, bottom] = clipped(down, rows.length), [left, right] = clipped(along, rows[0].length);
        if (bottom > top && right > left) frames.push({ which, top, left, high: bottom - top, wide: right - left });
      });
      return { lower, upper, marks, frames };
    }

    // Fills a cell, unless it looks like this already.
    function paint(cell, look) {
      const whole = JSON.stringify(look);
      if (painted.get(cell) === whole) return;
      painted.set(cell, whole);
      cell.className = look.classes.join(" ");
      cell.replaceChildren(made("span", "number", look.text));
      if (look.mark) cell.append(made("span", look.by, look.mark));
      cell.setAttribute("aria-label", look.label);
      cell.style.setProperty("--share", look.share);
    }

    // What a cell shows and how; `own` has what lies on the cells of the chosen element's equation.
    function lookOf(grid, r, c, { lit, own, most }) {
      const { state, numbers, layer } = page, hidden = state.asked === grid.tensor;
      const flat = flatOf(grid, r, c), key = `${grid.tensor}:${flat}`, classes = [`of-${grid.array}`];
      const answer = hidden && flat >= 0 ? state.typed[grid.tensor][flat] : undefined;
      const mark = own && own.lower === grid ? own.marks.get(`${r} ${c}`) : undefined;
      let share = 0, said = "";
      if (flat < 0) {
        classes.push("zero");
      } else {
        if (!placesOf(grid, r, c).every((k, axis) => grid.isInner(axis, k))) classes.push("zero", "border");
        if (own && lit.made.has(key)) classes.push("made", `shade-${lit.made.get(key) % 6}`);
        if (lit.readers.has(key)) classes.push("feeds");
        if (state.chosen && key === `${state.chosen.tensor}:${state.chosen.flat}`) classes.push("chosen");
        if (most && !hidden) {
          share = Number(numberOf(grid, flat)) / most;
          classes.push("heat", share < 0 ? "cold" : "hot");
        }
        if (answer !== undefined) {
          classes.push(page.isRight(grid.tensor, flat) ? "ok" : "bad");
          said = ` ${answer}, ${page.isRight(grid.tensor, flat) ? "right" : "wrong"}`;
        } else if (numbers.given.x && !hidden) {
          said = ` ${window.numbersOf.shown(page.arrived(grid.tensor, flat))}`;
        }
      }
      const name = flat < 0 ? window.whyZero(layer, grid, slotsOf(grid, r, c)) : layer.name(grid.tensor, flat);
      const look = { text: textOf(grid, flat, grid.unit, true), classes, label: name + said,
        share: `${Math.round(Math.abs(share) * 100)}%` };
      if (mark === undefined) return look;
      return { ...look, label: `${look.label}, times ${mark}`, mark: `×${mark}`, by: `mark of-${own.upper.array}` };
    }

    function draw() {
      const { state, numbers } = page, lit = page.lit();
      for (const equation of page.equations) {
        const from = equation.stamps || equation.result;
        const own = lit.made.size > 0 && from === state.chosen.tensor && covered(equation);
        for (const grid of equation.grids) {
          const { rows, box, caption } = sheets.get(grid.id);
          if (equation.stamps && grid.tensor === equation.result) {
            caption.textContent = grid.title + (own ? " so far" : "");
          }
          let most = 0;
          if (state.colours && numbers.given.x) {
            most = Math.max(1e-300, ...numbersIn(grid).map((each) => Math.abs(Number(each))));
          }
          rows.forEach((row, r) => row.forEach((cell, c) => paint(cell, lookOf(grid, r, c, { lit, own, most }))));
          for (const old of box.querySelectorAll(".window")) old.remove();
          if (own && own.lower === grid) box.append(...own.frames.map((frame) => outlined(own.upper, frame)));
        }
      }
    }

    function outlined(upper, { which, ...place }) {
      const frame = made("div", `window of-${upper.array}${which ? " other" : ""}`);
      for (const [name, number] of Object.entries(place)) frame.style.setProperty(`--${name}`, String(number));
      return frame;
    }

    return { sheets, painted, across, build, fit, draw, flatOf, slotsOf, numberOf };
  };
  window.drawingOf.made = made;
})();
