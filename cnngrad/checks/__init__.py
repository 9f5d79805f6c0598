"""Checking gradients against finite differences, and naming what is wrong with them."""

from cnngrad.checks.checking import check, check_layer
from cnngrad.checks.report import Graded, GradientReport, Report, Worst, WrongShape

__all__ = ["Graded", "GradientReport", "Report", "Worst", "WrongShape", "check", "check_layer"]
