"""The page: what is in the file, and, where there are Chromium and Selenium, what it does."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.derivation.blocks import Derivative, Letter, Sum
from cnngrad.exercises import exercises
from cnngrad.files.problem import Reader
from cnngrad.layer import make_layer
from cnngrad.layer.expansion import Expander
from cnngrad.layer.names import canonical_values
from cnngrad.render.documents import document
from cnngrad.render.maths import mathml
from cnngrad.tensor import Tensor
from tests.browser import a_browser
from tests.cases import SMALL

SAMPLES = sorted(path for path in (Path(__file__).parents[1] / "samples").glob("*.json") if path.stem != "chain-1")
NOTES = next(path for path in SAMPLES if path.stem == "notes")


def problem(path):
    content = json.loads(path.read_text())
    arrays = (content.pop("X"), content.pop("W"), content.pop("dEdO"))
    return arrays, content


def page(path):
    arrays, options = problem(path)
    return document(".html", cnngrad.derive(*arrays, limit=4, **options))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_page_is_one_small_file_that_loads_nothing(path):
    text = page(path)
    assert len(text.encode()) < (100_000 if path.stem == "notes" else 200_000)
    assert not re.search(r"https?:|src=|@import|url\(|\beval\b|new Function|innerHTML|document\.write", text)
    assert text.count("<details") == (9 if "b" in json.loads(path.read_text()) else 8)


def test_a_real_layer_has_all_its_numbers_in_a_page_of_300_kilobytes():
    digits = NOTES.parent / "digits"
    x, w, b, dedo = (np.load(digits / f"{name}.npy") for name in ("X", "W", "b", "dEdO"))
    text = document(".html", cnngrad.derive(x, w, dedo, b=b, padding=1, limit=4))
    assert len(text.encode()) < 300_000
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    numbers = np.frombuffer(base64.b64decode(data["values"]["do"]["f4"]), "<f4")
    np.testing.assert_array_equal(numbers, dedo.ravel())


def test_the_policy_allows_this_script_and_this_style_alone():
    text = page(NOTES)
    for tag, content in re.findall(r"<(script|style)>(.*?)</\1>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert not re.search(r"<[^>]* (on\w+|style)=", text)


def test_a_pages_script_has_at_most_1100_lines_of_100_characters():
    lines = re.search("<script>(.*?)</script>", page(NOTES), re.DOTALL)[1].splitlines()
    assert len(lines) <= 1100
    assert max(map(len, lines)) <= 100


def test_sums_with_partial_derivatives_of_o_are_headed_as_the_chain_rule():
    tables = re.findall(r'<table class="sums">.*?</table>', page(NOTES), re.DOTALL)
    chained = ["sum by the chain rule" in table for table in tables]
    assert chained == [bool(re.search(r"∂o[^E ]*/∂", table)) for table in tables]
    assert {*chained} == {True, False}


def test_what_a_title_holds_stays_text():
    hostile = "</script><script>alert(1)</script> & \"'<b>"
    derivation = cnngrad.derive("3x3", "2x2", "2x2")
    from cnngrad.render.style import Style

    text = document(".html", derivation, Style(title=hostile, author=hostile))
    assert text.count("<script") == 2
    assert "<b>" not in text


def test_a_layer_that_is_too_large_for_a_page_is_an_error():
    with pytest.raises(cnngrad.CnngradError, match="more than 60000 elements: a page would be too large"):
        document(".html", cnngrad.derive("300x300", "3x3", "298x298", limit=4))


def test_formulas_are_mathml(whole):
    """Every formula of every layer of the tests can be written, and reads as its plain text does."""
    from xml.etree import ElementTree

    for case in [*SMALL.values()][:: 1 if whole else 3]:
        x, w, b, dedo = case.data()
        options = {**case.options, "b": b} if case.bias else case.options
        text = document(".html", cnngrad.derive(x, w, dedo, limit=4, **options))
        assert text.count("<math display") >= 3
        for found in re.findall(r"<math.*?</math>", text):
            ElementTree.fromstring(found.replace("&#160;", " "))
    x = Letter("x", ("n", "c'"), ("2·i + 1",))
    shown = mathml(Derivative(Letter("w", (), ("u",))), " = ", Sum((x,), (("i",),)))
    assert re.sub("<[^>]*>", "", shown) == "∂E∂wu=∑ix2i+1[n,c′]"


def test_a_notebook_shows_the_page_in_a_frame():
    shown = cnngrad.derive("3x3", "2x2", "2x2").page()._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html')


def test_open_opens_it(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("webbrowser.open", seen.append)
    words = ["backward", str(NOTES), "--json", "--open"]
    assert main([*words, "--report", str(tmp_path / "a page.html")]) == 0
    assert seen == [(tmp_path / "a page.html").as_uri()]
    assert main([*words, "--report", str(tmp_path / "a.md")]) == 2
    assert "--open needs a .html report" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser():
    with a_browser() as driver:
        yield driver


@pytest.fixture
def opened(browser, tmp_path):
    def opened(path, fragment=""):
        target = tmp_path / "page.html"
        target.write_text(page(path), encoding="utf-8")
        browser.get("about:blank")
        browser.get(target.as_uri() + fragment)
        return browser

    yield opened
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


# The grids of a page by their tensor: the results, and each other array in its first equation.
GRIDS = {"o": "o-result", "dw": "dw-result", "dx": "dx-result", "db": "db-result", "x": "o-x", "w": "o-w", "b": "o-b"}

# Points at every cell of a grid, one after another; says its name, the line, and which names are lit in which way.
POINT = """
document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
const tables = [...document.querySelectorAll("table.grid")], table = document.getElementById("grid-" + arguments[0]);
const name = (cell) => (cell.getAttribute("aria-label") || "").split(" ")[0], line = document.getElementById("line");
return [...table.querySelectorAll("td:not(.corner)")].map((cell) => {
  cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
  const fold = line.querySelector(".fold");
  if (fold && fold.textContent.endsWith("show")) fold.click();
  const of = (kind) => tables.flatMap((t) => [...t.querySelectorAll("td." + kind)].map(name));
  return [name(cell), line.textContent, of("made"), of("feeds")];
});
"""


def pointed(driver, tensor):
    return driver.execute_script(POINT, GRIDS.get(tensor, tensor))


def cells_of(driver, grid, which="td:not(.corner)"):
    return driver.find_elements("css selector", f"#grid-{GRIDS.get(grid, grid)} {which}")


def waited_for(driver, found):
    """What is found on a page, once it is there: a busy machine may be late."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(driver, 10, 0.05).until(found)


