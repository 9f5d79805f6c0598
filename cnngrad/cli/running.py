"""`cnngrad check --run`: reads what to run on which layers, runs it, and shows what was found."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from cnngrad.cli import options
from cnngrad.cli.answer import progress_bar
from cnngrad.cli.session import Session
from cnngrad.errors import CnngradError
from cnngrad.files.problem import Reader
from cnngrad.files.write import to_json, write_results
from cnngrad.gradcheck.hard import hard_problem
from cnngrad.layer.layout import read_layouts
from cnngrad.render.runs import findings_blocks
from cnngrad.render.terminal import make_console, show
from cnngrad.running.findings import Findings
from cnngrad.running.functions import expected, run_layers
from cnngrad.running.programs import program_of
from cnngrad.running.suites import SuiteLayer, suite
from cnngrad.tensor import Tensor

__all__ = ["run_command"]


def run_command(
    session: Session,
    arrays: options.Arrays,
    error: options.ErrorGradient,
    settings: options.Settings,
    running: options.Running,
    differences: options.Differences,
    reader: Reader,
) -> bool | None:
    """Run the user's program; the verdict on it."""
    assert running.run is not None
    program = program_of(running.run, running.exchange, running.timeout)
    layers = _layers(arrays, error, settings, running, reader)
    expect = expected(_listed(running.expect))
    if running.keep is not None and Path(running.keep).exists() and not Path(running.keep).is_dir():
        raise CnngradError(f"{running.keep} is not a folder: name one for the layers that fail")
    session.begin_work([] if differences.output is None else [differences.output])
    try:
        with progress_bar(session) as bar:

            def advance(name: str, done: int, total: int, failures: int) -> None:
                if bar is not None:
                    bar(f"{failures} failing so far" if failures else "layers", done, total)

            findings = run_layers(program, layers, expect, advance)
    finally:
        program.close()
    one = arrays.problem is not None or arrays.x is not None
    findings = replace(findings, command=_command(running, settings, findings, one))
    if running.keep is not None:
        _keep(Path(running.keep), findings)
    if differences.output is not None:
        write_results(differences.output, findings.as_json())
    with session.printing() as stdout:
        if differences.as_json:
            print(to_json(findings.as_json()), file=stdout)
        else:
            show(make_console(stdout), findings_blocks(findings, differences.precision))
    return findings.passed


def _layers(
    arrays: options.Arrays,
    error: options.ErrorGradient,
    settings: options.Settings,
    running: options.Running,
    reader: Reader,
) -> list[SuiteLayer]:
    """The layers of a suite; or the one layer of a problem, or of two shapes."""
    if arrays.problem is None and arrays.x is None and arrays.w is None:
        layers = suite(
            running.suite or "standard",
            dims=settings.dims or 2,
            without=_listed(running.without),
            decimals=running.decimals,
            seed=running.seed,
        )
        wanted, not_wanted = running.run_only or "*", running.skip or ""
        layouts, _ = read_layouts(settings.layout, settings.filter_layout)
        layers = [replace(each, layer=replace(each.layer, layouts=layouts)) for each in layers]
        chosen = [each for each in layers if fnmatchcase(each.name, wanted) and not fnmatchcase(each.name, not_wanted)]
        if not chosen:
            names = ", ".join(each.name for each in layers[:8])
            raise CnngradError(f"no layer is left to run: there are {names}{', …' if len(layers) > 8 else ''}")
        return chosen
    if running.suite is not None:
        raise CnngradError("--suite has layers of its own: give either a problem or --suite")
    problem = settings.problem(arrays, error.g, reader)
    layer = problem.layer()
    name = "the layer" if arrays.problem is None else Path(arrays.problem).stem
    given = {} if problem.in_symbols else problem.operands(layer)
    found = {tensor: operand.converted() for tensor, operand in given.items()}
    if Tensor.DEDO not in found:
        # Telling numbers for dE/dO, and for all arrays where only shapes are given.
        keys = hard_problem(layer).keys
        telling = {tensor: layer.layouts.standard(tensor, keys[tensor.key]) for tensor in Tensor if tensor.key in keys}
        found = telling | found
    return [SuiteLayer(name, layer, found)]


def _listed(text: str | None) -> Sequence[str]:
    return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _command(running: options.Running, settings: options.Settings, findings: Findings, one: bool) -> str:
    """The command that runs the smallest failing layer alone."""
    if findings.smallest is None or one:
        return ""
    words = ["cnngrad", "check", "--run", running.run or ""]
    words += ["--suite", running.suite] if running.suite else []
    words += ["--exchange", running.exchange] if running.exchange != "npy" else []
    words += ["--without", running.without] if running.without else []
    words += ["--decimals"] if running.decimals else []
    words += ["--seed", str(running.seed)] if running.seed else []
    dims = findings.smallest.layer.dims
    words += ["--dims", str(dims)] if dims != 2 else []
    words += ["--layout", settings.layout] if settings.layout else []
    words += ["--filter-layout", settings.filter_layout] if settings.filter_layout else []
    return shlex.join([*words, "--run-only", findings.smallest.name])


def _keep(folder: Path, findings: Findings) -> None:
    """Save the layers that fail as problems."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CnngradError(f"can't make the folder {folder}: {error.strerror}") from None
    for outcome in findings.failing:
        write_results(str(folder / f"{outcome.layer.name.replace(' ', '-')}.json"), outcome.layer.problem)
