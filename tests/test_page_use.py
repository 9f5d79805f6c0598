"""The page as it is used: without scripts, on paper, by keyboard and screen reader, still, offline; needs a browser."""

import base64
import http.server
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.browser import a_browser
from tests.test_page import SAMPLES, page

NOTES = next(path for path in SAMPLES if path.stem == "notes")


def written(tmp_path, path=NOTES):
    target = tmp_path / "page.html"
    target.write_text(page(path), encoding="utf-8")
    return target.as_uri()


@pytest.fixture(scope="module")
def browser():
    with a_browser() as driver:
        yield driver


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(browser, tmp_path, path, dark):
    axe = pytest.importorskip("axe_core_python", exc_type=ImportError)
    script = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": theme})
    browser.get(written(tmp_path, path) + "#dx-x22")
    # What lights up is looked at too.
    browser.execute_script(script)
    # Lessons are all of one kind, and axe takes long: it reads the notes' lesson, and every page above its lesson.
    browser.set_script_timeout(120)
    context = "document" if path == NOTES else "'#play'"
    found = browser.execute_async_script(f"axe.run({context}).then(arguments[0])")
    assert found["passes"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []


def test_it_can_be_read_with_scripts_switched_off(browser, tmp_path):
    address = written(tmp_path)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        text = browser.find_element("tag name", "body").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Without scripts this page shows the lesson" in text
    for words in ("∂E/∂W by the chain rule", "In an MLP", "4·(-1) + (-2)·3 + (-3)·2 + 5·1"):
        assert words in text
    assert "Play" not in text


def test_paper_has_the_pinned_picture_and_no_buttons(browser, tmp_path):
    browser.get(written(tmp_path) + "#dx-x22")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        # Nothing on paper can be scrolled.
        for panel in browser.find_elements("css selector", ".equation .body, #told"):
            assert panel.value_of_css_property("overflow") == "visible"
            assert panel.size["height"] > 60
        assert not browser.find_element("id", "play-steps").is_displayed()
        assert browser.find_element("id", "line").text.startswith("∂E/∂x22 = ")
        grid = browser.find_element("id", "grid-dx-do")
        lit = grid.find_elements("css selector", "td.made")
        assert len(lit) == 4
        # Browsers leave backgrounds out on paper unless they are asked for.
        assert lit[0].value_of_css_property("print-color-adjust") == "exact"
        made = browser.execute_cdp_cmd("Page.printToPDF", {})
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(made["data"]).startswith(b"%PDF")


def test_on_paper_small_equations_of_wide_grids_lie_below_each_other(browser, tmp_path):
    layer = {name: [[-0.1234] * size] * size for name, size in (("X", 5), ("W", 3), ("dEdO", 3))}
    (tmp_path / "wide.json").write_text(json.dumps(layer))
    browser.get(written(tmp_path, tmp_path / "wide.json"))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        beyond = browser.execute_script("""
          // Sizes stay those of the window.
          document.body.style.width = "718px";
          const right = (each) => each.getBoundingClientRect().right;
          return [...document.querySelectorAll(".sheet")].map((each) =>
            right(each) - right(each.closest(".equation")));
        """)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert max(beyond) <= 0


def test_on_paper_nothing_of_the_lesson_is_cut(browser, tmp_path):
    """A4 with margins of 1 cm is 718 pixels wide."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shape = {"width": 718, "height": 1047, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    try:
        for path in SAMPLES:
            browser.get(written(tmp_path, path))
            wide = browser.execute_script("""
              return [...document.querySelectorAll(".matrix, .sums, details math")].map((each) =>
                [each.getBoundingClientRect().right, each.textContent]).filter(([right]) => right > innerWidth);
            """)
            assert wide == [], path.stem
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_the_lesson_is_typeset_and_its_names_are_links(browser, tmp_path):
    browser.get(written(tmp_path))
    # No matrix is drawn in characters, and no name of a matrix or sum is left as text.
    assert not browser.find_elements("css selector", "details pre")
    left = browser.execute_script("""
      const texts = [...document.querySelectorAll(".sums tbody td")].map((each) => {
        const copy = each.cloneNode(true);
        for (const math of copy.querySelectorAll("math")) math.remove();
        return copy.textContent;
      });
      const tokens = [...document.querySelectorAll(".matrix mi, .matrix mn, .matrix mtext")];
      return [...texts, ...tokens.map((each) => each.textContent)].filter((text) => /[xwo]\\d|∂./.test(text));
    """)
    assert left == []
    matrices = browser.find_elements("css selector", ".matrix > math > mtable")
    assert len(matrices) > 20
    # Brackets are as high as the matrices between them.
    heights = browser.execute_script(
        """
      return arguments[0].map((each) => [each, each.previousSibling, each.nextSibling].map((part) =>
        part.getBoundingClientRect().height));
    """,
        matrices,
    )
    assert all(min(brackets) > 0.8 * matrix for matrix, *brackets in heights)
    # A name in a sum lights its cell above.
    link = browser.find_element("css selector", "#section-dx .sums a[href='#do-o12']")
    assert link.find_element("css selector", "mfrac").get_attribute("textContent") == "∂E∂o12"
    browser.execute_script("arguments[0].click()", link)
    assert browser.find_element("id", "line").text.startswith("∂E/∂o12 = -2 is used in ")


def test_no_line_of_a_sum_ends_within_a_product_or_touches_the_next(browser, tmp_path):
    channels = next(path for path in SAMPLES if path.stem == "channels")
    for width in (360, 1280):
        shape = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        browser.get(written(tmp_path, channels))
        broken, gaps = browser.execute_script("""
          const box = (each) => each.getBoundingClientRect();
          const products = [...document.querySelectorAll(".sums .product")];
          const linesOf = (each) => new Set([...each.getClientRects()].map(({ top }) => top)).size;
          const broken = products.filter((each) => linesOf(each) > 1);
          const gaps = [...document.querySelectorAll(".sums td")].flatMap((cell) => {
            const all = [...cell.querySelectorAll("math")].map(box);
            return all.flatMap((a) => all.filter((b) => b.top > a.top + 8 && b.left < a.right && b.right > a.left)
              .map((b) => b.top - a.bottom));
          });
          return [broken.length, gaps];
        """)
        assert broken == 0
        assert min(gaps) > 2
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_play_walks_all_cells_and_stops_at_the_end(browser, tmp_path):
    browser.get(written(tmp_path) + "#dw-w11")
    browser.execute_script("document.getElementById('speed').value = '300'")
    seen = browser.execute_async_script("""
      const done = arguments[0], seen = [], button = document.getElementById("play-steps");
      new MutationObserver(() => {
        const count = document.getElementById("count").textContent;
        if (seen.at(-1) !== count) seen.push(count);
        if (button.textContent === "Play") setTimeout(() => done(seen), 800);
      }).observe(document.getElementById("play"), { childList: true, subtree: true });
      button.click();
    """)
    assert seen == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]
    line, count = browser.find_element("id", "line"), browser.find_element("id", "count")
    assert line.text.startswith("∂E/∂w22 = ")
    assert not browser.find_element("id", "forward").is_enabled()
    browser.find_element("id", "back").click()
    assert count.text == "3 of 4"
    assert line.text.startswith("∂E/∂w21 = ")
    # Play begins again behind the end; Reset stops it.
    browser.find_element("id", "play-steps").click()
    browser.find_element("id", "reset").click()
    assert browser.find_element("id", "play-steps").text == "Play"
    assert count.text == "– of 4"
    slider = browser.find_element("id", "step")
    assert slider.get_attribute("max") == "3"
    browser.execute_script("arguments[0].value = 1; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert line.text.startswith("∂E/∂w12 = ")
    assert slider.get_attribute("aria-valuetext") == "∂E/∂w12"
    assert browser.current_url.endswith("#dw-w12")


def test_it_stands_still_for_those_who_ask_for_less_motion(tmp_path):
    with a_browser(1300, 1200, "--force-prefers-reduced-motion") as driver:
        driver.get(written(tmp_path))
        assert not driver.find_element("id", "play-steps").is_displayed()
        forward = driver.find_element("id", "forward")
        forward.click()
        forward.click()
        assert driver.find_element("id", "line").text.startswith("∂E/∂x12 = ")


# For the cell that the mouse points at, and for the next one, which is scrolled into view: its name and middle, the
# cell at that place of the window, whether it is chosen or says which zero it is, and where all grids are.
CELLS = """
const cells = document.querySelectorAll("#stage td:not(.corner)"), box = (each) => each.getBoundingClientRect();
const name = (each) => each && `${each.grid.id} ${each.r} ${each.c}`;
const seen = (cell) => {
  if (!cell) return null;
  const { left, top, width, height } = box(cell), [x, y] = [left + width / 2, top + height / 2];
  const under = document.elementFromPoint(x, y)?.closest("#stage td:not(.corner)");
  const isTold = cell.classList.contains("chosen") || document.getElementById("why").textContent.includes("A zero ");
  const all = [...document.querySelectorAll("table.grid, #said")];
  const places = all.map((each) => [box(each).left, box(each).top].join());
  return { x, y, name: name(cell), under: name(under), isTold, places: places.join(" ") };
};
const [k, last] = arguments, pointed = seen(cells[last]);
cells[k]?.scrollIntoView({ block: "nearest", inline: "nearest" });
return [pointed, seen(cells[k]), cells.length];
"""


def walk(driver, turn):
    """Points with the mouse at cells, one after another: each is found and nothing moves.

    With many cells, each turn tries every second or third; three turns try all.
    """
    _, before, count = driver.execute_script(CELLS, turn, -1)
    number, step = turn, min(3, 1 + count // 150)
    while before:
        assert before["under"] == before["name"], "another cell lies there"
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": before["x"], "y": before["y"]})
        after, coming, _ = driver.execute_script(CELLS, number + step, number)
        assert after["under"] == before["name"]
        assert after["isTold"], f"{after['name']} is not chosen"
        assert after["places"] == before["places"], f"{after['name']} moves what stands there"
        before, number = coming, number + step
    return count


SIZES = [(1280, 800), (1024, 768), (360, 740)]


@pytest.fixture
def sized(browser, request):
    width, height = request.param
    shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.whole
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("sized", SIZES, ids=str, indirect=True)
def test_the_mouse_finds_every_cell_and_moves_none(sized, tmp_path, path, request):
    sized.get(written(tmp_path, path))
    assert walk(sized, SIZES.index(request.node.callspec.params["sized"])) > 40


@pytest.mark.parametrize("sized", SIZES, ids=str, indirect=True)
def test_the_result_what_it_is_made_of_and_the_sum_are_in_sight_together(sized, tmp_path):
    for path in SAMPLES:
        sized.get(written(tmp_path, path))
        sized.execute_script("document.querySelector('.equation.large').scrollIntoView()")
        high, wide, body, said, fonts = sized.execute_script("""
          const body = document.querySelector(".large .body"), said = document.getElementById("said");
          return [innerHeight, document.documentElement.clientWidth, [body.scrollWidth - body.clientWidth,
            body.scrollHeight - body.clientHeight], said.getBoundingClientRect().bottom,
            [...body.querySelectorAll("table")].map((each) => parseFloat(getComputedStyle(each).fontSize))];
        """)
        assert body == [0, 0], f"the equation of {path.stem} is cut"
        # In a narrow window the end of long sums may be below.
        assert said <= high or wide < 400
        assert min(fonts) >= {1280: 18, 1024: 16}.get(wide + 15, 11)


def test_the_sum_makes_room_for_an_equation_that_would_be_cut(browser, tmp_path):
    # A real layer, whose sums of 54 products take eleven lines, on a projector beside a browser's own bars.
    arrays = {key: np.load(NOTES.parent / "digits" / f"{key}.npy")[:6].tolist() for key in ("X", "W", "dEdO")}
    (tmp_path / "digits.json").write_text(json.dumps(arrays | {"padding": 1}))
    shape = {"width": 1280, "height": 660, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    browser.get(written(tmp_path, tmp_path / "digits.json"))
    grids, body, said = browser.execute_script("""
      const edges = (each) => [each.getBoundingClientRect().top, each.getBoundingClientRect().bottom];
      return [[...document.querySelectorAll(".large .sheet")].map(edges),
        ...[".large .body", "#said"].map((each) => edges(document.querySelector(each)))];
    """)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(grids) == 3
    assert all(body[0] <= top and bottom <= body[1] for top, bottom in grids)
    assert body[1] <= said[0] < said[1] <= 660


PARTS = """
const inside = (part, whole) => part.left >= whole.left && part.right <= whole.right + 1
  && part.top >= whole.top && part.bottom <= whole.bottom + 1;
const rect = (each) => each.getBoundingClientRect();
const lit = [...document.querySelectorAll(".large td:is(.made, .chosen)")];
return [[...document.querySelectorAll(".large table")].map((each) => parseFloat(getComputedStyle(each).fontSize)),
  document.querySelectorAll(".cut.large").length,
  [...document.querySelectorAll(".large caption")].map((each) => each.dataset.part),
  lit.length, lit.filter((each) => !inside(rect(each), rect(each.closest(".sheet")))).length,
  [...document.querySelectorAll(".large .sheet")].map((each) => [each.scrollLeft, each.scrollTop])];
"""


@pytest.mark.parametrize("sized", [(1280, 720), pytest.param((1024, 625), marks=pytest.mark.whole)], indirect=True)
def test_of_large_grids_the_part_around_the_chosen_cell_is_shown_rather_than_small_numbers(sized, tmp_path):
    arrays = {key: np.load(NOTES.parent / "digits" / f"{key}.npy")[:6].tolist() for key in ("X", "W", "dEdO")}
    (tmp_path / "digits.json").write_text(json.dumps(arrays | {"padding": 1}))
    address = written(tmp_path, tmp_path / "digits.json")
    for element in ("dx-x[1,1]11", "dx-x[6,1]88"):
        sized.get("about:blank")
        sized.get(f"{address}#{element}")
        fonts, cut, parts, lit, hidden, _ = sized.execute_script(PARTS)
        assert min(fonts) >= 16
        assert (min(fonts) >= 18) == (sized.execute_script("return innerWidth") >= 1200)
        assert (cut, lit, hidden) == (0, 9, 0)
        assert parts[0].endswith(" of 12×12 cells")
    # A cell that is pointed at stays, and the window comes to it.
    sized.find_element("id", "held").click()
    cell = sized.execute_script("""
      const { left, top } = document.querySelector("#grid-dx-result").parentNode.getBoundingClientRect();
      return [left + 18 + 20, top + 44 + 18 + 10];
    """)
    before = sized.execute_script(PARTS)[-1]
    sized.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": cell[0], "y": cell[1]})
    *_, lit, hidden, after = sized.execute_script(PARTS)
    assert (lit > 0, hidden) == (True, 0)
    assert before[-1] == after[-1]
    assert before[0] != after[0]


@pytest.mark.parametrize("sized", [(360, 640), (1280, 720)], ids=str, indirect=True)
def test_a_part_of_a_grid_says_how_many_rows_and_columns_are_in_sight(sized, tmp_path):
    rng = np.random.default_rng(4)
    decimals = {"X": rng.normal(size=(6, 6)), "W": rng.normal(size=(3, 3)), "dEdO": rng.normal(size=(6, 6)) / 100}
    integers = {"X": rng.integers(99, size=(12, 12)), "W": np.ones((3, 3), int), "dEdO": np.ones((12, 12), int)}
    said = []
    for layer in (decimals, integers):
        arrays = {key: array.tolist() for key, array in layer.items()}
        (tmp_path / "large.json").write_text(json.dumps(arrays | {"padding": 1}))
        sized.get(written(tmp_path, tmp_path / "large.json"))
        parts = sized.execute_script("""
          return [...document.querySelectorAll(".large .sheet")].map((sheet) => {
            sheet.scrollTo(0, 0);
            const { right, bottom } = sheet.getBoundingClientRect();
            const edges = [...sheet.querySelectorAll("td:not(.corner)")].map((cell) => cell.getBoundingClientRect());
            const rows = new Set(edges.filter((each) => each.bottom < bottom + 1).map((each) => each.top));
            const columns = new Set(edges.filter((each) => each.right < right + 1).map((each) => each.left));
            return [sheet.querySelector("caption").dataset.part, `${rows.size}×${columns.size}`];
          });
        """)
        assert all(part.split(" of ")[0] in ("", seen) for part, seen in parts), parts
        said += [part for part, _ in parts]
    assert any(said)


def test_a_sum_has_no_more_products_than_its_place(browser, tmp_path):
    layer = {"X": [[1] * 12] * 12, "W": [[1] * 3] * 3, "dEdO": [[1] * 12] * 12, "padding": 1}
    (tmp_path / "large.json").write_text(json.dumps(layer))
    for size in ((1280, 800), (1280, 660), (1024, 768), (360, 640)):
        shape = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        browser.get("about:blank")
        browser.get(written(tmp_path, tmp_path / "large.json") + "#dx-x6,6")
        told = browser.find_element("id", "told")
        assert told.get_property("scrollHeight") <= told.get_property("clientHeight"), size
        assert told.text.splitlines()[-2].endswith(" = 9")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_window_lies_on_the_cell_of_a_grid_that_is_narrower_than_its_caption(browser, tmp_path):
    (tmp_path / "one.json").write_text('{"X": [[3]], "W": [[2]], "dEdO": [[5]]}')
    browser.get(written(tmp_path, tmp_path / "one.json") + "#dx-x11")
    window, cell = (browser.find_element("css selector", f".large {part}").rect for part in (".window", "td.made"))
    assert all(abs(window[side] - cell[side]) < 4 for side in ("x", "y", "width", "height"))
    # Its caption does not lie on the next one.
    edges = browser.execute_script("""
      return [...document.querySelectorAll(".large caption")].flatMap((each) => {
        const range = document.createRange();
        range.selectNodeContents(each);
        return [range.getBoundingClientRect().left, range.getBoundingClientRect().right];
      });
    """)
    assert edges == sorted(edges)


@pytest.mark.parametrize("size", [4, 23], ids=["few", "many"])
def test_a_number_of_another_sample_fits_its_cell(browser, tmp_path, size):
    x = np.ones((2, 1, size, size), int)
    x[1] = -12345
    layer = {"X": x.tolist(), "W": [[[[1]]]], "dEdO": x.tolist()}
    (tmp_path / "samples.json").write_text(json.dumps(layer))
    browser.get("about:blank")
    browser.get(written(tmp_path, tmp_path / "samples.json") + "#dx-x[2,1]" + ("11" if size < 10 else "1,1"))
    cells = browser.execute_script("""
      return [...document.querySelectorAll("#grid-dx-result td:not(.corner)")].map((cell) => {
        const [inner, outer] = [cell.firstChild, cell].map((each) => each.getBoundingClientRect());
        return [cell.textContent, inner.left >= outer.left && inner.right <= outer.right];
      });
    """)
    assert set(map(tuple, cells)) == {("-12345", True)}


def test_four_small_grids_of_an_equation_are_not_cut(browser, tmp_path):
    x, w, dedo = [[[-20] * 7] * 7], [[[[-20] * 3] * 3]] * 2, [[[20] * 5] * 5] * 2
    (tmp_path / "four.json").write_text(json.dumps({"X": x, "W": w, "b": [1, 2], "dEdO": dedo}))
    for path in (*SAMPLES, tmp_path / "four.json"):
        browser.get(written(tmp_path, path))
        assert not browser.find_elements("css selector", ".equation.cut"), path.stem


def test_a_name_in_the_sum_points_at_its_cells_and_a_click_lights_them(browser, tmp_path):
    browser.get(written(tmp_path) + "#dx-x22")
    link = browser.find_element("css selector", "#line a[href='#do-o12']")
    for kind, names in (("mouseover", {"∂E/∂o12"}), ("mouseout", set()), ("mouseover", {"∂E/∂o12"})):
        browser.execute_script(
            "arguments[0].dispatchEvent(new MouseEvent(arguments[1], { bubbles: true }))", link, kind
        )
        pointed = browser.find_elements("css selector", "td.pointed")
        assert {cell.get_attribute("aria-label").split()[0] for cell in pointed} == names
    link.click()
    assert browser.find_element("id", "line").text.startswith("∂E/∂o12 = -2 is used in ")
    chosen = browser.find_elements("css selector", "td.chosen")
    assert {cell.get_attribute("aria-label").split()[0] for cell in chosen} == {"∂E/∂o12"}


def test_a_name_in_the_sum_is_a_link_to_what_was_held_before_the_layer_was_changed(browser, tmp_path):
    for change in ("way", "stride-0"):
        browser.get("about:blank")
        browser.get(written(tmp_path) + "#dw-w11")
        browser.execute_script(
            """
          document.getElementById(arguments[0]).dispatchEvent(new Event("change", { bubbles: true }));
          const cell = document.querySelector("#grid-o-x td:not(.corner)");
          cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
        """,
            change,
        )
        browser.find_element("css selector", "#line a[href='#dw-w11']").click()
        assert browser.find_element("id", "held").is_displayed()
        assert browser.find_element("id", "line").text.startswith("∂E/∂w11 = ")


def test_the_two_cells_of_a_product_and_its_term_in_the_sum_have_one_colour(browser, tmp_path):
    browser.get(written(tmp_path) + "#dx-x22")

    def colours(which, kind):
        values = [each.value_of_css_property(kind) for each in browser.find_elements("css selector", which)]
        return [re.findall(r"\d+, \d+, \d+", value)[0] for value in values]

    terms = colours("#line .shaded", "background-color")
    assert len(set(terms)) == 4
    assert colours("#grid-dx-do td.made", "background-image") == terms
    assert sorted(colours("#grid-dx-w td.made", "background-image")) == sorted(terms)


def test_an_element_of_several_products_has_the_colour_of_each(browser, tmp_path):
    """Where X is reflected, an x meets an output under several elements of W."""
    reflected = next(path for path in SAMPLES if path.stem == "reflect")
    browser.get("about:blank")
    browser.get(written(tmp_path, reflected) + "#dx-x11")
    terms = browser.execute_script("""
      return [...document.querySelectorAll("#line .shaded")].map((each) =>
        [each.textContent.split("·"), getComputedStyle(each).backgroundColor]);
    """)
    cells = browser.execute_script("""
      return [...document.querySelectorAll(".large td.made")].map((each) =>
        [each.ariaLabel.split(" ")[0], getComputedStyle(each).backgroundImage]);
    """)
    assert len({colour for _, colour in terms}) == len(terms) == 4
    for name, stripes in cells:
        own = [colour for factors, colour in terms if name in factors]
        assert [colour for colour in dict.fromkeys(re.findall(r"rgb\([^)]*\)", stripes))] == own, name
    assert {name for name, _ in cells} == {name for factors, _ in terms for name in factors}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_values_by_colour_tell_each_number_from_the_next(browser, tmp_path, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(written(tmp_path) + "#o-o11")
    legend = browser.find_element("id", "legend")
    assert legend.value_of_css_property("visibility") == "hidden"
    browser.find_element("id", "names").click()
    texts = "return [...document.querySelectorAll('#grid-o-x span')].map((each) => each.getBoundingClientRect().y)"
    places = browser.execute_script(texts)
    browser.find_element("id", "colours").click()
    # The stripe of a pair leaves the names where they are: no number of the window lies on them.
    assert browser.execute_script(texts) == places
    assert legend.value_of_css_property("visibility") == "visible"
    cells = browser.find_elements("css selector", "#grid-o-x td.heat")
    assert len({cell.value_of_css_property("background-color") for cell in cells}) == 9
    made = browser.find_elements("css selector", "#grid-o-x td.made")
    assert len({cell.value_of_css_property("background-image") for cell in made}) == 4


def test_a_page_that_one_comes_back_to_shows_in_its_controls_what_it_shows(browser, tmp_path):
    address = written(tmp_path)
    browser.get(address)
    controls = """
      const [size, ...boxes] = ["size-0", "names", "colours", "ask", "way"].map((id) => document.getElementById(id));
      return [size.value, ...boxes.map((each) => each.type === "checkbox" ? each.checked : each.value)];
    """
    before = browser.execute_script(controls)
    browser.execute_script("""
      for (const id of ["names", "colours"]) document.getElementById(id).click();
      for (const [id, value] of [["size-0", 5], ["ask", "dw"], ["way", "scatter"]]) {
        const field = document.getElementById(id);
        field.value = value;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
    """)
    (tmp_path / "other.html").write_text("<title>another page</title>")
    browser.get((tmp_path / "other.html").as_uri())
    browser.back()
    assert browser.execute_script(controls) == before
    assert len(browser.find_elements("css selector", "#grid-o-x td:not(.corner)")) == 9


def test_what_is_refused_moves_no_grid(browser, tmp_path):
    browser.get(written(tmp_path))
    place = "const { x, y } = document.getElementById('grid-dx-result').getBoundingClientRect(); return [x, y]"
    before = browser.execute_script(place)
    field = browser.find_element("id", "kernel-0")
    field.clear()
    field.send_keys("13\t")
    assert browser.find_element("id", "note").text == "W rows: a whole number from 1 to 12"
    assert browser.execute_script(place) == before


def test_nothing_is_requested_and_it_opens_within_a_second(tmp_path):
    asked = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(403)

        do_CONNECT = do_POST = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    try:
        address = f"--proxy-server=127.0.0.1:{proxy.server_port}"
        with a_browser(1300, 1200, address, "--proxy-bypass-list=<-loopback>", *quiet) as driver:
            for path in SAMPLES:
                # One success in three tries is enough: other programs take time, too.
                for _ in range(3):
                    driver.get(written(tmp_path, path))
                    entry = "performance.getEntriesByType('navigation')[0]"
                    took = driver.execute_script(f"return {entry}.loadEventEnd")
                    if took < 1000:
                        break
                assert took < 1000
                requests = driver.execute_script("return performance.getEntriesByType('resource').length")
                assert requests == 0
            # The browser asks for things of its own; the page's own addresses would be seen here.
            assert [each for each in asked if "google" not in each and "gvt1" not in each] == []
    finally:
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.parametrize("size", [(360, 740), (1600, 1000)], ids=["phone", "wide"])
def test_it_is_no_wider_than_the_window(browser, tmp_path, size):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500},
    )
    try:
        for path in SAMPLES:
            browser.get(written(tmp_path, path))
            assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_keyboard_walk_says_what_lights_up(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    browser.get(written(tmp_path))
    # One tab stop a grid.
    assert len(browser.find_elements("css selector", "table.grid [tabindex='0']")) == 9
    live = browser.find_element("id", "line")
    assert live.get_attribute("aria-live") == "polite"
    for grid, walk, name in (
        ("o-x", [Keys.ARROW_RIGHT], "x12 = 2 is used in o11, o12, ∂E/∂w11, ∂E/∂w12"),
        ("dw-result", [Keys.ARROW_DOWN, Keys.END], "∂E/∂w22 = ∂E/∂o11·∂o11/∂w22"),
        ("dx-do", [Keys.HOME], ""),
    ):
        table = browser.find_element("id", f"grid-{grid}")
        browser.execute_script("arguments[0].focus()", table.find_element("css selector", "td[tabindex='0']"))
        browser.switch_to.active_element.send_keys(*walk)
        assert live.text.startswith(name)
    assert "frame" in browser.find_element("id", "why").text
    # With Alt, an arrow goes back in the browser's history.
    taken = """
      const [altKey] = arguments, key = "ArrowLeft", bubbles = true, cancelable = true;
      const event = new KeyboardEvent("keydown", { key, altKey, bubbles, cancelable });
      return !document.activeElement.dispatchEvent(event);
    """
    assert [browser.execute_script(taken, alt) for alt in (False, True)] == [True, False]
