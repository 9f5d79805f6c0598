"""Checking gradients against finite differences, and naming what is wrong with them."""

from cnngrad.checks.checking import check, check_layer
from cnngrad.checks.report import GradientReport, Report, Worst

__all__ = ["GradientReport", "Report", "Worst", "check", "check_layer"]
