"""LaTeX compiles and pandoc converts without a complaint; skipped where pdflatex, Beamer or pandoc is missing."""

import json
import re
import shutil
import subprocess

import pytest

import cnngrad
from cnngrad.derivation.lesson import SECTIONS
from tests import golden, test_figure

NAMES = sorted(path.stem for path in golden.SAMPLES.glob("*.json"))
FEW = ["notes", "reflect", "transposed"]
SHAPES = [
    ("3x3", "2x2", "2x2", {}),
    ("5x5", "3x3", "3x3", {"stride": 2, "padding": 1}),
    ("3x3", "3x3", "6x6", {"transposed": True, "stride": 2, "padding": 1, "output_padding": 1}),
    ("5x5", "3x3", "5x5", {"padding": 1, "padding_mode": "circular"}),
    ("2x2x4x4", "2x2x2x2", "2x2x3x3", {}),
    ("8", "3", "6", {"dims": 1}),
    ("3x4x3", "2x2x2", "2x3x2", {"dims": 3}),
    ("12x14", "3x4", "10x11", {}),
]


def derived(name, **choice):
    problem = json.loads((golden.SAMPLES / f"{name}.json").read_text())
    arrays = [problem.pop(key, None) for key in ("X", "W", "dEdO")]
    return cnngrad.derive(*arrays, b=problem.pop("b", None), **{"limit": 4} | choice, **problem)


def needs(*files):
    """Skip the test unless LaTeX and these files of it are there."""
    for file in files:
        if shutil.which("kpsewhich") is None or subprocess.run(["kpsewhich", file], capture_output=True).returncode:
            pytest.skip(f"needs LaTeX with {file}")


def log_of(path):
    """What pdflatex says about a document, its lines joined."""
    needs("amsmath.sty", "xcolor.sty")
    subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name], cwd=path.parent, capture_output=True
    )
    return path.with_suffix(".log").read_text(errors="replace").replace("\n", "")


def complaints(log):
    """Errors, and boxes that are too large by a point, which a reader could see."""
    over = [float(size) for size in re.findall(r"Overfull \\.box \(([\d.]+)pt", log)]
    return (
        re.findall(r"! .{60}", log) + [size for size in over if size > 1] + ["no document"] * ("written on" not in log)
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FEW)
def test_a_lesson_compiles_without_a_complaint(name, tmp_path):
    derived(name).save(str(tmp_path / "a.tex"))
    assert not complaints(log_of(tmp_path / "a.tex"))


@pytest.mark.whole
@pytest.mark.parametrize("name", NAMES)
def test_every_sample_compiles_with_all_its_elements(name, tmp_path):
    derived(name, limit=None).save(str(tmp_path / "a.tex"))
    assert not complaints(log_of(tmp_path / "a.tex"))


@pytest.mark.whole
@pytest.mark.parametrize(("x", "w", "dedo", "options"), SHAPES)
def test_lessons_in_symbols_compile(x, w, dedo, options, tmp_path):
    cnngrad.derive(x, w, dedo, limit=4, **options).save(str(tmp_path / "a.tex"))
    assert not complaints(log_of(tmp_path / "a.tex"))


SETTINGS = r"[\the\jot,\the\interdisplaylinepenalty,\the\abovedisplayskip,\the\value{MaxMatrixCols}]"


@pytest.mark.long
def test_every_section_fits_a_frame_or_several_and_changes_nothing_else(whole, tmp_path):
    """A frame has as many slides as it needs; with allowframebreaks, Beamer has as many frames."""
    needs("beamer.cls", "pgfmath.sty")
    frames = []
    for name in NAMES if whole else ["notes"]:
        for section in SECTIONS if whole else ("dx-conv", "summary"):
            try:
                derived(name, sections=[section]).save(str(tmp_path / f"{name}-{section}.tex"), fragment=True)
            except cnngrad.CnngradError:
                continue
            content = rf"\input{{{name}-{section}}}\message{{{SETTINGS}}}"
            kind = ("{A title}", "", "[allowframebreaks]{A title}")[len(frames) % 3]
            frames.append(rf"\begin{{frame}}{kind}{content}\end{{frame}}")
    head = rf"\documentclass[aspectratio=169]{{beamer}}\begin{{document}}\message{{{SETTINGS}}}"
    (tmp_path / "a.tex").write_text("\n".join([head, *frames, r"\end{document}"]))
    log = log_of(tmp_path / "a.tex")
    assert not complaints(log)
    assert len(set(re.findall(r"\[[\d.pt]+,\d+,[^]]+,\d+\]", log))) == 1
    # Every part of a section is shown, once.
    (pages,) = map(int, re.findall(r"written on a.pdf \((\d+) pages", log))
    assert whole or pages == 8


