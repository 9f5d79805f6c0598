"use strict";
// The numbers of a page: every result is a sum of products of cells. Integers are exact, however large.
window.numbersOf = (data, results) => {
  let exact = data.exact, changed = false;
  // JSON has no infinity: the text "inf" stands for it.
  const read = (number) => exact ? BigInt(number) : typeof number === "string" ? Number(number.replace("inf", "Infinity")) : number;
  for (const t in data.values) data.values[t] = data.values[t].map(read);
  const first = Object.fromEntries(Object.entries(data.values).map(([t, list]) => [t, list.slice()]));

  const value = (tensor, flat) => data.values[tensor][flat];
  const productOf = (factors) => factors.reduce((p, [other, at]) => p * value(other, at), exact ? 1n : 1);
  const sumOf = (terms) => terms.reduce((sum, factors) => sum + productOf(factors), exact ? 0n : 0);

  // A result whose terms are not in the page is known until a number is changed.
  function compute() {
    for (const t of results) {
      if (!data.terms[t]) continue;
      const known = changed ? [] : first[t] || [];
      data.values[t] = data.terms[t].map((terms, flat) => terms === null ? known[flat] : sumOf(terms));
    }
  }

  function shown(number) {
    if (number === undefined) return "…";
    if (typeof number === "bigint" || (Number.isInteger(number) && Math.abs(number) < 1e15)) return String(number);
    if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number < 0 ? "-inf" : "inf";
    return String(Number(number.toPrecision(6)));
  }

  const factor = (number) => number < 0 ? `(${shown(number)})` : shown(number);

  // The typed text as a number; null if it is not a number.
  function parsed(text) {
    if (exact && /^[-+]?\d+$/.test(text)) return BigInt(text);
    const number = Number(text);
    const right = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) && Number.isFinite(number);
    if (!right) return null;
    return exact && Number.isSafeInteger(number) ? BigInt(number) : number;
  }

  function change(tensor, flat, number) {
    if (exact && typeof number !== "bigint") {
      // A decimal turns all integers into decimals.
      exact = false;
      for (const t in data.values) data.values[t] = data.values[t].map((each) => each === undefined ? each : Number(each));
    }
    data.values[tensor][flat] = number;
    changed = true;
    compute();
  }

  function reset() {
    exact = data.exact;
    changed = false;
    for (const t in first) data.values[t] = first[t].slice();
    compute();
  }

  // An array as JSON, nested as the user writes it.
  function written(tensor) {
    const shape = data.written[tensor];
    let at = 0;
    const within = (axis) => axis === shape.length ? String(value(tensor, at++))
      : `[${Array.from({ length: shape[axis] }, () => within(axis + 1)).join(", ")}]`;
    return within(0);
  }

  // The file lacks results that were not asked for.
  if (data.values.x) compute();
  return { value, shown, factor, sumOf, parsed, change, reset, written };
};
