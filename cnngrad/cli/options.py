"""The options of the commands, in groups that Typer fills in, and the rules for combining them."""

import inspect
import math
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, SupportsIndex

import typer

from cnngrad.errors import CnngradError
from cnngrad.settings import OPTIONS, Padding, PerAxis
from cnngrad.tensor import DEDO, B, W, X

if TYPE_CHECKING:
    from cnngrad.derivation.choice import Choice
    from cnngrad.files.problem import Problem, Reader

__all__ = ["RULES", "Backward", "Check", "Exercise", "Explained", "Forward", "Saved", "listed", "takes", "typed"]


def _report(ending: str) -> str:
    return f"a {ending} report (--report FILE{ending})"


# Conditions in the rules that are not single flags, in words.
_ANY_REPORT = "a report (--report FILE)"
_FIGURE = "a figure (--element NAME --report FILE.tex)"
_PROBLEM = "a problem"
_OF_A_SUITE = "--run on a suite"
_OWN_SUITE = "a suite of your own"
_FUNCTION = "a function"
_GRADESCOPE = "--format gradescope"
_JSON_ALONE, _O_ALONE = "--json alone", "--o alone"
# Two kinds of rules: options and what they need, at least one of the others; options and what takes away their effect.
_LESSON = (
    (
        ("--limit --terms --zeros", "--explain", "--element", "--section", "--all", "--report"),
        ("--title --author", _ANY_REPORT),
        ("--fragment", _report(".tex")),
        ("--math", _report(".md")),
        ("--theme", _report(".svg"), _FIGURE),
        ("--open", _report(".html")),
    ),
    (
        ("--limit", "--element", "--all"),
        ("--section", "--element"),
        ("--section --terms", _JSON_ALONE),
        ("--author", "--fragment"),
        ("--flip", "--no-flip"),
    ),
)
_CHECK = (
    (
        ("--suite --without --expect --run-only --shard --decimals --seed --exchange --stream", "--run", "--run-each"),
        ("--keep --no-give-up --format --memory --scheduler", "--run", "--run-each"),
        ("--explain", "--run"),
        ("--points --hidden", _GRADESCOPE),
        ("--grow", "--hard"),
    ),
    (
        ("--suite --without --run-only --shard --decimals --seed --no-give-up", _PROBLEM),
        ("--without --decimals --seed -x -w", _OWN_SUITE),
        ("-b -g --order", _OF_A_SUITE),
        ("--exchange", "--stream", _FUNCTION),
        ("--explain --format", _JSON_ALONE),
        ("--hard --o --dw --dx --db --rtol --step --element", "--run", "--run-each"),
        ("--run", "--run-each"),
        ("--run-each", _GRADESCOPE),
        ("--o --dw --dx --db --as --rtol --step --element --report", "--hard"),
        ("--step", _O_ALONE),
        (
            "-x -w -b -g --o --dw --dx --db --as --run --run-each --rtol --step --hard --element --order -o --no-flip",
            "--mistakes",
        ),
        (" ".join(f"--{name.replace('_', '-')}" for name in OPTIONS), "--mistakes"),
        ("--flip", "--no-flip"),
    ),
)
_EXERCISE = (
    (
        ("--partial", "--format", "--grade"),
        ("--title", _ANY_REPORT, "--solution", "--format"),
        ("--author", _ANY_REPORT, "--solution"),
        ("--fragment", _report(".tex"), "--solution"),
        ("--math", _report(".md"), "--solution"),
        ("--theme", _report(".svg"), "--solution"),
        ("--open", _report(".html")),
    ),
    (
        ("--solution --format --author --fragment --open", "--grade"),
        ("--format", _JSON_ALONE),
        ("--author", "--fragment"),
        ("--flip", "--no-flip"),
    ),
)
# The rules of each command; an option without a rule always has an effect.
RULES = {"forward": _LESSON, "backward": _LESSON, "exercise": _EXERCISE, "check": _CHECK}


# The options that are given, by flag, or their values by keyword.
_Given = dict[str, Any]
# The values of the options that have only a few.
_WORDS = {
    "format": ("junit", "github", "gradescope"),
    "color": ("always", "never", "auto"),
    "math": ("github", "dollar"),
    "theme": ("light", "dark"),
}


