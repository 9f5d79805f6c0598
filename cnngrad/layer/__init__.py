"""The layer: the one relation of positions, sizes and layouts, and what users write for them."""

from cnngrad.layer.axis import Axis, Phase
from cnngrad.layer.layer import Layer, Shape, indices
from cnngrad.layer.make import make_layer, shapes_table
from cnngrad.layer.options import Padding, PerAxis, parse_padding, parse_per_axis, parse_shape

__all__ = [
    "Axis",
    "Layer",
    "Padding",
    "PerAxis",
    "Phase",
    "Shape",
    "indices",
    "make_layer",
    "parse_padding",
    "parse_per_axis",
    "parse_shape",
    "shapes_table",
]
