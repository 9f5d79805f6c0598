"""`cnngrad check --run`: runs the user's program on layers, and shows the findings."""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cnngrad.causes.hard import hard_problem
from cnngrad.cli.answer import present
from cnngrad.cli.options import Check, listed, typed
from cnngrad.cli.session import ExitCode, Session
from cnngrad.errors import CnngradError, visible
from cnngrad.files.kept import Kept
from cnngrad.files.opening import is_standard_input
from cnngrad.files.problem import Problem, Reader, layer_name, told_of
from cnngrad.files.write import to_json
from cnngrad.layer import layer_of, parse_shape
from cnngrad.layer.layout import read_layouts
from cnngrad.programs.elsewhere import MOST_AT_ONCE, placed
from cnngrad.programs.findings import Findings, facts_of_run
from cnngrad.programs.judging import expected, run_layers
from cnngrad.programs.programs import FIRST, Program, is_function, program_of
from cnngrad.programs.shrinking import SMALLEST
from cnngrad.programs.submissions import Submissions, submitted
from cnngrad.programs.suites import SUITES, SuiteLayer, suite
from cnngrad.programs.verdicts import Outcome, Result, Verdict
from cnngrad.render.progress import progress_bar
from cnngrad.settings import OPTIONS
from cnngrad.tensor import DEDO, Tensor, W, X

__all__ = ["run_command", "run_each"]

# Maximum time in seconds until a signal is noticed.
_GLANCE = 0.1


def run_command(session: Session, options: Check, reader: Reader) -> ExitCode:
    """Run the user's program, and show the findings."""
    if options.keep is not None and options.scheduler is not None:
        raise CnngradError("--keep has no effect with --scheduler: the files of a run stay on the cluster")
    run = _asked(session, options, reader, [options.run])
    layers = run.keywords["layers"]
    folders = [layer.folder for layer in layers]
    folders += {SMALLEST}.difference(folders)
    keep = _begun(options, [name for folder in folders for name in (folder, f"{folder}.json")])
    with ExitStack() as stack:
        executor, most = stack.enter_context(_executor(options))
        programs = [_program(stack, options, options.run, executor) for _ in range(min(most, len(layers)))]
        made_run = partial(run, programs, progress=stack.enter_context(progress_bar(session.stderr)), keep=keep)
        words = typed(options.flags, options.flags)
        findings = _in_background(session, stack, partial(_found, options, made_run, words))
    # A failure that needs the layers before it needs the whole run: no command for one layer shows it.
    if findings.alone:
        findings = replace(findings, command=_command(options, findings))
    if keep is not None:
        # The smallest layer may be one of those that fail.
        for layer in filter(None, dict.fromkeys([*(outcome.layer for outcome in findings.failing), findings.smallest])):
            keep.save(f"{layer.folder}.json", to_json(layer.problem) + "\n")
    return _shown(session, options, replace(findings, explained=options.explain), keep)


def run_each(session: Session, options: Check, reader: Reader) -> ExitCode:
    """Run the programs of a class, and show what was found in each; one that fails costs only its own row."""
    texts = submitted(options.run_each)
    run = _asked(session, options, reader, [*texts.values()])
    kept = _begun(options, [f"{name}.txt" for name in texts])
    words = typed(options.flags, [flag for flag in options.flags if flag not in _OF_CLASS])

    def one(name: str) -> Findings:
        found = _found(options, partial(run, [programs[name]]), ["--run", texts[name], *words])
        programs[name].close()
        # After an interruption the program was ended, which is not its student's failure.
        if kept is not None and session.signalled is None:
            # The renderers load slowly, and most runs write no document.
            from cnngrad.render.documents import document

            kept.save(f"{name}.txt", document(".txt", found))
        return found

    def every() -> Iterator[tuple[str, Findings]]:
        for number, (name, found) in enumerate(zip(programs, pool.map(one, programs), strict=True), 1):
            bar("submissions", number, len(programs), name)
            yield name, found

    with ExitStack() as stack:
        executor, most = stack.enter_context(_executor(options))
        programs = {name: _program(stack, options, text, executor, first=1) for name, text in texts.items()}
        pool = ThreadPoolExecutor(most)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        bar = stack.enter_context(progress_bar(session.stderr))
        found = _in_background(session, stack, lambda: dict(every()))
    return _shown(session, options, Submissions(found), kept)