def _refuse(command: str, given: _Given) -> None:
    """Raise a CnngradError for an unknown value, or for an option without effect; the message says when it has one.

    Args:
        command: the name of the command.
        given: what `_given` returns.
    """
    from cnngrad.layer import joined

    for flag, value in given.items():
        if isinstance(value, str) and not value.strip(" ,"):
            raise CnngradError(f"{flag} is empty: give a value, or leave it out")
    there = {*given, *_said(given)}
    needs, without = RULES[command]
    for options, *others in needs:
        for flag in options.split():
            if flag in given and there.isdisjoint(others):
                raise CnngradError(f"{flag} needs {joined(others, 'or')}")
    for options, *others in without:
        for flag, other in product(options.split(), others):
            if flag in given and other in there:
                raise CnngradError(f"{flag} has no effect with {other}: leave out {flag}, or {other}")
    for name, known in (_WORDS | ({"format": ("moodle",)} if command == "exercise" else {})).items():
        value = given.get(f"--{name}", known[0])
        if value not in known:
            raise CnngradError(f"{name} is {value[:40]!r}: use {joined(known, 'or')}")


def _said(given: _Given) -> Iterator[str]:
    """The conditions, other than flags, that the given options meet."""
    if (report := given.get("--report")) is not None:
        yield _ANY_REPORT
        yield _report(Path(report).suffix)
        if "--element" in given and report.endswith(".tex"):
            yield _FIGURE
    elif "--json" in given:
        yield _JSON_ALONE
    if "problem" in given or ("--suite" not in given and given.keys() >= {"-x", "-w"}):
        yield _PROBLEM
    elif given.keys() & {"--run", "--run-each"}:
        yield _OF_A_SUITE
    if "--suite" in given:
        from cnngrad.programs.suites import SUITES

        if given["--suite"] not in SUITES:
            yield _OWN_SUITE
    if given.keys() & {"--o", "--dw", "--dx", "--db"} == {"--o"}:
        yield _O_ALONE
    if given.get("--format") == "gradescope":
        yield _GRADESCOPE
    if run := given.get("--run", given.get("--run-each")):
        from cnngrad.programs.programs import is_function

        if is_function(run):
            yield _FUNCTION