def point_at(driver, cell):
    driver.execute_script("arguments[0].dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))", cell)


def expected(path):
    """The terms of every element by its name, as the expansions have them, and its value."""
    arrays, options = problem(path)
    b = options.pop("b", None)
    grads = cnngrad.backward(*arrays, **options)
    values = {
        Tensor.X: arrays[0],
        Tensor.W: arrays[1],
        Tensor.DEDO: arrays[2],
        Tensor.DW: grads.dw,
        Tensor.DX: grads.dx,
    }
    values[Tensor.O] = cnngrad.forward(*arrays[:2], b=b, **options)
    if b is not None:
        values[Tensor.B] = b
    layer = cnngrad.derive(*arrays, b=b, **options).source.layer
    expander = Expander(layer, canonical_values(layer, {t: np.array(a) for t, a in values.items()}))
    found = {}
    for tensor in (Tensor.O, Tensor.DW, Tensor.DX):
        for index in np.ndindex(layer.canonical[tensor]):
            expansion = expander.expand(tensor, index)
            found[str(expansion.target)] = (
                [[str(f) for f in term.factors] for term in expansion.terms],
                expansion.value,
            )
    return found


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_cell_lights_what_its_sum_has(opened, path):
    driver, sums = opened(path), expected(path)
    for grid in ("o", "dw", "dx"):
        seen = pointed(driver, grid)
        assert seen
        for name, line, made, _ in seen:
            terms, value = sums[name]
            written = f"{name} = " + (" + ".join("·".join(term) for term in terms) or "0")
            if grid == "o" or not terms:
                assert line.startswith(written)
            else:
                # The chain rule stands in front: each output once, in the products' order.
                chain = list(dict.fromkeys(next(f for f in term if f.startswith("∂E/∂o")) for term in terms))
                of, by = (text.replace("∂E/∂", "") for text in (" ".join(chain), name))
                products = [f"{each}·∂{o}/∂{by}" for each, o in zip(chain, of.split(), strict=True)]
                assert line.startswith(f"{name} = {' + '.join(products)}{written}")
            if terms:
                assert line.endswith(f"= {value}")
            # With several samples, channels or filters, only those that the tabs choose are visible.
            assert set(made) <= {factor for term in terms for factor in term}
            assert made or not terms or "[" in name


def test_an_input_lights_all_its_readers(opened):
    driver, sums = opened(NOTES), expected(NOTES)
    for name, line, _, feeds in pointed(driver, "x"):
        readers = {target for target, (terms, _) in sums.items() if any(name in term for term in terms)}
        assert set(feeds) == readers
        assert line.startswith(f"{name} = ")