def _shown(session: Session, options: Check, found: Findings | Submissions, kept: Kept | None) -> ExitCode:
    """Show what was found, and only then raise the error of what could not be kept."""
    code = present(session, options, found)
    if kept is not None and kept.error is not None:
        raise kept.error
    return code


_T = TypeVar("_T")


def _in_background(session: Session, stack: ExitStack, work: Callable[[], _T]) -> _T:
    """What `work` returns in another thread, so that no signal interrupts the start or the end of a program.

    If a signal raises an exception here, the stack ends the programs, and with them the work; nothing interrupts that.
    """
    pool = ThreadPoolExecutor(1)
    stack.callback(pool.shutdown, wait=False)
    future = pool.submit(work)
    try:
        # A signal that comes just before a wait is seen only after it.
        while not wait([future], _GLANCE).done:
            pass
    except KeyboardInterrupt:
        session.ignore_signals()
        raise
    return future.result()


def _found(options: Check, run: partial[Findings], words: Sequence[str]) -> Findings:
    """What is found in a run, with its facts and the words of its command; or that the program can't be run at all."""
    begun = time.monotonic()
    try:
        findings = run()
    except CnngradError as error:
        # Another program waits for findings, or other submissions are still to be run.
        if options.form is None and not options.run_each:
            raise
        first, *others = run.keywords["layers"]
        ended = Outcome(first, Result(Verdict.FAILED, str(error)))
        not_run = [Outcome(layer, Result(Verdict.NOT_RUN)) for layer in others]
        findings = Findings([ended, *not_run], whole=run.keywords["whole"])
    command = visible(shlex.join(["cnngrad", "check", *words]))
    return replace(findings, command=command, run=facts_of_run(begun, options.seed, command))


# Options that concern the whole class.
_OF_CLASS = ("--run-each", "--keep", "--jobs", "--report", "--format", "--json", "-o", "--color")


def _asked(session: Session, options: Check, reader: Reader, texts: list[str]) -> partial[Findings]:
    """`run_layers` with the user's options, for the programs that these texts name."""
    for word in " ".join(texts).split():
        reader.refuse_output(word)
    whole = _suite(options, texts[0])
    run = partial(
        run_layers,
        layers=_chosen(whole or _own_layers(options, reader), options),
        expect=expected(listed(options.expect)),
        without=listed(options.without),
        whole=whole,
        give_up=not options.no_give_up,
    )
    layers = run.keywords["layers"]
    if options.hidden is not None and not any(fnmatchcase(layer.name, options.hidden) for layer in layers):
        raise CnngradError(f"no layer's name matches --hidden {options.hidden[:40]!r}")
    session.begin_work([*reader.finish(), *filter(None, [options.keep])])
    return run


