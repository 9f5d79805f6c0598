"""Problems: a layer with its arrays (or only their shapes), from a file or from command-line options."""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cnngrad.arrays import Array, Operand, as_claim, read_tensor
from cnngrad.errors import CnngradError, nearest
from cnngrad.files.binary import parse_raw, raw_spec
from cnngrad.files.loose import Loose
from cnngrad.files.opening import content_of, is_standard_input
from cnngrad.files.read import Tell, load, parse
from cnngrad.layer import Layer, Shape, layer_of, parse_shape
from cnngrad.layer.options import plain_option
from cnngrad.settings import OPTIONS
from cnngrad.tensor import DEDO, GIVEN, B, Tensor, W, X

__all__ = ["Problem", "Reader", "layer_name", "told_of"]

KEYS = (*(tensor.key for tensor in GIVEN), *OPTIONS)
# Further keys of the files that cnngrad writes.
_DESCRIPTION = ("schema", "layer")

# An array with numbers, a shape without numbers, or a function of the layer that gives an array of dE/dO's shape.
Given = Operand | Shape | Callable[[Layer], Operand]

# Other tools' names for the keys, in lower case; names that resemble ours are found by their spelling.
_OTHER_WORDS = {
    "X": "x|inputs?|image|a_prev",
    "W": "w|(weight|kernel|filter)s?",
    "b": "bias(es)?",
    "dEdO": "d(l_?d)?_?o(ut)?|dz|dy|(output_)?grad.*|upstream|delta",
    "stride": "s",
    "padding": "p",
    "dilation": "d|rate",
    "groups": "g",
    "transposed": "deconv.*",
    "output_padding": "adj",
}


@dataclass(frozen=True, eq=False)
class Problem:
    """One layer as its user gave it.

    Attributes:
        given: the arrays that are given, out of X, W, b and dE/dO, or only their shapes; dE/dO may also be a function
            of the layer.
        options: the options that are given, as keywords of `forward`.
        origin: the file that each key comes from, for error messages; empty for those of the command line.
    """

    given: dict[Tensor, Given]
    options: dict[str, Any]
    origin: dict[str, str] = field(default_factory=dict)

    def overridden(self, flags: "Problem") -> "Problem":
        """This problem with its values overridden by those of the flags."""
        typed = dict.fromkeys([*(tensor.key for tensor in flags.given), *flags.options], "")
        return Problem(self.given | flags.given, self.options | flags.options, self.origin | typed)

    def without(self, tensor: Tensor) -> "Problem":
        """This problem without one of its arrays."""
        return replace(self, given={other: value for other, value in self.given.items() if other is not tensor})

    def operands(self, layer: Layer) -> dict[Tensor, Operand]:
        """The arrays with numbers, their axes in cnngrad's order.

        Raises:
            CnngradError: dE/dO has more or fewer numbers than O.
        """
        made = {tensor: value(layer) if callable(value) else value for tensor, value in self.given.items()}
        return {tensor: each.standard(layer, tensor) for tensor, each in made.items() if isinstance(each, Operand)}

    @property
    def without_numbers(self) -> str:
        """Which arrays are only shapes, in words; empty if none is (a single one makes everything symbolic)."""
        names = [tensor.key for tensor, value in self.given.items() if type(value) is tuple]
        are = "is a shape" if len(names) == 1 else "are shapes"
        return f"{' and '.join(names)} {are} without numbers" if names else ""

    def unused_words(self) -> str:
        """Which arrays' numbers are not used because another array is a shape, in words; empty if there are none."""
        names = [tensor.key for tensor, value in self.given.items() if type(value) is not tuple and value is not ones]
        shapes = self.without_numbers
        unused = f"{shapes}, so everything is in symbols: the numbers of {' and '.join(names)} are not used"
        return unused if names and shapes else ""

    def layer(self) -> Layer:
        """The layer that the arrays and options make.

        Raises:
            CnngradError: X or W is missing, or they, b and dE/dO don't make a layer.
        """
        shapes = {
            tensor: value.array.shape if isinstance(value, Operand) else value
            for tensor, value in self.given.items()
            if not callable(value)
        }
        for tensor in (X, W):
            if tensor not in shapes:
                raise CnngradError(
                    f"{tensor.key} is missing: give a problem file with the key {tensor.key}, or -{tensor.letter} FILE"
                )
        try:
            return layer_of(shapes, **self.options)
        except CnngradError as error:
            # A message begins with the name of what is wrong.
            file = self.origin.get(str(error).split()[0])
            raise CnngradError(f"{file}: {error}" if file else str(error)) from None


