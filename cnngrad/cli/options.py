"""The groups of options that commands share, as dataclasses that Typer fills in."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnngrad.tensor import Tensor

if TYPE_CHECKING:
    from cnngrad.files.problem import Problem, Reader

__all__ = [
    "Arrays",
    "Claims",
    "Differences",
    "ErrorGradient",
    "Running",
    "Saved",
    "Screen",
    "Settings",
    "takes",
]


def takes(*groups: type) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the options of these groups.

    The command is called with the session, taken from Typer's context, and with one instance of each group.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        def run(context: typer.Context, **given: Any) -> int:
            values = [group(**{field.name: given[field.name] for field in fields(group)}) for group in groups]
            # How the screen is used is the session's business.
            for screen in (value for value in values if isinstance(value, Screen)):
                context.obj.use_screen(screen.color, not screen.no_pager)
            return command(context.obj, *(value for value in values if not isinstance(value, Screen)))

        every = [field for group in groups for field in fields(group)]
        kind = inspect.Parameter.KEYWORD_ONLY
        # Typer reads a function's options from this attribute, where it is set; types of functions do not have it.
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
                *(inspect.Parameter(f.name, kind, default=f.default, annotation=f.type) for f in every),
            ]
        )
        run.__annotations__ = {"context": typer.Context} | {field.name: field.type for field in every}
        run.__doc__ = command.__doc__
        return run

    return decorate


_Precision = Annotated[int, typer.Option(metavar="N", min=1, max=17, help="Significant digits of decimals.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@dataclass(frozen=True)
class Arrays:
    """The problem, and the arrays that make O."""

    problem: Annotated[
        str | None,
        typer.Argument(
            metavar="PROBLEM",
            help="A .json, .npz or .safetensors file with X, W, b, dEdO and the layer options; - for standard input.",
        ),
    ] = None
    x: Annotated[
        str | None,
        typer.Option(
            "-x",
            metavar="FILE",
            help="X: a .json, .npy, .txt or .csv file, raw FILE:f32:3x3, FILE::KEY, -, or a shape such as 3x3.",
        ),
    ] = None
    w: Annotated[str | None, typer.Option("-w", metavar="FILE", help="W, given in the same way as X.")] = None
    b: Annotated[str | None, typer.Option("-b", metavar="FILE", help="The bias b, in the same way.")] = None


@dataclass(frozen=True)
class ErrorGradient:
    """The error gradient at O."""

    g: Annotated[
        str | None, typer.Option("-g", metavar="FILE", help="dE/dO, likewise; or the word ones, for E = sum of O.")
    ] = None


@dataclass(frozen=True)
class Settings:
    """The layer's own options; None for those that are not given."""

    stride: Annotated[str | None, typer.Option(metavar="S", help="2, or 2,1 for one per axis.  [default: 1]")] = None
    padding: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="1, 1,2 (one per axis), 1:0,2:1 (before:after), valid, same, same-lower or full.  [default: 0]",
        ),
    ] = None
    dilation: Annotated[str | None, typer.Option(metavar="D", help="2, or 2,1; 1 is none.  [default: 1]")] = None
    groups: Annotated[int | None, typer.Option(metavar="G", help="As in PyTorch.  [default: 1]")] = None
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="True convolution: W is rotated before it slides.")
    ] = None
    dims: Annotated[
        int | None, typer.Option(metavar="1|2|3", help="The number of spatial axes, if the shapes leave it open.")
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(metavar="NHWC", help="The order of the axes of X, O and their gradients.  [default: nchw]"),
    ] = None
    filter_layout: Annotated[
        str | None, typer.Option(metavar="HWIO", help="The order of the axes of W and dE/dW.  [default: oihw]")
    ] = None

    order: Annotated[
        str | None,
        typer.Option(metavar="C|F", help="Numbers without a shape: C, the last axis varies fastest; F, the first."),
    ] = None

    def problem(self, arrays: Arrays, g: str | None, reader: "Reader") -> "Problem":
        """The problem in the file, with the options of the command line overriding its keys."""
        from cnngrad.files.problem import ONES, Problem
        from cnngrad.layer import parse_padding, parse_per_axis

        specs = {Tensor.X: arrays.x, Tensor.W: arrays.w, Tensor.B: arrays.b, Tensor.DEDO: g}
        options = {
            "stride": self.stride and parse_per_axis("stride", self.stride),
            "padding": self.padding and parse_padding(self.padding),
            "dilation": self.dilation and parse_per_axis("dilation", self.dilation),
            "groups": self.groups,
            "flip": self.flip,
            "dims": self.dims,
            "layout": self.layout,
            "filter_layout": self.filter_layout,
        }
        flags = Problem(
            {
                tensor: ONES if tensor is Tensor.DEDO and spec == ONES else reader.array(tensor, spec)
                for tensor, spec in specs.items()
                if spec is not None
            },
            {key: value for key, value in options.items() if value is not None},
        )
        return flags if arrays.problem is None else reader.problem(arrays.problem).overridden(flags)


