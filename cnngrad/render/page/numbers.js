// The numbers: every result is a sum of products of given ones. Integers are exact, however large.

// Integers come as a list, decimals as the bytes of an array.
export function read(numbers) {
  if (Array.isArray(numbers)) return numbers.map(BigInt);
  const bytes = Uint8Array.from(atob(numbers.f4 || numbers.f8), (each) => each.charCodeAt(0));
  return Array.from(new (numbers.f4 ? Float32Array : Float64Array)(bytes.buffer));
}

export function shown(number) {
  const isWhole = Number.isInteger(number) && Math.abs(number) < 1e15;
  if (typeof number === "bigint" || isWhole) return String(number);
  return String(Number(number.toPrecision(6))).replace("NaN", "nan").replace("Infinity", "inf");
}

export const factor = (number) => number < 0 ? `(${shown(number)})` : shown(number);

const isDecimal = (number) =>
  typeof number === "number" && Number.isFinite(number) && !Number.isInteger(number);

// A decimal in a cell has few digits, in the grid's unit; the sums have more.
export function brief(number, digits, unit) {
  if (!isDecimal(number)) return shown(number);
  if (unit) {
    const text = (number / 10 ** unit).toFixed(1);
    return Number(text) ? text : "≈0";
  }
  const short = Number(number.toPrecision(digits));
  const [plain, power] = [String(short), short.toExponential()];
  return power.length < plain.length ? power : plain;
}

// The power of ten in whose unit a grid of small or large decimals is shown; 0 for none.
export function unitOf(numbers) {
  if (!numbers.some(isDecimal)) return 0;
  const power = Math.floor(Math.log10(Math.max(...numbers.map(Math.abs)))) || 0;
  return power < -1 || power > 3 ? power : 0;
}

// The numbers of a layer: the given ones, and the results, computed when they are asked for.
export function numbersOf(layer, given) {
  const values = Object.fromEntries(Object.entries(given).map(([t, list]) => [t, list.slice()]));
  const known = new Map();
  let exact = true;
  // One decimal turns all integers into decimals.
  const settle = () => {
    exact = Object.values(values).flat().every((each) => typeof each === "bigint");
    if (!exact) for (const t in values) values[t] = values[t].map(Number);
  };
  settle();

  const product = (factors) => factors.map(([t, flat]) => values[t][flat]).reduce((a, b) => a * b);
  const sumOf = (terms) => terms.map(product).reduce((a, b) => a + b, exact ? 0n : 0);

  function value(tensor, flat) {
    if (values[tensor]) return values[tensor][flat];
    const key = `${tensor}:${flat}`, found = known.get(key) ?? sumOf(layer.terms(tensor, flat));
    known.set(key, found);
    return found;
  }

  // The typed text as a number; null if it is not a number.
  function parsed(text) {
    if (exact && /^[-+]?\d+$/.test(text)) return BigInt(text);
    const number = Number(text), isDigits = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
    if (!isDigits || !Number.isFinite(number)) return null;
    return exact && Number.isSafeInteger(number) ? BigInt(number) : number;
  }

  function change(tensor, flat, number) {
    values[tensor][flat] = number;
    known.clear();
    settle();
  }

  // An array as JSON, nested as the user writes it.
  function written(tensor) {
    const array = arrayOf(tensor), leads = array === "b" ? 1 : 2;
    const shape = layer.shape(tensor).slice(leads - layer.spec.lead[array]);
    let at = 0;
    const within = (axis) => axis === shape.length ? String(values[tensor][at++])
      : `[${range(shape[axis]).map(() => within(axis + 1)).join(", ")}]`;
    return within(0);
  }

  return { given: values, value, sumOf, parsed, change, written };
}