def typed(rng):
    """A number as people type it."""
    number = int(rng.integers(-99, 100))
    return rng.choice(
        [f"{number}", f"{number / 8}", f"{number / 8}".replace(".", ","), f"{number}e-1", f"+{abs(number)}"]
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_changed_numbers_change_all_results_and_are_copied(opened, tmp_path, path):
    from selenium.webdriver.common.keys import Keys

    rng = np.random.default_rng()
    print("the state to repeat it with:", rng.bit_generator.state)
    driver = opened(path)
    for grid in ("x", "w", "do"):
        cells = cells_of(driver, "dx-do" if grid == "do" else grid, "td:not(.zero):not(.corner)")
        for cell in rng.choice(cells, 2):
            driver.execute_script("arguments[0].focus()", cell)
            driver.switch_to.active_element.send_keys(Keys.F2)
            text = typed(rng)
            driver.switch_to.active_element.send_keys(text, Keys.ENTER)
            assert float(cell.get_attribute("aria-label").split()[1]) == pytest.approx(float(text.replace(",", ".")))
    driver.find_element("id", "copy").click()
    (tmp_path / "copied.json").write_text(driver.find_element("id", "why").text)
    # The clipboard answers later.
    told = ("Copied", "Copy below")
    waited_for(driver, lambda _: driver.find_element("id", "copy").text in told)
    copied = Reader(bytes).problem(str(tmp_path / "copied.json"))
    layer = copied.layer()
    given = copied.operands(layer)
    x, w, dedo = (given[tensor].array for tensor in (Tensor.X, Tensor.W, Tensor.DEDO))
    b = given[Tensor.B].array if Tensor.B in given else None
    grads = cnngrad.backward(x, w, dedo, **layer.options)
    for grid, right in (("dx", grads.dx), ("dw", grads.dw), ("o", cnngrad.forward(x, w, b=b, **layer.options))):
        shown = [line.rpartition("= ")[2] for _, line, _, _ in pointed(driver, grid)]
        seen = np.ravel(right) if len(shown) == np.size(right) else np.reshape(right, (-1, len(shown)))[0]
        np.testing.assert_allclose([float(text) for text in shown], seen, rtol=1e-5, atol=1e-12)
    driver.find_element("id", "reset").click()
    assert not driver.find_element("id", "changed").is_displayed()
    # Elements may stand in the padding too.
    seen = {name: line.rpartition("= ")[2] for name, line, _, _ in pointed(driver, "x") if line}
    arrays, _ = problem(path)
    first = [float(seen[name].split(" is used")[0]) for name in sorted(seen)]
    assert first == pytest.approx(np.ravel(arrays[0]).tolist()[: len(first)])


def test_integers_are_exact_however_large(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    x, w, dedo = [[2**54 + 1, -3], [4, 2**53 + 1]], [[257]], [[1, 2], [3, 5]]
    target = tmp_path / "page.html"
    target.write_text(document(".html", cnngrad.derive(x, w, dedo)), encoding="utf-8")
    browser.get(target.as_uri())
    seen = pointed(browser, "o")
    assert [line.rpartition("= ")[2] for _, line, _, _ in seen] == [str(257 * n) for row in x for n in row]
    assert pointed(browser, "dw")[0][1].endswith(f"= {2**54 + 1 - 6 + 12 + 5 * (2**53 + 1)}")
    cell = cells_of(browser, "x")[1]
    browser.execute_script("arguments[0].focus()", cell)
    browser.switch_to.active_element.send_keys(Keys.F2)
    browser.switch_to.active_element.send_keys(str(2**62 - 1), Keys.ENTER)
    browser.find_element("id", "copy").click()
    copied = json.loads(browser.find_element("id", "why").text)
    assert copied["X"] == [[2**54 + 1, 2**62 - 1], [4, 2**53 + 1]]
    assert pointed(browser, "o")[1][1].endswith(f"= {257 * (2**62 - 1)}")


def test_an_output_that_is_too_large_is_infinite(browser, tmp_path):
    target = tmp_path / "page.html"
    problem = tmp_path / "problem.json"
    problem.write_text('{"X": [[1e200]], "W": [[-1e200]], "dEdO": [[1e-200]]}')
    assert main(["backward", str(problem), "--json", "--report", str(target)]) == 0
    browser.get(target.as_uri())
    assert pointed(browser, "o")[0][1].endswith("= -inf")
    assert pointed(browser, "dx")[0][1].endswith("= -1")


@pytest.mark.parametrize("fragment", ["#%", "#toString-x", "#x-", "#dx-x99", "#b-b", "#__proto__-1", "#dx", "#%F0%9F"])
def test_whatever_the_address_holds_the_page_opens(opened, fragment):
    driver = opened(NOTES, fragment)
    assert driver.find_element("id", "play").is_displayed()
    assert len(driver.find_elements("css selector", "table.grid")) == 9
    assert driver.find_element("id", "line").text == ""


def test_an_address_shows_the_depth_channel_and_sample_of_its_element(browser, tmp_path):
    x, w = np.arange(2 * 2 * 3 * 4 * 4).reshape(2, 2, 3, 4, 4) % 7, np.arange(2 * 2 * 8).reshape(2, 2, 2, 2, 2) % 5
    derivation = cnngrad.derive(x, w, cnngrad.forward(x, w) % 3, limit=4)
    target = tmp_path / "page.html"
    target.write_text(document(".html", derivation), encoding="utf-8")
    for name in ("[2,1]322", "[1,2]222", "[2,2]144"):
        browser.get("about:blank")
        browser.get(f"{target.as_uri()}#dx-x{name}")
        (chosen,) = waited_for(browser, lambda _: cells_of(browser, "dx", "td.chosen"))
        assert chosen.get_attribute("aria-label").startswith(f"∂E/∂x{name} ")
    # What lights up in others is marked.
    marked = {
        (select.get_attribute("name"), option.text.rstrip(" •"))
        for select in browser.find_elements("css selector", "#leads select")
        for option in select.find_elements("css selector", "option")
        if "•" in option.text
    }
    assert {("f", "1"), ("f", "2"), ("n", "2"), ("c", "2")} <= marked
    assert ("n", "1") not in marked
    assert "• marks each sample" in browser.find_element("class name", "help").text
    # Pointing shows the depths of what lights up, too; what is pointed at stays so in another sample or depth.
    browser.get("about:blank")
    browser.get(target.as_uri())
    line, count = browser.find_element("id", "line"), browser.find_element("id", "count")
    point_at(browser, cells_of(browser, "dx")[5])
    for key, name, position in ((None, "[1,1]122", 6), ("n", "[2,1]122", 102), ("dx-result", "[2,1]322", 134)):
        if key:
            select = browser.find_element("css selector", f"[name={key}]")
            browser.execute_script(CHANGE, select, 1 if key == "n" else 2)
        assert line.text.startswith(f"∂E/∂x{name} = ")
        assert count.text == f"{position} of 192"
        (chosen,) = cells_of(browser, "dx", "td.chosen")
        assert chosen.get_attribute("aria-label").startswith(f"∂E/∂x{name} ")
        assert cells_of(browser, "dx-do", "td.made .mark")
        assert len(browser.find_elements("css selector", ".window")) == 1
    # Nothing stays held where the depth that is chosen holds a zero.
    browser.get("about:blank")
    browser.get(f"{target.as_uri()}#do-o[1,1]111")
    browser.execute_script("document.querySelector('#equation-dx .title').click()")
    browser.execute_script(CHANGE, browser.find_element("css selector", "[name=dx-do]"), 0)
    assert browser.find_element("id", "why").text.startswith("A zero of the frame")
    assert not browser.find_element("id", "held").is_displayed()
    assert "#" not in browser.current_url


def test_reset_shows_a_depth_that_the_file_has(browser, tmp_path):
    arrays = (np.ones(shape) for shape in ((2, 4, 4), (2, 2, 2), (1, 3, 3)))
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(*arrays, dims=3)))
    browser.get((tmp_path / "page.html").as_uri())
    choose(browser, "size-0", 8)
    browser.execute_script(CHANGE, browser.find_element("css selector", "[name=dx-result]"), 7)
    assert pointed(browser, "dx")[0][0] == "∂E/∂x811"
    browser.find_element("id", "reset").click()
    assert pointed(browser, "dx")[0][0] == "∂E/∂x111"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_keyboard_and_address(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES, "#dx-x22")
    line = driver.find_element("id", "line")
    assert line.text.startswith("∂E/∂x22 = ∂E/∂o11·∂o11/∂x22 + ∂E/∂o12·∂o12/∂x22")
    assert "∂E/∂x22 = ∂E/∂o11·w22" in line.text
    (stop,) = cells_of(driver, "dx", "td[tabindex='0']")
    stop.send_keys(Keys.ESCAPE)
    driver.execute_script("arguments[0].focus()", stop)
    driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN, Keys.END)
    assert line.text.startswith("∂E/∂x23 = ")
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert driver.current_url.endswith("#dx-x23")


