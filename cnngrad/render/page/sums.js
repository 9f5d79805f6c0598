"use strict";
// The sum of the chosen element, in names that are links to their cells and in numbers.
(() => {
  const { made } = window.drawingOf, { shown, factor } = window.numbersOf;

  window.sumsOf = (page, out, note) => {
    const link = (tensor, flat) => {
      const name = made("a", `of-${window.layerOf.arrayOf(tensor)}`, page.layer.name(tensor, flat));
      name.href = `#${tensor}-${page.layer.short(tensor, flat)}`;
      name.dataset.key = `${tensor}:${flat}`;
      return name;
    };
    const line = (...parts) => {
      const row = made("div", "");
      row.append(...parts);
      out.append(row);
      return row;
    };

    // Parts with a sign between them; of many the first, and how many there are in all.
    function joined(row, parts, fold) {
      const few = fold ? parts.slice(0, page.most() - 2) : parts;
      few.forEach((part, k) => row.append(k ? " + " : "", part));
      if (few.length < parts.length) row.append(" + …");
    }

    function product(factors, k) {
      const term = made("span", `term shade-${k % 6}`);
      factors.forEach(([tensor, flat], at) => term.append(at ? "·" : "", link(tensor, flat)));
      return term;
    }

    // An element with its number, if it has one.
    function valued(tensor, flat, words) {
      const row = made("div", ""), { value, given } = page.numbers;
      row.append(link(tensor, flat), `${given.x ? ` = ${shown(value(tensor, flat))}` : ""}${words}`);
      return row;
    }

    function stamp(tensor, flat, full) {
      const { layer, numbers } = page, numeric = Boolean(numbers.given.x);
      const all = page.stamps(tensor, flat, full), row = line();
      out.prepend(valued(tensor, flat, " stamps W:"));
      all.slice(0, 25).forEach(([w, at], k) => {
        const by = numeric && numbers.value(tensor, flat) * numbers.value("w", w);
        // An x that stands in the padding too may be stamped again.
        const again = all.slice(k + 1).filter(([, other]) => other === at);
        const later = again.map(([other]) => [[tensor, flat], ["w", other]]);
        const so = numeric && page.arrived(full, at) - numbers.sumOf(later);
        const factors = [[tensor, flat], ["w", w]].map((each) =>
          numeric ? factor(numbers.value(...each)) : layer.name(...each)).join("·");
        const term = made("span", `term shade-${k % 6}`);
        term.append(link(full, at), ` += ${factors}${numeric ? `: ${shown(so - by)} → ${shown(so)}` : ""}`);
        row.append(k ? ", " : "", term);
      });
      if (all.length > 25) row.append(", …");
    }

    function uses(tensor, flat) {
      const found = page.layer.readers(tensor, flat).filter(([t]) => page.has(t));
      const row = valued(tensor, flat, ` is used in ${found.length ? "" : "no sum"}`);
      out.append(row);
      found.slice(0, 24).forEach(([t, at], k) => row.append(k ? ", " : "", link(t, at)));
      if (found.length > 24) row.append(", …");
      if (tensor === "x" && !found.length) note.textContent = page.layer.unread.dx;
    }

    function sum(tensor, flat) {
      const { layer, numbers, state } = page, terms = layer.terms(tensor, flat);
      const isMany = terms.length > page.most(), fold = isMany && !state.unfolded;
      if (terms.length && (tensor === "dw" || tensor === "dx")) {
        // Each product has a factor ∂E/∂o: the error depends on this element through that output.
        const chain = [...new Set(terms.map(([[, at]]) => at))], array = layer.short(tensor, flat);
        const row = line(link(tensor, flat), " = ");
        joined(row, chain.map((at) => {
          const term = made("span", "term");
          term.append(link("do", at), "·", made("span", "partial", `∂${layer.short("o", at)}/∂${array}`));
          return term;
        }), chain.length > page.most() && !state.unfolded);
      }
      const row = line(link(tensor, flat), " = ");
      if (!terms.length) row.append("0");
      joined(row, terms.map(product), fold);
      if (isMany) {
        const button = made("button", "fold", fold ? `${terms.length} products: show` : "show fewer");
        button.type = "button";
        button.addEventListener("click", () => { state.unfolded = !state.unfolded; page.render(); });
        row.append(" ", button);
      }
      if (numbers.given.x && terms.length) {
        const worked = terms.map((factors) =>
          factors.map(([other, at]) => factor(numbers.value(other, at))).join("·"));
        const all = numbers.value(tensor, flat), few = page.most() - 2;
        const rest = fold ? ` + ${terms.length - few} more (${shown(numbers.sumOf(terms.slice(few)))})` : "";
        line(`= ${(fold ? worked.slice(0, few) : worked).join(" + ")}${rest} = ${shown(all)}`);
        const so = page.arrived(tensor, flat);
        if (so !== all) note.textContent = `So far ${shown(so)} of ${shown(all)} has arrived.`;
      }
      // Without any product the sum is 0, or b.
      if (layer.unread[tensor] && !terms.some((factors) => factors.length > 1)) note.textContent = layer.unread[tensor];
    }

    return () => {
      const { chosen, asked, told } = page.state, stamping = page.stamping();
      out.replaceChildren();
      note.textContent = "";
      if (!chosen) return;
      const { tensor, flat, zero } = chosen;
      if (flat < 0) note.textContent = zero;
      else if (asked === tensor && !told) line(page.question(tensor, flat));
      else if (stamping) stamp(tensor, flat, stamping.result);
      else if (["o", "dw", "dx", "db"].includes(tensor)) sum(tensor, flat);
      else uses(tensor, flat);
    };
  };
})();
