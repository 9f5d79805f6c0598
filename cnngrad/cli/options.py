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
        from cnngrad.running.suites import SUITES

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
    """The options of a group, each under the title of the class that has it."""
    for owner in reversed(group.__mro__):
        for name, annotation in getattr(owner, "OPTIONS", inspect.get_annotations(owner)).items():
            if hasattr(annotation, "__metadata__"):
                annotation.__metadata__[0].rich_help_panel = owner.TITLE
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


class Group(SimpleNamespace):
    """Options under a title of the help; what is annotated is an option, its value the default."""

    TITLE: ClassVar[str]


class Arrays(Group):
    """The problem, and the arrays that make O."""

    TITLE = "Arrays"

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


class ErrorGradient(Group):
    """The error gradient at O."""

    TITLE = "Arrays"

    g: Annotated[
        str | None, typer.Option("-g", metavar="FILE", help="dE/dO, likewise; or the word ones, for E = sum of O.")
    ] = None


def _typed(name: str) -> Any:
    """The type of a layer option on the command line."""
    kind, described = OPTIONS[name]
    held = {bool: bool, SupportsIndex: int, SupportsIndex | None: int}.get(kind, str)
    return Annotated[
        held | None, typer.Option(f"--{name.replace('_', '-')}", metavar=described.metavar or None, help=described.help)
    ]


class Settings(Group):
    """The layer's own options; None for those that are not given."""

    TITLE = "The layer"
    OPTIONS: ClassVar[dict[str, Any]] = {
        **{name: _typed(name) for name in OPTIONS},
        "no_flip": Annotated[bool, typer.Option("--no-flip", help="W slides as it is, whatever the problem says.")],
        "order": Annotated[
            str | None,
            typer.Option(metavar="C|F", help="Numbers without a shape: C, the last axis varies fastest; F, the first."),
        ],
    }

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


class Screen(Group):
    """How results are shown on a terminal."""

    TITLE = "On the screen"

    color: Annotated[str, typer.Option(metavar="WHEN", help="Use colours: always, never or auto.")] = "auto"
    no_pager: Annotated[bool, typer.Option("--no-pager", help="Don't show a long lesson in a pager.")] = False


class Saved(Group):
    """How results are written."""

    TITLE = "Results"

    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="Save the results: .json, .npz, .npy, or a folder of .npy; of check the report (.json), or the "
            "problem of --hard (.json, .npz).",
        ),
    ] = None
    report: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Save what is shown as a document: .txt, .md, .svg, .html to play with; a derivation also as .tex.",
        ),
    ] = None
    precision: Annotated[int, typer.Option(metavar="N", min=1, max=17, help="Significant digits of decimals.")] = 6


class Claims(Group):
    """What to grade in place of our own gradients."""

    TITLE = "Results of your own to grade"

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
            "  [default: as their dtype says, or a text shows]",
        ),
    ] = None


class Running(Group):
    """A program of the user's own, and the layers that it is run on."""

    TITLE = "A program of your own (--run)"

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
        typer.Option(metavar="FORM", help="How arrays are written for it: npy, f32, f64, bf16 or json."),
    ] = "npy"
    without: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="What it does not have, such as groups,dilation,bias,batch,channels."),
    ] = None
    expect: Annotated[str | None, typer.Option(metavar="LIST", help="What it must write, such as dEdW,dEdX.")] = None
    decimals: Annotated[bool, typer.Option("--decimals", help="Give it numbers that aren't integers.")] = False
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed gives other numbers.")] = 0
    run_only: Annotated[str | None, typer.Option(metavar="GLOB", help="Only the layers of such names.")] = None
    shard: Annotated[
        str | None, typer.Option(metavar="2/4", help="Only this part of the layers, for several machines.")
    ] = None
    jobs: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many layers run at the same time.")] = 1
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="The seconds that each run may take.")] = 10.0
    keep: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Save every layer that fails there: the problem, and the files of its run."),
    ] = None
    no_give_up: Annotated[
        bool, typer.Option("--no-give-up", help="Run all layers, even if the first three crash, hang or write nothing.")
    ] = False
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what your program computes in every element of a failing layer.")
    ] = False


class Differences(Saved):
    """How finite differences are taken and judged, and how the report is printed."""

    TITLE = "The check"

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