def texts(cells):
    return [cell.find_element("class name", "number").text for cell in cells]


CHANGE = """
const [field, value] = arguments;
field.value = value;
field.dispatchEvent(new Event("change", { bubbles: true }));
"""


def choose(driver, select, value):
    driver.execute_script(
        CHANGE,
        driver.find_element("id", select),
        value,
    )


def test_scattering_stamps_w_onto_the_gradient_of_x(opened):
    driver = opened(NOTES)
    choose(driver, "way", "scatter")
    # ∂E/∂o11 = 4 has stamped W = [[1, 2], [3, -1]], which lies on ∂E/∂X.
    assert texts(cells_of(driver, "dx")) == ["4", "8", "0", "12", "-4", "0", "0", "0", "0"]
    marks = [cell.text.split("\n")[0] for cell in cells_of(driver, "dx", "td .mark")]
    assert marks == ["×1", "×2", "×3", "×-1"]
    line = driver.find_element("id", "line")
    assert (
        "∂E/∂x11 += 4·1: 0 → 4, ∂E/∂x12 += 4·2: 0 → 8, ∂E/∂x21 += 4·3: 0 → 12, ∂E/∂x22 += 4·(-1): 0 → -4" in line.text
    )
    assert driver.find_element("css selector", "#grid-dx-result caption").text == "∂E/∂X so far"
    assert len(cells_of(driver, "dx-w", "td.made")) == 4
    assert not driver.find_elements("css selector", "td.feeds")
    driver.find_element("id", "forward").click()
    assert driver.find_element("id", "count").text == "2 of 4"
    assert texts(cells_of(driver, "dx")) == ["4", "6", "-4", "12", "-10", "2", "0", "0", "0"]
    # All have arrived if nothing is chosen.
    driver.find_element("id", "held").click()
    assert texts(cells_of(driver, "dx")) == ["4", "6", "-4", "9", "-11", "12", "-9", "18", "-5"]


def test_the_page_of_an_exercise_asks_for_its_result(browser, tmp_path):
    sheet = exercises(make_layer((3, 3), (2, 2)), ["x22"])
    (tmp_path / "sheet.html").write_text(document(".html", sheet), encoding="utf-8")
    (tmp_path / "solution.html").write_text(document(".html", sheet.solution()), encoding="utf-8")
    browser.get((tmp_path / "sheet.html").as_uri())
    assert browser.find_element("id", "ask").get_property("value") == "dx"
    assert set(texts(cells_of(browser, "dx"))) == {"?"}
    assert "Question 1. Compute" in browser.find_element("css selector", "details").text
    assert "= ____" in browser.find_element("css selector", "details").text
    browser.get((tmp_path / "solution.html").as_uri())
    assert "?" not in texts(cells_of(browser, "dx"))


