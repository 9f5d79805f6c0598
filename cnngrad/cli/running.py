"""`cnngrad check --run`: reads what to run on which layers, runs it, and shows what was found."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cnngrad.causes.hard import hard_problem
from cnngrad.checks.tolerance import parse_form
from cnngrad.cli import options
from cnngrad.cli.answer import present, progress_bar
from cnngrad.cli.session import Session
from cnngrad.errors import CnngradError, visible
from cnngrad.files.kept import Kept
from cnngrad.files.opening import is_standard_input
from cnngrad.files.problem import Problem, Reader, layer_name
from cnngrad.files.write import target_files, to_json, write_results
from cnngrad.layer import Shape, parse_shape
from cnngrad.layer.layout import read_layouts
from cnngrad.programs.findings import Findings
from cnngrad.programs.judging import SMALLER, SMALLEST, expected, run_layers
from cnngrad.programs.programs import Program, program_of
from cnngrad.programs.suites import SUITES, SuiteLayer, suite
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
    written: str | None,
) -> bool | None:
    """Run the user's program; the verdict on it."""
    assert running.run is not None
    for word in running.run.split():
        reader.refuse_output(word)
    whole = _suite(arrays, settings, running)
    layers = _chosen(whole or _own_layers(arrays, error, settings, running, reader), running)
    expect = expected(_listed(running.expect))
    keep = None if running.keep is None else _begun(running.keep, layers)
    programs = _programs(settings, running, min(running.jobs, len(layers)), written)
    session.begin_work(target_files(differences.output, differences.report, ()))
    # One layer that the user gives is shown as it is; so are layers of the user's own, which may be all that it takes.
    try:
        with progress_bar(session) as bar:

            def advance(name: str, done: int, total: int, failures: int) -> None:
                if bar is not None:
                    stage = "smaller" if name == SMALLER else "layers"
                    bar(stage, done, total, f"{name}, {failures} failing so far" if failures else name)

            without, give_up = _listed(running.without) if whole else None, not running.no_give_up
            findings = run_layers(
                programs, layers, expect, advance, without=without, whole=whole, keep=keep, give_up=give_up
            )
    finally:
        for program in programs:
            program.close()
    findings = replace(findings, command=_command(running, settings, findings, written), explained=running.explain)
    if keep is not None:
        _keep(keep, findings)
    present(session, findings, differences)
    return findings.passed


def _programs(settings: options.Settings, running: options.Running, count: int, written: str | None) -> list[Program]:
    """The program, as often as it may run at the same time."""
    form, fixed = (running.exchange, running.timeout, running.stream), list(settings.given())
    programs = [program_of(running.run or "", *form, fixed) for _ in range(count)]
    for program in programs:
        program.written = program.written if written is None else parse_form(written).name
    return programs


def _suite(arrays: options.Arrays, settings: options.Settings, running: options.Running) -> list[SuiteLayer]:
    """All layers of a suite, with the options and shapes that are given for all; none where the layers are others."""
    has_both = running.suite is None and None not in (arrays.x, arrays.w)
    if arrays.problem is not None or has_both or running.suite not in (None, *SUITES):
        return []
    given = settings.given()
    layouts, dims = read_layouts(settings.layout, settings.filter_layout)
    given["dims"] = given.get("dims") or dims or 2
    shapes: dict[Tensor, Shape | None] = {Tensor.X: None, Tensor.W: None}
    for tensor, spec in ((Tensor.X, arrays.x), (Tensor.W, arrays.w)):
        if spec is not None:
            shape = parse_shape(spec)
            if shape is None:
                raise CnngradError(f"the layers of a suite have numbers of their own: give {tensor.key} as a shape")
            if not given["dims"] <= len(shape) <= given["dims"] + 2:
                raise CnngradError(
                    f"{tensor.key} has shape {shape}: write the {given['dims']} sizes of its spatial axes, or all"
                )
            shapes[tensor] = layouts.standard_shape(tensor, shape)
    return suite(
        running.suite or "standard",
        without=_listed(running.without),
        decimals=running.decimals,
        seed=running.seed,
        x_shape=shapes[Tensor.X],
        w_shape=shapes[Tensor.W],
        **given,
    )


