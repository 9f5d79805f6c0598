"""Documents of five samples in each format, suites, mistakes, reports, exercises and lessons, kept as golden files."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

import cnngrad
from cnngrad.causes.axes import spelled
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data
from cnngrad.causes.evaluate import made as given_by
from cnngrad.causes.hard import random_arrays
from cnngrad.causes.recipe import right_recipe
from cnngrad.exercises import exercises
from cnngrad.exercises.questions import KINDS
from cnngrad.layer import make_layer
from cnngrad.render.documents import document
from cnngrad.settings import OPTIONS
from cnngrad.tensor import RESULTS, B
from tests import claims

FOLDER = Path(__file__).with_name("golden")
SAMPLES = Path(__file__).parents[1] / "samples"
# An SVG shows the figure of one element.
NAMES = {
    "notes": "x22",
    "notes-leftover": "x51",
    "padding-dilation": "w22",
    "channels": "x[2,1]22",
    "transposed": "w11",
}
ENDINGS = (".txt", ".md", ".tex", ".svg")
# Layers with every option: the shapes of X, W and b, and the options.
MISTAKEN = [
    (
        (2, 4, 9, 8),
        (6, 2, 2, 3),
        (6,),
        {"stride": (2, 3), "padding": ((1, 0), (1, 2)), "dilation": (2, 1), "groups": 2},
    ),
    ((1, 1, 5, 6), (2, 1, 3, 2), (2,), {"padding": ((1, 2), (2, 1)), "padding_mode": "reflect"}),
    ((1, 2, 4, 3), (2, 3, 3, 2), (3,), {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1}),
]


def made(name, ending):
    """The document of a sample's gradients; the telling elements of each table."""
    problem = json.loads((SAMPLES / f"{name}.json").read_text())
    arrays = (problem.pop("X"), problem.pop("W"), problem.pop("dEdO"))
    choice = {"elements": [NAMES[name]], "limit": 4} if ending == ".svg" else {"limit": 4}
    return document(ending, cnngrad.derive(*arrays, b=problem.pop("b", None), **choice, **problem))


def suite():
    """The layers of the standard suite and the first random ones, with three axes: every number of the table.

    Each with the sum of the squares of each of its arrays.
    """
    return "".join(
        f"{layer.name}: {layer.layer.describe()} "
        f"{' '.join(f'{np.square(array.astype(float)).sum():.6g}' for array in layer.arrays.values())}\n"
        for layer in cnngrad.suite("thorough", dims=3)[:110]
    )


def mistakes():
    """The ways of making each mistake in the first layer that can have it.

    Each with its words, and with the shape, the sum and the sum of squares of what it gives. If a rare mistake has more
    than 100 ways, one in 16 stands for the others.
    """
    lines, known = [], set()
    for x, w, b, options in MISTAKEN:
        layer = make_layer(x, w, b_shape=b, **options)
        data = Data.of(layer, random_arrays(layer, 0) | {B: np.arange(1, b[0] + 1)})
        for mistake in CATALOGUE:
            rights = [right_recipe(layer, result) for result in RESULTS] if mistake.id not in known else ()
            ways = [way for right in rights for way in mistake.changed(right)]
            known |= {mistake.id for _ in ways}
            for way in ways[:: 16 if len(ways) > 100 and not mistake.short else 1]:
                found = given_by(way, data).astype(float)
                numbers = f"{found.shape} {found.sum():.6g} {np.square(found).sum():.6g}"
                lines.append(f"{mistake.id} {way.result.key}: {way.detail} {numbers}\n")
    return "".join(lines)


# What is asked of a layer, besides one question of each kind: the shapes of X and W, the options, and the asks.
ASKED = {
    "padded": ((4, 5), (2, 3), {"stride": 2, "padding": ((1, 0), (1, 2))}, ["dX", "x11"]),
    "channels": ((1, 2, 3, 3), (2, 2, 2, 2), {"b_shape": (2,)}, ["O", "db", "w[1,2]21"]),
    "one axis": ((9,), (3,), {"stride": 2, "dilation": 2}, ["dW"]),
    "transposed": ((2, 2, 2), (2, 1, 2, 2), {"transposed": True, "stride": 2, "groups": 2}, ["dX"]),
}


def exercise(name):
    """A sheet and its solution."""
    x, w, options, asks = ASKED[name]
    sheet = exercises(make_layer(x, w, **options), [*asks, *KINDS], seed=3, with_decimals=name == "one axis")
    return f"{document('.txt', sheet)}\n{document('.txt', sheet.solution())}"


