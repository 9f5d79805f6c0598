// The numbers: every result is a sum of products of given ones. Integers are exact, however large.

// Integers come as a list, decimals as the bytes of an array.
function read(numbers) {
  if (Array.isArray(numbers)) return numbers.map(BigInt);
  const bytes = Uint8Array.from(atob(numbers.f4 || numbers.f8), (each) => each.charCodeAt(0));
  return Array.from(new (numbers.f4 ? Float32Array : Float64Array)(bytes.buffer));
}

// The numbers of these arrays by the places of their elements.
export const givenOf = (layer, arrays) => new Map(Object.entries(arrays).flatMap(([tensor, all]) =>
  read(all).map((number, flat) => [layer.all(tensor)[flat].place, number])));

const isWhole = (number) => typeof number === "bigint"
  || (Number.isInteger(number) && Math.abs(number) < 1e15);

export function shown(number, digits = 6) {
  if (isWhole(number)) return String(number);
  const short = Number(number.toPrecision(digits));
  const [plain, power] = [String(short), short.toExponential()];
  const text = power.length + 1 < plain.length ? power : plain;
  return text.replace("NaN", "nan").replace("Infinity", "inf");
}

// The most characters of a decimal in a cell, and in a crowded grid.
export const MOST = [8, 6];

// A number in a cell: a decimal with more than so many characters is rounded, in a unit to tenths
// or its first digit, and has a sign. Binary fractions are decimals up to the twelfth digit.
export function brief(number, most, unit = 1) {
  const exact = shown(number, 12);
  const inUnits = unit === 1 || shown(number / unit, Math.abs(number) < unit ? 1 : 2);
  if (unit !== 1) return `${shown(Number(inUnits) * unit, 12) === exact ? "" : "≈"}${inUnits}`;
  if (isWhole(number) || exact.length <= most) return exact;
  const digits = [5, 4, 3].find((each) => shown(number, each).length < most) ?? 2;
  return `≈${shown(number, digits)}`;
}

// The power of ten in which a crowded grid of small or large decimals is shown.
export function unitOf(numbers) {
  const power = Math.floor(Math.log10(Math.max(...numbers.map((each) => Math.abs(Number(each))))));
  const isFar = Number.isFinite(power) && (power < -1 || power > 3);
  return isFar && !numbers.every(isWhole) ? 10 ** power : 1;
}

// The numbers of a layer: the given ones by their places, and the results, computed when asked for.
export function numbersOf(layer, given) {
  // One decimal turns all integers into decimals.
  const exact = [...given.values()].every((each) => typeof each === "bigint");
  const kind = exact ? BigInt : Number;
  const known = new Map(Array.from(given, ([place, number]) => [place, kind(number)]));

  const sumOf = (terms) => terms.map((factors) => factors.map(value).reduce((a, b) => a * b))
    .reduce((a, b) => a + b, kind(0));
  // What a larger layer has besides the given numbers.
  const madeUp = (index) => kind((index.reduce((sum, k) => 5 * sum + k) % 9) - 4);

  function value(element) {
    const { tensor, index, place } = element, isResult = RESULTS.includes(tensor);
    if (!known.has(place)) known.set(place, isResult ? sumOf(layer.terms(element)) : madeUp(index));
    return known.get(place);
  }

  // The typed text as a number; null if it is not a number.
  function parsed(text) {
    if (exact && /^[-+]?\d+$/.test(text)) return BigInt(text);
    const number = Number(text), isDigits = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
    if (!isDigits || !Number.isFinite(number)) return null;
    return exact && Number.isSafeInteger(number) ? BigInt(number) : number;
  }

  return { given, value, sumOf, parsed };
}
