"""The user's own backward pass, run over many layers: which fail, and the one mistake behind them."""

from cnngrad.running.findings import Findings
from cnngrad.running.functions import check_function
from cnngrad.running.suites import SuiteLayer, suite

__all__ = ["Findings", "SuiteLayer", "check_function", "suite"]