# Lessons on what the samples lack: X and W, as shapes or with numbers of these shapes, and options and choices.
LESSONS = {
    "flip": ((5, 4), (3, 2), {"flip": True, "stride": (2, 1), "dilation": (1, 2), "limit": 3}),
    "one axis, reflected": (
        (2, 7),
        (2, 2, 3),
        {"dims": 1, "padding": 2, "stride": 2, "padding_mode": "reflect", "limit": 2},
    ),
    "circular": ((3, 4), (2, 3), {"padding": 1, "padding_mode": "circular", "flip": True, "limit": 2}),
    "groups": ((2, 4, 3, 3), (2, 2, 2, 2), {"groups": 2, "b": (2,), "limit": 1, "elements": ["w[2,1]12", "b[2]"]}),
    "three axes": ((2, 3, 3), (2, 2, 2), {"dims": 3, "padding": 1, "stride": 2, "sections": ["mlp", "dx-conv"]}),
    "no numbers": ("12x30", "3x3", {"dedo": "10x28", "limit": 5, "terms": 4}),
    "no numbers, large": ("64x64", "5x5", {"dedo": "30x30", "stride": 2, "elements": ["x33,9"]}),
    "zeros": ((3, 3), (2, 2), {"zeros": True}),
    "one result": ((4, 6), (2, 2), {"stride": 3, "only": "dX"}),
    "transposed, one axis": ((4,), (3,), {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1}),
}


def lesson(name):
    """The lesson on a layer."""
    x, w, options = LESSONS[name]
    if isinstance(x, str):
        return str(cnngrad.derive(x, w, **options))
    layer = claims.problem(x, w, options.get("b"), **{key: options[key] for key in options.keys() & OPTIONS.keys()})
    return str(cnngrad.derive(**options | layer))


# Layers in which the words for a mistake differ: shapes of X and W, and options.
TOLD = {
    "two axes": ((2, 3, 9, 8), (2, 3, 3, 2), {}),
    "channels last, flip": ((2, 9, 8, 3), (3, 2, 3, 2), {"layout": "nhwc", "filter_layout": "hwio", "flip": True}),
    "one axis, filled": ((3, 9), (2, 3, 3), {"dims": 1, "padding": 1, "padding_mode": "reflect"}),
    "three axes, no channels": ((5, 4, 6), (2, 2, 2), {"dims": 3}),
    "transposed": ((2, 4, 3), (2, 3, 3, 2), {"transposed": True, "groups": 1}),
    "transposed, channels last": ((4, 3, 2), (2, 3, 3, 2), {"transposed": True, "layout": "nhwc"}),
}


def words(name):
    """What is said of each mistake in each result of a layer, its fix and its lines of code."""
    x, w, options = TOLD[name]
    layer = make_layer(x, w, **options).conv
    lines = []
    for result in RESULTS:
        right = right_recipe(layer, result)
        for mistake, way in ((mistake, next(iter(mistake.changed(right)), None)) for mistake in CATALOGUE):
            if way is not None:
                user = layer.own.role[result]
                code = spelled(mistake.code, layer, result) if way.coded else ()
                lines.append(f"{user.key} {mistake.id}: {' | '.join((*mistake.words(user, layer.own), *code))}\n")
    return "".join(lines)


# Files that have a text for each of many names.
GATHERED = {
    "claims": (claims.CLAIMS, claims.report),
    "exercises": (ASKED, exercise),
    "lessons": (LESSONS, lesson),
    "words": (TOLD, words),
}


def kept(file, name):
    """The text of a name in such a file."""
    text = (FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    return text.partition(f"==== {name}\n")[2].partition("\n==== ")[0]


def comparable(ending, text):
    """The text itself; of an SVG what it shows and where, not how Rich and we write it."""
    if ending != ".svg":
        return text
    root = ET.fromstring(text)
    return [
        (element.get("x"), element.get("y"), "".join(element.itertext()))
        for element in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def rewrite():
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        for ending in ENDINGS:
            (FOLDER / f"{name}{ending}").write_text(made(name, ending), encoding="utf-8")
    (FOLDER / "suite.txt").write_text(suite(), encoding="utf-8")
    (FOLDER / "mistakes.txt").write_text(mistakes(), encoding="utf-8")
    for file, (names, text) in GATHERED.items():
        every = "\n".join(f"==== {name}\n{text(name)}" for name in names)
        (FOLDER / f"{file}.txt").write_text(f"{every}\n==== ", encoding="utf-8")
