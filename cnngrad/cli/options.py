"""The options of the commands in groups, which Typer fills in, and which of them belong together."""

import inspect
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, SupportsIndex

import typer

from cnngrad.errors import CnngradError
from cnngrad.settings import OPTIONS, PerAxis
from cnngrad.tensor import DEDO, B, W, X

if TYPE_CHECKING:
    from cnngrad.files.problem import Problem, Reader

__all__ = [
    "Arrays",
    "Claims",
    "Command",
    "Differences",
    "ErrorGradient",
    "Group",
    "Running",
    "Saved",
    "Screen",
    "Settings",
    "option",
    "takes",
]


class _Rule(NamedTuple):
    """Where some options have an effect.

    Attributes:
        options: the options, apart by blanks.
        needs: at least one of these is given too; none where the options stand by themselves.
        without: none of these is.
    """

    options: str
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def _report(ending: str) -> str:
    return f"a {ending} report: write --report FILE{ending}"


# What is given with others, or in place of others, in words.
_ANY_REPORT = "a report: write --report FILE"
_PROBLEM, _OF_A_SUITE, _OWN_SUITE, _FUNCTION = "a problem", "--run on a suite", "a suite of your own", "a function"
_JSON_ALONE, _O_ALONE = "--json alone", "--o alone"
_LESSON = (
    _Rule("--limit --terms --zeros", needs=("--explain", "--element", "--section", "--all", "--report")),
    _Rule("--limit", without=("--element", "--all")),
    _Rule("--section", without=("--element",)),
    _Rule("--section --terms", without=(_JSON_ALONE,)),
    _Rule("--title --author", needs=(_ANY_REPORT,)),
    _Rule("--author", without=("--fragment",)),
    _Rule("--fragment", needs=(_report(".tex"),)),
    _Rule("--math", needs=(_report(".md"),)),
    _Rule("--theme", needs=(_report(".svg"),)),
    _Rule("--open", needs=(_report(".html"),)),
    _Rule("--flip", without=("--no-flip",)),
)
_CHECK = (
    _Rule("--suite --without --expect --run-only --shard --decimals --seed --exchange --stream", needs=("--run",)),
    _Rule("--keep --explain --no-give-up", needs=("--run",)),
    _Rule("--suite --without --run-only --shard --decimals --seed --no-give-up", without=(_PROBLEM,)),
    _Rule("--without --decimals --seed -x -w", without=(_OWN_SUITE,)),
    _Rule("-b -g --order", without=(_OF_A_SUITE,)),
    _Rule("--exchange", without=("--stream", _FUNCTION)),
    _Rule("--explain", without=(_JSON_ALONE,)),
    _Rule("--hard --o --dw --dx --db --rtol --step --element", without=("--run",)),
    _Rule("--o --dw --dx --db --as --rtol --step --element --report", without=("--hard",)),
    _Rule("--step", without=(_O_ALONE,)),
    _Rule("--grow", needs=("--hard",)),
    _Rule("--flip", without=("--no-flip",)),
)
# Which options of a command belong together; what is not in its table has an effect anywhere.
RULES = {"forward": _LESSON, "backward": _LESSON, "check": _CHECK}


def refuse_idle(command: str, given: dict[str, Any]) -> None:
    """Raise a CnngradError for an option that has no effect beside the others, and say where it has one.

    Args:
        command: the command.
        given: the values of the options that are given, by their flags; that of the argument by `PROBLEM`.
    """
    there = {*given, *_said(given)}
    for rule in RULES[command]:
        for flag in rule.options.split():
            if flag not in given:
                continue
            if rule.needs and there.isdisjoint(rule.needs):
                *others, last = rule.needs
                raise CnngradError(f"{flag} belongs to {', '.join(others)}{' or ' if others else ''}{last}")
            for other in rule.without:
                if other in there:
                    raise CnngradError(f"{flag} has no effect with {other}: leave out {flag}, or {other}")


def _said(given: dict[str, Any]) -> Iterator[str]:
    """What the rules call the given options beside their flags."""
    if (report := given.get("--report")) is not None:
        yield _ANY_REPORT
        yield _report(Path(report).suffix)
    elif "--json" in given:
        yield _JSON_ALONE
    if "PROBLEM" in given or ("--suite" not in given and given.keys() >= {"-x", "-w"}):
        yield _PROBLEM
    elif "--run" in given:
        yield _OF_A_SUITE
    if "--suite" in given:
        from cnngrad.programs.suites import SUITES

        if given["--suite"] not in SUITES:
            yield _OWN_SUITE
    if given.keys() & {"--o", "--dw", "--dx", "--db"} == {"--o"}:
        yield _O_ALONE
    module, colon, name = given.get("--run", "").partition(":")
    if colon and f"{module.replace('.', '')}{name}".isidentifier():
        yield _FUNCTION


