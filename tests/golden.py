"""Documents of five samples in each format, and the layers of the suites, kept as golden files."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import cnngrad
from cnngrad.render.documents import document

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


def made(name, ending):
    """The document of a sample's gradients; the telling elements of each table."""
    problem = json.loads((SAMPLES / f"{name}.json").read_text())
    arrays = (problem.pop("X"), problem.pop("W"), problem.pop("dEdO"))
    choice = {"elements": [NAMES[name]], "limit": 4} if ending == ".svg" else {"limit": 4}
    return document(ending, cnngrad.derive(*arrays, b=problem.pop("b", None), **choice, **problem))


def suite():
    """The layers of the standard suite and the first random ones, with three axes: every number of the table."""
    layers = cnngrad.suite("thorough", dims=3)[:72]
    return "".join(f"{layer.name}: {layer.layer.describe()}\n" for layer in layers)


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
