"""What `forward` and `backward` do with their results: save them, derive them, show them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cnngrad.cli.lesson import Document, Lesson
from cnngrad.cli.options import Saved
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError
from cnngrad.schema import SCHEMA
from cnngrad.tensor import O, Tensor

if TYPE_CHECKING:
    from typing import TextIO

    from cnngrad.arrays import Array, DType, Operand
    from cnngrad.checks import Report
    from cnngrad.derivation.blocks import Derivation
    from cnngrad.files.problem import Problem
    from cnngrad.layer import Layer, Shape
    from cnngrad.layer.names import Values
    from cnngrad.programs import Findings
    from cnngrad.threads import Progress

__all__ = ["NamedProgress", "Work", "answer", "present", "progress_bar"]


class NamedProgress(Protocol):
    """Shows how far something has come."""

    def __call__(self, name: str, done: int, total: int, told: str = "") -> None:
        """Of `total` steps of what is computed `done` are done; `told` is shown in place of the name."""


class Work(NamedTuple):
    """What is to be computed.

    Attributes:
        given: the given arrays.
        planned: the shape and dtype of each result.
        compute: computes a result into the given array, or into new memory if it is None, and reports progress.
    """

    given: "dict[Tensor, Operand]"
    planned: "dict[Tensor, tuple[Shape, DType]]"
    compute: "Callable[[Tensor, Array | None, Progress | None], Array]"


@contextmanager
def progress_bar(session: Session) -> Iterator[NamedProgress | None]:
    """A progress bar on standard error, once the work takes longer than a second, if standard error is a terminal."""
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
    only: Tensor | None,
    tensors: "Sequence[Tensor]",
    lesson: Lesson,
    document: Document,
    saved: Saved,
) -> ExitCode:
    """Compute, save and show what was asked for: files first, so that they are whole before anything is printed."""
    from cnngrad.files.write import check_target, result_files, target_files, to_json, write_results
    from cnngrad.memory import require

    output, report = saved.output, saved.report
    if work is None and not lesson.explained and report is None:
        raise CnngradError(f"{problem.shape_words()}: --explain shows the derivation in symbols, files give numbers")
    if work is None and output is not None:
        raise CnngradError(f"{output} would be empty: {problem.shape_words()}")
    if unused := problem.unused_words():
        session.tell(unused)
    planned = {} if work is None else {tensor.key: plan for tensor, plan in work.planned.items()}
    if output is not None:
        check_target(output, planned)
    style = None if report is None else document.style(report, saved.precision)
    session.begin_work(target_files(output, report, planned))
    with result_files(output, planned) as files:
        if saved.as_json or (output or "").endswith(".json"):
            require(planned, factor=_JSON_BYTES)
        else:
            require({key: plan for key, plan in planned.items() if key not in files})
        results = _computed(session, layer, work, files)
        told = _Told(layer, work, results, only, tensors, lesson)
        derivation = told.derivation() if report is not None or (lesson.explained and not saved.as_json) else None
        expansions = told.expansions() if lesson.explained and saved.as_json else {}
    named = {tensor.key: layer.layouts.written(tensor, array) for tensor, array in results.items()}
    if output is not None and not files:
        write_results(output, named)
    if report is not None and derivation is not None and style is not None:
        document.write(report, derivation, style)
    with session.printing() as stdout:
        if saved.as_json:
            print(to_json({"schema": SCHEMA, "layer": layer.as_json()} | named | expansions), file=stdout)
        elif lesson.explained and derivation is not None:
            from cnngrad.render.painter import Painter
            from cnngrad.render.terminal import make_console, show, show_in_pages

            shown = Painter(saved.precision).blocks(derivation.blocks(saved.precision, hints=True))
            (show_in_pages if session.pages else show)(make_console(stdout, session.color), shown)
        else:
            _show_results(stdout, layer, results, saved.precision, session.color)
    session.say_saved(report)
    return ExitCode.OK


def present(session: Session, found: "Report | Findings", saved: Saved) -> None:
    """Save and show what a check or a run found: files first, so that they are whole before anything is printed."""
    from cnngrad.files.write import to_json, write_results

    if saved.output is not None:
        write_results(saved.output, found.as_json())
    if saved.report is not None:
        from cnngrad.render.documents import write
        from cnngrad.render.style import Style

        write(saved.report, found, Style(saved.precision))
    with session.printing() as stdout:
        if saved.as_json:
            print(to_json(found.as_json()), file=stdout)
        else:
            from cnngrad.render.painter import Painter
            from cnngrad.render.terminal import make_console, show

            blocks = Painter(saved.precision).blocks(found.blocks(saved.precision))
            show(make_console(stdout, session.color), blocks)
    session.say_saved(saved.report)


def _computed(session: Session, layer: "Layer", work: Work | None, files: "dict[str, Array]") -> "dict[Tensor, Array]":
    """Every result, its axes in cnngrad's order, and in its file where it has one."""
    if work is None:
        return {}
    places = {t: layer.layouts.standard(t, files[t.key]) for t in work.planned if t.key in files}
    with progress_bar(session) as progress:
        return {
            tensor: work.compute(
                tensor, places.get(tensor), None if progress is None else partial(progress, tensor.key)
            )
            for tensor in work.planned
        }


class _Told(NamedTuple):
    """The layer, numbers and choices that a derivation is made from."""

    layer: "Layer"
    work: Work | None
    results: "dict[Tensor, Array]"
    only: Tensor | None
    tensors: "Sequence[Tensor]"
    lesson: Lesson

    def _values(self) -> "Values":
        from cnngrad.layer.names import canonical_values

        if self.work is None:
            return {}
        given = {tensor: operand.array for tensor, operand in self.work.given.items()}
        return canonical_values(self.layer, given | self.results)

    def derivation(self) -> "Derivation":
        """The lesson."""
        from cnngrad.derivation.lesson import backward_lesson, forward_lesson

        derive = forward_lesson if O in self.tensors else backward_lesson
        return derive(self.layer, self._values(), self.lesson.choice(self.only))

    def expansions(self) -> dict[str, Any]:
        """Every element's terms as plain data, for `--json`."""
        from cnngrad.derivation.listing import list_expansions

        choice = self.lesson.choice(self.only, whole=True)
        return {"expansions": list_expansions(self.layer, self._values(), choice, self.tensors)}


def _show_results(file: "TextIO", layer: "Layer", results: "dict[Tensor, Array]", precision: int, color: str) -> None:
    from cnngrad.derivation.grids import result_grids
    from cnngrad.layer.names import Names, canonical_values
    from cnngrad.render.matrix import show_results

    names, values = Names(layer), canonical_values(layer, results)
    show_results(file, layer.describe(), (result_grids(names, tensor, values) for tensor in results), precision, color)


# How many bytes each byte of an array takes, at least, as Python numbers and their text: a float is an object of 24
# bytes, with a reference of 8 in its list, and about 20 characters.
_JSON_BYTES = 7
