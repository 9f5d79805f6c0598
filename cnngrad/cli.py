"""The command line: reads options, calls the library, shows what it returns.

NumPy, Rich and the library load inside the commands, so that `--help` and `--version` start at once.
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cnngrad import __version__
from cnngrad.errors import CnngradError

if TYPE_CHECKING:
    from cnngrad.arrays import Array, DType
    from cnngrad.derivation.blocks import Derivation
    from cnngrad.derivation.choice import Choice
    from cnngrad.geometry import Layer, Shape
    from cnngrad.problem import Problem, Reader

__all__ = ["ExitCode", "app", "main"]

# Called with what is computed, and with the number of steps done and of all steps.
NamedProgress = Callable[[str, int, int], None]


class ExitCode(IntEnum):
    """What the process ends with."""

    OK = 0
    WRONG_GRADIENT = 1  # `check` found one; nothing else ends with 1
    BAD_INPUT = 2
    CRASHED = 70  # a defect of cnngrad itself: EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # Ctrl-C, as shells report it
    PIPE_CLOSED = 141  # the reader of standard output went away, as shells report it
    TERMINATED = 143  # SIGTERM, as shells report it


class Gradient(StrEnum):
    """What --only takes."""

    DW = "dW"
    DX = "dX"
    DB = "db"


ProblemArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="PROBLEM", help="A .json or .npz file with X, W, b, dEdO and the layer options; - for standard input."
    ),
]
XOption = Annotated[
    str | None,
    typer.Option("-x", metavar="FILE", help="X: a .json or .npy file, FILE::KEY, - or a shape such as 3x3."),
]
WOption = Annotated[str | None, typer.Option("-w", metavar="FILE", help="W, likewise.")]
BOption = Annotated[str | None, typer.Option("-b", metavar="FILE", help="The bias b, likewise.")]
GOption = Annotated[
    str | None, typer.Option("-g", metavar="FILE", help="dE/dO, likewise; or the word ones, for E = sum of O.")
]
StrideOption = Annotated[str | None, typer.Option(metavar="S", help="2, or 2,1 for one per axis.  [default: 1]")]
PaddingOption = Annotated[
    str | None,
    typer.Option(
        metavar="P",
        help="1, 1,2 (one per axis), 1:0,2:1 (before:after), valid, same, same-lower or full.  [default: 0]",
    ),
]
DilationOption = Annotated[str | None, typer.Option(metavar="D", help="2, or 2,1; 1 is none.  [default: 1]")]
GroupsOption = Annotated[int | None, typer.Option(metavar="G", help="As in PyTorch.  [default: 1]")]
FlipOption = Annotated[
    bool | None, typer.Option("--flip/--no-flip", help="True convolution: W is rotated before it slides.")
]
DimsOption = Annotated[
    int | None, typer.Option(metavar="1|2|3", help="The number of spatial axes, where the shapes don't tell.")
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show the derivation, in the order of the notes.")]
ElementOption = Annotated[
    list[str] | None, typer.Option(metavar="x22", help="Explain this element alone, with its picture (repeatable).")
]
OnlyOption = Annotated[Gradient | None, typer.Option(help="One gradient alone.")]
LimitOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="The most elements in a table.  [default: 64; all with --json]")
]
ZerosOption = Annotated[bool, typer.Option("--zeros", help="Write the products with 0 too, as the notes do.")]
PrecisionOption = Annotated[int, typer.Option(metavar="N", min=1, max=17, help="Significant digits of decimals.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
OutputOption = Annotated[
    str | None, typer.Option("-o", metavar="FILE", help="Save the results: .json, .npz, .npy, or a folder of .npy.")
]
ReportOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="Save the derivation as a document: .txt, .md, .tex or .svg.")
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cnngrad {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def forward_command(
    problem: ProblemArgument = None,
    x: XOption = None,
    w: WOption = None,
    b: BOption = None,
    stride: StrideOption = None,
    padding: PaddingOption = None,
    dilation: DilationOption = None,
    groups: GroupsOption = None,
    flip: FlipOption = None,
    dims: DimsOption = None,
    explain: ExplainOption = False,
    element: ElementOption = None,
    limit: LimitOption = None,
    zeros: ZerosOption = False,
    precision: PrecisionOption = 6,
    as_json: JsonOption = False,
    output: OutputOption = None,
    report: ReportOption = None,
) -> int:
    """Compute the output O of a layer from X and W."""
    from cnngrad.conv import Forward

    asked = _Asked(explain or bool(element), tuple(element or ()), limit, zeros, precision, as_json, output, report)
    # dE/dO has no part in forward: one that is in the file need not fit the layer of these flags.
    task = replace(_read(problem, x, w, b, None, stride, padding, dilation, groups, flip, dims), dedo=None)
    layer = task.layer()
    work = None
    if not task.in_symbols:
        arrays = task.arrays(layer)
        forward = Forward(arrays["X"], arrays["W"], arrays.get("b"), **task.options())
        work = _Work(
            arrays,
            forward.planned,
            lambda _, out, progress: forward.output(out, progress and partial(progress, "O")),
        )
    return _answer(asked, task, layer, work, "o")


def backward_command(
    problem: ProblemArgument = None,
    x: XOption = None,
    w: WOption = None,
    b: BOption = None,
    g: GOption = None,
    stride: StrideOption = None,
    padding: PaddingOption = None,
    dilation: DilationOption = None,
    groups: GroupsOption = None,
    flip: FlipOption = None,
    dims: DimsOption = None,
    explain: ExplainOption = False,
    element: ElementOption = None,
    only: OnlyOption = None,
    limit: LimitOption = None,
    zeros: ZerosOption = False,
    precision: PrecisionOption = 6,
    as_json: JsonOption = False,
    output: OutputOption = None,
    report: ReportOption = None,
) -> int:
    """Compute the gradients dE/dW, dE/dX and dE/db of a layer from X, W and dE/dO."""
    from cnngrad.conv import Backward
    from cnngrad.derivation.choice import explained_tensors

    asked = _Asked(
        explain or bool(element), tuple(element or ()), limit, zeros, precision, as_json, output, report, only
    )
    task = _read(problem, x, w, b, g, stride, padding, dilation, groups, flip, dims)
    layer = task.layer()
    tensors = explained_tensors(layer, only and only.value)
    work = None
    if not task.in_symbols:
        arrays = task.arrays(layer)
        if "dEdO" not in arrays:
            raise CnngradError(
                "dEdO is missing: give a problem file with the key dEdO, or -g FILE, or -g ones for E = sum of O"
            )
        gradients = Backward(arrays["X"], arrays["W"], arrays["dEdO"], **task.options())
        planned = {name: plan for name, plan in gradients.planned.items() if name[3:].lower() in tensors}
        work = _Work(
            arrays,
            planned,
            lambda name, out, progress: gradients.gradient(name, out, progress and partial(progress, name)),
        )
    return _answer(asked, task, layer, work, tensors)


def check_command(
    problem: ProblemArgument = None,
    x: XOption = None,
    w: WOption = None,
    b: BOption = None,
    g: GOption = None,
    dw: Annotated[str | None, typer.Option("--dw", metavar="FILE", help="Grade this dE/dW instead of ours.")] = None,
    dx: Annotated[str | None, typer.Option("--dx", metavar="FILE", help="Grade this dE/dX.")] = None,
    db: Annotated[str | None, typer.Option("--db", metavar="FILE", help="Grade this dE/db.")] = None,
    rtol: Annotated[
        float | None,
        typer.Option(metavar="R", help="Tolerance, as a fraction of the sum of absolute terms.  [default: by dtype]"),
    ] = None,
    step: Annotated[
        float | None, typer.Option(metavar="H", help="The step of the differences.  [default: by the data's scale]")
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Print a problem of this layer whose data shows every mistake; -o saves it.")
    ] = False,
    stride: StrideOption = None,
    padding: PaddingOption = None,
    dilation: DilationOption = None,
    groups: GroupsOption = None,
    flip: FlipOption = None,
    dims: DimsOption = None,
    precision: PrecisionOption = 6,
    as_json: JsonOption = False,
    output: Annotated[
        str | None, typer.Option("-o", metavar="FILE", help="Save the report, or the problem of --hard: .json.")
    ] = None,
) -> int:
    """Compare gradients with finite differences of forward; exit code 1 where one is wrong."""
    from cnngrad.gradcheck import check
    from cnngrad.output import check_target, to_json, write_results
    from cnngrad.problem import Reader

    if output is not None:
        check_target(output, ["report"], endings=(".json", ".npz") if hard else (".json",))
    reader = Reader()
    task = _read(problem, x, w, b, g, stride, padding, dilation, groups, flip, dims, reader)
    layer = task.layer()
    if hard:
        from cnngrad.hard import hard_problem

        harder = hard_problem(layer)
        if output is None:
            print(to_json(harder))
        else:
            write_results(output, harder)
        return ExitCode.OK
    if task.in_symbols:
        raise CnngradError(f"{task.shape_words()}: check needs numbers, give files")
    arrays = task.arrays(layer)
    claims = [
        None if spec is None else reader.numbers(key, spec) for key, spec in (("dEdW", dw), ("dEdX", dx), ("dEdb", db))
    ]
    with _progress() as progress:
        report = check(
            arrays["X"],
            arrays["W"],
            arrays.get("dEdO"),
            b=arrays.get("b"),
            dw=claims[0],
            dx=claims[1],
            db=claims[2],
            rtol=rtol,
            step=step,
            progress=progress,
            **task.options(),
        )
    if output is not None:
        write_results(output, report.as_json())
    if as_json:
        print(to_json(report.as_json()))
    else:
        from cnngrad.render.checks import report_blocks
        from cnngrad.render.terminal import make_console, show

        show(make_console(sys.stdout), report_blocks(report, precision))
    return ExitCode.OK if report.passed else ExitCode.WRONG_GRADIENT


_COMMANDS: dict[str, Callable[..., int]] = {
    "forward": forward_command,
    "backward": backward_command,
    "check": check_command,
}


def _app(names: Iterable[str]) -> typer.Typer:
    app = typer.Typer(
        name="cnngrad",
        help="The gradients of a convolution layer, with their working.",
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in names:
        app.command(name)(_COMMANDS[name])
    return app


app = _app(_COMMANDS)


@contextmanager
def _progress() -> "Iterator[NamedProgress | None]":
    """A progress bar on standard error, once the work takes longer than a second and a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from cnngrad.render.progress import DelayedBar

    with DelayedBar() as bar:
        yield bar.advance


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Args:
        args: the words behind `cnngrad`; those of the process where None.
    """
    if sys.stdout is None:
        return _failed("standard output is closed")
    words = sys.argv[1:] if args is None else list(args)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show ∂ gets a ? in its place, not a crash.
            stream.reconfigure(errors="replace")
    with suppress(ValueError):
        # Python's own answer would leave unfinished files; only the main thread may give another.
        signal.signal(signal.SIGTERM, _terminate)
    # Typer takes milliseconds to prepare a command, so it gets the one that is asked for, where that is plain.
    wanted = _app(words[:1]) if words and words[0] in _COMMANDS else app
    try:
        code = wanted(args=words or ["--help"], prog_name="cnngrad", standalone_mode=False)
        sys.stdout.flush()
        return _interrupted() if code == ExitCode.INTERRUPTED else int(code or ExitCode.OK)
    except CnngradError as error:
        return _failed(str(error))
    except typer.TyperException as error:
        return _failed(f"{error.format_message().removeprefix('Value error, ')} (cnngrad --help tells more)")
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        return _failed(f"can't write standard output: {error.strerror or error}")
    except SystemExit:
        # Typer itself met a closed pipe, and would end with 1.
        return _pipe_closed()
    except KeyboardInterrupt:
        return _interrupted()
    except _Terminated:
        return _interrupted(ExitCode.TERMINATED)
    except MemoryError as error:
        return _failed(f"there is not enough memory: {str(error) or 'use a smaller layer'}")
    except Exception:
        import traceback

        traceback.print_exc()
        print("cnngrad: this is a defect of cnngrad, please report it with the lines above", file=sys.stderr)
        return ExitCode.CRASHED


def _failed(message: str) -> ExitCode:
    print(f"cnngrad: {message}", file=sys.stderr)
    return ExitCode.BAD_INPUT


def _interrupted(code: ExitCode = ExitCode.INTERRUPTED) -> ExitCode:
    print("cnngrad: interrupted; nothing was written", file=sys.stderr)
    return code


class _Terminated(BaseException):
    """The process was asked to end."""


def _terminate(*_: object) -> None:
    raise _Terminated


def _pipe_closed() -> ExitCode:
    # What is still in the buffer goes nowhere, so that Python's last flush does not complain.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.PIPE_CLOSED


class _Asked(NamedTuple):
    """What to show and to save."""

    explain: bool
    elements: tuple[str, ...]
    limit: int | None
    zeros: bool
    precision: int
    as_json: bool
    output: str | None
    report: str | None
    only: Gradient | None = None


def _read(
    problem: str | None,
    x: str | None,
    w: str | None,
    b: str | None,
    g: str | None,
    stride: str | None,
    padding: str | None,
    dilation: str | None,
    groups: int | None,
    flip: bool | None,
    dims: int | None,
    reader: "Reader | None" = None,
) -> "Problem":
    """The problem in the file, with the flags in place of its keys."""
    from cnngrad.problem import Problem, Reader, parse_padding, parse_per_axis

    reader = reader or Reader()
    flags = Problem(
        x=None if x is None else reader.array("X", x),
        w=None if w is None else reader.array("W", w),
        b=None if b is None else reader.array("b", b),
        dedo=None if g is None else "ones" if g == "ones" else reader.array("dEdO", g),
        stride=None if stride is None else parse_per_axis("stride", stride),
        padding=None if padding is None else parse_padding(padding),
        dilation=None if dilation is None else parse_per_axis("dilation", dilation),
        groups=groups,
        flip=flip,
        dims=dims,
    )
    return flags if problem is None else reader.problem(problem).overridden(flags)


class _Work(NamedTuple):
    """What is to be computed.

    Attributes:
        arrays: the given arrays, by their keys in files.
        planned: the shape and dtype of each result.
        compute: computes a result by name, into an array or new memory, and reports progress.
    """

    arrays: "dict[str, Array]"
    planned: "dict[str, tuple[Shape, DType]]"
    compute: "Callable[[str, Array | None, NamedProgress | None], Array]"


def _answer(
    asked: _Asked,
    task: "Problem",
    layer: "Layer",
    work: _Work | None,
    tensors: str,
) -> ExitCode:
    """Compute, save and show what was asked for: files first, so that they are whole before anything is printed."""
    from cnngrad.memory import require
    from cnngrad.output import check_target, result_files, to_json, write_results

    if work is None and not asked.explain and asked.report is None:
        raise CnngradError(f"{task.shape_words()}: --explain shows the derivation in symbols, files give numbers")
    if work is None and asked.output is not None:
        raise CnngradError(f"{asked.output} would be empty: {task.shape_words()}")
    planned = {} if work is None else work.planned
    if asked.output is not None:
        check_target(asked.output, planned)
    if asked.report is not None:
        from cnngrad.render.report import check_report

        check_report(asked.report)
    results: dict[str, Array] = {}
    derivation: Derivation | None = None
    expansions: dict[str, Any] = {}
    with result_files(asked.output, planned) as files:
        if asked.as_json or (asked.output or "").endswith(".json"):
            require(planned, factor=_JSON_BYTES)
        else:
            require({name: plan for name, plan in planned.items() if name not in files})
        if work is not None:
            with _progress() as progress:
                results = {name: work.compute(name, files.get(name), progress) for name in planned}
        arrays = {} if work is None else work.arrays | results
        if asked.report is not None or (asked.explain and not asked.as_json):
            derivation = _derived(asked, layer, arrays, tensors)
        if asked.explain and asked.as_json:
            expansions = _listed(asked, layer, arrays, tensors)
    if asked.output is not None and not files:
        write_results(asked.output, results)
    if asked.report is not None and derivation is not None:
        from cnngrad.render.report import write_report

        write_report(asked.report, derivation, asked.precision)
    if asked.as_json:
        print(to_json(results | expansions))
    elif asked.explain and derivation is not None:
        from cnngrad.render.painter import Painter
        from cnngrad.render.terminal import make_console, show

        show(make_console(sys.stdout), Painter(asked.precision).derivation(derivation))
    else:
        _show_results(layer, results, asked.precision)
    return ExitCode.OK


def _choice(asked: _Asked, limit: int | None) -> "Choice":
    from cnngrad.derivation.choice import Choice

    return Choice(asked.elements, asked.only and asked.only.value, asked.limit or limit, asked.zeros)


def _derived(asked: _Asked, layer: "Layer", arrays: "dict[str, Array]", tensors: str) -> "Derivation":
    from cnngrad.derivation.choice import DEFAULT_LIMIT
    from cnngrad.derivation.lesson import backward_lesson, forward_lesson
    from cnngrad.expansion import Values

    lesson = forward_lesson if tensors == "o" else backward_lesson
    return lesson(layer, Values.of(layer, arrays), _choice(asked, DEFAULT_LIMIT))


def _listed(asked: _Asked, layer: "Layer", arrays: "dict[str, Array]", tensors: str) -> dict[str, Any]:
    from cnngrad.derivation.listing import list_expansions
    from cnngrad.expansion import Values

    return {"expansions": list_expansions(layer, Values.of(layer, arrays), _choice(asked, None), tensors)}


def _show_results(layer: "Layer", results: "dict[str, Array]", precision: int) -> None:
    from cnngrad.derivation.matrices import result_grids
    from cnngrad.names import Names
    from cnngrad.render.matrix import show_results

    names = Names(layer)
    grids = (
        result_grids(names, name, array.reshape(layer.canonical[name.removeprefix("dEd")]))
        for name, array in results.items()
    )
    show_results(sys.stdout, layer.describe(), grids, precision)


# Bytes that each byte of an array takes as Python's numbers and their text, at least: a float is an object of 24 bytes
# in a list of references of 8, and about 20 characters.
_JSON_BYTES = 7
