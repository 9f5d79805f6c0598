"""The four commands: each reads its input, calls the library, and hands the result on."""

from collections.abc import Sequence
from typing import Any

from cnngrad.cli.answer import answer, check_outputs, present
from cnngrad.cli.options import Backward, Check, Exercise, Forward, takes
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError
from cnngrad.render.progress import progress_bar
from cnngrad.tensor import DEDO, GRADIENTS, RESULTS, O, Tensor

__all__ = ["backward_command", "check_command", "exercise_command", "forward_command"]


def _reader(session: Session, options: Any, results: Sequence[Tensor] = ()) -> Any:
    """The reader of the input files; it refuses a file that results, or figures of their elements, are written to."""
    from cnngrad.files.problem import Reader
    from cnngrad.files.write import target_files

    elements = options.element if results else None
    outputs = target_files(options.output, options.report, [tensor.key for tensor in results], len(elements or ()))
    solution = filter(None, [getattr(options, "solution", None)])
    return Reader(session.read, session.tell, options.order, [*outputs, *solution])


@takes
def forward_command(session: Session, options: Forward) -> int:
    """Compute the output O of a layer from X and W."""
    reader = _reader(session, options, [O])
    # A dE/dO in the problem file is not used, so it need not fit the layer with these options.
    return answer(session, options, options.read(reader).without(DEDO), reader.finish())


@takes
def backward_command(session: Session, options: Backward) -> int:
    """Compute the gradients dE/dW, dE/dX and dE/db of a layer from X, W and dE/dO."""
    reader = _reader(session, options, GRADIENTS)
    return answer(session, options, options.read(reader), reader.finish())


@takes
def exercise_command(session: Session, options: Exercise) -> int:
    """Make exercises on a layer with new numbers, and their solution; or grade what was handed in."""
    from cnngrad.cli.exercising import make_exercises

    return make_exercises(session, options, _reader(session, options))


@takes
def check_command(session: Session, options: Check) -> int:
    """Compare gradients with finite differences of forward; exit code 1 if one is wrong."""
    check_outputs(options, False, (".json", *[".npz"] * options.hard))
    if options.output is not None:
        from cnngrad.files.write import check_is_ours

        check_is_ours(options.output)
    reader = _reader(session, options)
    if options.mistakes:
        from cnngrad.checks.mistakes import known_mistakes

        session.begin_work(reader.finish())
        name = options.problem
        return present(session, options, known_mistakes(name, listed=name is None and options.report is None))
    if options.run is not None or options.run_each is not None:
        from cnngrad.cli.running import run_command, run_each

        return (run_command if options.run_each is None else run_each)(session, options, reader)
    problem = options.read(reader)
    layer = problem.layer()
    if options.hard:
        session.begin_work(reader.finish())
        return _hard(session, layer, options)
    if problem.without_numbers:
        raise CnngradError(f"{problem.without_numbers}, but check needs numbers: give files")
    from cnngrad.checks import check_layer

    specs = zip(RESULTS, (options.o, options.dw, options.dx, options.db), strict=True)
    graded = {result: reader.claim(layer, result, spec) for result, spec in specs if spec is not None}
    given, judged = problem.operands(layer), (options.rtol, options.step)
    session.begin_work(reader.finish())
    with progress_bar(session.stderr) as progress:
        report = check_layer(layer, given, graded, *judged, progress, options.written, options.element or ())
    return present(session, options, report)


def _hard(session: Session, layer: Any, options: Check) -> int:
    from cnngrad.causes.hard import hard_problem
    from cnngrad.files.write import to_json, write_results

    problem, note = hard_problem(layer, options.grow)
    if options.output is not None:
        write_results(options.output, problem)
    if options.output is None or options.as_json:
        with session.printing() as stdout:
            print(to_json(problem), file=stdout)
    if note:
        session.tell(note)
    return ExitCode.OK
