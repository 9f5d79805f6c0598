// The sum of the chosen element, in names that are links to their cells and in numbers.

// The characters in a line.
function across() {
  const font = parseFloat(getComputedStyle(byId("stage")).getPropertyValue("--sum"));
  return (byId("stage").clientWidth - 112) / (0.62 * font);
}

// The most products that are shown at once: about two lines by the chain rule.
function mostProducts() {
  const two = 2 * across() / (2 * page.layer.name("dx", 0).length + 6);
  return Math.min(Math.max(4, Math.floor(two)), 9);
}

const isChained = (tensor) => tensor === "dw" || tensor === "dx";

// How many lines the longest sum takes, about.
export function lines() {
  const { layer } = page, line = across();
  const counts = page.equations.map(({ result }) => {
    const telling = [0, Math.floor(layer.count(result) / 2)];
    const longest = Math.max(...telling.map((flat) => layer.terms(result, flat).length));
    const most = Math.min(longest, mostProducts()), name = layer.name(result, 0).length;
    const widths = [name + 6, isChained(result) && 2 * name + 6, isNumeric && 12];
    return widths.reduce((sum, wide) => sum + Math.ceil(most * wide / line), 0);
  });
  return Math.min(Math.max(2, ...counts), 8);
}

function link(tensor, flat) {
  const name = made("a", `of-${arrayOf(tensor)}`, page.layer.name(tensor, flat));
  name.dataset.key = `${tensor}:${flat}`;
  return Object.assign(name, { href: `#${tensor}-${page.layer.short(tensor, flat)}` });
}

const addLine = (...parts) => byId("line").appendChild(made("div", "", ...parts));

// Parts with a sign between them; of too many the first.
function joined(line, parts, sign, most = parts.length) {
  parts.slice(0, most).forEach((part, k) => line.append(k ? sign : "", part));
  if (parts.length > most) line.append(`${sign}…`);
}

// An element with its number, if it has one.
const valued = (tensor, flat, words) => addLine(link(tensor, flat),
  isNumeric ? ` = ${shown(page.numbers.value(tensor, flat))}` : "", words);

// Factors in numbers, as far as there are any.
const multiplied = (factors) => factors.map((each) =>
  isNumeric ? factor(page.numbers.value(...each)) : page.layer.name(...each)).join("·");

const shaded = (k, ...parts) => made("span", `term shade-${k % 6}`, ...parts);

function tellStamp(tensor, flat, full) {
  const all = stamps(tensor, flat, full), { sumOf } = page.numbers;
  const factorsOf = (w) => [[tensor, flat], ["w", w]];
  valued(tensor, flat, " stamps W:");
  const parts = all.slice(0, 26).map(([w, at], k) => {
    let step = "";
    if (isNumeric && state.asked !== full) {
      // An x that stands in the padding too may be stamped again.
      const again = all.slice(k + 1).filter(([, other]) => other === at);
      const after = arrived(full, at) - sumOf(again.map(([other]) => factorsOf(other)));
      step = `: ${shown(after - sumOf([factorsOf(w)]))} → ${shown(after)}`;
    }
    return shaded(k, link(full, at), ` += ${multiplied(factorsOf(w))}${step}`);
  });
  joined(addLine(), parts, ", ", 25);
}

function tellUses(tensor, flat) {
  const found = page.layer.readers(tensor, flat).filter(([other]) => has(other));
  const line = valued(tensor, flat, ` is used in ${found.length ? "" : "no sum"}`);
  joined(line, found.map((each) => link(...each)), ", ", 24);
  if (tensor === "x" && !found.length) byId("why").textContent = page.layer.unread.dx;
}

// Each product has a factor ∂E/∂o: the error depends on this element through that output.
function tellChain(tensor, flat, terms, most) {
  const through = [...new Set(terms.map(([[, at]]) => at))], { short } = page.layer;
  joined(addLine(link(tensor, flat), " = "), through.map((at) => {
    const partial = made("span", "partial", `∂${short("o", at)}/∂${short(tensor, flat)}`);
    return made("span", "term", link("do", at), "·", partial);
  }), " + ", through.length > mostProducts() ? most : undefined);
}

// A result, or part of it, which a hint leaves out.
const unlessAsked = (tensor, number) => state.asked === tensor ? "?" : shown(number);

function tellNumbers(tensor, flat, terms, most) {
  const { value, sumOf } = page.numbers, rest = terms.slice(most);
  const more = rest.length ? ` + ${rest.length} more (${unlessAsked(tensor, sumOf(rest))})` : "";
  const products = terms.slice(0, most).map(multiplied).join(" + ");
  addLine(`= ${products}${more} = ${unlessAsked(tensor, value(tensor, flat))}`);
}

function tellSum(tensor, flat) {
  const { terms: termsOf, unread } = page.layer, terms = termsOf(tensor, flat);
  const isMany = terms.length > mostProducts(), isFolded = isMany && !state.unfolded;
  const most = isFolded ? mostProducts() - 2 : terms.length;
  if (terms.length && isChained(tensor)) tellChain(tensor, flat, terms, most);
  const line = addLine(link(tensor, flat), ` = ${terms.length ? "" : unlessAsked(tensor, 0)}`);
  const products = terms.map((factors, k) =>
    shaded(k, ...factors.flatMap((each, at) => [at ? "·" : "", link(...each)])));
  joined(line, products, " + ", most);
  if (isMany) {
    const words = isFolded ? `${terms.length} products: show` : "show fewer";
    const fold = Object.assign(made("button", "fold", words), { type: "button" });
    fold.addEventListener("click", () => page.set({ unfolded: !state.unfolded }));
    line.append(" ", fold);
  }
  if (isNumeric && terms.length) tellNumbers(tensor, flat, terms, most);
  // Without any product the sum is 0, or b.
  const isEmpty = !terms.some((factors) => factors.length > 1);
  if (unread[tensor] && isEmpty) byId("why").textContent = unread[tensor];
}

function question(tensor, flat) {
  const name = page.layer.name(tensor, flat), typed = state.typed[tensor], answer = typed[flat];
  const right = Object.keys(typed).filter((at) => isRight(tensor, Number(at))).length;
  const end = `${right} of ${page.layer.count(tensor)} are right.`;
  const verdict = isRight(tensor, flat) ? `= ${answer} is right.` : `is not ${answer}.`;
  return `${name} ${answer ? verdict : "= ? Type it on its cell."} ${end}`;
}

export function say() {
  const { chosen, asked: hidden, told } = state, from = stamping();
  byId("line").replaceChildren();
  byId("why").textContent = chosen?.zero || "";
  if (!chosen || chosen.flat < 0) return;
  const { tensor, flat } = chosen;
  if (hidden === tensor && !told) addLine(question(tensor, flat));
  else if (from) tellStamp(tensor, flat, from.result);
  else if (RESULTS.includes(tensor)) tellSum(tensor, flat);
  else tellUses(tensor, flat);
}
