"""The layer: the one relation of positions, sizes and layouts, and what users write for them."""

from cnngrad.layer.axis import Axis, Phase
from cnngrad.layer.layer import Layer, Shape, counted, indices
from cnngrad.layer.make import layer_of, make_layer, shapes_table
from cnngrad.layer.options import Padding, PerAxis, parse_padding, parse_per_axis, parse_shape

__all__ = [
    "Axis",
    "Layer",
    "Padding",
    "PerAxis",
    "Phase",
    "Shape",
    "counted",
    "indices",
    "layer_of",
    "make_layer",
    "parse_padding",
    "parse_per_axis",
    "parse_shape",
    "shapes_table",
]
