// The sum of the chosen element: lines of names, which are links to their cells, and of numbers.

const link = ({ array, name, key }) => made(`a.of-${array}`, { href: `#${key}` }, name);
const shaded = (k, ...parts) =>
  made("span.term.shaded", { style: `--shade: ${shadeOf(k)}` }, ...parts);

// Parts with a sign between them; of too many the first.
function joined(parts, sign, most = parts.length) {
  const all = parts.slice(0, most).flatMap((part, k) => k ? [sign, part] : [part]);
  return parts.length > most ? [...all, `${sign}…`] : all;
}

// An element with its number, if it has one.
const valued = (element) =>
  [link(element), isNumeric ? ` = ${shown(page.numbers.value(element))}` : ""];
// Factors in numbers, if there are any; negative ones are in parentheses.
const multiplied = (factors) => factors.map((each) =>
  isNumeric ? shown(page.numbers.value(each)).replace(/^-.*/, "($&)") : each.name).join("·");

function stampLines(element, full) {
  const all = stamps(element, full), { sumOf } = page.numbers;
  const parts = all.slice(0, 26).map(([w, onto], k) => {
    // An x that stands in the padding too may be stamped again.
    const more = all.slice(k).filter((each) => each[1] === onto).map(([each]) => [element, each]);
    const [before, after] = [more, more.slice(1)].map((rest) => arrived(onto) - sumOf(rest));
    const step = isNumeric && state.asked !== full ? `: ${shown(before)} → ${shown(after)}` : "";
    return shaded(k, link(onto), ` += ${multiplied([element, w])}${step}`);
  });
  return [[...valued(element), " stamps W:"], joined(parts, ", ", 25)];
}

function useLines(element) {
  const found = page.layer.readers(element).filter(({ tensor }) => has(tensor)).map(link);
  const uses = joined(found.length ? found : ["no sum"], ", ", 24);
  return [[...valued(element), " is used in ", ...uses]];
}

function sumLines(element, isFolded) {
  const terms = page.layer.terms(element), { value, sumOf } = page.numbers;
  const { limit } = state, isLong = terms.length > limit;
  const most = isLong && isFolded ? limit - 2 : terms.length;
  const sumOfParts = (parts) =>
    [link(element), " = ", ...joined(parts, " + ", parts.length > limit ? most : parts.length)];
  // A result, or part of it, which a hint leaves out.
  const told = (number) => state.asked === element.tensor ? "?" : shown(number);

  const line = sumOfParts(terms.map((factors, k) => shaded(k, ...joined(factors.map(link), "·"))));
  if (!terms.length) return [[...line, told(0)]];
  if (isLong) {
    const kind = terms.at(-1).length > 1 ? "products" : "terms";
    const words = isFolded ? `${terms.length} ${kind}: show` : "show fewer";
    const onclick = () => page.set({ unfolded: isFolded });
    line.push(" ", made("button.fold", { onclick, ariaExpanded: !isFolded }, words));
  }
  const lines = [line];
  if (element.tensor === "dw" || element.tensor === "dx") {
    // The chain rule: the error depends on this element through the outputs of its products.
    lines.unshift(sumOfParts([...new Set(terms.map(([first]) => first))].map((each) =>
      made("span.term", {}, link(each), "·",
        made("span.partial", {}, `∂${each.short}/∂${element.short}`)))));
  }
  if (isNumeric) {
    const products = terms.slice(0, most).map(multiplied).join(" + "), rest = terms.slice(most);
    const more = rest.length ? ` + ${rest.length} more (${told(sumOf(rest))})` : "";
    lines.push([`= ${products}${more} = ${told(value(element))}`]);
  }
  return lines;
}

function question(element) {
  const answer = state.typed.get(element), all = page.layer.all(element.tensor);
  const verdict = isRight(element) ? `= ${answer} is right.` : `is not ${answer}.`;
  return `${element.name} ${answer ? verdict : "= ? Type it on its cell."} `
    + `${all.filter(isRight).length} of ${all.length} are right.`;
}

function linesOf(element) {
  const from = stamping();
  if (isSecret(element)) return [[question(element)]];
  if (from) return stampLines(element, from.result);
  return RESULTS.includes(element.tensor) ? sumLines(element, !state.unfolded) : useLines(element);
}

const write = (lines) =>
  byId("line").replaceChildren(...lines.map((parts) => made("div", {}, ...parts)));

export function say() {
  const { chosen, zero } = state;
  write(chosen ? linesOf(chosen) : []);
  byId("why").textContent = chosen && !isSecret(chosen) ? page.layer.whyUnread(chosen) : zero;
}

// The height in pixels of the longest folded sum, as told by first elements and middle ones.
export const longest = () => Math.max(...page.equations.map(({ result }) => page.layer.all(result))
  .flatMap((all) => [all[0], all[Math.floor(all.length / 2)]]).map((element) => {
    write(sumLines(element, true));
    return byId("line").offsetHeight;
  }));