class Reader:
    """Reads each file, and standard input, once, however many arrays are taken from it."""

    def __init__(
        self,
        standard_input: Callable[[], bytes],
        tell: Tell = lambda _: None,
        order: str | None = None,
        outputs: Sequence[str] = (),
    ) -> None:
        """A reader that has read nothing yet.

        Args:
            standard_input: returns the content of standard input, which `-` stands for.
            tell: shows a message to the user before a long operation begins.
            order: how numbers without a shape fill one: `C`, the last axis fastest, or `F`, the first; None means `C`.
            outputs: the files that will be written, of which none may be read.

        Raises:
            CnngradError: any other order.
        """
        self._order: Any = (order or "C").upper()
        if self._order not in ("C", "F"):
            raise CnngradError(
                f"order is {str(order)[:40]!r}: it must be C (the last axis varies fastest) or F (the first)"
            )
        self._order_has_effect = order is None
        self._standard_input = standard_input
        self._tell, self._outputs = tell, outputs
        self._read: dict[str, Any] = {}

    def problem(self, path: str) -> Problem:
        """The problem in a `.json` or `.npz` file, or on standard input (`-`)."""
        return self._problem(_spoken(path), self._content(path))

    def problems(self, path: str) -> list[tuple[str, Problem]]:
        """The problems in the list of a `.json` file, or in the `.json` and `.npz` files of a folder, with their names.

        An object of the list may have a `name`; otherwise its name has its number, counted from 1. A file with a single
        problem is a list of one.
        """
        place = Path(path)
        if place.is_dir():
            files = sorted(file for file in place.iterdir() if file.suffix in (".json", ".npz") and file.is_file())
            return [(layer_name(str(file), file.stem), self.problem(str(file))) for file in files]
        content = self._content(path)
        if not isinstance(content, list):
            return [(layer_name(path, place.stem), self.problem(path))]
        found = []
        for number, each in enumerate(content, 1):
            where, name = f"{path}, entry {number}", f"layer-{number}"
            if isinstance(each, Mapping) and "name" in each:
                name = layer_name(where, each["name"])
                where = f"{path}, {name}"
                each = {key: value for key, value in each.items() if key != "name"}
            found.append((name, self._problem(where, each)))
        return found

    def _problem(self, where: str, content: Any) -> Problem:
        if not isinstance(content, Mapping):
            raise CnngradError(f"{where} holds no object with the keys {', '.join(KEYS)}: for arrays use -x, -w, -g")
        content = {key: value.typed if isinstance(value, Loose) else value for key, value in content.items()}
        for key in content:
            if key not in (*KEYS, "schema"):
                word = key.lower()
                near = next((ours for ours, words in _OTHER_WORDS.items() if re.fullmatch(words, word)), "")
                near = near or nearest(word, KEYS, 0.5)
                known = f"the keys are {', '.join(KEYS)}"
                meant = f"did you mean {near!r}? ({known})" if near else known
                raise CnngradError(f"{where} has the unknown key {key!r}: {meant}")
            if content[key] is None and key in OPTIONS:
                raise CnngradError(f"{where}: {key} is null: give a value, or leave the key out")
        with told_of(where):
            return Problem(
                {tensor: _given(tensor, content[tensor.key]) for tensor in GIVEN if tensor.key in content},
                {key: plain_option(key, content[key]) for key in OPTIONS if key in content},
                dict.fromkeys(content, where),
            )

    def array(self, tensor: Tensor, spec: str) -> Given:
        """An array from `FILE`, `FILE::KEY`, `FILE:f32` or `-`; or what a word such as `3x3` or `ones` stands for."""
        if (given := _word(tensor, spec)) is not None:
            return given
        where, content = self._named(spec)
        is_flat = False
        if isinstance(content, Loose):
            is_flat = tensor in (DEDO, B) and (content.array.ndim == 1 or content.needs_shape)
            if content.needs_shape and not is_flat:
                words = content.doubt or f"append {tensor.key}'s, such as {spec}:3x3"
                raise CnngradError(f"{spec} has {'two readings' if content.doubt else 'no shape'}: {words}")
            content = content.typed.reshape(-1) if is_flat else content.typed
        with told_of(where):
            operand = read_tensor(tensor.key, content)
        if tensor is B or not is_flat:
            return operand
        order = self._order_of_numbers()

        def shaped(layer: Layer) -> Operand:
            array = Loose(operand.array).shaped(layer.written[DEDO], order)
            layer.check_dedo(array.shape)
            return operand._replace(array=array)

        return shaped

    def _named(self, spec: str) -> tuple[str, Any]:
        """What `FILE`, `FILE::KEY`, `FILE:f32` or `-` names, and the file's name in messages."""
        if raw := raw_spec(spec):
            return _spoken(raw.path), parse_raw(raw, self.content(raw.path))
        path, _, rest = spec.partition("::")
        content, where, file = self._content(path), _spoken(path), _spoken(path)
        while isinstance(content, Mapping):
            names = [name for name in content if name not in _DESCRIPTION]
            keys = ", ".join(names) or "none"
            if not rest:
                held = "its array under a key: name it" if len(names) == 1 else f"several values ({keys}): name one"
                raise CnngradError(f"{where} holds {held}, as {path}::{next(iter(names), 'X')}")
            key, _, rest = (rest, "", "") if rest in content else rest.partition("::")
            if key not in content:
                raise CnngradError(f"{where} has no key {key!r}: it has {keys}")
            content, path, where = content[key], f"{path}::{key}", f"{where}::{key}"
        if rest:
            raise CnngradError(f"{where} holds a single array, not keys: leave out ::{rest}")
        return file, content

    def claim(self, layer: Layer, tensor: Tensor, spec: str) -> Array:
        """A result to grade, given as for `array`; NaN and infinity are allowed.

        Numbers without a shape take the right result's shape if their count fits.
        """
        if parse_shape(spec) is not None:
            raise CnngradError(f"{tensor.key} is the shape {spec} without numbers: give a file")
        where, content = self._named(spec)
        with told_of(where):
            shape = layer.written[tensor]
            if not isinstance(content, Loose):
                array = as_claim(tensor.key, content)
                content = Loose(array, 0 if array.ndim == 1 else array.ndim)
            order: Any = "C" if content.axes else self._order_of_numbers()
            shaped = as_claim(tensor.key, content.shaped(shape, order))
            if shaped.shape != shape and (
                content.doubt or (content.axes < content.array.ndim and shaped.size == prod(shape))
            ):
                doubt = content.doubt or "write the numbers in that shape, or all in one line"
                raise CnngradError(f"{tensor.key} has shape {shape}, the text {shaped.shape}: {doubt}")
            return shaped

    def _order_of_numbers(self) -> Any:
        """The order in which numbers without a shape fill one."""
        self._order_has_effect = True
        return self._order

    def finish(self) -> Sequence[str]:
        """The files that will be written; called after all inputs are read.

        Raises:
            CnngradError: an order is given, and nothing that was read has numbers without a shape.
        """
        if not self._order_has_effect:
            raise CnngradError("--order has no effect here: it is for dE/dO, or a result, as numbers without a shape")
        return self._outputs

    def content(self, path: str) -> bytes:
        """All bytes of a file, or of standard input."""
        self.refuse_output(path)
        return self._standard_input() if is_standard_input(path) else content_of(path)

    def _content(self, path: str) -> Any:
        where = _spoken(path)
        if where not in self._read:
            self.refuse_output(path)
            piped = is_standard_input(path)
            self._read[where] = parse(where, self._standard_input(), self._tell) if piped else load(path, self._tell)
        return self._read[where]

    def refuse_output(self, path: str) -> None:
        """Raise a CnngradError if an input is one of the files that will be written, whatever its name."""
        for output in self._outputs:
            with suppress(OSError):
                if os.path.samefile("/dev/stdin" if is_standard_input(path) else path, output):
                    raise CnngradError(f"{output} is an input of this command: write to another file")


