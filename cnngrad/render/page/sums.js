// The sum of the chosen element, in names that are links to their cells and in numbers.

// The most products that are shown at once: about two lines by the chain rule.
function mostProducts() {
  const font = parseFloat(getComputedStyle(byId("line")).fontSize);
  const characters = (byId("stage").clientWidth - 112) / (0.62 * font);
  return clamp(Math.floor(characters / (page.layer.all("dx")[0].name.length + 3)), 4, 9);
}

const link = ({ array, name, key }) => made(`a.of-${array}`, { href: `#${key}` }, name);

// Parts with a sign between them; of too many the first.
function joined(parts, sign, most = parts.length) {
  const all = parts.slice(0, most).flatMap((part, k) => k ? [sign, part] : [part]);
  return parts.length > most ? [...all, `${sign}…`] : all;
}

// An element with its number, if it has one.
const valued = (element) =>
  [link(element), isNumeric ? ` = ${shown(page.numbers.value(element))}` : ""];

// Factors in numbers, as far as there are any.
const multiplied = (factors) => factors.map((each) =>
  isNumeric ? factor(page.numbers.value(each)) : each.name).join("·");

const shaded = (k, ...parts) => made(`span.term.shade-${k % 6}`, {}, ...parts);

// The next functions tell an element's sum as lines of parts.

function stampLines(element, full) {
  const all = stamps(element, full), { sumOf } = page.numbers;
  const parts = all.slice(0, 26).map(([w, onto], k) => {
    let step = "";
    if (isNumeric && state.asked !== full) {
      // An x that stands in the padding too may be stamped again.
      const again = all.slice(k + 1).filter(([, other]) => other === onto);
      const after = arrived(onto) - sumOf(again.map(([other]) => [element, other]));
      step = `: ${shown(after - sumOf([[element, w]]))} → ${shown(after)}`;
    }
    return shaded(k, link(onto), ` += ${multiplied([element, w])}${step}`);
  });
  return [[...valued(element), " stamps W:"], joined(parts, ", ", 25)];
}

function useLines(element) {
  const found = page.layer.readers(element).filter(({ tensor }) => has(tensor)).map(link);
  const sums = found.length ? joined(found, ", ", 24) : ["no sum"];
  return [[...valued(element), " is used in ", ...sums]];
}

// Each product has a factor ∂E/∂o: the error depends on this element through that output.
function chain(element, terms, most) {
  const through = [...new Set(terms.map(([first]) => first))];
  const parts = through.map((each) => made("span.term", {}, link(each), "·",
    made("span.partial", {}, `∂${each.short}/∂${element.short}`)));
  const isMany = through.length > mostProducts();
  return [link(element), " = ", ...joined(parts, " + ", isMany ? most : undefined)];
}

// A result, or part of it, which a hint leaves out.
const unlessAsked = ({ tensor }, number) => state.asked === tensor ? "?" : shown(number);

function inNumbers(element, terms, most) {
  const { value, sumOf } = page.numbers, rest = terms.slice(most);
  const more = rest.length ? ` + ${rest.length} more (${unlessAsked(element, sumOf(rest))})` : "";
  const products = terms.slice(0, most).map(multiplied).join(" + ");
  return [`= ${products}${more} = ${unlessAsked(element, value(element))}`];
}

function sumLines(element, isFolded) {
  const terms = page.layer.terms(element), isMany = terms.length > mostProducts();
  const most = isMany && isFolded ? mostProducts() - 2 : terms.length;
  const products = terms.map((factors, k) => shaded(k, ...joined(factors.map(link), "·")));
  const line = [link(element), " = ", ...joined(products, " + ", most)];
  if (!terms.length) return [[...line, unlessAsked(element, 0)]];
  if (isMany) {
    const words = isFolded ? `${terms.length} products: show` : "show fewer";
    const onclick = () => page.set({ unfolded: isFolded });
    line.push(" ", made("button.fold", { type: "button", onclick }, words));
  }
  const isChained = element.tensor === "dw" || element.tensor === "dx";
  return [...isChained ? [chain(element, terms, most)] : [], line,
    ...isNumeric ? [inNumbers(element, terms, most)] : []];
}

function question(element) {
  const answer = state.typed.get(element), right = [...state.typed.keys()].filter((each) =>
    each.tensor === element.tensor && isRight(each)).length;
  const verdict = isRight(element) ? `= ${answer} is right.` : `is not ${answer}.`;
  return `${element.name} ${answer ? verdict : "= ? Type it on its cell."} `
    + `${right} of ${page.layer.all(element.tensor).length} are right.`;
}

function linesOf(element) {
  const from = stamping();
  if (isSecret(element)) return [[question(element)]];
  if (from) return stampLines(element, from.result);
  return RESULTS.includes(element.tensor) ? sumLines(element, !state.unfolded) : useLines(element);
}

// Why an element is in no product; empty if it is in one.
function whyUnread(element) {
  const words = page.layer.unread[element.tensor === "x" ? "dx" : element.tensor];
  const isKept = !words || isSecret(element) || page.layer.meeting(element, []).length > 0;
  return isKept ? "" : words;
}

const write = (lines) =>
  byId("line").replaceChildren(...lines.map((parts) => made("div", {}, ...parts)));

export function say() {
  const { chosen, zero } = state;
  write(chosen ? linesOf(chosen) : []);
  byId("why").textContent = chosen ? whyUnread(chosen) : zero;
}

// The height in pixels of the longest sum when it is folded, as told by the first elements and
// those in the middle.
export function longest() {
  const heights = page.equations.flatMap(({ result }) => {
    const all = page.layer.all(result);
    return [all[0], all[Math.floor(all.length / 2)]].map((element) => {
      write(sumLines(element, true));
      return byId("line").offsetHeight;
    });
  });
  return Math.max(...heights);
}
