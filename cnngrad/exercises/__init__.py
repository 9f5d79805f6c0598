"""Exercises on a layer, with their answers, and the grades of what was handed in."""

from cnngrad.exercises.grading import Grades, graded
from cnngrad.exercises.sheet import Sheet, exercises

__all__ = ["Grades", "Sheet", "exercises", "graded"]
