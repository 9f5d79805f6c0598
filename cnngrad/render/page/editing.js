// Numbers that are typed on cells: new ones of the given arrays, and answers.
export const canChange = ({ tensor, flat }) =>
  flat >= 0 && isNumeric && (tensor in file || state.asked === tensor);

// Keeps what was typed; false if it is not a number.
function keep({ tensor, flat }, text, isNew) {
  const number = page.numbers.parsed(text), isKnown = number !== null || text === "";
  if (state.asked === tensor) {
    if (isKnown) state.typed[tensor][flat] = text;
  } else if (number !== null && isNew) {
    page.numbers.change(tensor, flat, number);
    state.changed = true;
  }
  return isKnown;
}

// Opens a field on a cell, with the number that is there or the first character of another.
export function edit(found, begun = null) {
  const { tensor, flat, cell } = found, input = made("input", "");
  const isAsked = state.asked === tensor, number = page.numbers.value(tensor, flat);
  const before = isAsked ? state.typed[tensor][flat] ?? "" : shown(number, 17);
  stop();
  state.editing = true;
  Object.assign(input, { value: begun ?? before, ariaLabel: page.layer.name(tensor, flat) });
  const end = (isKept) => {
    // The field loses the focus when it is replaced, too.
    if (!state.editing) return;
    state.editing = false;
    // Accept a decimal comma.
    const text = input.value.trim().replace(",", ".");
    const isKnown = !isKept || keep(found, text, input.value !== before);
    page.refit();
    cell.focus();
    if (isAsked) choose(found);
    byId("refused").textContent = isKnown ? "" : `"${input.value}" is not accepted: type a number `
      + "such as 12, -0.5 or 3e-4. The old value stays.";
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  input.addEventListener("blur", () => end(true));
  painted.delete(cell);
  cell.replaceChildren(input);
  input.focus();
  if (begun === null) input.select();
}
