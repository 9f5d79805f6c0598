"""One element, written out, with its picture."""

from cnngrad.derivation.blocks import Block, Expansions, Form, Section
from cnngrad.derivation.board import Board, say
from cnngrad.derivation.pictures import described_picture
from cnngrad.layer.names import Index
from cnngrad.tensor import Tensor

__all__ = ["section"]


def section(board: Board, tensor: Tensor, index: Index) -> Section:
    """One element, written out, with its picture."""
    expansion = board.expand(tensor, index)
    blocks: list[Block] = []
    if tensor in (Tensor.DW, Tensor.DX):
        blocks.append(Expansions((expansion.by_chain_rule(),), Form.CHAIN, board.choice.in_short))
    blocks.append(Expansions((expansion,), in_short=board.choice.in_short))
    symbol = board.symbol(tensor.array, index)
    if tensor is Tensor.DX and not expansion.count:
        blocks.append(say("No window reaches ", symbol, ", so its gradient is exactly 0."))
    elif tensor is Tensor.DW and not expansion.count:
        blocks.append(say(symbol, " meets the padding alone, so its gradient is exactly 0."))
    elif tensor is Tensor.O and expansion.zeros and expansion.count <= board.layer.has_bias:
        blocks.append(say("The window of ", symbol, " lies in the padding alone."))
    blocks += described_picture(board.names, board.values, tensor, index)
    return Section((expansion.target,), tuple(blocks))