def test_a_fragment_in_an_article_goes_on_from_page_to_page(tmp_path):
    derived("notes", sections=["dx-conv"]).save(str(tmp_path / "part.tex"), fragment=True)
    head = r"\documentclass{article}\usepackage{amsmath}\usepackage{xcolor}"
    (tmp_path / "a.tex").write_text(head + r"\begin{document}\input{part}\end{document}")
    log = log_of(tmp_path / "a.tex")
    assert not complaints(log)
    assert int(re.search(r"written on a.pdf \((\d+) pages", log)[1]) > 1


@pytest.mark.whole
def test_a_figure_fits_a_frame_and_a_column_of_five_centimetres(tmp_path):
    needs("beamer.cls", "pgfmath.sty")
    settings, frames = r"\message{[\the\unitlength]}", []
    for number, (name, element) in enumerate(test_figure.SHOWN):
        text = test_figure.figure(name, element, ".tex", fragment=True)
        (tmp_path / f"{number}.tex").write_text(text)
        narrow = rf"\begin{{minipage}}{{5cm}}\input{{{number}}}\end{{minipage}}"
        frames += [
            rf"\begin{{frame}}{{A title}}{each}{settings}\end{{frame}}" for each in (rf"\input{{{number}}}", narrow)
        ]
    head = rf"\documentclass[aspectratio=169]{{beamer}}\begin{{document}}{settings}"
    (tmp_path / "a.tex").write_text("\n".join([head, *frames, r"\end{document}"]))
    log = log_of(tmp_path / "a.tex")
    assert not complaints(log)
    assert set(re.findall(r"\[[\d.]+pt\]", log)) == {"[1.0pt]"}


def test_a_figure_is_a_document_of_its_own(tmp_path):
    (tmp_path / "a.tex").write_text(test_figure.figure("notes", "x22", ".tex", theme="dark"))
    assert not complaints(log_of(tmp_path / "a.tex"))


def test_no_page_ends_within_a_sum():
    """Only the star of a line's end forbids it."""
    text = golden.made("channels", ".tex")
    for block in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", text, re.DOTALL):
        first, *lines = block.strip().splitlines()
        ends = [first, *lines][:-1]
        assert "&=" in first
        for end, line in zip(ends, lines, strict=True):
            assert end.endswith(r"\\*" if line.startswith("&") else r"\\"), block
    assert r"\\*" in text


def test_a_formula_stands_on_the_page_of_the_sentence_before_it():
    assert re.search(r"this gives\n\\\[", golden.made("notes", ".tex"), re.IGNORECASE)


@pytest.mark.parametrize("kind", ["dollar", pytest.param("github", marks=pytest.mark.whole)])
def test_pandoc_converts_markdown_without_a_complaint(kind, whole, tmp_path):
    needs("lmodern.sty")
    if shutil.which("pandoc") is None:
        pytest.skip("needs pandoc")
    read = {"dollar": "markdown", "github": "gfm"}[kind]
    for name in [*FEW, "channels"] if whole else ["notes"]:
        derived(name).save(str(tmp_path / "a.md"), maths=kind, title="$5 & more")
        for ending in ("html", "docx", "pdf") if whole else ("html", "docx"):
            command = ["pandoc", "-f", read, "a.md", "--mathml", "-s", "--metadata=title:a", "-o", f"a.{ending}"]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert (ran.returncode, ran.stderr) == (0, "")
