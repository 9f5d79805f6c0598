// The layer as text: as JSON that a problem's file has, and in one line.

// An array as JSON, nested as the user writes it.
const nested = (tensor) =>
  page.layer.ofUser(tensor, page.layer.shape(tensor)).reduceRight((parts, size) =>
    range(parts.length / size).map((k) => `[${parts.slice(k * size, (k + 1) * size).join(", ")}]`),
  page.layer.all(tensor).map(page.numbers.value))[0];

export function written() {
  const { spec: { axes, groups }, along } = page.layer, [{ flip, mode, transposed }] = axes;
  const keys = { x: "X", w: "W", do: "dEdO", b: "b" };
  const options = {
    stride: along("stride"), padding: axes.map(({ before, after }) => [before, after]),
    dilation: along("dilation"), groups, flip, dims: axes.length,
    ...mode !== "zeros" && { padding_mode: mode },
    ...transposed && { transposed, output_padding: along("extra") },
  };
  const arrays = Object.keys(data.values).map((tensor) => `"${keys[tensor]}": ${nested(tensor)}`);
  return `{${arrays.join(", ")}, ${JSON.stringify(options).slice(1)}`;
}

// As in the heading.
export function lineOf({ spec, along, shape, ofUser }) {
  const { axes, groups, bias } = spec, [{ flip, mode, transposed }] = axes;
  const isEven = axes.every(({ before, after }) => before === after);
  const pads = axes.map(({ before, after }) => `${before}:${after}`).join(",");
  const each = (name) => along(name).join().replace(/^(\d+)(,\1)+$/, "$1");
  const sized = (tensor) => `${TITLES[tensor]} ${ofUser(tensor, shape(tensor)).join("×")}`.trim();
  const parts = [
    sized("x"), sized("w"), bias && sized("b"), transposed && "transposed",
    `stride ${each("stride")}`, `padding ${isEven ? each("before") : pads}`,
    mode !== "zeros" && mode, each("extra") !== "0" && `output padding ${each("extra")}`,
    each("dilation") !== "1" && `dilation ${each("dilation")}`,
    groups > 1 && `groups ${groups}`, flip && "flip",
  ];
  return `${parts.filter(Boolean).join(" · ")} → ${sized("o")}`;
}
