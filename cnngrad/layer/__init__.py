"""The layer: the relation between positions, the sizes and layouts, and the options as users write them."""

from cnngrad.layer.axis import BORDERS, Axis, Phase, Positions, Relation
from cnngrad.layer.layer import Layer, bordered, counted, joined
from cnngrad.layer.layout import Shape
from cnngrad.layer.make import layer_of, make_layer
from cnngrad.layer.options import parse_per_axis, parse_shape

__all__ = [
    "BORDERS",
    "Axis",
    "Layer",
    "Phase",
    "Positions",
    "Relation",
    "Shape",
    "bordered",
    "counted",
    "joined",
    "layer_of",
    "make_layer",
    "parse_per_axis",
    "parse_shape",
]
