"""Computes, saves and shows the results of the commands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cnngrad.cli.options import Backward, Explained, Saved
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError
from cnngrad.render.progress import progress_bar
from cnngrad.schema import SCHEMA
from cnngrad.tensor import DEDO, O, Tensor

if TYPE_CHECKING:
    from cnngrad.arrays import Array, Operand
    from cnngrad.checks import Report
    from cnngrad.checks.mistakes import Mistakes
    from cnngrad.derivation.blocks import ReportBlock
    from cnngrad.exercises import Grades, Sheet
    from cnngrad.files.problem import Problem
    from cnngrad.layer import Layer
    from cnngrad.programs.findings import Findings
    from cnngrad.programs.submissions import Submissions
    from cnngrad.render.style import Style

__all__ = ["answer", "check_outputs", "present", "style_of"]


def answer(session: Session, options: Explained, problem: "Problem", outputs: Sequence[str]) -> ExitCode:
    """Compute, save and show O or gradients: files first, so that they are complete before anything is printed."""
    from cnngrad.files.write import result_files, write_results
    from cnngrad.memory import require

    output, report, layer = options.output, options.report, problem.layer()
    tensors, given, way = _work(options, problem, layer)
    if unused := problem.unused_words():
        session.tell(unused)
    planned = {} if way is None else {tensor.key: way.planned[tensor] for tensor in tensors}
    check_outputs(options, True, (".json", ".npz", ".npy"), planned)
    session.begin_work(outputs)
    results, listed, shown = {}, {}, None
    with result_files(output, planned) as files:
        is_json = options.as_json or (output or "").endswith(".json")
        if is_json or not files:
            require(planned, factor=_JSON_BYTES if is_json else 1)
        if way is not None:
            with progress_bar(session.stderr) as bar:
                for tensor in tensors:
                    place = layer.layouts.standard(tensor, files[tensor.key]) if files else None
                    results[tensor] = way.computed(tensor, place, partial(bar, tensor.key))
        if options.explained or report is not None:
            from cnngrad.derivation.choice import list_expansions
            from cnngrad.derivation.lesson import lesson
            from cnngrad.layer.names import canonical_values

            values = canonical_values(layer, {tensor: operand.array for tensor, operand in given.items()} | results)
            if report is not None or not options.as_json:
                shown = lesson(layer, values, options.choice(whole=False), tensors)
            if options.explained and options.as_json:
                listed["expansions"] = list_expansions(layer, values, options.choice(whole=True), tensors)
    named = {tensor.key: layer.layouts.written(tensor, array) for tensor, array in results.items()}
    if output is not None and not files:
        write_results(output, named)
    content = {"schema": SCHEMA, "layer": layer.as_json()} | named | listed
    show = partial(_print_results, options, layer, results)
    if shown and options.explained:
        show = partial(_print, options, shown.blocks(options.precision, hints=True), not options.no_pager)
    _present(session, options, shown, lambda: content, show)
    return ExitCode.OK


def _work(
    options: Explained, problem: "Problem", layer: "Layer"
) -> tuple[Sequence[Tensor], "Mapping[Tensor, Operand]", Any]:
    """The wanted results, the given arrays, and the object that computes the results, None for a layer in symbols."""
    from cnngrad import compute

    tensors: Sequence[Tensor] = [O]
    if isinstance(options, Backward):
        from cnngrad.derivation.choice import explained_tensors

        tensors = explained_tensors(layer, options.only)
    if problem.without_numbers:
        if not options.explained and options.report is None:
            words = "add --explain for the derivation in symbols, or give files with numbers"
            raise CnngradError(f"{problem.without_numbers}: {words}")
        if options.output is not None:
            raise CnngradError(f"{options.output} would be empty: {problem.without_numbers}")
        return tensors, {}, None
    given = problem.operands(layer)
    if O not in tensors and DEDO not in given:
        raise CnngradError(
            "dEdO is missing: give a problem file with the key dEdO, or -g FILE, or -g ones for E = sum of O"
        )
    return tensors, given, compute.Work(layer, given)


def check_outputs(options: Saved, latex: bool, endings: Collection[str], names: Collection[str] = ()) -> None:
    """Raise a CnngradError unless the results and the report can be saved; called before any work.

    Args:
        options: where they are to be saved.
        latex: whether the report may be in LaTeX.
        endings: the endings that the results' file may have.
        names: the names of the results, if `.npy` is allowed.
    """
    from cnngrad.files.write import check_target

    if options.output is not None:
        check_target(options.output, endings, names)
    if options.report is not None:
        from cnngrad.render.documents import check_ending

        check_ending(options.report, latex, getattr(options, "form", None) or "")


def present(
    session: Session, options: Saved, found: "Report | Findings | Grades | Mistakes | Sheet | Submissions"
) -> ExitCode:
    """Save and show what a check or a run found, files first."""
    from cnngrad.files.write import write_results

    if options.output is not None:
        write_results(options.output, found.as_json())
    show: Callable[[TextIO], Any] = partial(_print, options, found.blocks(options.precision), False)
    if getattr(options, "form", None) and options.report is None:
        from cnngrad.render.documents import document

        show = methodcaller("write", document("", found, style_of(options)))
    _present(session, options, found, found.as_json, show)
    return {True: ExitCode.OK, False: ExitCode.WRONG_GRADIENT, None: ExitCode.BAD_INPUT}[found.passed]


def _present(
    session: Session, options: Saved, shown: Any, content: Callable[[], Any], show: Callable[[TextIO], Any]
) -> None:
    if (report := options.report) is not None:
        from cnngrad.render.documents import write

        files = write(report, shown, style_of(options))
        if getattr(options, "open_it", False):
            import webbrowser

            webbrowser.open(Path(report).resolve().as_uri())
    with session.printing() as stdout:
        if options.as_json:
            from cnngrad.files.write import to_json

            print(to_json(content()), file=stdout)
        else:
            show(stdout)
    if report is not None:
        session.tell(f"{' and '.join(files)} {'is' if files == [report] else 'are'} saved")


def _print(options: Saved, blocks: "Iterable[ReportBlock]", pages: bool, stdout: TextIO) -> None:
    from cnngrad.render.painter import Painter
    from cnngrad.render.terminal import make_console, show, show_in_pages

    console = make_console(stdout, options.color)
    shown = Painter(options.precision, console.width, console.options.ascii_only).blocks(blocks)
    (show_in_pages if pages else show)(console, shown)


def style_of(options: Saved) -> "Style":
    """The user's choices for a document."""
    from cnngrad.render.style import Style

    return Style(**{name: value for name in Style._fields if (value := getattr(options, name, None)) is not None})


def _print_results(options: Saved, layer: "Layer", results: "dict[Tensor, Array]", stdout: TextIO) -> None:
    from cnngrad.render.matrix import show_results

    show_results(stdout, layer, results, options.precision, options.color)


# Bytes of memory for each byte of an array that is printed as JSON, at least: a float takes an object of 24 bytes, a
# reference of 8 bytes in its list, and about 20 characters.
_JSON_BYTES = 7