def _own_layers(
    arrays: options.Arrays,
    error: options.ErrorGradient,
    settings: options.Settings,
    running: options.Running,
    reader: Reader,
) -> list[SuiteLayer]:
    """The layers of a file or folder of the user's own; or the one layer of a problem, or of two shapes."""
    if arrays.problem is not None or running.suite is None:
        name = "the layer"
        if arrays.problem is not None and not is_standard_input(arrays.problem):
            name = layer_name(arrays.problem, Path(arrays.problem).stem)
        return [_own_layer(name, settings.problem(arrays, error.g, reader))]
    if not Path(running.suite).exists():
        raise CnngradError(
            f"the suite {running.suite[:80]!r} is unknown: use {', '.join(SUITES)}, or a file or folder of problems"
        )
    # The command line's options hold for every layer.
    flags = settings.problem(options.Arrays(), None, reader)
    layers = []
    for name, problem in reader.problems(running.suite):
        try:
            layers.append(_own_layer(name, problem.overridden(flags)))
        except CnngradError as failed:
            raise CnngradError(f"{running.suite}, {name}: {failed}") from None
    return layers


def _chosen(layers: list[SuiteLayer], running: options.Running) -> list[SuiteLayer]:
    """Those layers that the command line asks for."""
    chosen = _shard([each for each in layers if fnmatchcase(each.name, running.run_only or "*")], running.shard)
    if not chosen:
        names = ", ".join(each.name for each in layers[:8])
        raise CnngradError(f"no layer is left to run: there are {names or 'none'}{', …' if len(layers) > 8 else ''}")
    return chosen


def _shard(layers: list[SuiteLayer], text: str | None) -> list[SuiteLayer]:
    """The layers of one of several machines: `2/4` is the second of four, which takes every fourth layer."""
    if text is None:
        return layers
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise CnngradError(f"shard is {text[:40]!r}: write 2/4 for the second of four parts")
    return layers[int(match[1]) - 1 :: int(match[2])]


def _own_layer(name: str, problem: Problem) -> SuiteLayer:
    """A layer that the user gives; with telling numbers where it is given by its shapes, or without dE/dO."""
    layer = problem.layer()
    given = {} if problem.in_symbols else problem.operands(layer)
    found = {tensor: operand.converted() for tensor, operand in given.items()}
    if Tensor.DEDO not in found:
        keys = hard_problem(layer).keys
        telling = {tensor: layer.layouts.standard(tensor, keys[tensor.key]) for tensor in Tensor if tensor.key in keys}
        found = telling | found
    return SuiteLayer(name, layer, found)


def _listed(text: str | None) -> Sequence[str]:
    return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _command(running: options.Running, settings: options.Settings, findings: Findings, written: str | None) -> str:
    """The command that runs the smallest failing layer alone; empty where the user has given that layer."""
    smallest = findings.smallest
    if smallest is None or (len(findings.outcomes) == 1 and smallest is findings.outcomes[0].layer):
        return ""
    words = ["cnngrad", "check", "-", "--run", running.run or ""]
    words += ["--exchange", running.exchange] if running.exchange != "npy" else []
    words += ["--stream"] if running.stream else []
    # A function need not take what is given here.
    given = {name: getattr(settings, name) for name in ("stride", "padding", "dilation", "groups")}
    words += [word for name, text in given.items() if text is not None for word in (f"--{name}", str(text))]
    words += ["--as", written] if written is not None else []
    words += ["--timeout", f"{running.timeout:g}"] if running.timeout != options.Running.timeout else []
    return f"echo {shlex.quote(to_json(_in_short(smallest)))} | {visible(shlex.join(words))}"


def _in_short(layer: SuiteLayer) -> dict[str, Any]:
    """A layer as a problem without the options that have their default."""
    default: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "flip": False}
    if layer.layer.x_lead == 2:
        default["dims"] = layer.layer.dims
    if not layer.layer.layouts.data:
        default["layout"] = layer.layer.options["layout"]
    if not layer.layer.layouts.filter:
        default["filter_layout"] = layer.layer.options["filter_layout"]
    return {key: value for key, value in layer.problem.items() if key not in default or value != default[key]}


def _begun(folder: str, layers: Sequence[SuiteLayer]) -> Kept:
    """The folder in which the layers that fail are kept."""
    kept = Kept(Path(folder))
    names = [name for layer in layers for name in (layer.folder, f"{layer.folder}.json")]
    kept.begin([*names, *{SMALLEST, f"{SMALLEST}.json"}.difference(names)])
    return kept


def _keep(kept: Kept, findings: Findings) -> None:
    """Save the layers that fail as problems, beside the folders of their runs."""
    layers = [outcome.layer for outcome in findings.failing]
    if findings.smallest is not None and findings.smallest.name == SMALLEST:
        layers.append(findings.smallest)
    names = {f"{layer.folder}.json": layer for layer in layers}
    kept.add(names)
    for name, layer in names.items():
        write_results(str(kept.folder / name), layer.problem)