def layer_name(where: str, name: Any) -> str:
    """A valid name of a layer: it is shown, and names files.

    Raises:
        CnngradError: the name is not allowed; the message begins with `where`, the place where it was found.
    """
    if isinstance(name, str) and name.isprintable() and "/" not in name and name not in ("", ".", ".."):
        return name
    raise CnngradError(
        f"{where}: the name {name!r} can't be a layer's: use printable characters but no /, and not . or .."
    )


def _spoken(path: str) -> str:
    return "standard input" if is_standard_input(path) else path


def _given(tensor: Tensor, value: Any) -> Given:
    """An array in a problem: its numbers, or a word."""
    word = _word(tensor, value) if isinstance(value, str) else None
    return read_tensor(tensor.key, value) if word is None else word


def _word(tensor: Tensor, text: str) -> Given | None:
    """What a word stands for, if it is one: a shape such as `3x3` for an array without numbers, or `ones` for dE/dO."""
    return ones if tensor is DEDO and text == "ones" else parse_shape(text)


def ones(layer: Layer) -> Operand:
    """The dE/dO of E = sum of O."""
    array = np.broadcast_to(np.int64(1), layer.written[DEDO])
    return Operand(array, array.dtype, math.inf)


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """Inside the context an error names the file."""
    try:
        yield
    except CnngradError as error:
        raise CnngradError(f"{where}: {error}") from None
