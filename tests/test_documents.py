"""Documents: golden files, and what every format must show."""

import json
import re

import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.render.report import document
from tests import golden


@pytest.mark.parametrize("ending", golden.ENDINGS)
@pytest.mark.parametrize("name", golden.NAMES)
def test_a_document_is_its_golden_file(name, ending):
    kept = (golden.FOLDER / f"{name}{ending}").read_text(encoding="utf-8")
    assert golden.comparable(ending, golden.made(name, ending)) == golden.comparable(ending, kept)


@pytest.mark.parametrize("ending", golden.ENDINGS)
def test_every_format_shows_every_section(ending):
    text = document(ending, cnngrad.derive("3x3", "2x2", "2x2")).replace("&#160;", " ")
    headings = {
        ".md": ("## The layer", "## In an MLP", "## Summary"),
        ".tex": (r"\subsection*{The layer}", r"\subsection*{In an MLP}", r"\subsection*{Summary}"),
    }.get(ending, ("The layer ", "In an MLP ", "Summary "))
    for heading in headings:
        assert heading in text


def test_latex_needs_no_package_beyond_the_standard_ones():
    text = golden.made("notes", ".tex")
    packages = {line for line in text.splitlines() if line.startswith(r"\usepackage")}
    assert packages == {r"\usepackage{amsmath}", r"\usepackage{xcolor}"}
    assert text.isascii()


@pytest.mark.parametrize("ending", [".tex", ".md"])
def test_braces_and_environments_are_balanced(ending):
    for name in golden.NAMES:
        text = golden.made(name, ending)
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{") == text.count(r"\end{")


def test_no_formula_of_markdown_is_longer_than_mathjax_takes():
    layers = [
        ("3x4x3", "2x2x2", "2x3x2", {"dims": 3}),
        ("20x20", "3x3", "18x18", {}),
        ("2x3x12x12", "4x3x3x3", "2x4x10x10", {}),
    ]
    for x, w, dedo, options in layers:
        text = document(".md", cnngrad.derive(x, w, dedo, **options))
        assert max(len(formula) for formula in text.split("```")[1::2]) < 5000


def test_no_line_of_a_text_document_is_longer_than_80():
    for name in golden.NAMES:
        assert max(map(len, golden.made(name, ".txt").splitlines())) <= 80


def test_expansions_of_an_element_without_terms_are_zero_in_every_format():
    derivation = cnngrad.derive("5x4", "2x2", "2x2", stride=2, elements=["x51"])
    assert re.search(r"^∂E/∂x51 += 0  .4 products with 0.$", document(".txt", derivation), re.MULTILINE)
    assert r"\frac{\partial E}{\partial x_{51}} &= 0" in document(".md", derivation)


def test_a_report_is_written_beside_what_is_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(golden.SAMPLES)
    assert main(["forward", "notes.json", "--report", str(tmp_path / "o.md"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["O"] == [[12, 17], [27, 32]]
    assert r"o_{11} &= w_{11}\,x_{11} + w_{12}\,x_{12}" in (tmp_path / "o.md").read_text()


def test_the_picture_of_readme_is_what_the_command_gives(tmp_path, capsys):
    target = tmp_path / "notes.svg"
    main(["backward", str(golden.SAMPLES / "notes.json"), "--element", "x22", "--report", str(target)])
    capsys.readouterr()
    kept = (golden.SAMPLES / "notes.svg").read_text(encoding="utf-8")
    assert golden.comparable(".svg", target.read_text(encoding="utf-8")) == golden.comparable(".svg", kept)


def test_non_zero_numbers_are_never_shown_as_zero():
    text = document(".txt", cnngrad.derive([[1e-9, 0.0]], [[2.0]], elements=["o11"]))
    assert re.search(r"= 2\.0·1e-09 +2e-09$", text, re.MULTILINE)