@contextmanager
def _executor(options: Check) -> Iterator[tuple[Executor | None, int]]:
    """What runs the layers on a cluster, None for this machine; and how many runs there may be at the same time."""
    if options.scheduler is None:
        yield None, options.jobs
        return
    try:
        from dask.distributed import Client

        # Dask has no types.
        client: Any = Client(options.scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except ImportError:
        raise CnngradError("--scheduler needs Dask: pip install 'dask[distributed]'") from None
    except (OSError, ValueError) as error:
        raise CnngradError(f"can't reach the scheduler {options.scheduler}: {error}") from None
    with client:
        yield client.get_executor(pure=False), MOST_AT_ONCE


def _program(stack: ExitStack, options: Check, text: str, executor: Executor | None, first: int = FIRST) -> Program:
    """The program that a text names, which ends with the stack: that ends the threads that wait for it."""
    form = (options.exchange, options.timeout, options.stream)
    make = partial(program_of, text, *form, list(options.given()), options.memory, first)
    program = placed(make, executor, options.written)
    stack.callback(program.end)
    return program


def _suite(options: Check, text: str) -> list[SuiteLayer]:
    """All layers of a suite, with the given options and shapes; none if the user gives other layers."""
    has_both = options.suite is None and None not in (options.x, options.w)
    if options.problem is not None or has_both or options.suite not in (None, *SUITES):
        return []
    given = options.given()
    layouts, dims = read_layouts(options.layout, options.filter_layout, transposed=options.transposed)
    given["dims"] = given.get("dims") or dims or 2
    for tensor in (X, W):
        spec = getattr(options, tensor.keyword)
        if spec is None:
            continue
        shape = parse_shape(spec)
        if shape is None:
            raise CnngradError(f"the layers of a suite have numbers of their own: give {tensor.key} as a shape")
        if not given["dims"] <= len(shape) <= given["dims"] + 2:
            raise CnngradError(
                f"{tensor.key} has shape {shape}: write the {given['dims']} sizes of its spatial axes, or all sizes"
            )
        given[f"{tensor.keyword}_shape"] = layouts.standard_shape(tensor, shape)
    without = listed(options.without)
    # A command that does not take the padding mode would compute these layers with zeros.
    if not is_function(text) and "{padding_mode}" not in text and "padding_mode" not in given:
        without.append("padding-modes")
    return suite(options.suite or "standard", without=without, decimals=options.decimals, seed=options.seed, **given)


def _own_layers(options: Check, reader: Reader) -> list[SuiteLayer]:
    """The layers in a file or folder of the user's own, or the single layer of a problem or of two shapes."""
    if options.problem is not None or options.suite is None:
        name = "the layer"
        if options.problem is not None and not is_standard_input(options.problem):
            name = layer_name(options.problem, Path(options.problem).stem)
        return [_own_layer(name, options.read(reader))]
    if not Path(options.suite).exists():
        raise CnngradError(
            f"the suite {options.suite[:80]!r} is unknown: use {', '.join(SUITES)}, or a file or folder of problems"
        )
    # The command line's options apply to every layer.
    flags = Problem({}, options.given())
    layers = []
    for name, problem in reader.problems(options.suite):
        with told_of(f"{options.suite}, {name}"):
            layers.append(_own_layer(name, problem.overridden(flags)))
    return layers


def _chosen(layers: list[SuiteLayer], options: Check) -> list[SuiteLayer]:
    """The layers that `--run-only` and `--shard` select: with `--shard 2/4` every fourth, from the second on."""
    shard = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", options.shard or "1/1")
    if shard is None or int(shard[1]) > int(shard[2]):
        raise CnngradError(f"shard is {options.shard[:40]!r}: write 2/4 for the second of four parts")
    named = [each for each in layers if fnmatchcase(each.name, options.run_only or "*")]
    chosen = named[int(shard[1]) - 1 :: int(shard[2])]
    if not chosen:
        names = ", ".join(each.name for each in layers[:8])
        raise CnngradError(
            f"no layer is left to run; the names are {names or 'none'}{', …' if len(layers) > 8 else ''}"
        )
    return chosen


def _own_layer(name: str, problem: Problem) -> SuiteLayer:
    """A layer of the user's own; shapes without numbers, or a missing dE/dO, get numbers that reveal mistakes."""
    layer = problem.layer()
    given = {} if problem.without_numbers else problem.operands(layer)
    found = {tensor: operand.converted() for tensor, operand in given.items()}
    if DEDO not in found:
        keys = hard_problem(layer).keys
        telling = {tensor: layer.layouts.standard(tensor, keys[tensor.key]) for tensor in Tensor if tensor.key in keys}
        found = telling | found
    return SuiteLayer(name, layer, found)


def _command(options: Check, findings: Findings) -> str:
    """The command that runs the smallest failing layer alone; empty if the user gave that layer."""
    smallest = findings.smallest
    if smallest is None or (len(findings.outcomes) == 1 and smallest is findings.outcomes[0].layer):
        return ""
    # Repeat the layer's options of the command line: a function need not take those.
    of_run = "--exchange --stream --as --timeout --expect --memory --scheduler --no-flip"
    words = typed(options.flags, [*of_run.split(), *(f"--{name.replace('_', '-')}" for name in OPTIONS)])
    command = visible(shlex.join(["cnngrad", "check", "-", "--run", options.run, *words]))
    # The problem omits the options without which it is the same layer: those that the command has, or usual ones.
    problem = smallest.problem
    shapes = {tensor: array.shape for tensor, array in smallest.written.items()}
    for name in smallest.layer.options:
        fewer = {key: value for key, value in problem.items() if key != name}
        of_layer = {key: value for key, value in fewer.items() if key in OPTIONS} | options.given()
        with suppress(CnngradError):
            problem = fewer if layer_of(shapes, **of_layer).as_json() == smallest.layer.as_json() else problem
    return f"echo {shlex.quote(to_json(problem))} | {command}"


def _begun(options: Check, names: Sequence[str]) -> Kept | None:
    """The folder of --keep, in which things with these names will be kept; None if none is asked for."""
    if options.keep is None:
        return None
    kept = Kept(Path(options.keep))
    kept.begin(names)
    return kept
