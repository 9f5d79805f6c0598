"""What the commands do with their results: save them, derive them, show them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnngrad.cli.options import Explained, Saved
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError
from cnngrad.schema import SCHEMA
from cnngrad.tensor import Tensor

if TYPE_CHECKING:
    from typing import TextIO

    from cnngrad.arrays import Array, Operand
    from cnngrad.checks import Report
    from cnngrad.compute import Backward, Forward
    from cnngrad.derivation.blocks import Derivation, ReportBlock
    from cnngrad.files.problem import Problem
    from cnngrad.layer import Layer
    from cnngrad.programs import Findings
    from cnngrad.render.progress import NamedProgress

__all__ = ["answer", "present", "progress_bar"]


@contextmanager
def progress_bar(session: Session) -> "Iterator[NamedProgress | None]":
    """A progress bar on standard error, once the work takes longer than a second, if standard error is a terminal."""
    if session.stderr is None or not session.stderr.isatty():
        yield None
        return
    from cnngrad.render.progress import delayed_bar

    with delayed_bar(session.stderr) as advance:
        yield advance


def answer(
    session: Session,
    options: Explained,
    problem: "Problem",
    layer: "Layer",
    given: "Mapping[Tensor, Operand]",
    way: "Forward | Backward | None",
    tensors: Sequence[Tensor],
) -> ExitCode:
    """Compute, save and show what was asked for: files first, so that they are whole before anything is printed.

    Args:
        session: where it is shown.
        options: what was asked for.
        problem: the layer as it was given.
        layer: the layer.
        given: the given arrays.
        way: computes the results; None for a layer in symbols.
        tensors: the results that are wanted.
    """
    from cnngrad.files.write import check_target, result_files, target_files, write_results
    from cnngrad.memory import require

    output, report = options.output, options.report
    if way is None:
        if not options.explained and report is None:
            words = "--explain shows the derivation in symbols, files give numbers"
            raise CnngradError(f"{problem.shape_words()}: {words}")
        if output is not None:
            raise CnngradError(f"{output} would be empty: {problem.shape_words()}")
    if unused := problem.unused_words():
        session.tell(unused)
    planned = {} if way is None else {tensor.key: way.planned[tensor] for tensor in tensors}
    if output is not None:
        check_target(output, planned)
    if report is not None:
        _check_report(options, report)
    session.begin_work(target_files(output, report, planned))
    results: dict[Tensor, Array] = {}
    with result_files(output, planned) as files:
        if options.as_json or (output or "").endswith(".json"):
            require(planned, factor=_JSON_BYTES)
        else:
            require({key: plan for key, plan in planned.items() if key not in files})
        if way is not None:
            with progress_bar(session) as bar:
                for tensor in tensors:
                    place = layer.layouts.standard(tensor, files[tensor.key]) if tensor.key in files else None
                    progress = None if bar is None else partial(bar, tensor.key)
                    results[tensor] = way.computed(tensor, place, progress)
        derivation, listed = _derived(options, layer, given, results, tensors)
    named = {tensor.key: layer.layouts.written(tensor, array) for tensor, array in results.items()}
    if output is not None and not files:
        write_results(output, named)

    shown = partial(_print_results, session, options, layer, results)
    if derivation is not None and options.explained:
        shown = partial(_print, session, options, derivation.blocks(options.precision, hints=True), session.pages)
    content = {"schema": SCHEMA, "layer": layer.as_json()} | named | listed
    _present(session, options, derivation, lambda: content, shown)
    return ExitCode.OK


def present(session: Session, options: Saved, found: "Report | Findings") -> None:
    """Save and show what a check or a run found: files first, so that they are whole before anything is printed."""
    from cnngrad.files.write import write_results

    if options.output is not None:
        write_results(options.output, found.as_json())
    shown = partial(_print, session, options, found.blocks(options.precision), False)
    _present(session, options, found, found.as_json, shown)


def _derived(
    options: Explained,
    layer: "Layer",
    given: "Mapping[Tensor, Operand]",
    results: "dict[Tensor, Array]",
    tensors: Sequence[Tensor],
) -> "tuple[Derivation | None, dict[str, Any]]":
    """The lesson, and for `--json` every element's terms as plain data, as far as they are asked for."""
    if not options.explained and options.report is None:
        return None, {}
    from cnngrad.derivation.choice import list_expansions
    from cnngrad.derivation.lesson import lesson
    from cnngrad.layer.names import canonical_values

    values = canonical_values(layer, {tensor: operand.array for tensor, operand in given.items()} | results)
    derivation, listed = None, {}
    if options.report is not None or not options.as_json:
        derivation = lesson(layer, values, options.choice(whole=False), tensors)
    if options.explained and options.as_json:
        listed["expansions"] = list_expansions(layer, values, options.choice(whole=True), tensors)
    return derivation, listed


def _check_report(options: Explained, target: str) -> None:
    """Raise a CnngradError unless the report of a derivation can be written like that."""
    from cnngrad.derivation.blocks import Derivation
    from cnngrad.render.documents import check_ending

    check_ending(target, Derivation)
    for name, value, known in (
        ("math", options.maths, ("github", "dollar")),
        ("theme", options.theme, ("light", "dark")),
    ):
        if value not in known:
            raise CnngradError(f"{name} is {value[:40]!r}: use {' or '.join(known)}")


def _present(
    session: Session, options: Saved, shown: Any, content: Callable[[], Any], show: "Callable[[TextIO], None]"
) -> None:
    """Save the report, print, and say that the report is saved."""
    if (report := options.report) is not None:
        from cnngrad.render.documents import write
        from cnngrad.render.style import Style

        chosen = {name: getattr(options, name, None) for name in Style._fields}
        write(report, shown, Style(**{name: value for name, value in chosen.items() if value is not None}))
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
        session.tell(f"{report} is saved")


def _print(session: Session, options: Saved, blocks: "Iterable[ReportBlock]", pages: bool, stdout: "TextIO") -> None:
    from cnngrad.render.painter import Painter
    from cnngrad.render.terminal import make_console, show, show_in_pages

    shown = Painter(options.precision).blocks(blocks)
    (show_in_pages if pages else show)(make_console(stdout, session.color), shown)


def _print_results(
    session: Session, options: Saved, layer: "Layer", results: "dict[Tensor, Array]", stdout: "TextIO"
) -> None:
    from cnngrad.derivation.grids import result_grids
    from cnngrad.layer.names import Names, canonical_values
    from cnngrad.render.matrix import show_results

    names = Names(layer, canonical_values(layer, results))
    grids = (result_grids(names, tensor) for tensor in results)
    show_results(stdout, layer.describe(), grids, options.precision, session.color)


# How many bytes each byte of an array takes, at least, as Python numbers and their text: a float is an object of 24
# bytes, with a reference of 8 in its list, and about 20 characters.
_JSON_BYTES = 7