def test_ask_me_counts_and_shows_nothing_until_a_hint_is_asked_for(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES)
    line, hint = driver.find_element("id", "line"), driver.find_element("id", "hint")
    assert [option.text for option in driver.find_elements("css selector", "#ask option")] == [
        "nothing",
        "O",
        "∂E/∂W",
        "∂E/∂X",
    ]
    choose(driver, "ask", "dw")
    assert set(texts(cells_of(driver, "dw"))) == {"?"}
    # The lesson, which has the answers, is folded.
    assert not driver.find_elements("css selector", "details[open]")
    first = cells_of(driver, "dw")[0]
    for typed, said in (
        ("7", "∂E/∂w11 is not 7. 0 of 4 are right."),
        ("13,0", "∂E/∂w11 = 13.0 is right. 1 of 4 are right."),
    ):
        driver.execute_script("arguments[0].focus()", first)
        # The first digit on the cell begins the answer.
        driver.switch_to.active_element.send_keys(typed[0])
        driver.switch_to.active_element.send_keys(Keys.END, typed[1:], Keys.ENTER)
        assert line.text == said
        driver.execute_script("arguments[0].focus()", cells_of(driver, "dx")[0])
    point_at(driver, cells_of(driver, "dw")[1])
    assert line.text == "∂E/∂w12 = ? Type it on its cell. 1 of 4 are right."
    assert not driver.find_elements("css selector", "td.made, td .mark, .window, td.feeds")
    hint.click()
    # The hint has the products, not their sum.
    assert "∂E/∂w12 = ∂E/∂o11·x12 + " in line.text
    assert line.text.endswith("= 4·2 + (-2)·3 + (-3)·5 + 5·6 = ?")
    assert driver.find_elements("css selector", "td.made")
    assert driver.find_elements("css selector", ".window")
    point_at(driver, cells_of(driver, "dx")[1])
    assert not hint.is_enabled()
    choose(driver, "ask", "dx")
    choose(driver, "way", "scatter")
    assert "∂E/∂x11 += 4·1, ∂E/∂x12 += 4·2, " in line.text
    # The verdict on an answer does not lie on the number of the window.
    driver.execute_script("arguments[0].focus()", cells_of(driver, "dx")[0])
    driver.switch_to.active_element.send_keys("7", Keys.ENTER)
    driver.find_element("id", "forward").click()
    driver.find_element("id", "back").click()
    assert cells_of(driver, "dx", "td.bad .mark")
    after = "const at = getComputedStyle(arguments[0], '::after'); return [at.content, at.right]"
    assert driver.execute_script(after, cells_of(driver, "dx", "td.bad")[0]) == ['"✗"', "2px"]


def test_what_is_held_says_so_and_lets_go(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES)
    held, (first, second, *_) = driver.find_element("id", "held"), cells_of(driver, "dx")
    line = driver.find_element("id", "line")
    for release in (
        second.click,
        held.click,
        lambda: second.send_keys(Keys.ESCAPE),
        driver.find_element("id", "reset").click,
    ):
        second.click()
        assert held.is_displayed()
        assert held.text == "held ✕"
        point_at(driver, first)
        assert line.text.startswith("∂E/∂x12 = ")
        release()
        assert not held.is_displayed()
        assert line.text == ""
        assert "#dx" not in driver.current_url


def test_what_is_no_number_is_told_and_the_old_one_stays(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES)
    cell, refused = cells_of(driver, "x")[0], driver.find_element("id", "refused")
    for text in ("abc", "0x10", "1/2", "1e999"):
        cell.click()
        # A letter too begins another value.
        driver.switch_to.active_element.send_keys(text[0])
        driver.switch_to.active_element.send_keys(Keys.END, text[1:], Keys.ENTER)
        said = f'"{text}" is not accepted: type a number such as 12, -0.5 or 3e-4. The old value stays.'
        assert refused.text == said
        assert texts([cell]) == ["1"]
        # A click that leaves the field does not take the words away; the next one does.
        driver.switch_to.active_element.send_keys("?")
        cells_of(driver, "w")[0].click()
        assert refused.text.startswith('"?" is not accepted: ')
        cells_of(driver, "w")[0].click()
        assert refused.text == ""
    assert not driver.find_element("id", "changed").is_displayed()
    # Pointing elsewhere leaves an open field alone.
    driver.execute_script("arguments[0].focus()", cell)
    driver.switch_to.active_element.send_keys(Keys.F2)
    point_at(driver, cells_of(driver, "w")[0])
    driver.switch_to.active_element.send_keys("5,5", Keys.ENTER)
    assert texts([cell]) == ["5.5"]
    assert driver.find_element("id", "changed").is_displayed()


def test_a_field_on_a_cell_stays_when_the_window_changes_and_a_click_elsewhere_takes_the_focus_along(opened):
    driver = opened(NOTES)
    first, second, *_ = cells_of(driver, "x")
    driver.execute_script("arguments[0].focus()", first)
    driver.switch_to.active_element.send_keys("5")
    # As the keyboard of a tablet makes it smaller.
    driver.execute_script("dispatchEvent(new Event('resize'))")
    driver.switch_to.active_element.send_keys("0")
    second.click()
    assert texts([first]) == ["50"]
    assert driver.switch_to.active_element == second


def notes_of(driver, grid):
    """The note on each cell of a grid."""
    found = []
    for cell in cells_of(driver, grid):
        point_at(driver, cell)
        found.append(driver.find_element("id", "why").text)
    return found


def test_zeros_and_what_is_left_over_say_why_they_are_there(opened):
    driver = opened(next(path for path in SAMPLES if path.stem == "notes-stride2"))
    said = notes_of(driver, "dx-do")
    assert {text[:20] for text in said} == {"", "A zero of the frame:", "A zero between eleme"}
    driver = opened(next(path for path in SAMPLES if path.stem == "notes-leftover"))
    point_at(driver, cells_of(driver, "x")[-1])
    assert driver.find_element("id", "line").text.endswith("is used in no sum")
    assert driver.find_element("id", "why").text.startswith("No window reads ")