class Command(typer.core.TyperCommand):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "rich_help_panel", None) or "Help", []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def takes(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of the groups that its parameters are, in this order, and those of the screen.

    The command is called with the session, taken from Typer's context, and with one instance of each group.
    """
    _, *of_command = (each.annotation for each in inspect.signature(command).parameters.values())
    every = {group: list(_parameters(group)) for group in (*of_command, Screen)}

    def run(context: typer.Context, **values: Any) -> int:
        given = _given(context)
        refuse_idle(context.info_name or "", given)
        *made, screen = (group(**{each.name: values[each.name] for each in found}) for group, found in every.items())
        # How the screen is used is the session's business.
        context.obj.use_screen(screen.color, not screen.no_pager)
        try:
            return command(context.obj, *made)
        except CnngradError as error:
            element = getattr(error, "element", None)
            if element is None or context.info_name == "check":
                raise
            raise CnngradError(f"{error}; type {_as_typed(element, given)}") from None

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *(each for found in every.values() for each in found)]
    # Typer reads a function's options from this attribute, where it is set; types of functions do not have it.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__ = command.__doc__
    return run


def _parameters(group: Any) -> Iterator[inspect.Parameter]:
    """The options of a group, those of the class that it extends first."""
    for owner in reversed(group.__mro__):
        for name, annotation in owner.__dict__.get("OPTIONS", {}).items():
            default = getattr(group, name, None)
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _given(context: typer.Context) -> dict[str, Any]:
    """The values that the command line gives, by their flags; that of the argument by `PROBLEM`."""
    found = {}
    for param in context.command.params:
        source = context.get_parameter_source(param.name or "")
        if source is not None and source.name == "COMMANDLINE":
            flag = param.opts[0]
            found[flag if flag.startswith("-") else "PROBLEM"] = context.params[param.name or ""]
    return found


def _as_typed(element: str, given: dict[str, Any]) -> str:
    """The command line that explains an element which the other command, or another gradient, has."""
    forward = element.startswith("o")
    words = ["cnngrad", "forward" if forward else "backward"]
    for flag, value in given.items():
        if flag not in ("--only", "--element", "-g" if forward else ""):
            words += [value] if flag == "PROBLEM" else [flag] if value is True else [flag, str(value)]
    return shlex.join(
        [*words, *([] if forward or {"PROBLEM", "-g"} & {*given} else ["-g", "ones"]), "--element", element]
    )


class _Declared(NamedTuple):
    """An option as it is declared."""

    info: Any
    default: Any


def option(flag: str, help: str, default: Any = None, **limits: Any) -> Any:
    """An option of a group; its type is that of its annotation.

    Args:
        flag: the flag, and behind it what stands for its value in the help; PROBLEM for the argument.
        help: what it does.
        default: its value if it is not given.
        limits: the least and the largest value, as `min` and `max`.
    """
    name, _, value = flag.partition(" ")
    if not name.startswith("-"):
        return _Declared(typer.Argument(metavar=name, help=help), default)
    return _Declared(typer.Option(name, metavar=value or None, help=help, **limits), default)


class Group(SimpleNamespace):
    """Options under a title of the help."""

    TITLE: ClassVar[str]
    OPTIONS: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        """Collect the options, and leave each its default."""
        cls.OPTIONS = {}
        for name, kind in inspect.get_annotations(cls).items():
            info, default = getattr(cls, name)
            info.rich_help_panel = cls.TITLE
            cls.OPTIONS[name] = Annotated[kind, info]
            setattr(cls, name, False if kind is bool and default is None else default)


class Arrays(Group):
    """The problem, and the arrays that make O."""

    TITLE = "Arrays"

    problem: str | None = option(
        "PROBLEM", "A .json, .npz or .safetensors file with X, W, b, dEdO and the layer options; - for standard input."
    )
    x: str | None = option(
        "-x FILE", "X: a .json, .npy, .txt or .csv file, raw FILE:f32:3x3, FILE::KEY, -, or a shape such as 3x3."
    )
    w: str | None = option("-w FILE", "W, given in the same way as X.")
    b: str | None = option("-b FILE", "The bias b, in the same way.")


class ErrorGradient(Group):
    """The error gradient at O."""

    TITLE = "Arrays"

    g: str | None = option("-g FILE", "dE/dO, likewise; or the word ones, for E = sum of O.")


class Settings(Group):
    """The layer's own options, as `cnngrad.settings` describes them; None for those that are not given."""

    TITLE = "The layer"

    no_flip: bool = option("--no-flip", "W slides as it is, whatever the problem says.")
    order: str | None = option("--order C|F", "Numbers without a shape: C, the last axis varies fastest; F, the first.")

    def given(self) -> dict[str, Any]:
        """The layer's options that are given, as keywords."""
        from cnngrad.layer import parse_padding, parse_per_axis

        given = {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}
        for name, text in given.items():
            if OPTIONS[name][0] is PerAxis:
                given[name] = parse_per_axis(name, text)
        if "padding" in given:
            given["padding"] = parse_padding(given["padding"])
        if self.no_flip:
            given["flip"] = False
        return given

    def problem(self, arrays: "Arrays", g: str | None, reader: "Reader") -> "Problem":
        """The problem in the file, with the options of the command line overriding its keys."""
        from cnngrad.files.problem import ONES, Problem

        specs = {X: arrays.x, W: arrays.w, B: arrays.b, DEDO: g}
        flags = Problem(
            {
                tensor: ONES if tensor is DEDO and spec == ONES else reader.array(tensor, spec)
                for tensor, spec in specs.items()
                if spec is not None
            },
            self.given(),
        )
        return flags if arrays.problem is None else reader.problem(arrays.problem).overridden(flags)


def _of_layer(name: str) -> Any:
    """A layer option on the command line."""
    kind, described = OPTIONS[name]
    held = {bool: bool, SupportsIndex: int, SupportsIndex | None: int}.get(kind, str)
    info, _ = option(f"--{name.replace('_', '-')} {described.metavar}", described.help)
    info.rich_help_panel = Settings.TITLE
    return Annotated[held | None, info]


Settings.OPTIONS = {name: _of_layer(name) for name in OPTIONS} | Settings.OPTIONS


class Screen(Group):
    """How results are shown on a terminal."""

    TITLE = "On the screen"

    color: str = option("--color WHEN", "Use colours: always, never or auto.", "auto")
    no_pager: bool = option("--no-pager", "Don't show a long lesson in a pager.")


class Saved(Group):
    """How results are written."""

    TITLE = "Results"

    as_json: bool = option("--json", "Print one JSON object and nothing else.")
    output: str | None = option(
        "-o FILE",
        "Save the results: .json, .npz, .npy, or a folder of .npy; of check the report (.json), or the "
        "problem of --hard (.json, .npz).",
    )
    report: str | None = option(
        "--report FILE",
        "Save what is shown as a document: .txt, .md, .svg, .html to play with; a derivation also as .tex.",
    )
    precision: int = option("--precision N", "Significant digits of decimals.", 6, min=1, max=17)


class Claims(Group):
    """What to grade in place of our own gradients."""

    TITLE = "Results of your own to grade"

    o: str | None = option("--o FILE", "Grade this O.")
    dw: str | None = option("--dw FILE", "Grade this dE/dW instead of cnngrad's own.")
    dx: str | None = option("--dx FILE", "Grade this dE/dX.")
    db: str | None = option("--db FILE", "Grade this dE/db.")
    written: str | None = option(
        "--as FORM",
        "How precise yours are: float64, float32, tf32, float16, bfloat16, digits:N, places:N, fixed:K."
        "  [default: as their dtype says, or a text shows]",
    )


class Running(Group):
    """A program of the user's own, and the layers that it is run on."""

    TITLE = "A program of your own (--run)"

    run: str | None = option(
        "--run COMMAND",
        "Run your own program on many layers: './program {dir}', or a Python function package.module:name.",
    )
    suite: str | None = option(
        "--suite NAME", "quick, standard or thorough, or a file or folder of problems of your own.  [default: standard]"
    )
    stream: bool = option("--stream", "One process for all layers: each line of JSON on its input is a layer.")
    exchange: str = option("--exchange FORM", "How arrays are written for it: npy, f32, f64, bf16 or json.", "npy")
    without: str | None = option(
        "--without LIST", "What it does not have, such as groups,dilation,bias,batch,channels."
    )
    expect: str | None = option("--expect LIST", "What it must write, such as dEdW,dEdX.")
    decimals: bool = option("--decimals", "Give it numbers that aren't integers.")
    seed: int = option("--seed N", "Another seed gives other numbers.", 0, min=0)
    run_only: str | None = option("--run-only GLOB", "Only the layers of such names.")
    shard: str | None = option("--shard 2/4", "Only this part of the layers, for several machines.")
    jobs: int = option("--jobs N", "How many layers run at the same time.", 1, min=1, max=64)
    timeout: float = option("--timeout S", "The seconds that each run may take.", 10.0, min=0.1)
    keep: str | None = option("--keep DIR", "Save every layer that fails there: the problem, and the files of its run.")
    no_give_up: bool = option("--no-give-up", "Run all layers, even if the first three crash, hang or write nothing.")
    explain: bool = option("--explain", "Show what your program computes in every element of a failing layer.")


class Differences(Saved):
    """How finite differences are taken and judged, and how the report is printed."""

    TITLE = "The check"

    rtol: float | None = option(
        "--rtol R", "Tolerance, as a fraction of the sum of absolute terms.  [default: by dtype]"
    )
    step: float | None = option("--step H", "The step of the differences.  [default: 1]")
    hard: bool = option("--hard", "Print a problem of this layer whose data shows every mistake; -o saves it.")
    grow: bool = option("--grow", "With --hard: change the shape of X where that shows more mistakes.")
    element: list[str] | None = option("--element x22", "Show this element of yours beside its right sum (repeatable).")