@dataclass(frozen=True)
class Screen:
    """How results are shown on a terminal."""

    color: Annotated[str, typer.Option(metavar="WHEN", help="Use colours: always, never or auto.")] = "auto"
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Don't show a long lesson in a pager.")] = False


@dataclass(frozen=True)
class Saved:
    """How results are written."""

    precision: _Precision = 6
    as_json: _AsJson = False
    output: Annotated[
        str | None,
        typer.Option("-o", metavar="FILE", help="Save the results: .json, .npz, .npy, or a folder of .npy."),
    ] = None


@dataclass(frozen=True)
class Claims:
    """What to grade in place of our own gradients."""

    o: Annotated[str | None, typer.Option("--o", metavar="FILE", help="Grade this O.")] = None
    dw: Annotated[
        str | None, typer.Option("--dw", metavar="FILE", help="Grade this dE/dW instead of cnngrad's own.")
    ] = None
    dx: Annotated[str | None, typer.Option("--dx", metavar="FILE", help="Grade this dE/dX.")] = None
    db: Annotated[str | None, typer.Option("--db", metavar="FILE", help="Grade this dE/db.")] = None
    written: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="FORM",
            help="How precise yours are: float64, float32, tf32, float16, bfloat16, digits:N, places:N, fixed:K."
            "  [default: as their numbers show]",
        ),
    ] = None


@dataclass(frozen=True)
class Running:
    """A program of the user's own, and the layers that it is run on."""

    run: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run your own program on many layers: './program {dir}', or a Python function package.module:name.",
        ),
    ] = None
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="quick, standard or thorough, or a file or folder of problems of your own.  [default: standard]",
        ),
    ] = None
    stream: Annotated[
        bool, typer.Option("--stream", help="One process for all layers: each line of JSON on its input is a layer.")
    ] = False
    exchange: Annotated[
        str,
        typer.Option(metavar="FORM", help="How arrays are written for it: npy, npy32, f32, f64, bf16, json or csv."),
    ] = "npy"
    without: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="What it does not have, such as groups,dilation,bias,batch,channels."),
    ] = None
    expect: Annotated[str | None, typer.Option(metavar="LIST", help="What it must write, such as dEdW,dEdX.")] = None
    decimals: Annotated[bool, typer.Option("--decimals", help="Give it numbers that aren't integers.")] = False
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed gives other numbers.")] = 0
    run_only: Annotated[str | None, typer.Option(metavar="GLOB", help="Only the layers of such names.")] = None
    skip: Annotated[str | None, typer.Option(metavar="GLOB", help="Not the layers of such names.")] = None
    shard: Annotated[
        str | None, typer.Option(metavar="2/4", help="Only this part of the layers, for several machines.")
    ] = None
    jobs: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many layers run at the same time.")] = 1
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="The seconds that each run may take.")] = 10.0
    keep: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Save every layer that fails there: the problem, and the files of its run."),
    ] = None
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what your program computes in every element of a failing layer.")
    ] = False

    @property
    def asked(self) -> str:
        """The first of the options besides `--run` that is given; empty for none."""
        given = (
            f"--{each.name.replace('_', '-')}" for each in fields(self) if getattr(self, each.name) != each.default
        )
        return next(given, "")


@dataclass(frozen=True)
class Differences:
    """How finite differences are taken and judged, and how the report is printed."""

    rtol: Annotated[
        float | None,
        typer.Option(metavar="R", help="Tolerance, as a fraction of the sum of absolute terms.  [default: by dtype]"),
    ] = None
    step: Annotated[float | None, typer.Option(metavar="H", help="The step of the differences.  [default: 1]")] = None
    hard: Annotated[
        bool, typer.Option("--hard", help="Print a problem of this layer whose data shows every mistake; -o saves it.")
    ] = False
    grow: Annotated[
        bool, typer.Option("--grow", help="With --hard: change the shape of X where that shows more mistakes.")
    ] = False
    element: Annotated[
        list[str] | None,
        typer.Option(metavar="x22", help="Show this element of yours beside its right sum (repeatable)."),
    ] = None
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save what was found as a document: .txt, .md, .svg or .html.")
    ] = None
    precision: _Precision = 6
    as_json: _AsJson = False
    output: Annotated[
        str | None,
        typer.Option("-o", metavar="FILE", help="Save the report (.json), or the problem of --hard (.json, .npz)."),
    ] = None