def test_the_bias_and_its_gradient_follow(opened):
    path = next(path for path in SAMPLES if "b" in json.loads(path.read_text()))
    driver = opened(path)
    (_, _, dedo), _ = problem(path)
    right = np.sum(dedo, axis=(0, 2, 3) if np.ndim(dedo) == 4 else (1, 2))
    titles = [title.text for title in driver.find_elements("css selector", "button.title")]
    assert titles == [
        "X ∗ W + b = O",
        "X ∗ ∂E/∂O with zeros = ∂E/∂W",
        "framed ∂E/∂O ∗ W rotated = ∂E/∂X",
        "∂E/∂O summed = ∂E/∂b",
    ]
    seen = pointed(driver, "db")
    assert [float(line.rpartition("= ")[2]) for _, line, _, _ in seen] == right.ravel().tolist()
    readers = pointed(driver, "b")
    assert all(line.split(" is used in ")[1].startswith("o[") for _, line, _, _ in readers)


def test_the_page_of_o_alone(browser, tmp_path):
    (x, w, _), options = problem(NOTES)
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(x, w, **options)), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    seen = pointed(browser, "o")
    assert [line.rpartition("= ")[2] for _, line, _, _ in seen] == ["12", "17", "27", "32"]
    browser.find_element("id", "play-steps").click()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_page_of_one_gradient_has_the_others_too(browser, tmp_path, capsys):
    assert main(["backward", str(NOTES), "--only", "dW", "--json", "--report", str(tmp_path / "page.html")]) == 0
    browser.get((tmp_path / "page.html").as_uri())
    assert [line.rpartition("= ")[2] for _, line, _, _ in pointed(browser, "dx")][4] == "-11"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_symbols_alone_make_a_page_too(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        document(".html", cnngrad.derive("4x4", "2x2", "2x2", stride=2)), encoding="utf-8"
    )
    browser.get((tmp_path / "page.html").as_uri())
    seen = pointed(browser, "dx")
    assert seen[0][:2] == ["∂E/∂x11", "∂E/∂x11 = ∂E/∂o11·∂o11/∂x11∂E/∂x11 = ∂E/∂o11·w11"]


def test_a_number_is_shown_rounded_with_a_sign_and_copied_whole(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    x, w, dedo = np.zeros((5, 5)), [[1, 0], [0, 0]], np.zeros((4, 4))
    x[0, 0], dedo[0] = 0.123456789, [16.5, 20.55, 12345.678, 0.000123456789]
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(x, w, dedo)))
    browser.get((tmp_path / "page.html").as_uri())
    # W moves each ∂E/∂o to the same place of ∂E/∂X.
    for name in ("dx-do", "dx"):
        cells = [text for text in texts(cells_of(browser, name)) if text != "0"]
        assert cells == ["16.5", "20.55", "≈12346", "≈0.00012"]
    choose(browser, "ask", "dx")
    answers = (("21", "bad"), ("20.55", "ok"), ("12345.678", "ok"), ("12346", "ok"), ("12347", "bad"))
    for k, (answer, kind) in zip((1, 1, 2, 2, 2), answers, strict=True):
        cell = cells_of(browser, "dx")[k]
        browser.execute_script("arguments[0].focus()", cell)
        browser.switch_to.active_element.send_keys(Keys.F2)
        browser.switch_to.active_element.send_keys(answer, Keys.ENTER)
        assert kind in cell.get_attribute("class").split(), answer
    # A number whose field is opened and left is not changed.
    cell = cells_of(browser, "x")[0]
    assert texts([cell]) == ["≈0.12346"]
    assert cell.get_attribute("aria-label") == "x11 0.123456789"
    browser.execute_script("arguments[0].focus()", cell)
    browser.switch_to.active_element.send_keys(Keys.F2)
    assert browser.switch_to.active_element.get_attribute("value") == "0.123456789"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert not browser.find_element("id", "changed").is_displayed()
    browser.find_element("id", "copy").click()
    assert json.loads(browser.find_element("id", "why").text)["X"][0][0] == 0.123456789


def test_a_crowded_grid_of_small_numbers_has_a_unit_in_its_caption_and_is_not_cut(browser, tmp_path):
    x, w, dedo = np.zeros((8, 8)), np.full((3, 3), 1 / 3), np.full((8, 8), 0.005)
    dedo[0, 0] = 0.00123456
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(x, w, dedo, padding=1, limit=4)))
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.find_element("css selector", "#grid-dx-do caption").text == "framed ∂E/∂O (unit 0.001)"
    shown = [text for text in texts(cells_of(browser, "dx-do")) if text != "0"]
    assert shown == ["≈1.2", *["5"] * 63]
    assert (
        browser.execute_script(
            "const at = document.querySelector('.large .body'); return at.scrollWidth - at.clientWidth"
        )
        == 0
    )


