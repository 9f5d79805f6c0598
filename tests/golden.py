"""Golden files: documents of five samples in each format, and what else people see, such as reports and messages."""

import json
import xml.etree.ElementTree as ET
from itertools import islice, product
from operator import eq, ge, le
from pathlib import Path

import numpy as np

import cnngrad
from cnngrad.causes.axes import spelled
from cnngrad.causes.catalogue import CATALOGUE
from cnngrad.causes.evaluate import Data
from cnngrad.causes.evaluate import made as given_by
from cnngrad.causes.hard import random_arrays
from cnngrad.causes.recipe import right_recipe
from cnngrad.compute.plan import make_plan
from cnngrad.exercises import exercises
from cnngrad.exercises.questions import KINDS
from cnngrad.layer import make_layer
from cnngrad.programs.conditions import _COUNTS, _PREDICATES, _SIZES, separating, shared
from cnngrad.render.documents import document
from cnngrad.settings import OPTIONS
from cnngrad.tensor import DW, DX, RESULTS, B, O
from tests import claims, commands, contents

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
    "no numbers, a long axis": ("5001x3", "3x3", {"dedo": "2500x1", "stride": 2, "limit": 6, "sections": ["dx"]}),
    "many numbers": ((14, 60), (2, 2), {"limit": 3, "sections": ["layer", "dw-conv"]}),
    "zeros": ((3, 3), (2, 2), {"zeros": True}),
    "one result": ((4, 6), (2, 2), {"stride": 3, "only": "dX"}),
    "six rows left over": ((8,), (1,), {"stride": 6, "sections": ["output", "dx"]}),
    "seven rows left over": ((10, 3), (1, 1), {"stride": (3, 2), "sections": ["output", "dx"]}),
    "rows beyond and between": ((14, 3), (2, 3), {"stride": (5, 1), "limit": 5, "sections": ["dx", "dx-conv"]}),
    "transposed, one axis": ((4,), (3,), {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1}),
}


def lesson(name):
    """The lesson on a layer."""
    x, w, options = LESSONS[name]
    if isinstance(x, str):
        return str(cnngrad.derive(x, w, **options))
    layer = claims.problem(x, w, options.get("b"), **{key: options[key] for key in options.keys() & OPTIONS.keys()})
    return str(cnngrad.derive(**options | layer))


# Figures of elements: X, W, options and the element.
FIGURES = {
    "flip": ((5, 4), (3, 2), {"flip": True, "stride": (2, 1), "dilation": (1, 2)}, "x32"),
    "one axis": ((2, 7), (2, 2, 3), {"dims": 1, "padding": 2, "stride": 2, "padding_mode": "reflect"}, "x[1]2"),
    "border": ((3, 4), (2, 3), {"padding": 1, "padding_mode": "circular"}, "w12"),
    "four filters": ((1, 3, 3), (4, 1, 2, 2), {}, "x[1]22"),
    "five channels": ((5, 3, 3), (1, 5, 2, 2), {"b": (1,)}, "o[1]12"),
    "three axes": ((2, 3, 3), (2, 2, 2), {"dims": 3, "padding": 1}, "x122"),
    "nine and ten rows": ((10, 3), (2, 2), {"padding": (0, 1)}, "w21"),
    "many columns": ((4, 30), (3, 3), {}, "x2,17"),
    "transposed": ((3, 2), (3, 3), {"transposed": True, "stride": 2, "padding": 1}, "o23"),
    "b": ((2, 1, 3, 3), (2, 1, 2, 2), {"b": (2,)}, "b[2]"),
}


def figure(name):
    """What an element's figure shows, and where."""
    x, w, options, element = FIGURES[name]
    layer = claims.problem(x, w, options.get("b"), **{key: options[key] for key in options.keys() & OPTIONS.keys()})
    if element.startswith("o"):
        del layer["dedo"]
    root = ET.fromstring(document(".svg", cnngrad.derive(**layer, elements=[element])))
    # What is where; colours and fonts belong to the style.
    places = ("x", "y", "width", "height", "x1", "y1", "x2", "y2", "d", "points")
    return "".join(
        f"{each.tag.rpartition('}')[2]} {' '.join(each.get(key) for key in places if key in each.attrib)} {each.text}\n"
        for each in root.iter()
        if each.tag.rpartition("}")[2] not in ("svg", "title")
    )


