"""The order of the argument: which sections a derivation of O or of the gradients has."""

from cnngrad.derivation.blocks import Derivation
from cnngrad.derivation.choice import Choice, explained_tensors
from cnngrad.derivation.sections import Sections
from cnngrad.expansion import Values
from cnngrad.layer import Layer

__all__ = ["backward_lesson", "forward_lesson"]


def forward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of O."""
    lesson = Sections(layer, values, choice)
    chosen = choice.chosen(lesson.names, "o")
    sections = [lesson.element(*element) for element in chosen] or [lesson.given(), lesson.output(result=True)]
    return Derivation(layer.describe(), tuple(sections))


def backward_lesson(layer: Layer, values: Values, choice: Choice) -> Derivation:
    """The derivation of dE/dW, dE/dX and dE/db."""
    lesson = Sections(layer, values, choice)
    tensors = explained_tensors(layer, choice.only)
    chosen = choice.chosen(lesson.names, tensors)
    if chosen:
        return Derivation(layer.describe(), tuple(lesson.element(*element) for element in chosen))
    sections = [lesson.given(with_dedo=True), lesson.output()]
    if "w" in tensors:
        sections += [lesson.filter_gradient(), lesson.filter_gradient_as_convolution()]
    if "x" in tensors:
        sections += [lesson.input_gradient(), lesson.input_gradient_as_full_convolution()]
    if "b" in tensors:
        sections.append(lesson.bias_gradient())
    if "x" in tensors:
        sections.append(lesson.as_in_an_mlp())
    return Derivation(layer.describe(), (*sections, lesson.summary(tensors)))