def test_a_copy_of_a_layer_in_another_layout_is_read_as_it_is_written(browser, tmp_path):
    x, w = np.arange(60).reshape(1, 5, 6, 2) % 7, np.arange(36).reshape(2, 3, 2, 3) % 5
    options = {"layout": "nhwc", "filter_layout": "hwio"}
    dedo = cnngrad.forward(x, w, **options) % 3
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(x, w, dedo, limit=4, **options)))
    browser.get((tmp_path / "page.html").as_uri())
    browser.find_element("id", "copy").click()
    (tmp_path / "copied.json").write_text(browser.find_element("id", "why").text)
    assert main(["backward", str(tmp_path / "copied.json"), "-o", str(tmp_path / "made.json"), "--only", "dX"]) == 0
    made = np.array(json.loads((tmp_path / "made.json").read_text())["dEdX"])
    np.testing.assert_array_equal(np.moveaxis(made, 1, -1), cnngrad.backward(x, w, dedo, **options).dx)


def transposed(folder, **options):
    """The file of a transposed layer with a row of O that no x reaches."""
    problem = {"X": [[1, 2], [0, -1]], "W": [[1, 2], [3, -1]], "b": [5], "dEdO": np.arange(20).reshape(5, 4).tolist()}
    layer = {"transposed": True, "stride": 2, "output_padding": [1, 0]}
    path = folder / "transposed.json"
    path.write_text(json.dumps(problem | layer | options))
    return path


def test_the_page_of_a_transposed_layer_lights_what_its_sums_have(opened, tmp_path):
    test_every_cell_lights_what_its_sum_has(opened, transposed(tmp_path))
    test_every_cell_lights_what_its_sum_has(opened, transposed(tmp_path, flip=True))


def test_each_x_of_a_transposed_layer_stamps_w_onto_o(opened, tmp_path):
    driver = opened(transposed(tmp_path))
    assert driver.find_element("css selector", "#ways span").text == "O"
    assert "O" in [option.text for option in driver.find_elements("css selector", "#ask option")]
    choose(driver, "way", "scatter")
    driver.find_element("id", "forward").click()
    # x11 = 1 and x12 = 2 have stamped W; b = 5 stands where nothing has arrived.
    assert texts(cells_of(driver, "o")) == ["6", "7", "7", "9", "8", "4", "11", "3", *["5"] * 12]
    line = driver.find_element("id", "line").text
    assert line == "x12 = 2 stamps W:\no13 += 2·1: 5 → 7, o14 += 2·2: 5 → 9, o23 += 2·3: 5 → 11, o24 += 2·(-1): 5 → 3"
    assert driver.find_element("css selector", "#grid-o-result caption").text == "O so far"
    driver = opened(transposed(tmp_path), "#dx-x11")
    assert len(cells_of(driver, "dx-w", "td.made")) == 4
    assert not cells_of(driver, "o-w", "td.made")


def test_zeros_of_a_transposed_layer_say_why_they_are_there(opened, tmp_path):
    dedo = np.arange(12).reshape(4, 3).tolist()
    driver = opened(transposed(tmp_path, padding=[[1, 0], [0, 1]], dEdO=dedo))
    said = {name: set(notes_of(driver, name)) for name in ("o-x", "dw-do", "o")}
    assert said == {
        "o-x": {
            "",
            "A zero between elements of X: neighbours stamp W onto O a stride apart.",
            "A zero of the frame: there is no x here, since the rotated filter overlaps the edge.",
        },
        "dw-do": {"", "A zero of the padding around ∂E/∂O."},
        "o": {"", "No x reaches this o."},
    }


def test_the_page_of_a_transposed_layers_o_alone(browser, tmp_path):
    derivation = cnngrad.derive("2x4x2x3", "4x1x2x2", transposed=True, groups=2, stride=2)
    (tmp_path / "page.html").write_text(document(".html", derivation), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    assert [each.text.split()[0] for each in browser.find_elements("css selector", "#leads label")] == [
        "sample",
        "channel",
    ]
    assert len(browser.find_elements("css selector", ".equation")) == 1
    choose(browser, "way", "scatter")
    assert browser.find_element("id", "line").text.startswith("x[1,1]11 stamps W:\no[1,1]11 += x[1,1]11·w[1,1]11, ")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def random_layer(rng):
    """Arrays of integers and options of a small layer, or None if there is no such layer."""
    dims, mode = rng.choice([1, 2, 2, 2, 3]), str(rng.choice(["zeros", "zeros", "reflect", "replicate", "circular"]))
    groups, batch, channels, filters = (int(rng.integers(1, most)) for most in (3, 3, 3, 3))
    is_transposed = mode == "zeros" and bool(rng.integers(2))

    def each(low, high):
        return [int(n) for n in rng.integers(low, high, dims)]

    options = {
        "stride": each(1, 4),
        "dilation": each(1, 3),
        "groups": groups,
        "flip": bool(rng.integers(2)),
        "dims": int(dims),
    }
    options["padding"] = [[a, b] for a, b in zip(each(0, 3), each(0, 3), strict=True)]
    if is_transposed:
        options |= {"transposed": True, "output_padding": each(0, 2)}
    else:
        options["padding_mode"] = mode
    pairs = (channels * groups, filters) if is_transposed else (filters * groups, channels)
    x = rng.integers(-9, 10, (batch, channels * groups, *each(1, 7)))
    w = rng.integers(-9, 10, (*pairs, *each(1, 4)))
    b = rng.integers(-9, 10, filters * groups) * 2**55 if rng.integers(2) else None
    try:
        o = cnngrad.forward(x, w, b, **options)
    except cnngrad.CnngradError:
        return None
    return x, w, rng.integers(-9, 10, o.shape), b, options


# All results of layers, as texts, and the layers in one line.
COMPUTED = """
return arguments[0].map(({ layer: spec, values }) => {
  const layer = layerOf(spec), numbers = numbersOf(layer, givenOf(layer, values));
  const all = ["o", "dw", "dx", ...(spec.bias ? ["db"] : [])].map((t) =>
    [t, layer.all(t).map((element) => String(numbers.value(element)))]);
  return Object.fromEntries([["line", lineOf(layer)], ...all]);
});
"""


def test_the_pages_own_table_computes_what_the_library_does(opened, whole):
    """Random layers, exactly: the page is the one other place that knows which positions meet."""
    driver, rng, layers = opened(NOTES), np.random.default_rng(27), []
    while len(layers) < (500 if whole else 60):
        if (layer := random_layer(rng)) is not None:
            layers.append(layer)
    for start in range(0, len(layers), 50):
        some, data, lines = layers[start : start + 50], [], []
        for x, w, dedo, b, options in some:
            text = document(".html", cnngrad.derive(x, w, dedo, b=b, sections=["summary"], **options))
            # What follows in brackets is about the user's files.
            lines.append(re.search('<span id="layer">(.*?)(?: \\(.*)?</span>', text)[1])
            data.append(json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]))
        computed = driver.execute_script(COMPUTED, data)
        for (x, w, dedo, b, options), line, found in zip(some, lines, computed, strict=True):
            assert found.pop("line") == line
            grads = cnngrad.backward(x, w, dedo, **options)
            right = {"o": cnngrad.forward(x, w, b, **options), "dw": grads.dw, "dx": grads.dx}
            right |= {} if b is None else {"db": grads.db}
            assert found == {name: [str(n) for n in np.ravel(array).tolist()] for name, array in right.items()}, options