# Layers in which the words for a mistake differ: shapes of X and W, and options.
TOLD = {
    "two axes": ((2, 3, 9, 8), (2, 3, 3, 2), {}),
    "channels last, flip": ((2, 9, 8, 3), (3, 2, 3, 2), {"layout": "nhwc", "filter_layout": "hwio", "flip": True}),
    "one axis, filled": ((3, 9), (2, 3, 3), {"dims": 1, "padding": 1, "padding_mode": "reflect"}),
    "three axes, no channels": ((5, 4, 6), (2, 2, 2), {"dims": 3}),
    "transposed": ((2, 4, 3), (2, 3, 3, 2), {"transposed": True, "groups": 2}),
    "all shapes alike": ((2, 2, 3, 3), (2, 2, 3, 3), {"padding": 1}),
    "transposed, channels last": ((4, 3, 2), (2, 3, 3, 2), {"transposed": True, "layout": "nhwc"}),
}


def words(name):
    """What is said of each mistake in each result of a layer, its fix and its lines of code."""
    x, w, options = TOLD[name]
    layer = make_layer(x, w, **options).conv
    lines = []
    for result in RESULTS:
        right = right_recipe(layer, result)
        for mistake in CATALOGUE:
            ways = list(islice(mistake.changed(right), 9))
            if ways:
                user = layer.own.role[result]
                # The first ways of which its lines of code tell.
                coded = " ".join(f"{number}" for number, way in enumerate(ways, start=1) if way.coded)
                code = (coded, *spelled(mistake.code, layer, result)) if coded else ()
                lines.append(f"{user.key} {mistake.id}: {' | '.join((*mistake.words(user, layer.own), *code))}\n")
    return "".join(lines)


# Shapes of X and W of all numbers of axes, which fit together or not, and options: how each is read or refused.
SHAPES = {
    "x": [(3,), (5, 4), (2, 5, 5), (5, 5, 2), (1, 2, 5, 4), (2, 5, 5, 4), (1, 2, 4, 4, 4), (0, 3), (), (1,) * 6],
    "w": [
        (2,),
        (2, 2),
        (2, 2, 2),
        (4, 2, 2, 2),
        (4, 1, 3, 3),
        (3, 3, 4, 2),
        (3, 3, 2, 2),
        (2, 2, 2, 2, 2),
        (6, 6),
        (0,),
    ],
}
READ = {
    "plain": {},
    "one axis": {"dims": 1},
    "two axes": {"dims": 2},
    "three axes": {"dims": 3},
    "groups": {"groups": 2},
    "transposed": {"transposed": True},
    "transposed groups": {"transposed": True, "groups": 2},
    "channels last": {"layout": "nhwc"},
    "filters last": {"filter_layout": "hwio"},
    "padded": {"padding": 1, "stride": 2},
}
PADDINGS = [3, 4, -1, 1.5, True, "1", "same", "SAME", "same-lower", "valid", "full", "some", "x" * 41, None, 2**20]
PADDINGS += [
    ((1, 0), (0, 2)),
    ((1, 0, 0), 1),
    ((-1, 0), 1),
    [[[1]], 2],
    (1, "1"),
    ("same", 1),
    2**31 - 1,
    2**31,
    10**30,
]
PADDINGS += [[], (1,), (1, 2), (1, 2, 3), np.array([1, 2])]
OPTIONED = {
    "padding": PADDINGS,
    "flip": [True, 1, "yes"],
    "stride": [2, 0, -1, (1, 2), (0, 1), (1, 2, 3), 1.0, "2", True, 2**31 - 1, 2**31, None],
    "dilation": [2, 0, (1, 2), (2, 2), 3, (3, 1), "x", 2**31],
    "groups": [2, 0, -1, 1.5, (1,), "2", None],
    "dims": [0, 1, 2, 3, 4, "2", None],
    "padding_mode": ["zeros", "reflect", "replicate", "circular", "mirror", "", 1],
    "output_padding": [0, 1, (0, 0), -1],
    "output_size": [7, (5, 6), None],
    "layout": ["nchw", "hw", "HW", "hwc", "nc", "hh", "", 3],
    "filter_layout": ["oihw", "hw", "hwio", "iohw", "x"],
}
ON_TRANSPOSED = {
    "padding": [1, 2, "same", "same-lower", "full", "valid", ((1, 0), (0, 2)), 5],
    "output_padding": [1, (0, 1), -1, 7, "1", (1, 1, 1)],
    "output_size": [8, (9, 10), 7, 3, (8, 9, 10), 0, 40],
    "stride": [2, (1, 3)],
    "dilation": [2],
    "padding_mode": ["reflect"],
}
LAYERS = [*READ, "options", "options, transposed", "padding of reflect", "padding of circular"]


