"""The page of a check: yours, the right one and the difference, and the sums of every element."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.render.check_page import check_page
from tests.browser import a_browser

WRONG = Path(__file__).parents[1] / "samples" / "wrong"
X = np.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5) % 11 - 5
W = np.arange(4 * 3 * 3 * 3).reshape(4, 3, 3, 3) % 7 - 3
OPTIONS = {"stride": 2, "padding": 1}
G = cnngrad.forward(X, W, **OPTIONS) % 5 - 2
GRADS = cnngrad.backward(X, W, G, **OPTIONS)


def sums_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def tables(page):
    """The matrices: for each its caption and the text of its cells by place."""
    return [
        (html.unescape(caption), dict(re.findall(r'data-at="([^"]*)">([^<]*)<', rows)))
        for caption, rows in re.findall(r'<table class="grid" role="grid"><caption>(.*?)</caption>(.*?)</table>', page)
    ]


def test_it_shows_yours_the_right_one_and_the_difference():
    wrong = GRADS.dx.copy()
    wrong[1, 2] += np.arange(25).reshape(5, 5)
    page = check_page(cnngrad.check(X, W, G, dx=wrong, dw=GRADS.dw, **OPTIONS), 6, "")
    yours, right, off = (cells for caption, cells in tables(page) if "dEdX 1 2 3 3" in cells)
    for place in np.ndindex(5, 5):
        at = f"dEdX 1 2 {place[0]} {place[1]}"
        assert int(yours[at]) == wrong[1, 2][place]
        assert int(right[at]) == GRADS.dx[1, 2][place]
        assert int(off[at]) == 5 * place[0] + place[1]
    # The matrices of dE/dX without a wrong element are left out; of dE/dW, which is right, the first is there.
    assert [caption for caption, _ in tables(page)] == [
        "yours · filter 1, channel 1", "by differences", "yours − right",
        "yours · sample 2, channel 3", "by differences", "yours − right",
    ]  # fmt: skip
    assert page.count('class="wrong"') == 2 * 24


@pytest.mark.usefixtures("undiagnosed")
@pytest.mark.parametrize(("channels", "more"), [(6, ""), (7, "1 more matrix has wrong"), (8, "2 more matrices have")])
def test_6_matrices_of_900_elements_are_shown_and_300_sums(channels, more):
    x, w = np.ones((channels, 30, 30), int), np.ones((1, channels, 1, 1), int)
    page = check_page(cnngrad.check(x, w, x[:1], dx=x + 1), 6, "")
    assert len(tables(page)) == 3 * 6
    assert len(sums_of(page)) == 300
    assert more in page
    assert ("more matri" in page) == bool(more)


@pytest.mark.usefixtures("undiagnosed")
def test_a_matrix_of_930_elements_is_not_shown():
    x = np.ones((31, 30), int)
    page = check_page(cnngrad.check(x, [[1]], x, dx=x + 1), 6, "")
    assert "A matrix of 31×30 elements is too large to be shown." in page
    assert not tables(page)


@pytest.mark.parametrize(("digits", "shown"), [(3, "0.333"), (9, "0.333333333")])
def test_its_numbers_have_the_digits_that_are_asked_for(digits, shown, tmp_path):
    problem = {"X": [[1]], "W": [[2]], "dEdO": [[1 / 3]]}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    (tmp_path / "dw.json").write_text("[[1.5]]")
    words = ["--dw", str(tmp_path / "dw.json"), "--precision", str(digits), "--report", str(tmp_path / "a.html")]
    assert main(["check", str(tmp_path / "p.json"), *words]) == 1
    page = (tmp_path / "a.html").read_text()
    # In the matrix of the right numbers, in the sum of an element, and in the report's text.
    assert list(tables(page)[1][1].values()) == [shown]
    assert sums_of(page)["dEdW 0 0 0 0"][0].endswith(f"should be {shown}")
    assert re.search(rf"the finite difference is {shown}(?![0-9])", page)


def test_a_caption_says_what_rows_and_columns_are():
    x, w = np.ones((2, 2, 5), int), np.ones((3, 2, 2), int)
    dedo = np.ones((2, 3, 4), int)
    for b, claim, captions in (
        (None, {"dx": x}, ["yours · sample 1; a row for each channel", "yours · sample 2; a row for each channel"]),
        (None, {"dw": w}, [f"yours · filter {f}; a row for each channel" for f in (1, 2, 3)]),
        ([1, 2, 3], {"db": [1, 2, 3]}, ["yours; a column for each filter"]),
    ):
        page = check_page(cnngrad.check(x, w, dedo, b=b, dims=1, **claim), 6, "")
        assert [caption for caption, _ in tables(page)][::3] == captions
    page = check_page(cnngrad.check(X, W, o=G, **OPTIONS), 6, "")
    assert {caption for caption, _ in tables(page)} >= {"yours · sample 1, filter 1", "right", "yours − right"}


def test_every_sum_gives_its_number():
    report = cnngrad.check(X, W, G, dx=cnngrad.backward(X, W[..., ::-1, ::-1], G, **OPTIONS).dx, **OPTIONS)
    assert report.gradients["dEdX"].mistake == "filter-not-rotated"
    seen = 0
    for at, lines in sums_of(check_page(report, 6, "")).items():
        place = tuple(map(int, at.split()[1:]))
        mine, right = (array[place] for array in (report.gradients["dEdX"].analytic, GRADS.dx))
        assert re.search(rf"is {mine}(, but it should be {right}|, as it should be)$", lines[0])
        numbers = [line for line in lines if re.match(r" +=", line)]
        for line, value in zip(numbers, (right, mine), strict=False):
            terms, shown = line.strip("= ").rsplit(" = ", 1)
            assert int(shown) == value
            if "…" not in terms:
                assert eval(terms.replace("·", "*")) == value
                seen += 1
    assert seen > 100


def test_its_policy_allows_its_own_script_and_style_alone():
    page = check_page(cnngrad.check(X, W, G, **OPTIONS), 6, "")
    for tag, content in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page
    assert not re.search(r"https?:|src=|@import|\beval\b|innerHTML", page)
    assert "∂E/∂X is right" in page


@pytest.mark.parametrize(
    "claim",
    [np.zeros((2, 3, 5, 6), int), np.full(GRADS.dx.shape, np.nan), GRADS.dx * 1.0, np.zeros(GRADS.dx.shape)],
    ids=["shape", "nan", "right", "zero"],
)
def test_any_claim_makes_a_page(claim):
    page = check_page(cnngrad.check(X, W, G, dx=claim, **OPTIONS), 6, "")
    assert "The report" in page
    assert len(page.encode()) < 300_000


def test_a_large_array_is_told_to_be_too_large():
    x, w = np.ones((64, 64)), np.ones((3, 3))
    page = check_page(cnngrad.check(x, w, np.ones((62, 62)), dx=np.ones((64, 64))), 6, "")
    assert "64×64 elements is too large to be shown" in page


def test_the_command_writes_it(tmp_path, capsys):
    target = tmp_path / "wrong.html"
    command = ["check", str(WRONG / "problem.json"), "--dx", str(WRONG / "dEdX.json"), "--report", str(target)]
    assert main(command) == 1
    page = target.read_text(encoding="utf-8")
    assert "W is not rotated by 180°" in page
    # Matrices are grids: the report below draws none in characters.
    assert "A gradient is wrong." in page
    assert "┌" not in page
    assert "yours = ∂E/∂o11·w21 + ∂E/∂o12·w23" in sums_of(page)["dEdX 0 0 0 1"]


def said(driver):
    """The line with the sums; a fraction is its numerator followed by its denominator."""
    return driver.find_element("id", "line").get_attribute("textContent")


def test_it_works_by_mouse_and_by_keyboard_and_axe_finds_nothing(tmp_path):
    axe = pytest.importorskip("axe_core_python", exc_type=ImportError)
    from selenium.webdriver.common.keys import Keys

    target = tmp_path / "wrong.html"
    main(["check", str(WRONG / "problem.json"), "--dx", str(WRONG / "dEdX.json"), "--report", str(target)])
    with a_browser() as driver:
        driver.get(target.as_uri())
        assert said(driver).startswith("∂E∂x12 is -8, but it should be -2")
        cells = driver.find_elements("css selector", "td[data-at='dEdX 0 0 1 2']")
        assert [cell.text for cell in cells] == ["28", "-8", "36"]
        driver.execute_script("arguments[0].dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))", cells[0])
        assert said(driver).startswith("∂E∂x23 is 28, but it should be -8")
        assert all("chosen" in cell.get_attribute("class") for cell in cells)
        first = driver.find_element("css selector", "table.grid td[tabindex='0']")
        driver.execute_script("arguments[0].focus()", first)
        driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN, Keys.END, Keys.ENTER)
        assert said(driver).startswith("∂E∂x25 is -2, but it should be 22")
        driver.refresh()
        assert said(driver).startswith("∂E∂x25")
        driver.get(f"{target.as_uri()}#dEdX%200%200%201%202")
        assert said(driver).startswith("∂E∂x23")
        driver.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
        found = driver.execute_async_script("axe.run().then(arguments[0])")
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_no_sum_moves_a_matrix(tmp_path):
    problem = {"X": X.tolist(), "W": W.tolist(), "dEdO": G.tolist(), **OPTIONS}
    (tmp_path / "problem.json").write_text(json.dumps(problem))
    (tmp_path / "dx.json").write_text(json.dumps(cnngrad.backward(X, W[..., ::-1, ::-1], G, **OPTIONS).dx.tolist()))
    target = tmp_path / "wrong.html"
    main(["check", str(tmp_path / "problem.json"), "--dx", str(tmp_path / "dx.json"), "--report", str(target)])
    for size in ((1280, 800), (360, 640)):
        with a_browser(*size) as driver:
            driver.get(target.as_uri())
            places = driver.execute_script("""
              return [...document.querySelectorAll("[data-at]")].slice(0, 75).map((cell) => {
                cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
                return document.querySelector("table.grid").getBoundingClientRect().top;
              });
            """)
            assert len(set(places)) == 1


def test_matrices_say_which_they_are_and_what_their_rows_are():
    cases = [
        ((7,), (3,), {}, {"yours"}),
        (
            (2, 3, 7),
            (4, 3, 2),
            {"dims": 1},
            {"yours · filter 2; a row for each channel", "yours; a column for each filter"},
        ),
        ((3, 4, 4), (2, 2, 2), {"dims": 3}, {"yours · depth 2", "yours"}),
        ((1, 1, 5, 5), (2, 1, 2, 2), {}, {"yours · filter 2, channel 1", "yours; a column for each filter"}),
    ]
    for x_shape, w_shape, options, wanted in cases:
        x, w = (np.arange(np.prod(shape)).reshape(shape) % 7 - 3 for shape in (x_shape, w_shape))
        dedo = np.ones_like(cnngrad.forward(x, w, **options))
        grads = cnngrad.backward(x, w, dedo, **options)
        page = check_page(cnngrad.check(x, w, dedo, dw=grads.dw + 1, db=np.asarray(grads.db) + 1, **options), 6, "")
        captions = [caption for caption, _ in tables(page) if caption.startswith("yours") and "−" not in caption]
        assert wanted <= set(captions)
        assert "yours · " not in captions
        assert len(set(captions)) == len(captions) or captions.count("yours") == len(captions)


def test_what_is_not_finite_is_told_with_its_right_sum():
    wrong = GRADS.dx.astype(float)
    wrong[0, 0, 1, 2], wrong[1, 2, 0, 0] = np.nan, -np.inf
    report = cnngrad.check(X, W, G, dx=wrong, **OPTIONS)
    sums = sums_of(check_page(report, 6, ""))
    right = GRADS.dx[0, 0, 1, 2]
    assert sums["dEdX 0 0 1 2"][0] == f"∂E/∂x[1,1]23 is nan, but it should be {right}"
    assert sums["dEdX 0 0 1 2"][1].startswith("right = ")
    assert sums["dEdX 1 2 0 0"][0].startswith("∂E/∂x[2,3]11 is -inf, but it should be ")
    # The table has the usual row for it.
    row = next(line for line in str(report).splitlines() if line.startswith("∂E/∂X (yours)  WRONG"))
    assert row.split() == ["∂E/∂X", "(yours)", "WRONG", "150", "not", "finite", "-", "∂E/∂x[1,1]23"]
    json.dumps(report.as_json(), allow_nan=False)


def test_an_address_that_cannot_be_read_opens_the_page(tmp_path):
    target = tmp_path / "wrong.html"
    main(["check", str(WRONG / "problem.json"), "--dx", str(WRONG / "dEdX.json"), "--report", str(target)])
    with a_browser() as driver:
        driver.get(target.as_uri() + "#%")
        assert said(driver).startswith("∂E∂x12 is -8")
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
