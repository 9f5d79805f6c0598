"""The function `check_function`, which runs a Python function on many layers."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

from cnngrad.arrays import Array
from cnngrad.programs.calling import Caller, called
from cnngrad.programs.elsewhere import MOST_AT_ONCE, placed
from cnngrad.programs.findings import Findings, facts_of_run
from cnngrad.programs.judging import expected, run_layers
from cnngrad.programs.programs import Keep, Program
from cnngrad.programs.suites import SuiteLayer
from cnngrad.programs.suites import suite as suite_layers
from cnngrad.programs.verdicts import Answer, Verdict, failed
from cnngrad.settings import LayerOptions


def check_function(
    function: Callable[..., Any],
    suite: str = "standard",
    *,
    without: Collection[str] = (),
    decimals: bool = False,
    seed: int = 0,
    expect: Sequence[str] = (),
    convert: Callable[[Array], Any] | None = None,
    give_up: bool = True,
    written: str | None = None,
    executor: Executor | None = None,
    **options: Unpack[LayerOptions],
) -> Findings:
    """Run your own backward pass on the layers of a suite, and find the mistake behind its failures.

    The function is called in this process, so it could replace parts of cnngrad; `cnngrad check --run module:name`
    calls it in another one. It is called twice for each layer, for some also with other numbers and memory layouts.

    Args:
        function: called as f(x, w, dedo, *, stride, padding, dilation, groups), each option an int if all axes agree,
            otherwise a tuple (padding: of (before, after)). Options that the function does not take are not passed;
            layers that need them are skipped, as are those for which it raises NotImplementedError. If it takes b, it
            gets b. It returns (dw, dx), (dw, dx, db), a mapping, or an object with these names.
        suite: `"quick"`, `"standard"` or `"thorough"`.
        without: what the function does not support, as for `suite`.
        decimals: whether to use numbers that aren't integers.
        seed: another seed gives other numbers.
        expect: the results that the function must return, such as `["dEdW", "dEdX"]`.
        convert: converts NumPy's arrays to the function's, such as `torch.from_numpy`.
        give_up: whether to stop if the first three layers end in the same way, without results.
        written: the precision of its results, as for `check`; by default that of their dtype, so that a function which
            adds up in float16 and returns float32 fails.
        executor: calls the function, one layer a call: any executor of `concurrent.futures`, or one that acts as these,
            such as Dask's `client.get_executor()`; None for this process.
        options: options of all layers, as for `suite`; the function need not take them.

    Returns:
        Findings: `passed`, the text with `str`, `as_json()`, `raise_if_wrong()`.

    Raises:
        CnngradError: an unknown suite, feature, result or precision, or a function that the executor can't send.

    >>> findings = check_function(lambda x, w, dedo: (0 * w, 0 * x), "quick", without=["stride", "bias"])
    >>> findings.passed, findings.explanation.mistakes
    (False, ('zero',))
    """
    begun = time.monotonic()
    layers = suite_layers(suite, without=without, decimals=decimals, seed=seed, **options)
    program = placed(partial(_InProcess, function, convert, options), executor, written)
    programs = [program] * (1 if executor is None else MOST_AT_ONCE)
    findings = run_layers(programs, layers, expected(expect), without=without, whole=layers, give_up=give_up)
    return replace(findings, run=facts_of_run(begun, seed))


class _InProcess(Caller, Program):
    """A Python function, called in this process."""

    keeps_running = in_memory = True

    def run(self, layer: SuiteLayer, keep: Keep | None = None) -> Answer:
        """Call it; an exception becomes its status."""
        try:
            return self.call(layer.layer, layer.written, layer.memory)
        except NotImplementedError as error:
            return failed(Verdict.SKIPPED, said=str(error))
        except Exception as error:
            return failed(Verdict.FAILED, f"exception ({called(error)})", f"{called(error)}: {error}")
