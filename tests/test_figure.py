"""The figure of an element: what it shows, that SVG and LaTeX show the same, and that it fits a slide and a column."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.render.documents import document
from cnngrad.render.style import PALETTES, Style
from tests import golden, reference

SVG = "{http://www.w3.org/2000/svg}"


def sample(name):
    problem = json.loads((golden.SAMPLES / f"{name}.json").read_text())
    return [problem.pop(key, None) for key in ("X", "W", "dEdO")], problem


def figure(name, element, ending=".svg", **style):
    arrays, options = sample(name)
    return document(ending, cnngrad.derive(*arrays, elements=[element], limit=4, **options), Style(**style))


def texts(svg):
    """The text, place and size of each line."""
    found = []
    for each in ET.fromstring(svg).iter(f"{SVG}text"):
        x, y, size = (float(each.get(key)) for key in ("x", "y", "font-size"))
        found.append(("".join(each.itertext()).replace("\N{NO-BREAK SPACE}", " "), x, y, size))
    return found


def pairs(svg):
    """The factors that lie on each other: a small one stands below the other."""
    lines = texts(svg)
    found = ((up[0], low[0]) for up, low in pairwise(lines) if low[0].startswith("·"))
    return [(int(up.strip("′")), int(low.strip("·()"))) for up, low in found]


LAYERS = ["notes", "notes-stride2", "notes-leftover", "reflect", "transposed"]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("letter", "xwo")
def test_the_products_in_the_window_add_up_to_the_result(name, letter):
    """Every fifth element is compared with plain loops."""
    (x, w, dedo), options = sample(name)
    settings = {
        "stride": (options.get("stride", 1),) * 2, "pads": ((options.get("padding", 0),) * 2,) * 2, "dilation": (1, 1),
        "groups": 1, "flip": False, "mode": options.get("padding_mode", "zeros"),
        "transposed": options.get("transposed", False), "extra": (options.get("output_padding", 0),) * 2,
    }  # fmt: skip
    one, two, three = (np.array(each)[None, None] for each in (x, w, dedo))
    dw, dx, *_ = reference.backward(one, two, three, **settings)
    result = {"x": dx, "w": dw, "o": reference.forward(one, two, None, **settings)}[letter][0, 0]
    arrays = (x, w) if letter == "o" else (x, w, dedo)
    for r, c in list(np.ndindex(result.shape))[::5]:
        element = f"{letter}{r + 1}{c + 1}"
        svg = document(".svg", cnngrad.derive(*arrays, elements=[element], limit=4, **options))
        assert sum(up * low for up, low in pairs(svg)) == result[r, c], element
        windows = [each for each in ET.fromstring(svg).iter(f"{SVG}rect") if each.get("stroke-width") == "0.1"]
        for text, across, down, _ in texts(svg):
            assert not text.startswith("·") or any(covers(each, across, down) for each in windows)


def covers(rect, across, down):
    left, top, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
    return left < across < left + width and top < down < top + height


def test_every_cell_is_as_wide_as_the_longest_number():
    x = [[123456789, 2, 3], [4, 5, 6], [7, 8, 9]]
    svg = document(".svg", cnngrad.derive(x, [[1, 2], [3, 4]], [[1, 1], [1, 1]], elements=["w11"], limit=4))
    cells = [each for each in ET.fromstring(svg).iter(f"{SVG}rect") if each.get("stroke-width") == "0.05"]
    assert len({each.get("width") for each in cells}) == 1
    for text, across, down, size in texts(svg):
        if any(covers(each, across, down) for each in cells):
            assert 0.6 * size * len(text) < float(cells[0].get("width"))


def test_rows_of_grids_stay_within_the_frame():
    """Three grids, and four, that would be wider than it together by less than its margins."""
    for shapes in (("3x3x3", "3x3x3"), ("4x3x5", "4x3x3")):
        root = ET.fromstring(document(".svg", cnngrad.derive(*shapes, elements=["o11"], limit=4)))
        width = float(root.get("viewBox").split()[2])
        cells = [each for each in root.iter(f"{SVG}rect") if each.get("stroke-width") == "0.05"]
        assert max(float(each.get("x")) + float(each.get("width")) for each in cells) < width


def test_the_notes_figure():
    lines = [text.strip() for text, *_ in texts(figure("notes", "x22"))]
    assert pairs(figure("notes", "x22")) == [(4, -1), (-2, 3), (-3, 2), (5, 1)]
    assert lines[0] == "∂E/∂O, framed"
    assert [text for text in lines if text in ("∗", "=", "W rotated", "∂E/∂X")] == ["∗", "W rotated", "=", "∂E/∂X"]
    assert lines[-4:] == [
        "∂E/∂x22",
        "= ∂E/∂o11·w22 + ∂E/∂o12·w21 +",
        "∂E/∂o21·w12 + ∂E/∂o22·w11",
        "= 4·(-1) + (-2)·3 + (-3)·2 + 5·1 = -11",
    ]


@pytest.mark.parametrize(("channels", "more"), [(4, 0), (5, 1)])
def test_four_channels_are_drawn_and_more_are_hinted_at(channels, more):
    shapes = f"{channels}x2x2", f"{channels}x2x2"
    lines = [text for text, *_ in texts(document(".svg", cnngrad.derive(*shapes, elements=["o11"], limit=4)))]
    assert (lines.count("∗"), lines.count("…")) == (4, more)


@pytest.mark.parametrize(
    ("size", "choice", "terms"),
    [(5, {"limit": 4}, 9), (9, {"limit": 4, "terms": 5}, 5), (9, {}, 49), (9, {"limit": 4}, 35)],
)
def test_a_sum_is_folded_into_lines_and_cut_if_it_is_long_or_as_its_user_says(size, choice, terms):
    shapes = f"{size}x{size}", "3x3", f"{size - 2}x{size - 2}"
    lines = [text for text, *_ in texts(document(".svg", cnngrad.derive(*shapes, elements=["w11"], **choice)))]
    written = " ".join(lines[lines.index("∂E/∂w11 ") :])
    assert written.count("·x") == terms
    assert ("more" in written) == (terms < (size - 2) ** 2)


def test_the_gradient_of_a_bias_is_the_sum_of_whole_matrices():
    dedo = np.arange(40).reshape(5, 2, 2, 2)
    made = cnngrad.derive(np.ones((5, 1, 2, 2)), np.ones((2, 1, 1, 1)), dedo, b=[1, 1], elements=["b[2]"])
    lines = [text for text, *_ in texts(document(".svg", made))]
    numbers = [str(n) for n in dedo[:4, 1].ravel()]
    assert [each for each in lines[: lines.index("=")] if each.isdigit()] == numbers
    # Four of the five samples are drawn.
    assert [each for each in lines[: lines.index("=")] if each[0] in "Σ+"] == [*"Σ+Σ+Σ+Σ+"]


def test_an_arrow_leads_from_the_window_to_the_result_and_both_have_their_tensors_colour():
    svg = figure("notes", "x22")
    window, _, result = (
        [float(each.get(key)) for key in ("x", "y", "width", "height")]
        for each in ET.fromstring(svg).iter(f"{SVG}rect")
        if each.get("stroke-width") == "0.1"
    )
    numbers = re.search(r'"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)"', svg).groups()
    x, y, lane, tip, end = map(float, numbers)
    assert (x, y) == pytest.approx((window[0] + window[2], window[1] + window[3]), abs=0.011)
    assert (tip, end - 0.3) == pytest.approx((result[0], result[1] + result[3]), abs=0.011)
    rects = [each for each in ET.fromstring(svg).iter(f"{SVG}rect") if each.get("stroke")]
    bottom = max(float(each.get("y")) + float(each.get("height")) for each in rects)
    assert bottom + 0.3 < lane < texts(svg)[-4][2] - 1.1
    # Four cells below the window and four of W, one of the result, and twelve zeros of the frame.
    fills = [svg.count(f'fill="{PALETTES["light"][name]}"') for name in ("on w", "on x", "on o", "zero")]
    assert fills == [8, 1, 0, 12]


SHOWN = [
    ("notes", "x22"), ("notes", "w12"), ("channels", "x[2,1]22"), ("channels", "b[1]"), ("reflect", "x22"),
    ("padding-dilation", "x11"), ("depthwise", "w[1,1]11"), ("transposed", "x22"), ("notes-leftover", "x51"),
]  # fmt: skip


PUT = re.compile(r"\\put\(([-\d.]+),([-\d.]+)\)\{(.*)\}")


def said(latex):
    """The text of a line of LaTeX, without blanks."""
    for command, sign in (
        ("'", "′"),
        (r"\cdot ", "·"),
        (r"\cdot", "·"),
        (r"\partial ", "∂"),
        (r"\dots{}", "…"),
        (r"\sum", "Σ"),
        ("*", "∗"),
    ):
        latex = latex.replace(command, sign)
    latex = re.sub(r"\\makebox\[0pt\]\[[lc]\]|\\color\[HTML\]\{\w+\}|\\fontsize\{.*?\}\{.*?\}\\selectfont", "", latex)
    return re.sub(r"[{}$^_ ~]|\\ ", "", latex)


@pytest.mark.parametrize(("name", "element"), SHOWN)
def test_svg_and_latex_show_the_same_in_the_same_places(name, element):
    svg, tex = figure(name, element), figure(name, element, ".tex", fragment=True)
    put = [PUT.fullmatch(line).groups() for line in tex.splitlines() if line.startswith(r"\put")]
    words = [(said(what), float(x), -float(y)) for x, y, what in put if what.startswith(r"\makebox")]
    assert words == [(text.replace(" ", ""), x, y) for text, x, y, _ in texts(svg)]
    rects = [each for each in ET.fromstring(svg).iter(f"{SVG}rect") if each.get("stroke")]
    boxes = [(float(x), -float(y)) for x, y, what in put if "framebox" in what]
    lower = [(float(each.get("x")), float(each.get("y")) + float(each.get("height"))) for each in rects]
    assert boxes == pytest.approx(np.array(lower), abs=0.011)
    filled = [each for each in rects if each.get("fill") != "none"]
    assert tex.count(r"\rule") == len(filled)
    assert tex.count(r"\vector") == svg.count("l.25 .5h-.5z")


@pytest.mark.parametrize(("name", "element"), SHOWN)
def test_a_figure_is_a_slide_from_whose_edges_nothing_sticks_out(name, element):
    svg = figure(name, element, title="A title", author="N. N.")
    left, top, width, height = map(float, re.search('viewBox="(.*?)"', svg)[1].split())
    assert width / height == pytest.approx(16 / 9, rel=0.01)
    for each in ET.fromstring(svg).iter(f"{SVG}text"):
        length = len("".join(each.itertext())) * 0.6 * float(each.get("font-size"))
        start = float(each.get("x")) - (length / 2 if each.get("text-anchor") == "middle" else 0)
        assert left < start
        assert start + length < left + width + 0.1
        assert top < float(each.get("y")) < top + height
    assert [text for text, *_ in texts(svg)][:2] == ["A title", "N. N."]


def test_the_notes_figure_can_be_read_in_a_column_of_five_centimetres():
    """Numbers of 6 points, their factors of 4.2, and the sum of 4.8."""
    svg = figure("notes", "x22")
    em = 50 / 25.4 * 72.27 / float(re.search(r'viewBox="\S+ \S+ (\S+)', svg)[1])
    numbers = [size * em for text, _, _, size in texts(svg) if re.fullmatch(r"-?\d+", text)]
    assert min(numbers) > 6
    assert min(size * em for *_, size in texts(svg)) > 4.2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ending", [".svg", ".tex"])
def test_x_is_blue_w_orange_and_o_violet(theme, ending):
    made, palette = figure("notes", "x22", ending, theme=theme), PALETTES[theme]
    colour = '{}">' if ending == ".svg" else "{{{}}}$"
    name = "{}" if ending == ".svg" else "{}^{{}}_{{{}}}"
    for letter, of in (("x", "∂E/∂x22"), ("w", "w22"), ("o", "∂E/∂o11")):
        written = of if ending == ".svg" else name.format(of[:-2].replace("∂", r"\partial "), of[-2:])
        assert colour.format(palette[letter].lstrip("#" * (ending == ".tex"))) + written in made
    assert palette["paper"].lstrip("#" * (ending == ".tex")) in made


def test_each_element_has_a_file_of_its_own(tmp_path, capsys):
    notes = str(golden.SAMPLES / "notes.json")
    for names, files in ((["x22"], ["x.svg"]), (["x11", "x12", "x13"], ["x-1.svg", "x-2.svg", "x-3.svg"])):
        words = [word for name in names for word in ("--element", name)]
        folder = tmp_path / names[0]
        folder.mkdir()
        assert main(["backward", notes, *words, "--report", str(folder / "x.svg")]) == 0
        assert sorted(path.name for path in folder.iterdir()) == files
        told = " and ".join(str(folder / file) for file in files)
        assert f"{told} {'is' if len(files) == 1 else 'are'} saved" in capsys.readouterr().err
        for name, file in zip(names, files, strict=True):
            assert f"<title>∂E/∂{name} · X 3×3" in (folder / file).read_text(encoding="utf-8")


STILL = ("∂E/∂O, framed", "∗", "W rotated", "=", "∂E/∂X", "-9", "18")


def test_nothing_moves_from_one_step_to_the_next(tmp_path):
    """Grids and signs keep their places, although the sums have different lengths."""
    arrays, options = sample("notes")
    cnngrad.derive(*arrays, elements=["x11", "x12", "x13", "x22"], **options).save(str(tmp_path / "a.svg"))
    places = set()
    for number in range(1, 5):
        svg = (tmp_path / f"a-{number}.svg").read_text(encoding="utf-8")
        still = [
            each for each in texts(svg) if each[0] in ("∂E/∂O, framed", "∗", "W rotated", "=", "∂E/∂X", "-9", "18")
        ]
        places.add((svg[svg.index("viewBox") : svg.index("role")], *still))
    assert len(places) == 1
    assert len(still) == 7


def test_a_theme_of_a_latex_report_needs_an_element(tmp_path, capsys):
    notes, target = str(golden.SAMPLES / "notes.json"), str(tmp_path / "x.tex")
    assert main(["backward", notes, "--theme", "dark", "--report", target]) == 2
    assert "--theme needs a .svg report" in capsys.readouterr().err
    assert main(["backward", notes, "--theme", "dark", "--report", target, "--element", "x22"]) == 0
    assert r"\pagecolor[HTML]{121418}" in (tmp_path / "x.tex").read_text()


def test_a_derivation_gives_figures():
    arrays, options = sample("notes")
    made = cnngrad.derive(*arrays, **options).figure("x22")
    assert made._repr_svg_() == figure("notes", "x22")
    assert not hasattr(made, "_repr_markdown_")
    assert cnngrad.derive("3x3", "2x2").figure("o11")._repr_svg_().startswith("<svg")
    with pytest.raises(cnngrad.CnngradError, match="x belongs to backward"):
        cnngrad.derive("3x3", "2x2").figure("x11")


def test_a_lesson_stays_a_lesson(tmp_path):
    """Only elements are figures."""
    derivation = cnngrad.derive("3x3", "2x2", "2x2", sections=["dx", "dx-conv"])
    derivation.save(str(tmp_path / "a.svg"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert "Full-Conv" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    elements = cnngrad.derive("3x3", "2x2", "2x2", elements=["x22", "x11"])
    elements.save(str(tmp_path / "b.md"))
    assert (tmp_path / "b.md").read_text(encoding="utf-8").count("## ") == 2


def test_the_smallest_figure_is_20_ems_wide_between_its_margins_and_as_high_as_a_slide():
    svg = document(".svg", cnngrad.derive([[1]], [[1]], [[1]], elements=["w11"]))
    _, _, width, height = ET.fromstring(svg).get("viewBox").split()
    assert (width, float(height)) == ("20.40", pytest.approx(20.4 * 9 / 16, abs=0.01))
