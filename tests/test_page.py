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
from cnngrad.files.problem import Reader
from cnngrad.layer import indices
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


def test_the_policy_allows_this_script_and_this_style_alone():
    text = page(NOTES)
    for tag, content in re.findall(r"<(script|style)>(.*?)</\1>", text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert not re.search(r"<[^>]* (on\w+|style)=", text)


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


def test_a_large_layer_has_the_sums_of_its_telling_elements():
    text = document(".html", cnngrad.derive("60x60", "5x5", "56x56", limit=4))
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    # Up to four elements, and the eight around each.
    assert 9 < sum(terms is not None for terms in data["terms"]["dx"]) <= 4 * 9


def test_formulas_are_mathml():
    """Every formula of every layer of the tests can be written, and reads as its plain text does."""
    from xml.etree import ElementTree

    for case in SMALL.values():
        x, w, b, dedo = case.data()
        options = {**case.options, "b": b} if case.bias else case.options
        text = document(".html", cnngrad.derive(x, w, dedo, limit=4, **options))
        assert text.count("<math display") >= 3
        for found in re.findall(r"<math.*?</math>", text):
            ElementTree.fromstring(found.replace("&#160;", " "))
    x = Letter("x", ("n", "c'"), ("2·i + 1",))
    shown = mathml(Derivative(Letter("w", (), ("u",))), " = ", Sum(x, (("i",),)))
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


# Points at every cell of a grid, one after another; says its name, the line, and which names are lit in which way.
POINT = """
document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
const tables = [...document.querySelectorAll("table.grid")], table = document.getElementById("grid-" + arguments[0]);
const name = (cell) => (cell.getAttribute("aria-label") || "").split(" ")[0];
return [...table.querySelectorAll("td:not(.corner)")].map((cell) => {
  cell.dispatchEvent(new MouseEvent("mouseenter"));
  const of = (kind) => tables.flatMap((t) => [...t.querySelectorAll("td." + kind)].map(name));
  return [name(cell), document.getElementById("line").textContent, of("made"), of("feeds")];
});
"""


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
        for index in indices(layer.canonical[tensor]):
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
        seen = driver.execute_script(POINT, grid)
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
            # Of several samples, channels and filters, those chosen by the tabs are seen.
            assert set(made) <= {factor for term in terms for factor in term}
            assert made or not terms or "[" in name


def test_an_input_lights_all_its_readers(opened):
    driver, sums = opened(NOTES), expected(NOTES)
    for name, line, _, feeds in driver.execute_script(POINT, "x"):
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
    from selenium.webdriver.support.wait import WebDriverWait

    rng = np.random.default_rng()
    print("the state to repeat it with:", rng.bit_generator.state)
    driver = opened(path)
    for grid in ("x", "w", "do"):
        cells = driver.find_element("id", f"grid-{grid}").find_elements("css selector", "td:not(.zero):not(.corner)")
        for cell in rng.choice(cells, 2):
            driver.execute_script("arguments[0].focus()", cell)
            driver.switch_to.active_element.send_keys(Keys.F2)
            text = typed(rng)
            driver.switch_to.active_element.send_keys(text, Keys.ENTER)
            assert float(cell.get_attribute("aria-label").split()[1]) == pytest.approx(float(text.replace(",", ".")))
    driver.find_element("id", "copy").click()
    (tmp_path / "copied.json").write_text(driver.find_element("id", "why").text)
    # The clipboard answers later.
    told = ("Copied", "Copy it from below")
    WebDriverWait(driver, 10, 0.05).until(lambda _: driver.find_element("id", "copy").text in told)
    copied = Reader(bytes).problem(str(tmp_path / "copied.json"))
    layer = copied.layer()
    given = copied.operands(layer)
    x, w, dedo = (given[tensor].array for tensor in (Tensor.X, Tensor.W, Tensor.DEDO))
    b = given[Tensor.B].array if Tensor.B in given else None
    grads = cnngrad.backward(x, w, dedo, **layer.options)
    for grid, right in (("dx", grads.dx), ("dw", grads.dw), ("o", cnngrad.forward(x, w, b=b, **layer.options))):
        shown = [line.rpartition("= ")[2] for _, line, _, _ in driver.execute_script(POINT, grid)]
        seen = np.ravel(right) if len(shown) == np.size(right) else np.reshape(right, (-1, len(shown)))[0]
        np.testing.assert_allclose([float(text) for text in shown], seen, rtol=1e-5, atol=1e-12)
    driver.find_element("id", "reset").click()
    assert not driver.find_element("id", "changed").is_displayed()
    # Elements may stand in the padding too.
    seen = {name: line.rpartition("= ")[2] for name, line, _, _ in driver.execute_script(POINT, "x") if line}
    arrays, _ = problem(path)
    first = [float(seen[name].split(" is used")[0]) for name in sorted(seen)]
    assert first == pytest.approx(np.ravel(arrays[0]).tolist()[: len(first)])


def test_integers_are_exact_however_large(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    x, w, dedo = [[2**54 + 1, -3], [4, 2**53 + 1]], [[257]], [[1, 2], [3, 5]]
    target = tmp_path / "page.html"
    target.write_text(document(".html", cnngrad.derive(x, w, dedo)), encoding="utf-8")
    browser.get(target.as_uri())
    seen = browser.execute_script(POINT, "o")
    assert [line.rpartition("= ")[2] for _, line, _, _ in seen] == [str(257 * n) for row in x for n in row]
    assert browser.execute_script(POINT, "dw")[0][1].endswith(f"= {2**54 + 1 - 6 + 12 + 5 * (2**53 + 1)}")
    cell = browser.find_element("id", "grid-x").find_elements("css selector", "td:not(.corner)")[1]
    browser.execute_script("arguments[0].focus()", cell)
    browser.switch_to.active_element.send_keys(Keys.F2)
    browser.switch_to.active_element.send_keys(str(2**62 - 1), Keys.ENTER)
    browser.find_element("id", "copy").click()
    copied = json.loads(browser.find_element("id", "why").text)
    assert copied["X"] == [[2**54 + 1, 2**62 - 1], [4, 2**53 + 1]]
    assert browser.execute_script(POINT, "o")[1][1].endswith(f"= {257 * (2**62 - 1)}")


def test_an_output_that_is_too_large_is_infinite(browser, tmp_path):
    target = tmp_path / "page.html"
    problem = tmp_path / "problem.json"
    problem.write_text('{"X": [[1e200]], "W": [[-1e200]], "dEdO": [[1e-200]]}')
    assert main(["backward", str(problem), "--json", "--report", str(target)]) == 0
    browser.get(target.as_uri())
    assert browser.execute_script(POINT, "o")[0][1].endswith("= -inf")
    assert browser.execute_script(POINT, "dx")[0][1].endswith("= -1")


@pytest.mark.parametrize("fragment", ["#%", "#toString-x", "#x-", "#dx-x99", "#b-b", "#__proto__-1", "#dx", "#%F0%9F"])
def test_whatever_the_address_holds_the_page_opens(opened, fragment):
    driver = opened(NOTES, fragment)
    assert driver.find_element("id", "play").is_displayed()
    assert len(driver.find_elements("css selector", "table.grid")) == 7
    assert driver.find_element("id", "line").text == ""


def test_an_address_shows_the_depth_channel_and_sample_of_its_element(browser, tmp_path):
    x, w = np.arange(2 * 2 * 3 * 4 * 4).reshape(2, 2, 3, 4, 4) % 7, np.arange(2 * 2 * 8).reshape(2, 2, 2, 2, 2) % 5
    derivation = cnngrad.derive(x, w, cnngrad.forward(x, w) % 3, limit=4)
    target = tmp_path / "page.html"
    target.write_text(document(".html", derivation), encoding="utf-8")
    for name in ("[2,1]322", "[1,2]222", "[2,2]144"):
        browser.get("about:blank")
        browser.get(f"{target.as_uri()}#dx-x{name}")
        chosen = browser.find_element("id", "grid-dx").find_element("css selector", "td.chosen")
        assert chosen.get_attribute("aria-label").startswith(f"∂E/∂x{name} ")
    # What lights up on other tabs is marked on them.
    marked = [tab.get_attribute("id") for tab in browser.find_elements("css selector", "button.tab") if "•" in tab.text]
    assert {"tab-f-0", "tab-f-1", "tab-n-1", "tab-c-1"} <= set(marked)
    assert "tab-n-0" not in marked


def test_keyboard_address_switch_and_ask_me(opened):
    driver = opened(NOTES, "#dx-x22")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    line = driver.find_element(By.ID, "line")
    assert line.text.startswith("∂E/∂x22 = ∂E/∂o11·∂o11/∂x22 + ∂E/∂o12·∂o12/∂x22")
    assert "∂E/∂x22 = ∂E/∂o11·w22" in line.text
    grid = driver.find_element("id", "grid-dx")
    assert len(grid.find_elements(By.CSS_SELECTOR, "td[tabindex='0']")) == 1
    grid.find_element(By.CSS_SELECTOR, "td[tabindex='0']").send_keys(Keys.ESCAPE)
    driver.execute_script("arguments[0].focus()", grid.find_element(By.CSS_SELECTOR, "td[tabindex='0']"))
    driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN, Keys.END)
    assert line.text.startswith("∂E/∂x23 = ")
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert driver.current_url.endswith("#dx-x23")
    driver.find_element(By.CSS_SELECTOR, "input[value=scatter]").click()
    driver.execute_script("const s = document.getElementById('step'); s.value = 0; s.dispatchEvent(new Event('input'))")
    numbers = "return [...arguments[0].querySelectorAll('td:not(.corner)')].map((cell) => cell.firstChild.textContent)"
    first = driver.execute_script(numbers, grid)
    # ∂E/∂o11 = 4 has stamped W = [[1, 2], [3, -1]].
    assert first == ["4", "8", "0", "12", "-4", "0", "0", "0", "0"]
    assert (
        "∂E/∂x11 += 4·1: 0 → 4, ∂E/∂x12 += 4·2: 0 → 8, ∂E/∂x21 += 4·3: 0 → 12, ∂E/∂x22 += 4·(-1): 0 → -4" in line.text
    )
    assert grid.find_element(By.TAG_NAME, "caption").text == "∂E/∂X so far"
    lit = driver.find_element("id", "grid-w").find_elements(By.CSS_SELECTOR, "td.made")
    assert len(lit) == 4
    assert not driver.find_elements(By.CSS_SELECTOR, "td.feeds")
    driver.find_element(By.CSS_SELECTOR, "#ask option[value=dw]").click()
    asked = driver.find_element("id", "grid-dw")
    assert {cell.text for cell in asked.find_elements(By.CSS_SELECTOR, "td:not(.corner)")} == {"?"}
    # The lesson, which has the answers, is folded.
    assert not driver.find_elements(By.CSS_SELECTOR, "details[open]")
    for typed, said in (
        ("7", "∂E/∂w11 is not 7. 0 of 4 are right."),
        ("13,0", "∂E/∂w11 = 13.0 is right. 1 of 4 are right."),
    ):
        driver.execute_script("arguments[0].focus()", asked.find_element(By.CSS_SELECTOR, "td[tabindex='0']"))
        driver.switch_to.active_element.send_keys(Keys.F2)
        driver.switch_to.active_element.send_keys(typed, Keys.ENTER)
        driver.execute_script("document.activeElement.click()")
        assert line.text == said
    driver.switch_to.active_element.send_keys(Keys.F2)
    driver.switch_to.active_element.send_keys(Keys.DELETE, Keys.ENTER)
    show = driver.find_element(By.ID, "show")
    asked.find_element(By.CSS_SELECTOR, "td[tabindex='0']").click()
    assert line.text.startswith("∂E/∂w11 = ?")
    show.click()
    assert "∂E/∂w11 = ∂E/∂o11·x11 + " in line.text


def test_what_is_no_number_is_told_and_the_old_one_stays(opened):
    from selenium.webdriver.common.keys import Keys

    driver = opened(NOTES)
    cell = driver.find_element("id", "grid-x").find_elements("css selector", "td:not(.corner)")[0]
    for text in ("abc", "0x10", "1/2", "1e999"):
        driver.execute_script("arguments[0].focus()", cell)
        driver.switch_to.active_element.send_keys(Keys.F2)
        driver.switch_to.active_element.send_keys(text, Keys.ENTER)
        assert driver.find_element("id", "why").text == f'"{text}" is not a number: the old value stays.'
        assert cell.text == "1"
    assert not driver.find_element("id", "changed").is_displayed()
    # Pointing elsewhere leaves an open field alone.
    driver.switch_to.active_element.send_keys(Keys.F2)
    w = driver.find_element("id", "grid-w").find_elements("css selector", "td:not(.corner)")[0]
    driver.execute_script("arguments[0].dispatchEvent(new MouseEvent('mouseenter'))", w)
    driver.switch_to.active_element.send_keys("5,5", Keys.ENTER)
    assert cell.text.split()[0] == "5.5"
    assert driver.find_element("id", "changed").is_displayed()


def test_zeros_and_what_is_left_over_say_why_they_are_there(opened):
    driver = opened(next(path for path in SAMPLES if path.stem == "notes-stride2"))
    said = driver.execute_script(
        """
        const table = document.getElementById("grid-" + arguments[0]);
        return [...table.querySelectorAll("td:not(.corner)")].map((cell) => {
          cell.dispatchEvent(new MouseEvent("mouseenter"));
          return document.getElementById("why").textContent;
        });
        """,
        "do",
    )
    assert {text[:20] for text in said} == {"", "A zero of the frame:", "A zero between eleme"}
    driver = opened(next(path for path in SAMPLES if path.stem == "notes-leftover"))
    x = driver.find_elements("css selector", "table.grid")[0].find_elements("css selector", "td:not(.corner)")
    driver.execute_script("arguments[0].dispatchEvent(new MouseEvent('mouseenter'))", x[-1])
    assert driver.find_element("id", "line").text.endswith("is used in no sum")
    assert driver.find_element("id", "why").text.startswith("No window reads ")


def test_the_bias_and_its_gradient_follow(opened):
    path = next(path for path in SAMPLES if "b" in json.loads(path.read_text()))
    driver = opened(path)
    (_, _, dedo), _ = problem(path)
    titles = [caption.text for caption in driver.find_elements("css selector", "table.grid caption")]
    right = np.sum(dedo, axis=(0, 2, 3) if np.ndim(dedo) == 4 else (1, 2))
    assert titles[2] == "b"
    assert titles[-1] == "∂E/∂b"
    seen = driver.execute_script(POINT, "db")
    assert [float(line.rpartition("= ")[2]) for _, line, _, _ in seen] == right.ravel().tolist()
    readers = driver.execute_script(POINT, "b")
    assert all(line.split(" is used in ")[1].startswith("o[") for _, line, _, _ in readers)


def test_the_page_of_o_alone(browser, tmp_path):
    (x, w, _), options = problem(NOTES)
    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive(x, w, **options)), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    seen = browser.execute_script(POINT, "o")
    assert [line.rpartition("= ")[2] for _, line, _, _ in seen] == ["12", "17", "27", "32"]
    browser.find_element("id", "play-steps").click()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_page_of_one_gradient_has_the_others_too(browser, tmp_path, capsys):
    assert main(["backward", str(NOTES), "--only", "dW", "--json", "--report", str(tmp_path / "page.html")]) == 0
    browser.get((tmp_path / "page.html").as_uri())
    assert [line.rpartition("= ")[2] for _, line, _, _ in browser.execute_script(POINT, "dx")][4] == "-11"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_symbols_alone_make_a_page_too(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        document(".html", cnngrad.derive("4x4", "2x2", "2x2", stride=2)), encoding="utf-8"
    )
    browser.get((tmp_path / "page.html").as_uri())
    seen = browser.execute_script(POINT, "dx")
    assert seen[0][:2] == ["∂E/∂x11", "∂E/∂x11 = ∂E/∂o11·∂o11/∂x11∂E/∂x11 = ∂E/∂o11·w11"]


