"""The sections of a lesson: the notes' argument for one layer and its numbers."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from math import prod

from cnngrad.derivation import formulas, words
from cnngrad.derivation.blocks import (
    Block,
    Expansions,
    Form,
    Formula,
    GridRow,
    Hint,
    Part,
    Section,
    Sentence,
)
from cnngrad.derivation.choice import Choice
from cnngrad.derivation.grids import Grid
from cnngrad.derivation.matrices import (
    Track,
    bias_grid,
    column,
    framed_input,
    framed_output,
    layer_matrix,
    plain,
    result_grids,
    spread_output,
    track_grids,
    turned_filter,
)
from cnngrad.derivation.pictures import described_picture, picture
from cnngrad.expansion import Expander, OutputsOnDemand, Partial, Values
from cnngrad.layer import Layer, indices
from cnngrad.names import Index, Number, Numbers, Symbol, scalar

__all__ = ["Sections"]

# A matrix of so many characters per row fits a screen of 80 columns; a higher one is not read.
_MATRIX_WIDTH, _MATRIX_HEIGHT = 70, 24
# Channels, samples and depths of which one formula shows the matrices; the others go alike.
_MOST_MATRICES = 4
_MOST_RESULTS = 12
# Elements of which the shift of the full convolution is pictured, one by one.
_MOST_SHIFTS = 25
_MOST_POSITIONS = 10

Items = list[Grid | Symbol | Number | str]


class Sections:
    """Builds the sections of one layer: geometry, expansions and matrices are asked, the words are added here."""

    def __init__(self, layer: Layer, values: Values, choice: Choice) -> None:
        """Sections for a layer with these numbers, as far as they are wanted."""
        self.layer = layer
        if values.x is not None and values.o is None:
            values = replace(values, o=OutputsOnDemand(layer, values))
        self.values = values
        self.choice = choice
        self.expander = Expander(layer, values)
        self.names = self.expander.names
        self.symbol = self.names.symbol

    def element(self, tensor: str, index: Index) -> Section:
        """One element, written out, with its picture."""
        expansion = self.expander.expand(tensor, index, zeros=self.choice.zeros, limit=self.choice.limit)
        blocks: list[Block] = []
        if tensor in "wx":
            blocks.append(Expansions((expansion.by_chain_rule(),), Form.CHAIN, total=1))
        blocks.append(Expansions((expansion,), total=1))
        symbol = self.symbol(tensor, index)
        if tensor == "x" and not expansion.count:
            blocks.append(_say("No window reaches ", symbol, ", so its gradient is exactly 0."))
        elif tensor == "w" and not expansion.count:
            blocks.append(_say(symbol, " meets the padding alone, so its gradient is exactly 0."))
        elif tensor == "o" and expansion.zeros and expansion.count <= self.layer.has_bias:
            blocks.append(_say("The window of ", symbol, " lies in the padding alone."))
        blocks += described_picture(self.names, self.values, tensor, index)
        return Section((expansion.target,), tuple(blocks))

    def given(self, with_dedo: bool = False) -> Section:
        """The arrays, in symbols and in numbers."""
        layer = self.layer

        def arrays(values: Values) -> Items:
            items: Items = [*self._grids("X", "x", values.x), "  ", *self._grids("W", "w", values.w)]
            if layer.has_bias:
                items += ["  ", bias_grid(self.names, "b", False, values.b)]
            if with_dedo:
                items += ["  ", *self._grids("∂E/∂O", "o", values.dedo, gradient=True)]
            return items

        blocks = self._rows(arrays, said=words.first_matrices(layer))
        if words.is_padded(layer):
            tracks = [framed_input(axis) for axis in layer.axes]
            blocks.append(_say("With its padding of zeros, X is"))
            blocks += self._rows(lambda values: self._tracked("X, padded", "x", tracks, values.x))
        return Section(("The layer",), tuple(blocks))

    def output(self, result: bool = False) -> Section:
        """O = Conv(X, W), element by element."""
        layer = self.layer

        title = "X, padded" if words.is_padded(layer) else "X"
        padded = [framed_input(axis) for axis in layer.axes]

        def convolution(values: Values) -> Items:
            items: Items = []
            for c in range(min(layer.group_channels, _MOST_MATRICES)):
                items += [*(["+"] if items else []), *self._tracked(title, "x", padded, values.x, (0, c)), "∗"]
                items += self._sliding_filter(values.w, c)
            if layer.group_channels > _MOST_MATRICES:
                items.append("+ …")
            if layer.has_bias:
                items += ["+", self.symbol("b", (0,)) if values.b is None else scalar(values.b, (0,))]
            return [*items, "=", *self._grids("O", "o", values.o)]

        rotation = "is rotated by 180° before it slides (flip)" if layer.flip else "is not rotated before it slides"
        blocks: list[Block] = [
            *self._rows(
                convolution, said=words.first_matrices(layer, "The first output channel of the first sample: ")
            ),
            Formula(formulas.rule_of_output(layer)),
            *([_say(words.groups(layer))] if layer.groups > 1 else []),
            _say(f"The filter {rotation}{words.how_it_moves(layer)}.{self._left_out_zeros()}"),
            self._table("o"),
            *self._hanging_window(),
            *self._unreached(),
        ]
        if result:
            blocks += self._result("O", self.values.o)
        return Section(("O = Conv(X, W)",), tuple(blocks))

    def filter_gradient(self) -> Section:
        """dE/dW by the chain rule."""
        w = self.symbol("w", self._origin("w"))
        terms = self.expander.expand("w", self._origin("w"), limit=1).terms
        blocks: list[Block] = [
            _say(w, " takes part in the outputs of its filter, so the chain rule adds up its share through each:"),
            self._table("w", Form.CHAIN),
        ]
        if terms:
            dedo, x = terms[0].factors
            if isinstance(dedo, Symbol) and isinstance(x, Symbol):
                o = self._plain(dedo)
                blocks.append(
                    _say("In ", o, " it multiplies ", x, ", so ", Partial(o, w), " = ", x, "; likewise the others.")
                )
        blocks += [
            _say("This evaluates to"),
            Formula(formulas.rule_of_filter_gradient(self.layer)),
            self._table("w"),
            *self._result("dEdW", self.values.dw),
        ]
        return Section(("∂E/∂W by the chain rule",), tuple(blocks))

    def filter_gradient_as_convolution(self) -> Section:
        """dE/dW = Conv(X, dE/dO)."""
        layer = self.layer
        inputs = [framed_input(axis, cropped=True) for axis in layer.axes]
        outputs = [spread_output(axis) for axis in layer.axes]

        def convolution(values: Values) -> Items:
            return [
                *self._tracked("X, padded" if words.is_padded(layer) else "X", "x", inputs, values.x),
                "∗",
                *self._tracked("∂E/∂O, with zeros" if words.is_strided(layer) else "∂E/∂O", "o", outputs, values.dedo),
                *(["+ …"] if layer.batch > 1 else []),
                "=",
                *self._grids("∂E/∂W, rotated" if layer.flip else "∂E/∂W", "w", values.dw, turned=layer.flip),
            ]

        blocks: list[Block] = [
            _say("In these sums ∂E/∂O slides over X as W did before:"),
            Formula(formulas.convolution(layer)),
        ]
        if layer.batch > 1:
            blocks.append(_say(f"It is a sum over the {layer.batch} samples; the first is shown."))
        if words.is_strided(layer):
            blocks.append(
                _say(
                    "Neighbouring outputs lie a stride apart on X, so ∂E/∂O is drawn apart in the same way: "
                    f"{words.per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements."
                )
            )
        if words.is_dilated(layer):
            steps = words.per_axis([a.dilation for a in layer.axes], "position")
            blocks.append(_say(f"With dilation ∂E/∂O moves in steps of {steps} from one ∂E/∂w to the next."))
        if any(axis.leftover for axis in layer.axes):
            blocks.append(_say("What the stride leaves over at the end of X takes no part and is cut off."))
        if layer.flip:
            blocks.append(_say("Since W is rotated before it slides, the result comes out rotated by 180°."))
        blocks += self._rows(
            convolution,
            said=words.first_matrices(layer, "For the first filter and channel: "),
        )
        if not words.is_single(layer):
            blocks += self._result("dEdW", self.values.dw)
        return Section(("∂E/∂W as a convolution",), tuple(blocks))

    def input_gradient(self) -> Section:
        """dE/dX by the chain rule."""
        layer = self.layer
        x = self.symbol("x", self._origin("x"))
        blocks: list[Block] = [
            _say(
                "If X is the activation of a hidden layer, the layer before needs ∂E/∂X. ",
                x,
                " reaches E through the outputs whose windows hold it; for all others ∂o/∂x is 0.",
            ),
            Formula(formulas.rule_of_input_gradient(layer)),
        ]
        if not self.choice.zeros:
            blocks += [_say("The products with 0 are left out and counted."), Hint("--zeros writes them.")]
        blocks += [self._table("x"), *self._unreached(), *self._result("dEdX", self.values.dx)]
        return Section(("∂E/∂X by the chain rule",), tuple(blocks))

    def input_gradient_as_full_convolution(self) -> Section:
        """dE/dX = Full-Conv(dE/dO with zeros and frame, W rotated by 180 degrees)."""
        layer = self.layer
        framed = [framed_output(axis) for axis in layer.axes]
        blocks: list[Block] = [
            Formula(formulas.full_convolution(layer)),
            *self._why_rotated(),
        ]
        if not layer.flip:
            blocks += self._rows(
                lambda values: [
                    "rotate 180°",
                    *self._grids("W", "w", values.w),
                    "=",
                    *turned_filter(self.names, "W rotated", (0, 0), values.w),
                ]
            )
        blocks += self._rows(
            lambda values: [
                *self._grids("∂E/∂X", "x", values.dx),
                "=",
                "Full-Conv(",
                *self._grids("∂E/∂O", "o", values.dedo, gradient=True),
                ",",
                *turned_filter(self.names, "W" if layer.flip else "W rotated", (0, 0), values.w),
                ")",
                *(["+ …"] if layer.group_filters > 1 else []),
            ],
            said=f"∂E/∂X is a sum over the {layer.group_filters} filters; the first gives its first part:"
            if layer.group_filters > 1
            else "",
        )
        blocks.append(_say(words.how_framed(layer)))
        blocks += self._rows(
            lambda values: [
                *self._tracked("∂E/∂O, framed", "o", framed, values.dedo),
                "∗",
                *turned_filter(self.names, "W" if layer.flip else "W rotated", (0, 0), values.w),
            ],
            said=words.first_matrices(layer, "For the first filter and channel: "),
        )
        size = prod(layer.canonical["X"])
        chosen = (
            list(indices(layer.canonical["X"]))
            if size <= (self.choice.limit or size) and size <= _MOST_SHIFTS
            else [self._origin("x")]
        )
        cells = "cell by cell" if len(chosen) == size else "for the first cell"
        blocks.append(_say(f"Shifted one cell at a time it gives, {cells}{words.crop(layer)}:"))
        for index in chosen:
            expansion = self.expander.expand("x", index, limit=self.choice.limit)
            blocks += picture(self.names, "x", index)
            blocks.append(Expansions((expansion,), total=1))
        if len(chosen) < size:
            last = self.symbol("x", tuple(n - 1 for n in layer.canonical["X"])).name
            blocks.append(Hint(f"--element gives the picture of any other, as --element '{last}'."))
        blocks += [*self._scattering(), *self._result("dEdX", self.values.dx)]
        return Section(("∂E/∂X as a full convolution",), tuple(blocks))

    def bias_gradient(self) -> Section:
        """dE/db."""
        blocks: list[Block] = [
            _say("b is added to every output of its filter with factor 1, so its gradient is the sum of theirs:"),
            Formula(formulas.rule_of_bias_gradient(self.layer)),
            self._table("b"),
        ]
        return Section(("∂E/∂b",), (*blocks, *self._result("dEdb", self.values.db)))

    def as_in_an_mlp(self) -> Section:
        """The layer as a matrix: o = M·x, dE/dx = Mᵀ·dE/do."""
        layer = self.layer
        outputs, inputs = layer.filters * prod(layer.out), layer.channels * prod(layer.size)
        bias = " (b is added to it)" if layer.has_bias else ""
        blocks: list[Block] = [
            _say(
                "A convolution is a fully connected layer whose weight matrix M is sparse and shared. With the inputs "
                f"of one sample in a column x and its outputs in a column o{bias}, each row of M belongs to an output, "
                "each column to an input, and an entry is the w between them, or 0:"
            ),
            Formula(formulas.matrix_product(layer)),
        ]
        name = len(self.symbol("w", tuple(size - 1 for size in layer.canonical["W"])).element) + 1
        fits = inputs * name <= _MATRIX_WIDTH and outputs <= _MATRIX_HEIGHT
        fits_turned = outputs * name <= _MATRIX_WIDTH - 20 and inputs <= _MATRIX_HEIGHT
        if fits:
            blocks += self._rows(self._matrix_product)
        if fits_turned:
            blocks += self._rows(self._transposed_product)
        if not (fits and fits_turned):
            shape = f"{outputs}×{inputs}"
            which = "it" if not fits_turned else "M itself"
            which = "Mᵀ" if fits else which
            blocks.append(_say(f"M is {shape} here; {which} is too large to print."))
        blocks.append(
            _say(
                "In an MLP every entry of M is a weight of its own and has its own gradient ∂E/∂o·x. Here the same w "
                "stands in many rows, and ∂E/∂w is the sum of the gradients of all entries in which it stands."
            )
        )
        return Section(("As in an MLP",), tuple(blocks))

    def summary(self, tensors: str) -> Section:
        """The formulas with this layer's zeros, frame and crop."""
        layer = self.layer
        blocks: list[Block] = []
        zeros = (
            f" with {words.per_axis([a.stride - 1 for a in layer.axes], 'zero')} between its elements"
            if words.is_strided(layer)
            else ""
        )
        if "w" in tensors:
            padded = f" with its padding of {words.padding(layer)}" if words.is_padded(layer) else ""
            blocks += [
                Formula(formulas.convolution(layer, summary=True)),
                _say(f"Here: X{padded}, and ∂E/∂O{zeros}." if padded or zeros else "Here: X and ∂E/∂O as they are."),
            ]
        if "x" in tensors:
            blocks += [
                Formula(formulas.full_convolution(layer, summary=True)),
                _say(f"Here: ∂E/∂O{zeros}, in a frame of {words.frame(layer)}{words.crop(layer)}."),
            ]
        if "b" in tensors:
            blocks.append(Formula(formulas.rule_of_bias_gradient(layer)))
        if "x" in tensors:
            blocks.append(_say("∂E/∂X of this layer is ∂E/∂O of the layer before it: there the same begins again."))
        return Section(("Summary",), tuple(blocks))

    def _table(self, tensor: str, form: Form = Form.WORKED) -> Expansions:
        """The elements of a tensor, up to the limit."""
        shape = self.layer.canonical[tensor.upper() if tensor != "b" else "b"]
        shown = islice(indices(shape), self.choice.limit)
        expansions = [
            self.expander.expand(tensor, index, zeros=self.choice.zeros, limit=self.choice.limit) for index in shown
        ]
        if form is Form.CHAIN:
            expansions = [expansion.by_chain_rule() for expansion in expansions]
        return Expansions(tuple(expansions), form, prod(shape))

    def _rows(self, items: Callable[[Values], Items], said: str = "") -> list[Block]:
        """The same row of grids in symbols, and in numbers where there are any."""
        blocks: list[Block] = [_say(said)] if said else []
        blocks.append(GridRow(tuple(items(Values()))))
        if self.values.x is not None:
            blocks.append(GridRow(tuple(items(self.values))))
        return blocks

    def _grids(
        self,
        title: str,
        tensor: str,
        values: Numbers | None,
        lead: Index = (0, 0),
        *,
        gradient: bool | None = None,
        turned: bool = False,
    ) -> Items:
        """One sample and channel of a tensor as it is, or rotated by 180 degrees."""
        layer = self.layer
        sizes = {"x": layer.size, "w": layer.kernel, "o": layer.out}[tensor]
        tracks = [plain(size, turned=turned) for size in sizes]
        is_gradient = title.startswith("∂E") if gradient is None else gradient
        return self._tracked(title, tensor, tracks, values, lead, gradient=is_gradient)

    def _tracked(
        self,
        title: str,
        tensor: str,
        tracks: list[Track],
        values: Numbers | None,
        lead: Index = (0, 0),
        *,
        gradient: bool | None = None,
    ) -> Items:
        is_gradient = title.startswith("∂E") if gradient is None else gradient
        grids = track_grids(self.names, title, tensor, lead, tracks, gradient=is_gradient, values=values)
        shown: Items = list(islice(grids, _MOST_MATRICES))
        return [*shown, "…"] if next(grids, None) else shown

    def _sliding_filter(self, values: Numbers | None, c: int) -> Items:
        """The filter as it slides over X: with flip it is rotated."""
        if self.layer.flip:
            return self._grids("W rotated", "w", values, (0, c), turned=True)
        return self._grids("W", "w", values, (0, c))

    def _result(self, name: str, values: Numbers | None) -> list[Block]:
        """A result as matrices; all of them where they are few."""
        shape = self.layer.canonical[name.removeprefix("dEd")]
        most = self.choice.limit or prod(shape)
        grids = list(islice(result_grids(self.names, name, values), min(most, _MOST_RESULTS)))
        total = 1 if name == "dEdb" else prod(shape[:2]) * (shape[2] if len(shape) == 5 else 1)
        blocks: list[Block] = [GridRow((grid,)) for grid in grids]
        if total > len(grids):
            blocks.append(
                _say(f"{total - len(grids)} more matrices are left out; without --explain, -o saves them all.")
            )
        return blocks

    def _left_out_zeros(self) -> str:
        if self.choice.zeros or not words.is_padded(self.layer):
            return ""
        return " Products with a 0 of the padding are left out and counted."

    def _hanging_window(self) -> list[Block]:
        """Where a window hangs over the padding, its zero terms once."""
        layer = self.layer
        if not words.is_padded(layer) or self.choice.zeros:
            return []
        for index in islice(indices(layer.canonical["O"]), self.choice.limit):
            expansion = self.expander.expand("o", index, zeros=True, limit=self.choice.limit)
            if any(None in term.factors for term in expansion.terms):
                return [
                    _say(
                        "The window of ",
                        expansion.target,
                        " hangs over the padding; in full it is the following, and such terms are left out above:",
                    ),
                    Expansions((expansion,), total=1),
                ]
        return []

    def _unreached(self) -> list[Block]:
        return [_say(sentence) for sentence in words.unreached(self.layer)]

    def _why_rotated(self) -> list[Block]:
        """The answer to the question asked most: why is W rotated here?"""
        layer = self.layer
        middle = (0, 0, *(min(axis.size - 1, axis.span - 1) for axis in layer.axes))
        parts = self.expander.expand("x", middle, limit=_MOST_MATRICES).parts
        terms = parts[0] if parts else ()
        readers: list[Part] = []
        for term in terms:
            dedo, w = term.factors
            if isinstance(dedo, Symbol) and isinstance(w, Symbol):
                readers += [", by " if readers else "", self._plain(dedo), " through ", w]
        way = "from first to last" if layer.flip else "from last to first"
        moves = "moves on too" if layer.flip else "moves back"
        reason: list[Part] = [f"Along ∂E/∂O an input meets the elements of W {way}. "]
        if len(terms) > 1:
            x = self.symbol("x", middle)
            reason = [x, " is read by ", *readers, ": as the output moves on, the element of W ", f"{moves}. "]
        if layer.flip:
            turned = "W was rotated before it slid (flip); a second rotation brings it back."
        else:
            turned = "Read in the order of ∂E/∂O that is W rotated by 180°."
        return [_say("Why not rotated? " if layer.flip else "Why rotated? ", *reason, turned)]

    def _scattering(self) -> list[Block]:
        """The form without a rotation: each window of dX receives W * dE/do."""
        layer = self.layer
        o = self.symbol("o", self._origin("o"), gradient=True)
        window = [
            framed_input(axis, [axis.position(0, u) for u in range(axis.kernel)]).around(_MOST_POSITIONS)
            for axis in layer.axes
        ]
        value: list[Part] = [] if self.values.dedo is None else [" = ", scalar(self.values.dedo, self._origin("o"))]
        blocks: list[Block] = [
            _say(
                "Code that scatters, dX[window] += W·∂E/∂o for one output after the other, walks from outputs to "
                "inputs: each w goes back along the way it came, nothing is rotated, and it is right too. "
                "It adds the same products in another order. For ",
                o,
                *value,
                " it is",
            )
        ]
        return [
            *blocks,
            GridRow(
                (
                    *self._tracked("∂E/∂X, the window marked", "x", window, None, gradient=True),
                    "+=",
                    *self._sliding_filter(None, 0),
                    "·",
                    o,
                )
            ),
        ]

    def _matrix_product(self, values: Values) -> Items:
        return [
            column(self.names, "o", 0, values=values.o),
            "=",
            layer_matrix(self.names, values=values.w),
            "·",
            column(self.names, "x", 0, values=values.x),
        ]

    def _transposed_product(self, values: Values) -> Items:
        return [
            column(self.names, "x", 0, gradient=True, values=values.dx),
            "=",
            layer_matrix(self.names, transposed=True, values=values.w),
            "·",
            column(self.names, "o", 0, gradient=True, values=values.dedo),
        ]

    def _origin(self, tensor: str) -> Index:
        return (0,) * len(self.layer.canonical[tensor.upper()])

    def _plain(self, dedo: Symbol) -> Symbol:
        return replace(dedo, gradient=False)


def _say(*parts: Part) -> Sentence:
    return Sentence(tuple(part for part in parts if part != ""))
