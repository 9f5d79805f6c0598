"""The figure of a fully connected layer: inputs and outputs as two columns of nodes, one input's connections drawn."""

from rich.table import Table
from rich.text import Text

from cnngrad.derivation.blocks import Figure
from cnngrad.layer.names import Symbol
from cnngrad.render.terminal import DIM, STYLES

__all__ = ["connections"]

# Signs for the start of a connection if there are no others, others above, below, or both; then the same beside the
# input.
_JOINTS = "─└┌├", "─┴┬┼"


def connections(figure: Figure) -> Table:
    """The figure in characters."""
    table = Table.grid()
    linked = [k for k, (_, link) in enumerate(figure.rows) if link]
    for k, (source, link) in enumerate(figure.rows):
        is_source = source == figure.source
        line = ("─" if is_source else " ") * 5
        drawn: list[Text | str] = []
        if link:
            joint = _JOINTS[is_source][(k != linked[0]) + 2 * (k != linked[-1])]
            there, node, back = map(_styled, link)
            drawn = [there, " ──▶ ", node, "    ◀── ", back]
            line += f"{joint}── "
        table.add_row(_styled(source, dim=not is_source), f" {line}", *drawn)
    return table


def _styled(name: Symbol | str, dim: bool = False) -> Text:
    style = DIM if dim or isinstance(name, str) else STYLES[name.tensor.letter]
    # The style is that of the name, not of the blanks behind it.
    return Text.assemble((str(name), style), no_wrap=True)