def test_a_number_that_is_looked_at_and_left_is_not_changed(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    (tmp_path / "page.html").write_text(document(".html", cnngrad.derive([[0.123456789]], [[1.0]], [[2.0]])))
    browser.get((tmp_path / "page.html").as_uri())
    cell = browser.find_element("css selector", "#grid-x td:not(.corner)")
    browser.execute_script("arguments[0].focus()", cell)
    browser.switch_to.active_element.send_keys(Keys.F2)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert not browser.find_element("id", "changed").is_displayed()
    browser.find_element("id", "copy").click()
    assert json.loads(browser.find_element("id", "why").text)["X"] == [[0.123456789]]


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


def test_a_page_with_some_sums_alone_says_so(browser, tmp_path):
    derivation = cnngrad.derive(np.ones((30, 40)), np.ones((5, 5)), np.ones((26, 36)), limit=4)
    (tmp_path / "page.html").write_text(document(".html", derivation))
    browser.get((tmp_path / "page.html").as_uri() + "#x-x1,1")
    assert browser.find_element("id", "line").text.endswith("is used in no sum of this page")
    assert browser.find_element("id", "why").text.startswith("The layer is large")


def test_w_rotated_lights_up_for_the_gradient_of_x_alone(opened):
    driver = opened(NOTES, "#o-o11")
    assert len(driver.find_elements("css selector", "#grid-w td.made")) == 4
    assert not driver.find_elements("css selector", "#grid-wr td.made")
    driver = opened(NOTES, "#dx-x22")
    assert len(driver.find_elements("css selector", "#grid-wr td.made")) == 4


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
    assert driver.find_element("tag name", "legend").text == "O by"
    driver.find_element("css selector", "input[value=scatter]").click()
    driver.execute_script("const s = document.getElementById('step'); s.value = 1; s.dispatchEvent(new Event('input'))")
    grid = driver.find_element("id", "grid-o")
    seen = [cell.text.split("\n")[0] for cell in grid.find_elements("css selector", "td:not(.made):not(.corner)")]
    # x11 = 1 has stamped W; b = 5 stands where nothing has arrived.
    assert seen == ["6", "7", "8", "4", *["5"] * 12]
    line = driver.find_element("id", "line").text
    assert line == "x12 = 2 stamps W:\no13 += 2·1: 5 → 7, o14 += 2·2: 5 → 9, o23 += 2·3: 5 → 11, o24 += 2·(-1): 5 → 3"
    assert grid.find_element("tag name", "caption").text == "O so far"
    assert len(driver.find_elements("css selector", "#grid-wr td.made")) == 4
    driver = opened(transposed(tmp_path), "#dx-x11")
    assert len(driver.find_elements("css selector", "#grid-w td.made")) == 4
    assert not driver.find_elements("css selector", "#grid-wr td.made")


def test_zeros_of_a_transposed_layer_say_why_they_are_there(opened, tmp_path):
    dedo = np.arange(12).reshape(4, 3).tolist()
    driver = opened(transposed(tmp_path, padding=[[1, 0], [0, 1]], dEdO=dedo))
    said = {
        name: {
            driver.execute_script(
                "arguments[0].dispatchEvent(new MouseEvent('mouseenter')); "
                "return document.getElementById('why').textContent",
                cell,
            )
            for cell in driver.find_elements("css selector", f"#grid-{name} td:not(.corner)")
        }
        for name in ("x", "do", "o")
    }
    assert said == {
        "x": {
            "",
            "A zero between elements of X: neighbours stamp W onto O a stride apart.",
            "A zero of the frame: there is no x here, since the rotated filter overlaps the edge.",
        },
        "do": {"", "A zero of the padding around ∂E/∂O."},
        "o": {"", "No x reaches row 4 of O, since output padding adds positions behind the last stamp: o is b there."},
    }


def test_the_page_of_a_transposed_layers_o_alone(browser, tmp_path):
    derivation = cnngrad.derive("2x4x2x3", "4x1x2x2", transposed=True, groups=2, stride=2)
    (tmp_path / "page.html").write_text(document(".html", derivation), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    tabs = [each.text.split(":")[0] for each in browser.find_elements("css selector", "span.tabs")]
    assert [text.split(" (")[0] for text in tabs] == ["sample", "channel", "filter of O"]
    browser.find_element("css selector", "input[value=scatter]").click()
    assert browser.find_element("id", "line").text.startswith("x[1,1]11 stamps W:\no[1,1]11 += x[1,1]11·w[1,1]11, ")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
