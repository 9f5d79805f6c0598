"""The user's own backward pass, run on many layers: which layers fail, and the mistake behind the failures."""

from cnngrad.programs.findings import Findings
from cnngrad.programs.functions import check_function
from cnngrad.programs.suites import SuiteLayer, suite

__all__ = ["Findings", "SuiteLayer", "check_function", "suite"]
