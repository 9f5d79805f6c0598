"""Tests do not depend on whose terminal runs them; slow tests run only with `--whole`."""

import gc
import io
import json
import os
import sys
from collections import Counter

# Threads of BLAS would only spin, here and in each process that a test starts. Tests of such threads ask for them.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
from hypothesis import settings

from cnngrad.causes.search import Diagnosis, hidden_mistakes


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS", "COLUMNS", "LINES", "TERM"):
        monkeypatch.delenv(name, raising=False)


_HIDDEN = {}


def _hidden_once(data, results):
    numbers = ((tensor, array.dtype, array.tobytes()) for tensor, array in data.arrays.items())
    key = (repr(data.layer), results, *numbers)
    if key not in _HIDDEN:
        _HIDDEN[key] = hidden_mistakes(data, results)
    return _HIDDEN[key]


@pytest.fixture(autouse=True)
def hidden_once(monkeypatch):
    """Most runs are over the same layers, of suites or two shapes: which mistakes numbers hide is computed once."""
    monkeypatch.setattr("cnngrad.programs.suites.hidden_mistakes", _hidden_once)
    monkeypatch.setattr("cnngrad.causes.hard.hidden_mistakes", _hidden_once)


@pytest.fixture
def stdin(monkeypatch):
    """Feeds bytes, or an object as JSON, to standard input."""

    def feed(content):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Makes the function `mine:f` of what it returns: quick to run, as one process serves all layers."""
    monkeypatch.chdir(tmp_path)

    def mine(body, **options):
        """In `body`, r has the right gradients, and o what is given; `options` are those of `cnngrad.backward`."""
        (tmp_path / "mine.py").write_text(
            "import cnngrad\nimport numpy as np\n"
            "def f(x, w, dedo, **o):\n"
            f"    r = cnngrad.backward(x, w, dedo, **o, **{options})\n"
            f"    {body}\n"
        )
        return "mine:f"

    return mine


# The benchmarks need peers, and are no tests.
collect_ignore = ["benchmarks"]


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="all cases of the tests that are sampled otherwise")
    parser.addoption("--rest", action="store_true", help="with --whole: leave out the tests that are the same without")


@pytest.fixture(scope="session")
def whole(request):
    return request.config.getoption("whole")


@pytest.fixture
def unnamed(monkeypatch):
    """For tests of relations: skips the search for a mistake, which takes most of a check's time."""
    monkeypatch.setattr("cnngrad.causes.search.Search.diagnosis", lambda *_: Diagnosis())


@pytest.fixture
def undiagnosed(unnamed, monkeypatch):
    """For tests of verdicts: skips the search for a cause."""
    monkeypatch.setattr("cnngrad.causes.search.Search.relations", lambda *_: ())


@pytest.fixture
def few_smaller_layers(monkeypatch):
    """Shortens the search for the smallest failing layer; test_running.py tests it without a process for each layer."""
    monkeypatch.setattr("cnngrad.programs.shrinking._MOST_RUNS", 9)


def pytest_configure(config):
    config.addinivalue_line("markers", "whole: runs with --whole alone")
    config.addinivalue_line("markers", "long: with --whole it runs first, since no other test would be left beside it")
    config.addinivalue_line("markers", "sampled(step): every step-th case of a test runs, all of them with --whole")
    # A slow machine is no failure. Without --whole the examples are the same ones every time.
    settings.register_profile("sampled", deadline=None, max_examples=12, derandomize=True)
    settings.register_profile("whole", deadline=None, max_examples=50)
    settings.load_profile("whole" if config.getoption("whole") else "sampled")


def pytest_collection_modifyitems(config, items):
    whole, rest = config.getoption("whole"), config.getoption("rest")
    numbers, kept, left_out = Counter(), [], []
    for item in items:
        sampled, test = item.get_closest_marker("sampled"), item.nodeid.partition("[")[0]
        is_usual = item.get_closest_marker("whole") is None and not (sampled and numbers[test] % sampled.args[0])
        # Hypothesis tries more examples with --whole.
        is_same = is_usual and "whole" not in item.fixturenames and not hasattr(item.obj, "hypothesis")
        (kept if (not (rest and is_same) if whole else is_usual) else left_out).append(item)
        numbers[test] += 1
    items[:] = sorted(kept, key=lambda item: not (whole and item.get_closest_marker("long")))
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish(session):
    # The objects that exist now stay to the end: collecting them again and again would take a fifth of the time.
    gc.collect()
    gc.freeze()
