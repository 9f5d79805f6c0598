"""The figure of a fully connected layer: inputs and outputs as two columns of nodes, one input's connections drawn."""

from rich.text import Text

from cnngrad.derivation.blocks import Figure
from cnngrad.layer.names import Symbol
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["connections"]

# The start of a connection, with others neither above nor below, above, below, and both; then beside the input.
_JOINTS = "─└┌├", "─┴┬┼"


def connections(figure: Figure) -> Text:
    """The figure in characters."""
    lines = []
    linked = [k for k, row in enumerate(figure.rows) if row.link]
    columns = figure.inputs, *zip(*figure.links, strict=True)
    left, weight, output, _ = (max(len(str(name)) for name in column) for column in columns)
    for k, (source, is_source, link) in enumerate(figure.rows):
        name = _styled(source, dim=not is_source)
        line = Text.assemble(name, " " * (left - len(name[0]) + 1), ("─" if is_source else " ") * 5)
        if link:
            joint = _JOINTS[is_source][(k != linked[0]) + 2 * (k != linked[-1])]
            there, node, back = map(_styled, link, (weight, output, 0))
            line += Text.assemble(joint, "── ", there, " ──▶ ", node, "    ◀── ", back)
        lines.append(line)
    return Text("\n", no_wrap=True).join(lines)


def _styled(name: Symbol | str, width: int = 0, dim: bool = False) -> tuple[str, str]:
    return str(name).ljust(width), DIM if dim or isinstance(name, str) else STYLES[name.tensor.letter]
