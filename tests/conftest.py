"""Tests do not depend on whose terminal runs them."""

import pytest
from hypothesis import settings


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS", "COLUMNS", "LINES", "TERM"):
        monkeypatch.delenv(name, raising=False)


# A slow machine is no failure.
settings.register_profile("cnngrad", deadline=None)
settings.load_profile("cnngrad")

# The benchmarks need peers, and are no tests.
collect_ignore = ["benchmarks"]


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="the control of check --run over the whole standard suite")
