"""Documents: golden files, and what every format must show."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

import cnngrad
from cnngrad.checks.mistakes import known_mistakes
from cnngrad.cli.main import main
from cnngrad.derivation.blocks import Formula, Labelled
from cnngrad.derivation.grids import Cell, Grid
from cnngrad.render.documents import document
from cnngrad.render.latex import Writer
from cnngrad.render.matrix import Fitting
from cnngrad.render.painter import Painter
from cnngrad.render.style import Style
from tests import golden


def test_a_page_is_titled_by_its_layer_or_as_asked():
    derivation = cnngrad.derive("3x3", "2x2")
    plain, titled = (document(".html", derivation, Style(title=title, author=title)) for title in ("", "A < B"))
    assert "<title>cnngrad · X 3×3 · W 2×2" in plain
    assert '<h1>cnngrad · <span id="layer">X 3×3' in plain
    assert '<p class="layer">' not in plain
    assert "<title>A &lt; B</title>" in titled
    assert "<h1>A &lt; B</h1>" in titled
    assert '<p class="layer"><span id="layer">X 3×3' in titled
    assert "<p>A &lt; B</p>" in titled


@pytest.mark.parametrize("listed", [True, False])
def test_pages_on_mistakes_are_titled_by_the_mistake_or_together(listed):
    assert known_mistakes("zero", listed).title == "zero"
    assert known_mistakes(None, listed).title == "Mistakes in backward passes"


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", golden.FIGURES)
def test_a_figure_is_the_one_that_people_have_seen(name):
    assert golden.figure(name) == golden.kept("figures", name)


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


def test_formulas_and_labelled_sums_have_their_indent_alone():
    """No empty line above or below, and no blank column on the right: a window as narrow as they are breaks nothing."""
    blocks = Labelled((("yours", 123), ("right", 5))), Formula(("o = Mx",))
    for block, lines, width in zip(blocks, (["  yours = 123", "  right = 5"], ["    o = Mx"]), (13, 10), strict=True):
        console = Console(file=io.StringIO(), width=width)
        for each in Painter().blocks([block]):
            console.print(each)
        assert [line.rstrip() for line in console.file.getvalue().splitlines()] == lines


def digits(width, *column):
    """A grid of one row of ones, or of the numbers of one column."""
    return Grid("G", len(column) or 1, width, lambda r, _: Cell(column[r] if column else 1))


def test_the_points_of_a_column_of_decimals_stand_below_each_other():
    lines = ["".join(text for text, _ in line) for line in Fitting(6, 80).lines([digits(1, 1.25, 10.5, -0.125)])]
    assert [line.strip("│ ") for line in lines[2:-1]] == ["1.25", "10.5", "-0.125"]
    assert len({line.index(".") for line in lines[2:-1]}) == 1


def test_a_matrix_is_whole_if_it_fits_and_latex_has_fourteen_columns_at_most():
    """In LaTeX a digit and the space beside it take 1.52 em, and the brackets 1; in text a column stays free."""
    assert Writer(6, 22.3).fits(digits(14), 22.3)
    assert not Writer(6, 22.2).fits(digits(14), 22.2)
    assert not Writer(6, 44.0).fits(digits(15), 44.0)
    assert Writer(6, 44.0).fits(digits(1, *range(10)), 44.0)
    assert not Writer(6, 44.0).fits(digits(1, *range(11)), 44.0)
    assert Fitting(6, 15).fits(digits(4), 15)
    assert not Fitting(6, 14).fits(digits(4), 14)
    assert Fitting(6, 15).fits(digits(1, *[1] * 24), 15)
    assert not Fitting(6, 15).fits(digits(1, *[1] * 25), 15)


def test_matrices_of_markdown_have_as_many_columns_as_pandocs_latex_admits():
    text = document(".md", cnngrad.derive([[*range(12)]], [[1]]))
    assert max(row.count("&") for row in text.splitlines() if "bmatrix" in row) == 9


@pytest.mark.parametrize("columns", range(2, 7))
def test_a_matrix_fits_its_line_with_the_sign_before_it(columns):
    """A matrix that does not fit is shown without its middle."""
    lines = ["".join(text for text, _ in line) for line in Fitting(6, 15).lines(["+=", digits(columns)])]
    assert max(len(line.rstrip()) for line in lines) <= 15
    assert any("…" in line for line in lines) is (columns > 3)


def test_latex_needs_no_package_beyond_the_standard_ones():
    text = golden.made("notes", ".tex")
    packages = {line for line in text.splitlines() if line.startswith(r"\usepackage")}
    assert packages == {r"\usepackage{amsmath}", r"\usepackage{xcolor}"}
    assert text.isascii()


@pytest.mark.parametrize("ending", [".tex", ".md"])
def test_braces_and_environments_are_balanced_and_names_are_mathematics(ending):
    # Cells of its padding stand for x11 in four places, each with a title that names it.
    circular = cnngrad.derive("3x3", "2x2", "2x2", stride=2, padding=1, padding_mode="circular", elements=["x11"])
    for text in (*(golden.made(name, ending) for name in golden.NAMES), document(ending, circular)):
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{") == text.count(r"\end{")
        # No name of an element stands within words.
        assert not re.search(r"\\text\{[^}]*\b[xwo]\d", text)


@pytest.mark.whole
def test_no_formula_of_markdown_is_longer_than_mathjax_takes(whole):
    layers = [
        ("3x4x3", "2x2x2", "2x3x2", {"dims": 3}),
        ("20x20", "3x3", "18x18", {}),
        ("2x2x6x6", "2x2x3x3", "2x2x4x4", {}),
    ]
    for x, w, dedo, options in layers[:: 1 if whole else 2]:
        text = document(".md", cnngrad.derive(x, w, dedo, **options))
        assert max(len(formula) for formula in text.split("```")[1::2]) < 5000


def test_no_line_of_a_text_document_is_longer_than_80():
    for name in golden.NAMES:
        assert max(map(len, golden.made(name, ".txt").splitlines())) <= 80


def test_expansions_of_an_element_without_terms_are_zero_in_every_format():
    derivation = cnngrad.derive("5x4", "2x2", "2x2", stride=2, elements=["x51"])
    assert re.search(r"^∂E/∂x51 += 0  .4 products with 0.$", document(".txt", derivation), re.MULTILINE)
    assert r"\frac{\partial E}{\partial x_{51}} &= 0" in document(".md", derivation)


@pytest.mark.parametrize(("size", "more"), [(9, 0), (10, 2)])
def test_words_do_not_replace_a_single_term(size, more):
    text = document(".tex", cnngrad.derive(f"{size}", "3", f"{size - 2}", limit=4, sections=["dw"]))
    assert set(re.findall(r"(\d+) more term", text)) == ({str(more)} if more else set())


def test_a_matrix_of_a_page_has_the_colour_of_its_array():
    text = document(".html", cnngrad.derive("3x3", "2x2", "2x2"))
    found = re.findall(r'<figure class="matrix(?: of-(\w))?"><figcaption>(?:∂E/∂)?([XWO])\b', text)
    assert len(found) > 10
    assert [colour for colour, _ in found] == [letter.lower() for _, letter in found]


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


@pytest.mark.parametrize("ending", [".tex", ".md"])
def test_numbers_with_powers_of_ten_are_mathematics(ending):
    numbers = [[0.002, 0.001], [0.004, -0.003]], [[0.01]], [[0.001, 0.002], [-0.003, 0.004]]
    text = document(ending, cnngrad.derive(*numbers, sections=["dw"]))
    assert r" = -2 \times 10^{-5}" in text
    assert not re.search(r"\\text\{[^}]*\\times", text)


def test_a_rounded_number_has_no_digit_that_is_not_its_own():
    text = document(".txt", cnngrad.derive([[12500.4, 1.0]], [[11.92]], elements=["o11"]))
    assert re.search(r"= 11\.92·12500\.4 +149005$", text, re.MULTILINE)


def test_non_zero_numbers_are_never_shown_as_zero():
    text = document(".txt", cnngrad.derive([[1e-9, 0.0]], [[2.0]], elements=["o11"]))
    assert re.search(r"= 2\.0·1e-09 +2e-09$", text, re.MULTILINE)


NOTES = str(golden.SAMPLES / "notes.json")


def saved(path, *words):
    assert main(["backward", NOTES, "--json", "--report", str(path), *words]) == 0
    return path.read_text(encoding="utf-8")


def test_a_fragment_is_taken_in_by_another_document(tmp_path):
    text = saved(tmp_path / "a.tex", "--fragment", "--section", "dx-conv")
    assert not {r"\documentclass", r"\begin{document}", r"\usepackage", "verbatim"} & set(
        re.findall(r"[\\\w{}]+", text)
    )
    assert text.count(r"\providecolor") == 4
    article = saved(tmp_path / "b.tex", "--title", "50% more", "--author", "N. & N.")
    assert r"\section*{50\% more}" in article
    assert "\nN. \\& N.\n" in article


def test_formulas_between_dollars(tmp_path):
    text = saved(tmp_path / "a.md", "--math", "dollar", "--title", "Mine")
    assert text.startswith("# Mine\n")
    assert "```" not in text
    assert "$`" not in text
    assert text.count("$$") % 2 == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_svg_is_a_picture_on_its_own(tmp_path, theme):
    text = saved(tmp_path / "a.svg", "--section", "dx-conv", *(["--theme", "dark"] if theme == "dark" else []))
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert ('fill="#ffffff"' in text) is (theme == "light")
    width, height = re.search(r'viewBox="0 [\d.]+ ([\d.]+) ([\d.]+)"', text).groups()
    assert float(width) == 80 * 0.6 + 2
    assert f'width="{width}em" height="{height}em"' in text
    rows = list(ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text"))
    assert {(row.get("x"), row.get("font-size")) for row in rows} == {("1.00", "1")}
    lines = [float(row.get("y")) for row in rows]
    assert [*lines, float(height)] == pytest.approx([1.17 * k for k in range(1, len(lines) + 2)], abs=0.01)
    # Every blank is kept.
    assert ET.fromstring(text).get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    assert " " not in "".join(ET.fromstring(text).itertext()).partition("180°")[2].replace("\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--fragment"], "--fragment needs a .tex report (--report FILE.tex)"),
        (["--report", "a.tex", "--slides"], "--slides is gone: save --section NAME as --report FILE.tex --fragment"),
        (["--report", "a.tex", "--math", "dollar"], "--math needs a .md report"),
        (["--report", "a.svg", "--theme", "blue"], "theme is 'blue': use light or dark"),
        (
            ["--report", "a.html", "--theme", "dark"],
            "--theme needs a .svg report (--report FILE.svg) or a figure (--element NAME --report FILE.tex)\n",
        ),
        (["--title", "Mine"], "--title needs a report (--report FILE)"),
        (["--color", "red"], "color is 'red': use always, never or auto"),
    ],
)
def test_what_belongs_to_another_kind_of_report_is_told(words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["backward", NOTES, *words]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("undiagnosed", "few_smaller_layers")
def test_a_derivation_shows_itself(tmp_path):
    derivation = cnngrad.derive("3x3", "2x2", "2x2")
    assert str(derivation).startswith("X 3×3 · W 2×2")
    assert repr(derivation) == "<cnngrad derivation: X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2; 8 sections>"
    assert derivation._repr_markdown_().count("$$") > 20
    derivation.save(tmp_path / "a.tex", title="Mine")
    assert pickle.loads(pickle.dumps(cnngrad.derive)) is cnngrad.derive
    assert r"\section*{Mine}" in (tmp_path / "a.tex").read_text()
    with pytest.raises(cnngrad.CnngradError, match="unknown ending"):
        derivation.save(str(tmp_path / "a.pdf"))
    report = cnngrad.check([[1, 2]], [[3]], [[1, 2]], dx=[[1, 2]])
    assert report._repr_html_().startswith("<pre")
    assert "WRONG" in report._repr_html_()
    report.save(str(tmp_path / "a.md"))
    assert (tmp_path / "a.md").read_text() == f"# cnngrad check\n\n```text\n{report}\n```\n"
    with pytest.raises(cnngrad.CnngradError, match=r"for a report: use .txt, .md, .svg, .html"):
        report.save(str(tmp_path / "b.tex"))
    with pytest.raises(cnngrad.CnngradError, match="slides is gone: save sections with fragment=True"):
        derivation.save(str(tmp_path / "b.tex"), slides=True)
    grads = cnngrad.backward([[1, 2]], [[3]], [[1, 2]])
    assert repr(grads) == "<cnngrad gradients: dw (1, 1), dx (1, 2), db ()>"
    assert "dx = [[3 6]]" in grads._repr_html_()
    assert cnngrad.check_function(lambda x, w, dedo: (w, x), "quick")._repr_html_().startswith("<pre")


def test_colours_where_they_are_asked_for(capsys, monkeypatch):
    def shown(*words):
        assert main(["backward", NOTES, *words]) == 0
        return capsys.readouterr().out

    for words in ([], ["--explain"]):
        assert "\x1b[" not in shown(*words)
        assert "\x1b[" in shown(*words, "--color", "always")
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[" in shown(*words)
        assert "\x1b[" not in shown(*words, "--color", "never")
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[" not in shown(*words)
        monkeypatch.delenv("FORCE_COLOR")
        monkeypatch.delenv("NO_COLOR")
        # A terminal gets no bold text either.
        with monkeypatch.context() as changed:
            changed.setattr(type(sys.stdout), "isatty", lambda _: True)
            assert "\x1b[" in shown(*words)
            assert "\x1b[" not in shown(*words, "--color", "never")


def test_a_stream_that_lacks_characters_gets_plain_ones():
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "cnngrad", "backward", NOTES, "--explain"]
    out = subprocess.run(words, env=environment, capture_output=True, check=True).stdout
    assert out.isascii()
    assert b"?" not in out.replace(b"Why rotated?", b"")
    assert b"dE/dx22" in out


def test_the_connections_of_an_input_are_drawn():
    derivation = cnngrad.derive("5x5", "2x2", "4x4", sections=["mlp"])
    svg, tex, text = (document(ending, derivation) for ending in (".svg", ".tex", ".txt"))
    assert [name for name in re.findall(r">(w\d\d)", svg)][:4] == ["w22", "w21", "w12", "w11"]
    for drawn in (r"\to \overset{\text{outputs}}", r"\gets \overset{\text{gradients}}"):
        assert drawn in tex
    assert re.search(r"^x33 → │ w21 │ → │ o23 │ ← │ ∂E/∂o23 │$", text, re.MULTILINE)
    # If there are many connections, the first are drawn, with a note that there are others.
    many = document(".txt", cnngrad.derive("9x9", "4x4", "6x6", sections=["mlp"]))
    assert re.search(r"weights, 6 of 16 +outputs, 6 of 16 +gradients, 6 of 16", many)


@pytest.mark.parametrize("shapes", [("30x30", "12x14", "19x17"), ("1x2x30x30", "2x2x12x14", "1x2x19x17")])
def test_a_large_picture_comes_in_parts_that_leave_nothing_out(shapes):
    wanted = "dE/dx15,15" if len(shapes[0]) < 7 else "dE/dx[1,1]15,15"
    text = document(".md", cnngrad.derive(*shapes, elements=[wanted]))
    assert "part 1 of" in text
    assert "middle left out" not in text


def test_text_is_plain_whatever_the_environment_asks_of_terminals(monkeypatch):
    """Jupyter sets FORCE_COLOR for what it runs."""
    derivation = cnngrad.derive("3x3", "2x2", "2x2")
    plain = str(derivation), document(".txt", derivation)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert (str(derivation), document(".txt", derivation)) == plain
    assert "\x1b" not in plain[0] + str(cnngrad.check([[1, 2]], [[3]]))


def test_a_page_says_the_size_of_a_matrix_without_its_middle():
    assert "∂E/∂X (30×30 in all)" in document(".html", cnngrad.derive("30x30", "3x3", "28x28", limit=4))
    assert "in all)" not in document(".html", cnngrad.derive("3x3", "2x2", "2x2"))


def test_a_page_holds_integers_as_numbers_as_far_as_javascript_knows_them_exactly():
    page = document(".html", cnngrad.derive([[2**53 - 1, 2**53]], [[1]], [[1, 1]]))
    assert '[9007199254740991, "9007199254740992"]' in page
