"""The three commands: each reads its options, calls the library, and passes on the result."""

from typing import TYPE_CHECKING

from cnngrad.cli import options
from cnngrad.cli.answer import Work, answer, present, progress_bar
from cnngrad.cli.lesson import Document, Lesson, Only
from cnngrad.cli.options import takes
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError
from cnngrad.tensor import DEDO, GRADIENTS, RESULTS, B, O, Tensor, W, X

if TYPE_CHECKING:
    from cnngrad.arrays import Array, Operand
    from cnngrad.layer import Layer

__all__ = ["backward_command", "check_command", "forward_command"]


_VERDICTS = {True: ExitCode.OK, False: ExitCode.WRONG_GRADIENT, None: ExitCode.BAD_INPUT}


@takes
def forward_command(
    session: Session,
    arrays: options.Arrays,
    lesson: Lesson,
    saved: options.Saved,
    settings: options.Settings,
    document: Document,
) -> int:
    """Compute the output O of a layer from X and W."""
    from cnngrad.compute import Forward
    from cnngrad.files.problem import Reader
    from cnngrad.files.write import target_files

    # forward does not use dE/dO: one in the problem file need not fit the layer with these options.
    outputs = target_files(saved.output, saved.report, [O.key])
    reader = Reader(session.read, session.tell, settings.order, outputs)
    problem = settings.problem(arrays, None, reader).without(DEDO)
    layer = problem.layer()
    work = None
    if not problem.in_symbols:
        given = problem.operands(layer)
        forward = Forward(layer, given[X], given[W], given.get(B))
        work = Work(given, forward.planned, forward.computed)
    return answer(session, problem, layer, work, None, [O], lesson, document, saved)


@takes
def backward_command(
    session: Session,
    arrays: options.Arrays,
    error: options.ErrorGradient,
    lesson: Lesson,
    only: Only,
    saved: options.Saved,
    settings: options.Settings,
    document: Document,
) -> int:
    """Compute the gradients dE/dW, dE/dX and dE/db of a layer from X, W and dE/dO."""
    from cnngrad.compute import Backward
    from cnngrad.derivation.choice import explained_tensors, one_gradient
    from cnngrad.files.problem import Reader
    from cnngrad.files.write import target_files

    outputs = target_files(saved.output, saved.report, [tensor.key for tensor in GRADIENTS])
    reader = Reader(session.read, session.tell, settings.order, outputs)
    problem = settings.problem(arrays, error.g, reader)
    layer = problem.layer()
    one = one_gradient(only.only)
    tensors = explained_tensors(layer, one)
    work = None
    if not problem.in_symbols:
        given = problem.operands(layer)
        if DEDO not in given:
            raise CnngradError(
                "dEdO is missing: give a problem file with the key dEdO, or -g FILE, or -g ones for E = sum of O"
            )
        gradients = Backward(layer, given[X], given[W], given[DEDO])
        planned = {tensor: plan for tensor, plan in gradients.planned.items() if tensor in tensors}
        work = Work(given, planned, gradients.computed)
    return answer(session, problem, layer, work, one, tensors, lesson, document, saved)


@takes
def check_command(
    session: Session,
    arrays: options.Arrays,
    error: options.ErrorGradient,
    claims: options.Claims,
    running: options.Running,
    differences: options.Differences,
    settings: options.Settings,
) -> int:
    """Compare gradients with finite differences of forward; exit code 1 where one is wrong."""
    from cnngrad.files.problem import Reader
    from cnngrad.files.write import check_is_ours, check_target, target_files

    output = differences.output
    if output is not None:
        check_target(output, ["report"], endings=(".json", ".npz") if differences.hard else (".json",))
        check_is_ours(output)
    if differences.report is not None:
        from cnngrad.checks import Report
        from cnngrad.render.documents import check_ending

        check_ending(differences.report, Report)
    outputs = target_files(output, differences.report, ())
    reader = Reader(session.read, session.tell, settings.order, outputs)
    if running.run is not None:
        from cnngrad.cli.running import run_command

        return _VERDICTS[run_command(session, arrays, error, settings, running, differences, reader, claims.written)]
    problem = settings.problem(arrays, error.g, reader)
    layer = problem.layer()
    if differences.hard:
        return _hard(session, layer, differences)
    if problem.in_symbols:
        raise CnngradError(f"{problem.shape_words()}: check needs numbers, give files")
    graded = {
        result: reader.claim(layer, result, spec)
        for result, spec in zip(RESULTS, (claims.o, claims.dw, claims.dx, claims.db), strict=True)
        if spec is not None
    }
    return _graded(session, layer, problem.operands(layer), graded, claims.written, differences)


def _graded(
    session: Session,
    layer: "Layer",
    given: "dict[Tensor, Operand]",
    graded: "dict[Tensor, Array]",
    written: str | None,
    differences: options.Differences,
) -> int:
    """Check gradients, and show and save the report."""
    from cnngrad.checks import check_layer
    from cnngrad.files.write import target_files

    elements = differences.element or ()
    session.begin_work(target_files(differences.output, differences.report, ()))
    with progress_bar(session) as progress:
        report = check_layer(layer, given, graded, differences.rtol, differences.step, progress, written, elements)
    present(session, report, differences)
    return _VERDICTS[report.passed]


def _hard(session: Session, layer: "Layer", differences: options.Differences) -> int:
    from cnngrad.causes.hard import hard_problem
    from cnngrad.files.write import to_json, write_results

    problem, note = hard_problem(layer, differences.grow)
    if differences.output is not None:
        session.begin_work([differences.output])
        write_results(differences.output, problem)
    if differences.output is None or differences.as_json:
        with session.printing() as stdout:
            print(to_json(problem), file=stdout)
    if note:
        session.tell(note)
    return ExitCode.OK
