// Numbers that are typed on cells: new ones of the given arrays, and answers.
export const canChange = ({ element, grid: { tensor } }) =>
  element && isNumeric && (tensor in file || state.asked === tensor);
export const isEditing = () => byId("stage").querySelector("input") !== null;

// Keeps what was typed; false if it is not a number.
function keep(element, text) {
  const number = page.numbers.parsed(text), isAsked = state.asked === element.tensor;
  if (number === null && !(isAsked && text === "")) return false;
  if (isAsked) {
    state.typed.set(element, text);
  } else {
    page.numbers.change(element, number);
    state.changed = true;
  }
  return true;
}

// Opens a field on a cell, with the number that is there or the first character of another.
export function edit({ element, cell }, begun = null) {
  const isAsked = state.asked === element.tensor, ariaLabel = element.name;
  const before = isAsked ? state.typed.get(element) ?? "" : shown(page.numbers.value(element), 17);
  const input = made("input", { value: begun ?? before, ariaLabel });
  stop();
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") input.value = before;
    if (event.key === "Enter" || event.key === "Escape") input.blur();
  });
  input.addEventListener("blur", () => {
    // Accept a decimal comma.
    const text = input.value.trim().replace(",", ".");
    const isKept = input.value === before || keep(element, text);
    input.remove();
    page.refit();
    cell.focus();
    if (isAsked) choose({ element });
    byId("refused").textContent = isKept ? "" : `"${input.value}" is not accepted: type a number `
      + "such as 12, -0.5 or 3e-4. The old value stays.";
  }, { once: true });
  painted.delete(cell);
  cell.replaceChildren(input);
  input.focus();
  if (begun === null) input.select();
}
