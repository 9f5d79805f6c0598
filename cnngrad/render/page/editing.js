// Numbers that are typed on cells: new ones of the given arrays, and answers.

// Opens a field on a cell, with the number that is there or the first character of another.
export function edit(event, begun = null) {
  const { element, cell } = cellAt(event) ?? {}, isAsked = state.asked === element?.tensor;
  if (!element || !isNumeric || !(element.tensor in data.values || isAsked)) return;
  event.preventDefault();
  const before = isAsked ? state.typed.get(element) ?? "" : shown(page.numbers.value(element), 17);
  const input = made("input", { value: begun ?? before, ariaLabel: element.name });
  page.set({ playing: 0 });
  input.addEventListener("keydown", (pressed) => {
    pressed.stopPropagation();
    if (pressed.key === "Escape") input.value = before;
    // A click elsewhere takes the focus along.
    if (pressed.key === "Enter" || pressed.key === "Escape") cell.focus();
  });
  input.addEventListener("blur", () => {
    // Accept a decimal comma.
    const text = input.value.trim().replace(",", "."), number = page.numbers.parsed(text);
    const isKept = text === before || number !== null || (isAsked && text === "");
    if (isKept && isAsked) state.typed.set(element, text);
    else if (isKept && text !== before) {
      const given = new Map(page.numbers.given).set(element.place, number);
      page.numbers = numbersOf(page.layer, given);
    }
    input.remove();
    page.refit();
    if (isAsked) choose({ element });
    byId("refused").textContent = isKept ? "" : `"${input.value}" is not accepted: type a number `
      + "such as 12, -0.5 or 3e-4. The old value stays.";
  }, { once: true });
  cell.painted = "";
  cell.replaceChildren(input);
  input.focus();
  if (begun === null) input.select();
}