def read(name):
    """How shapes are read with some options, or options of a layer alone: the layer, or what is wrong."""
    if name in READ:
        pairs = product(SHAPES["x"], SHAPES["w"])
        asked = [(f"{x} {w}", x, w, READ[name]) for x, w in pairs]
    else:
        given = {"transposed": True, "stride": 2} if name == "options, transposed" else {}
        filled = {"padding_mode": name.removeprefix("padding of ")} if name.startswith("padding of ") else {}
        each = {"padding": PADDINGS} if filled else ON_TRANSPOSED if given else OPTIONED
        each = [(option, value) for option, values in each.items() for value in values]
        asked = [(f"{o} {v!r}", (4, 5), (2, 3), given | filled | {o: v}) for o, v in each]
        if given:
            also = {"padding": "same"}, {"output_size": 9}, {"output_padding": 1, "padding": ((1, 1), (0, 1))}
            asked += [(f"{o}", (4, 5), (2, 3), given | {"output_padding": 1} | o) for o in also]
    lines = []
    for told, x, w, options in asked:
        try:
            layer = make_layer(x, w, **options)
            lines.append(f"{told}: {layer.describe()}{layer.others}\n")
        except (cnngrad.CnngradError, TypeError) as error:
            lines.append(f"{told}: {type(error).__name__}: {error}\n")
    return "".join(lines)


# Layers of every size that decides how they are computed: X, W and options.
PLANNED = [
    ((3, 3), (2, 2), {}),
    ((64, 64), (3, 3), {}),
    ((256, 256), (3, 3), {"padding": 1}),
    ((257, 300), (15, 15), {}),
    ((300, 300), (11, 11), {"stride": 2}),
    ((1, 400, 400), (31, 1, 31, 31), {}),
    ((512, 512), (13, 13), {"dilation": 2}),
    ((600, 50, 400), (12, 600, 4, 3), {}),
    ((1024, 1024), (3, 3), {}),
    ((2048, 2048), (5, 5), {}),
    ((2000, 9), (3, 3), {"stride": (3, 1)}),
    ((2, 30, 5000), (6, 2, 3, 3), {}),
    ((1, 8, 2000, 100), (5, 8, 3, 5), {"stride": (1, 2)}),
    ((4, 3, 224, 224), (64, 3, 7, 7), {"stride": 2}),
    ((4, 64, 56, 56), (64, 64, 3, 3), {}),
    ((4, 64, 56, 56), (128, 64, 3, 3), {"stride": 2, "padding": 1}),
    ((4, 256, 14, 14), (256, 256, 3, 3), {}),
    ((4, 256, 14, 14), (512, 256, 1, 1), {}),
    ((4, 64, 28, 28), (64, 64, 3, 3), {"dilation": 2}),
    ((4, 128, 28, 28), (128, 1, 3, 3), {"groups": 128}),
    ((8, 64, 28, 28), (96, 32, 3, 3), {"groups": 2}),
    ((8, 12, 60, 60), (6, 12, 5, 5), {"padding": 2}),
    ((16, 32, 4096), (64, 32, 9), {"dims": 1}),
    ((2, 8, 32, 32, 32), (16, 8, 3, 3, 3), {}),
    ((2, 8, 20, 20, 20), (4, 8, 7, 7, 7), {"stride": 2}),
    ((100_000,), (101,), {}),
    ((1, 3, 1000, 224), (64, 3, 5, 5), {"stride": 2}),
    ((2, 40, 900, 224), (64, 40, 7, 7), {"stride": 3}),
]