def test_typed_numbers_are_there_again_once_the_sizes_are(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES)
    driver.execute_script("arguments[0].focus()", cells_of(driver, "x")[8])
    driver.switch_to.active_element.send_keys("7", Keys.END, "5", Keys.ENTER)
    for size in (2, 12):
        driver.execute_script(CHANGE, driver.find_element("id", "size-0"), size)
    # A larger layer has new numbers besides.
    assert texts(cells_of(driver, "x"))[:9] == ["1", "2", "3", "4", "5", "6", "7", "8", "75"]
    assert len(set(texts(cells_of(driver, "x")))) > 9
    driver.execute_script(CHANGE, driver.find_element("id", "size-0"), 3)
    driver.find_element("id", "copy").click()
    copied = json.loads(driver.find_element("id", "why").text)
    assert copied["X"] == [[1, 2, 3], [4, 5, 6], [7, 8, 75]]
    assert copied["dEdO"] == [[4, -2], [-3, 5]]


def test_the_layer_can_be_changed(opened):
    """Number fields change the layer; what is left of the numbers stays, and O and the gradients are computed anew."""
    driver = opened(NOTES)
    for field, value in (("size-0", 4), ("kernel-1", 3), ("stride-1", 2), ("before-0", 1), ("before-1", 1)):
        driver.execute_script(
            CHANGE,
            driver.find_element("id", field),
            value,
        )
    driver.find_element("id", "copy").click()
    copied = json.loads(driver.find_element("id", "why").text)
    x, w, dedo = (copied.pop(key) for key in ("X", "W", "dEdO"))
    assert np.shape(x) == (4, 3)
    assert np.shape(w) == (2, 3)
    heading = driver.find_element("tag name", "h1")
    assert heading.text == "cnngrad · X 4×3 · W 2×3 · stride 1,2 · padding 1 → O 5×2"
    assert [row[:3] for row in x[:3]] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert copied["stride"] == [1, 2]
    assert copied["padding"] == [[1, 1], [1, 1]]
    grads = cnngrad.backward(x, w, dedo, **copied)
    for tensor, right in (("o", cnngrad.forward(x, w, **copied)), ("dw", grads.dw), ("dx", grads.dx)):
        assert [line.rpartition("= ")[2] for _, line, _, _ in pointed(driver, tensor)] == [
            str(n) for n in np.ravel(right)
        ]
    assert driver.find_element("id", "changed").is_displayed()
    # A filter that is too large is refused, with the reason, and the layer stays.
    field = driver.find_element("id", "kernel-0")
    driver.execute_script(CHANGE, field, 9)
    assert (
        driver.find_element("css selector", "#fields .note").text == "the filter spans 9, more than X with its padding"
    )
    assert len(cells_of(driver, "dw")) == 6
    # Anything but a whole number in the field's range is refused with the same words.
    for name, words, least in (("stride-1", "stride columns", 1), ("before-0", "padding rows", 0)):
        field = driver.find_element("id", name)
        right = field.get_attribute("value")
        for value in (1.5, least - 1, 13, ""):
            driver.execute_script(CHANGE, field, value)
            said = f"{words}: a whole number from {least} to 12"
            assert driver.find_element("css selector", "#fields .note").text == said
            assert len(cells_of(driver, "dw")) == 6
        driver.execute_script(CHANGE, field, right)
    driver.find_element("id", "reset").click()
    assert len(cells_of(driver, "dw")) == 4
    assert driver.find_element("id", "size-0").get_attribute("value") == "3"
    assert heading.text == "cnngrad · X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2"
    assert not driver.find_element("id", "changed").is_displayed()
