"use strict";
// The numbers of a page: every result is a sum of products of given numbers. Integers are exact, however large.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer;
  // Integers come as a list, decimals as the bytes of an array.
  const read = (numbers) => Array.isArray(numbers) ? numbers.map(BigInt)
    : Array.from(numbers.f4 ? new Float32Array(bytes(numbers.f4)) : new Float64Array(bytes(numbers.f8)));

  function shown(number, digits = 6) {
    if (typeof number === "bigint" || (Number.isInteger(number) && Math.abs(number) < 1e15)) return String(number);
    if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number < 0 ? "-inf" : "inf";
    return String(Number(number.toPrecision(digits)));
  }

  const factor = (number) => number < 0 ? `(${shown(number)})` : shown(number);

  // The numbers of a layer: the given ones, and the results, each computed from its terms when it is asked for.
  window.numbersOf = (layer, given) => {
    const values = Object.fromEntries(Object.entries(given).map(([t, list]) => [t, list.slice()]));
    const isWhole = (list) => list.every((each) => typeof each === "bigint");
    let exact = Object.values(values).every(isWhole), known = new Map();
    const toDecimals = () => { for (const t in values) values[t] = values[t].map(Number); };
    if (!exact) toDecimals();

    const product = (factors) => factors.reduce((all, [tensor, flat]) => all * values[tensor][flat], exact ? 1n : 1);
    const sumOf = (terms) => terms.reduce((sum, factors) => sum + product(factors), exact ? 0n : 0);

    function value(tensor, flat) {
      if (values[tensor]) return values[tensor][flat];
      const key = `${tensor}:${flat}`;
      if (!known.has(key)) known.set(key, sumOf(layer.terms(tensor, flat)));
      return known.get(key);
    }

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
        toDecimals();
      }
      values[tensor][flat] = number;
      known = new Map();
    }

    // An array as JSON, nested as the user writes it.
    function written(tensor) {
      const array = window.layerOf.arrayOf(tensor), all = layer.shape(tensor), leads = array === "b" ? 1 : 2;
      const shape = all.slice(leads - layer.spec.lead[array]);
      let at = 0;
      const within = (axis) => axis === shape.length ? String(values[tensor][at++])
        : `[${Array.from({ length: shape[axis] }, () => within(axis + 1)).join(", ")}]`;
      return within(0);
    }

    return { given: values, value, sumOf, parsed, change, written };
  };
  Object.assign(window.numbersOf, { read, shown, factor });
})();
