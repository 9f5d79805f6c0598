"""The user's own backward pass, run over many layers: which fail, and the one mistake behind them."""

from cnngrad.programs.findings import Findings
from cnngrad.programs.functions import check_function
from cnngrad.programs.suites import SuiteLayer, suite

__all__ = ["Findings", "SuiteLayer", "check_function", "suite"]
