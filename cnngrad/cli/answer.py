"""What `forward` and `backward` do with their results: save them, derive them, show them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cnngrad.cli.options import Lesson, Only, Saved
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError

if TYPE_CHECKING:
    from typing import TextIO

    from cnngrad.arrays import Array, DType
    from cnngrad.derivation.blocks import Derivation
    from cnngrad.derivation.choice import Choice
    from cnngrad.files.problem import Problem
    from cnngrad.layer import Layer, Shape

__all__ = ["NamedProgress", "Work", "answer", "progress_bar"]

# Called with what is computed, and with the number of steps done and of all steps.
NamedProgress = Callable[[str, int, int], None]


class Work(NamedTuple):
    """What is to be computed.

    Attributes:
        arrays: the given arrays, by their keys in files.
        planned: the shape and dtype of each result.
        compute: computes a result by name, into an array or new memory, and reports progress.
    """

    arrays: "dict[str, Array]"
    planned: "dict[str, tuple[Shape, DType]]"
    compute: "Callable[[str, Array | None, NamedProgress | None], Array]"


@contextmanager
def progress_bar(session: Session) -> Iterator[NamedProgress | None]:
    """A progress bar on standard error, once the work takes longer than a second and a person is looking."""
    if session.stderr is None or not session.stderr.isatty():
        yield None
        return
    from cnngrad.render.progress import DelayedBar

    with DelayedBar(session.stderr) as bar:
        yield bar.advance


def answer(
    session: Session,
    problem: "Problem",
    layer: "Layer",
    work: Work | None,
    tensors: str,
    lesson: Lesson,
    saved: Saved,
    only: Only | None = None,
) -> ExitCode:
    """Compute, save and show what was asked for: files first, so that they are whole before anything is printed."""
    from cnngrad.files.write import check_target, result_files, target_files, to_json, write_results
    from cnngrad.memory import require

    output, report = saved.output, lesson.report
    if work is None and not lesson.explained and report is None:
        raise CnngradError(f"{problem.shape_words()}: --explain shows the derivation in symbols, files give numbers")
    if work is None and output is not None:
        raise CnngradError(f"{output} would be empty: {problem.shape_words()}")
    planned = {} if work is None else work.planned
    if output is not None:
        check_target(output, planned)
    if report is not None:
        from cnngrad.render.report import check_report

        check_report(report)
    session.begin_work([*target_files(output, planned), *([] if report is None else [report])])
    results: dict[str, Array] = {}
    derivation: Derivation | None = None
    expansions: dict[str, Any] = {}
    with result_files(output, planned) as files:
        if saved.as_json or (output or "").endswith(".json"):
            require(planned, factor=_JSON_BYTES)
        else:
            require({name: plan for name, plan in planned.items() if name not in files})
        if work is not None:
            with progress_bar(session) as progress:
                results = {name: work.compute(name, files.get(name), progress) for name in planned}
        arrays = {} if work is None else work.arrays | results
        if report is not None or (lesson.explained and not saved.as_json):
            derivation = _derived(lesson, only, layer, arrays, tensors)
        if lesson.explained and saved.as_json:
            expansions = _listed(lesson, only, layer, arrays, tensors)
    if output is not None and not files:
        write_results(output, results)
    if report is not None and derivation is not None:
        from cnngrad.render.report import write_report

        write_report(report, derivation, saved.precision)
    with session.printing() as stdout:
        if saved.as_json:
            print(to_json(results | expansions), file=stdout)
        elif lesson.explained and derivation is not None:
            from cnngrad.render.painter import Painter
            from cnngrad.render.terminal import make_console, show

            show(make_console(stdout), Painter(saved.precision).derivation(derivation))
        else:
            _show_results(stdout, layer, results, saved.precision)
    return ExitCode.OK


def _choice(lesson: Lesson, only: Only | None, limit: int | None) -> "Choice":
    from cnngrad.derivation.choice import Choice

    one = None if only is None or only.only is None else only.only.value
    return Choice(tuple(lesson.element or ()), one, lesson.limit or limit, lesson.zeros)


def _derived(
    lesson: Lesson, only: Only | None, layer: "Layer", arrays: "dict[str, Array]", tensors: str
) -> "Derivation":
    from cnngrad.derivation.choice import DEFAULT_LIMIT
    from cnngrad.derivation.lesson import backward_lesson, forward_lesson
    from cnngrad.expansion import Values

    derive = forward_lesson if tensors == "o" else backward_lesson
    return derive(layer, Values.of(layer, arrays), _choice(lesson, only, DEFAULT_LIMIT))


def _listed(
    lesson: Lesson, only: Only | None, layer: "Layer", arrays: "dict[str, Array]", tensors: str
) -> dict[str, Any]:
    from cnngrad.derivation.listing import list_expansions
    from cnngrad.expansion import Values

    return {"expansions": list_expansions(layer, Values.of(layer, arrays), _choice(lesson, only, None), tensors)}


def _show_results(file: "TextIO", layer: "Layer", results: "dict[str, Array]", precision: int) -> None:
    from cnngrad.derivation.matrices import result_grids
    from cnngrad.names import Names
    from cnngrad.render.matrix import show_results

    names = Names(layer)
    grids = (
        result_grids(names, name, array.reshape(layer.canonical[name.removeprefix("dEd")]))
        for name, array in results.items()
    )
    show_results(file, layer.describe(), grids, precision)


# Bytes that each byte of an array takes as Python's numbers and their text, at least: a float is an object of 24 bytes
# in a list of references of 8, and about 20 characters.
_JSON_BYTES = 7