class Command(typer.core.TyperCommand):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        groups = defaultdict(list)
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                groups[getattr(param, "rich_help_panel", None) or "Help"].append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def takes(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of its second parameter's class.

    The command is called with the session, taken from Typer's context, and with an instance of that class.
    """
    _, taken = inspect.signature(command).parameters.values()

    def run(context: typer.Context, **values: Any) -> int:
        session, given = context.obj, _given(context)
        options = taken.annotation(**values, flags=given)
        _refuse(context.info_name or "", given)
        try:
            return command(session, options)
        except CnngradError as error:
            element = getattr(error, "element", None)
            if element is None or context.info_name == "check":
                raise
            raise CnngradError(f"{error}; type {_as_typed(element, given)}") from None

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    # Typer reads the options from this attribute, which the type of functions lacks.
    run.__signature__ = inspect.Signature([context, *_parameters(taken.annotation)])  # type: ignore[attr-defined]
    run.__doc__ = command.__doc__
    return run


def _parameters(options: Any) -> Iterator[inspect.Parameter]:
    for group in options.__mro__:
        for name, value in [*(_of_layer() if group is Settings else ()), *vars(group).items()]:
            if isinstance(value, inspect.Parameter):
                value.default.rich_help_panel = group.TITLE
                yield value.replace(name=name)


def _given(context: typer.Context) -> _Given:
    """The values given on the command line: those of options by flag, that of the argument by `problem`."""
    return {
        param.opts[0]: context.params[name]
        for param in context.command.params
        if (source := context.get_parameter_source(name := param.name or "")) and source.name == "COMMANDLINE"
    }


def _as_typed(element: str, given: _Given) -> str:
    """The command line that explains an element of the other command's results or of another gradient."""
    forward = element.startswith("o")
    words = ["cnngrad", "forward" if forward else "backward"]
    words += typed(given, [flag for flag in given if flag not in ("--only", "--element", "-g" if forward else "")])
    words += [] if forward or given.keys() & {"problem", "-g"} else ["-g", "ones"]
    return shlex.join([*words, "--element", element])


def typed(given: _Given, flags: Iterable[str]) -> list[str]:
    """The given options among `flags`, as words of a command line."""
    words = []
    for flag in flags:
        if (value := given.get(flag)) is not None:
            words += [] if flag == "problem" else [flag]
            words += [] if value is True else [f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def listed(text: str | None) -> list[str]:
    """The words of a comma-separated list."""
    return [word for part in (text or "").split(",") if (word := part.strip())]


def option(kind: Any, flag: str, help: str, default: Any = None, **limits: Any) -> Any:
    """An option of a group, as the parameter of a command.

    Args:
        kind: the type of its values; without a default, an option that is not given is None.
        flag: the flag, followed by a placeholder for its value; PROBLEM for the argument.
        help: what it does.
        default: its value if it is not given.
        limits: the least and the largest value, as `min` and `max`.
    """
    name, _, value = flag.partition(" ")
    if kind is float:
        limits["callback"] = _finite
    if name.startswith("-"):
        info = typer.Option(default, name, metavar=value or None, help=help, **limits)
    else:
        info = typer.Argument(default, metavar=name, help=help)
    return inspect.Parameter("_", inspect.Parameter.KEYWORD_ONLY, default=info, annotation=kind | None)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


text = partial(option, str)
number = partial(option, int)
switch = partial(option, bool, default=False)


class Arrays(SimpleNamespace):
    """The problem, and the arrays that make O."""

    TITLE = "Arrays"

    problem = text(
        "PROBLEM", "A .json, .npz or .safetensors file with X, W, b, dEdO and the layer options; - for standard input."
    )
    x = text("-x FILE", "X: a .json, .npy, .txt or .csv file, raw FILE:f32:3x3, FILE::KEY, -, or a shape such as 3x3.")
    w = text("-w FILE", "W, given in the same way as X.")
    b = text("-b FILE", "The bias b, given in the same way as X.")


class ErrorGradient(SimpleNamespace):
    """The error gradient at O."""

    TITLE = "Arrays"

    g = text("-g FILE", "dE/dO, given in the same way as X; or the word ones, for E = sum of O.")


class Lesson(SimpleNamespace):
    """Which parts of the derivation to show, and how."""

    TITLE = "The lesson"

    explain = switch("--explain", "Show the derivation, in the order of the notes.")
    element = option(list[str], "--element x22", "Explain only this element, with its picture (repeatable).")
    section = text(
        "--section NAME",
        "Show only these sections: layer, output, dw, dw-conv, mlp, dx, dx-conv, db, summary (dx,dx-conv for two).",
    )
    every = switch("--all", "Show every element, and every term.")
    limit = number("--limit N", "Show at most N elements of a large table.  [default: 4; all with --json]", min=1)
    terms = number("--terms N", "Show at most N terms of a sum.  [default: as many as fit on two lines]", min=1)
    zeros = switch("--zeros", "Show products with 0 too, as the notes do.")

    @property
    def explained(self) -> bool:
        """Whether to show the derivation."""
        return bool(self.explain or self.element or self.section or self.every)

    def choice(self, whole: bool) -> "Choice":
        """What to derive.

        Args:
            whole: whether to include all elements and terms unless the user limits them.
        """
        from cnngrad.derivation.choice import Choice
        from cnngrad.derivation.telling import TELLING

        limit = self.limit if self.limit is not None or whole or self.every else TELLING
        return Choice(tuple(self.element or ()), limit, self.zeros, self.terms, tuple(listed(self.section)))


class Only(SimpleNamespace):
    """Which gradients are wanted."""

    TITLE = "The lesson"

    only = text("--only dW|dX|db", "Show only this gradient.")


# The types of options that have a number for each axis.
_LISTED = (PerAxis, PerAxis | None, Padding)


class Settings(SimpleNamespace):
    """The layer's own options, as `cnngrad.settings` describes them; None for those that are not given."""

    TITLE = "The layer"

    no_flip = switch("--no-flip", "Don't rotate W, even if the problem says flip.")
    order = text("--order C|F", "How numbers without a shape fill one: C, the last axis varies fastest; F, the first.")

    def given(self) -> _Given:
        """The layer's options that are given, as keywords."""
        from cnngrad.layer import parse_per_axis

        given = {
            name: parse_per_axis(name, value) if OPTIONS[name][0] in _LISTED else value
            for name in OPTIONS
            if (value := getattr(self, name)) is not None
        }
        return given | ({"flip": False} if self.no_flip else {})

    def read(self, reader: "Reader") -> "Problem":
        """The problem in the file, with the options of the command line overriding its keys."""
        from cnngrad.files.problem import Problem

        arrays = {}
        for tensor, name in ((X, "x"), (W, "w"), (B, "b"), (DEDO, "g")):
            if (spec := getattr(self, name, None)) is not None:
                arrays[tensor] = reader.array(tensor, spec)
        flags = Problem(arrays, self.given())
        return flags if self.problem is None else reader.problem(self.problem).overridden(flags)


def _of_layer() -> Iterator[tuple[str, Any]]:
    for name, (kind, described) in OPTIONS.items():
        held = {bool: bool, SupportsIndex: int, SupportsIndex | None: int}.get(kind, str)
        yield name, option(held, f"--{name.replace('_', '-')} {described.metavar}", described.help)


class Saved(SimpleNamespace):
    """How results are written."""

    TITLE = "Results"

    as_json = switch("--json", "Print one JSON object and nothing else.")
    output = text(
        "-o FILE",
        "Save the results: .json, .npz, .npy, or a folder of .npy; check saves its report (.json), check --hard the "
        "problem (.json, .npz).",
    )
    report = text(
        "--report FILE",
        "Save what is shown as a document: .txt, .md, .svg or an interactive .html; a derivation also as .tex. With "
        "--element an .svg or .tex is a figure; several elements give FILE-1, FILE-2 and so on.",
    )
    precision = number("--precision N", "Significant digits of decimals.", 6, min=1, max=17)


class Document(SimpleNamespace):
    """The form of a report."""

    TITLE = "The report's form"

    title = text("--title TEXT", "The heading of the report.")
    author = text("--author TEXT", "The author of the report.")
    open_it = switch("--open", "Open an .html report in the browser.")
    fragment = switch("--fragment", "Write a .tex report for another document to \\input.")
    maths = text("--math KIND", "Formulas of a .md report: github, or dollar for pandoc and notebooks.", "github")
    theme = text("--theme KIND", "The colours of an .svg report or of a figure: light or dark.", "light")


class Screen(SimpleNamespace):
    """How results are shown on a terminal."""

    TITLE = "On the screen"

    color = text("--color WHEN", "Use colours: always, never or auto.", "auto")
    no_pager = switch("--no-pager", "Don't show a long lesson in a pager.")


class Claims(SimpleNamespace):
    """Results to grade instead of cnngrad's own."""

    TITLE = "Results of your own to grade"

    o = text("--o FILE", "Grade this O.")
    dw = text("--dw FILE", "Grade this dE/dW instead of cnngrad's own.")
    dx = text("--dx FILE", "Grade this dE/dX.")
    db = text("--db FILE", "Grade this dE/db.")
    written = text(
        "--as FORM",
        "The precision of your numbers: float64, float32, tf32, float16, bfloat16, digits:N, places:N, fixed:K."
        "  [default: by their dtype, or by the digits of a text]",
    )


class Running(SimpleNamespace):
    """A program of the user's own, and the layers that it is run on."""

    TITLE = "A program of your own (--run)"

    run = text(
        "--run COMMAND",
        "Run your own program on many layers: './program {dir}', or a Python function, package.module:name or "
        "file.py:name.",
    )
    run_each = text(
        "--run-each GLOB",
        "Run the programs of a class, each in a file that matches: 'submissions/*/conv.py:backward', or a command.",
    )
    suite = text(
        "--suite NAME", "quick, standard or thorough, or a file or folder of problems of your own.  [default: standard]"
    )
    stream = switch("--stream", "Run one process for all layers: each line of JSON on its input is a layer.")
    exchange = text("--exchange FORM", "How arrays are written for your program: npy, f32, f64, bf16 or json.", "npy")
    without = text(
        "--without LIST", "What your program does not support, such as groups,dilation,bias,batch,channels,strided."
    )
    expect = text("--expect LIST", "The results that your program must write, such as dEdW,dEdX.")
    decimals = switch("--decimals", "Use numbers that aren't integers.")
    seed = number("--seed N", "Another seed gives other numbers.", 0, min=0)
    run_only = text("--run-only GLOB", "Run only the layers whose names match.")
    shard = text("--shard 2/4", "Run only this part of the layers, to share them among machines.")
    jobs = number("--jobs N", "Run N layers, or submissions, at the same time.", 1, min=1, max=64)
    timeout = option(float, "--timeout S", "The seconds that each run may take.", 10.0, min=0.1, max=10**6)
    form = text("--format FORM", "Write the findings for other programs: junit, github or gradescope.")
    points = option(float, "--points N", "Gradescope's points for all layers together.  [default: one each]", min=0)
    hidden = text("--hidden GLOB", "Gradescope hides the layers whose names match from students.")
    scheduler = text("--scheduler ADDRESS", "Run the layers on a Dask cluster, such as tcp://host:8786.")
    memory = number("--memory MIB", "The memory that each process of your program may take.", min=1, max=2**30)
    keep = text("--keep DIR", "Save every failing layer in this folder: the problem, and the files of its run.")
    no_give_up = switch("--no-give-up", "Run all layers, even if the first two hang, or three crash or write nothing.")
    explain = switch("--explain", "Show what your program computes in every element of a failing layer.")


class Differences(SimpleNamespace):
    """How finite differences are taken and judged, and what else `check` shows."""

    TITLE = "The check"

    rtol = option(float, "--rtol R", "Tolerance, as a fraction of the sum of absolute terms.  [default: by dtype]")
    step = option(float, "--step H", "The step of the finite differences.  [default: 1]")
    mistakes = switch("--mistakes", "List the known mistakes, or show the one whose name stands in place of PROBLEM.")
    hard = switch("--hard", "Print a problem for this layer whose numbers reveal every mistake; -o saves it.")
    grow = switch("--grow", "With --hard: change the shape of X if that reveals more mistakes.")
    element = option(list[str], "--element x22", "Show your value of this element beside the right sum (repeatable).")


class Asked(SimpleNamespace):
    """What exercises ask, and what becomes of the answers."""

    TITLE = "The exercises"

    ask = text(
        "--ask LIST",
        "What each exercise asks: O, dW, dX, db, an element such as x22, chain-rule, products, matrix, frame, mistake.",
        "dX",
    )
    count = number("--count N", "Make N exercises, each with other numbers.", 1, min=1, max=1000)
    seed = number("--seed N", "Another seed gives other numbers.", 0, min=0)
    decimals = switch("--decimals", "Use numbers with a decimal place instead of integers.")
    solution = text(
        "--solution FILE", "Save the solution as a document, with the working: .txt, .md, .tex, .svg or .html."
    )
    grade = text(
        "--grade FILE", "Grade the answers in a .csv file: the columns student, 1, 2 and so on for the questions."
    )
    form = text("--format FORM", "Write a question bank for another program: moodle.")
    partial = option(
        float, "--partial P", "What a number that a known mistake gives is worth, in percent.", 0.0, max=100, min=0
    )


class Explained(Lesson, Saved, Settings, Document, Screen):
    """What `forward` and `backward` have in common."""


class Forward(Arrays, Explained):
    """The options of `forward`."""


class Backward(Arrays, ErrorGradient, Explained, Only):
    """The options of `backward`."""


class Exercise(Arrays, Saved, Asked, Settings, Document, Screen):
    """The options of `exercise`."""


class Check(Arrays, ErrorGradient, Claims, Running, Saved, Differences, Settings, Screen):
    """The options of `check`."""