def plans(name):
    """By which way each result of such layers is computed, and in tiles of which size and number."""
    lines = []
    for (x, w, options), result in product(PLANNED, (O, DW, DX)):
        layer = make_layer(x, w, **options)
        # Only O may be rounded as a part of larger sums.
        for rounded in (True, False)[: 1 + (result is O)]:
            steps = make_plan(layer, result, np.dtype(name), rounded).steps
            words = "; ".join(f"{type(step.way).__name__} {len(step.tiles)} of {step.tiles.counts}" for step in steps)
            lines.append(f"{result.key} of {layer.describe()}{'' if rounded else ', exact'}: {words}\n")
    return "".join(lines)


# What is asked of all layers of a suite.
ASKED_OF_ALL = {
    "one axis": {"dims": 1, "stride": 3},
    "three axes": {"dims": 3, "padding": "same"},
    "shapes": {"x_shape": (12, 11), "w_shape": (3, 2)},
    "channels of X": {"x_shape": (6, 9, 9), "groups": 2},
    "channels of W": {"w_shape": (2, 3, 3, 2), "groups": 3, "padding": 1},
    "a small X": {"x_shape": (2, 3)},
    "layouts": {"layout": "nhwc", "filter_layout": "hwio", "flip": True},
    "without": {"without": ("channels", "stride", "asymmetric", "non-square", "bias")},
    "without a batch": {"without": ("batch", "padding-modes", "dilation")},
    "plain": {"without": ("batch", "channels", "padding", "groups")},
    "transposed": {"transposed": True, "output_size": None},
    "transposed, same": {"transposed": True, "padding": "same", "stride": 2},
    "transposed, channels": {"transposed": True, "w_shape": (4, 3, 2, 2), "groups": 2, "output_padding": 1},
    "transposed, channels of X": {"transposed": True, "x_shape": (6, 5, 5), "groups": 3},
    "decimals": {"decimals": True, "seed": 5},
    "too large": {"w_shape": (9, 9), "x_shape": (2, 2)},
    "no size": {"transposed": True, "output_size": 3},
}


def asked(name):
    """The layers of the quick suite with what is asked of all, and their numbers."""
    try:
        layers = cnngrad.suite("quick", **ASKED_OF_ALL[name])
    except cnngrad.CnngradError as error:
        return f"{error}\n"
    return "".join(
        f"{layer.name} {layer.work} {layer.has_one_number}: {layer.layer.describe()} "
        f"{' '.join(f'{np.square(array.astype(float)).sum():.6g}' for array in layer.written.values())}\n"
        for layer in layers
    )


def common(name):
    """What layers of a suite that have a property, or a size, are said to have in common, and others not."""
    layers = [each.layer for each in cnngrad.suite(name)[:: 1 if name == "quick" else 4]]
    lines = []
    for words, test in _PREDICATES.items():
        groups = [layer for layer in layers if test(layer)], [layer for layer in layers if not test(layer)]
        for wrong, right in (groups, groups[::-1], (groups[0][:2], groups[1][:1]), (groups[0][1:], groups[1])):
            if wrong:
                says = (
                    separating(right, wrong),
                    shared(wrong, right),
                    shared(wrong, right[:1]),
                    shared(wrong[:1], right),
                )
                lines.append(f"{words}: {' | '.join(says)}\n")
    for words, count in (_COUNTS | _SIZES).items():
        numbers = sorted({count(layer) for layer in layers})
        for limit in (numbers[len(numbers) // 2], numbers[-1]):
            for keep in (le, ge, eq):
                wrong = [layer for layer in layers if keep(count(layer), limit)]
                right = [layer for layer in layers if layer not in wrong]
                lines.append(f"{words} {keep.__name__} {limit}: {separating(right, wrong)}\n")
    return "".join(lines)


# Files that have a text for each of many names.
GATHERED = {
    "claims": (claims.CLAIMS, claims.report),
    "functions": (claims.FUNCTIONS, claims.findings),
    "exercises": (ASKED, exercise),
    "lessons": (LESSONS, lesson),
    "figures": (FIGURES, figure),
    "common": (("quick", "standard"), common),
    "asked": (ASKED_OF_ALL, asked),
    "contents": (contents.KINDS, contents.contents),
    "words": (TOLD, words),
    "layers": (LAYERS, read),
    "plans": (("float64", "float32"), plans),
    "commands": (commands.COMMANDS, commands.output),
    "refused": (commands.REFUSED, commands.refused),
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
