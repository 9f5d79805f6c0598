"""The layer's options, each spelled once: for Python, for problem files, and for the command line and its help."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, SupportsIndex, TypedDict

__all__ = ["DEFAULTS", "OPTIONS", "LayerOptions", "Padding", "PerAxis"]

PerAxis = SupportsIndex | Sequence[SupportsIndex]
Padding = str | SupportsIndex | Sequence[SupportsIndex | Sequence[SupportsIndex]]


class Described(NamedTuple):
    """A placeholder for an option's value, the option's meaning, and its default."""

    metavar: str
    help: str
    default: Any = None


class LayerOptions(TypedDict, total=False):
    """The options of a layer, as keywords of every function, keys of a problem and options of every command."""

    stride: Annotated[PerAxis, Described("S", "2, or 2,1 for one per axis.  [default: 1]", 1)]
    padding: Annotated[
        Padding,
        Described(
            "P", "1, 1,2 (one per axis), 1:0,2:1 (before:after), valid, same, same-lower or full.  [default: 0]", 0
        ),
    ]
    padding_mode: Annotated[
        str,
        Described("MODE", "What the padding holds: zeros, reflect, replicate or circular.  [default: zeros]", "zeros"),
    ]
    dilation: Annotated[PerAxis, Described("D", "2, or 2,1 for one per axis; 1 means none.  [default: 1]", 1)]
    groups: Annotated[SupportsIndex, Described("G", "The number of groups, as in PyTorch.  [default: 1]", 1)]
    flip: Annotated[bool, Described("", "True convolution: W is rotated before it slides.", False)]
    transposed: Annotated[
        bool, Described("", "Transposed convolution: each x stamps W, of shape (C, F/g, kh, kw), onto O.", False)
    ]
    output_padding: Annotated[
        PerAxis, Described("P", "With --transposed: rows and columns added behind O, 1 or 1,0.  [default: 0]", 0)
    ]
    output_size: Annotated[PerAxis | None, Described("SIZE", "With --transposed: O's size, 7x7, instead.")]
    dims: Annotated[
        SupportsIndex | None, Described("1|2|3", "The number of spatial axes, if the shapes leave it open.")
    ]
    layout: Annotated[
        str | None, Described("NHWC", "The order of the axes of X, O and their gradients.  [default: nchw]")
    ]
    filter_layout: Annotated[str | None, Described("HWIO", "The order of the axes of W and dE/dW.  [default: oihw]")]


# Each option's type and description.
OPTIONS = {
    name: (annotated.__origin__, annotated.__metadata__[0]) for name, annotated in LayerOptions.__annotations__.items()
}
DEFAULTS = {name: described.default for name, (_, described) in OPTIONS.items()}
LayerOptions.__doc__ = "\n".join(
    [f"{LayerOptions.__doc__}\n", *(f"    {name}: {described.help}" for name, (_, described) in OPTIONS.items())]
)
