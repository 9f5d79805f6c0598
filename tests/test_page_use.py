"""The page as it is used: without scripts, on paper, by keyboard and screen reader, still, offline; needs a browser."""

import base64
import http.server
import threading
from pathlib import Path

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
    found = browser.execute_async_script("axe.run().then(arguments[0])")
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
        assert not browser.find_element("id", "play-steps").is_displayed()
        assert browser.find_element("id", "line").text.startswith("∂E/∂x22 = ")
        grid = browser.find_element("id", "grid-do")
        lit = grid.find_elements("css selector", "td.made")
        assert len(lit) == 4
        # Browsers leave backgrounds out on paper unless they are asked for.
        assert lit[0].value_of_css_property("print-color-adjust") == "exact"
        made = browser.execute_cdp_cmd("Page.printToPDF", {})
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(made["data"]).startswith(b"%PDF")


def test_play_goes_on_and_the_slider_goes_anywhere(browser, tmp_path):
    browser.get(written(tmp_path))
    browser.execute_script("document.getElementById('speed').value = '300'")
    seen = browser.execute_async_script("""
      const done = arguments[0], seen = [], line = document.getElementById("line");
      new MutationObserver(() => {
        if (seen.at(-1) !== line.textContent.split(" ")[0]) seen.push(line.textContent.split(" ")[0]);
        if (seen.length === 3) { document.getElementById("play-steps").click(); done(seen); }
      }).observe(line, { childList: true });
      document.getElementById("play-steps").click();
    """)
    assert seen == ["∂E/∂x11", "∂E/∂x12", "∂E/∂x13"]
    slider = browser.find_element("id", "step")
    assert slider.get_attribute("max") == "8"
    browser.execute_script("arguments[0].value = 4; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert browser.find_element("id", "line").text.startswith("∂E/∂x22 = ")
    assert slider.get_attribute("aria-valuetext") == "∂E/∂x22"
    assert browser.current_url.endswith("#dx-x22")


def test_it_stands_still_for_those_who_ask_for_less_motion(tmp_path):
    with a_browser(1300, 1200, "--force-prefers-reduced-motion") as driver:
        driver.get(written(tmp_path))
        button = driver.find_element("id", "play-steps")
        assert button.text == "Next step"
        button.click()
        button.click()
        first = driver.find_element("id", "line").text
        driver.execute_async_script("setTimeout(arguments[0], 1200)")
        assert driver.find_element("id", "line").text == first
        assert first.startswith("∂E/∂x12 = ")


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
                driver.get(written(tmp_path, path))
                took = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
                assert driver.execute_script(took) < 1000
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
    assert len(browser.find_elements("css selector", "table.grid [tabindex='0']")) == 7
    live = browser.find_element("id", "line")
    assert live.get_attribute("aria-live") == "polite"
    for grid, walk, name in (
        ("x", [Keys.ARROW_RIGHT], "x12 = 2 is used in o11, o12, ∂E/∂w11, ∂E/∂w12"),
        ("dw", [Keys.ARROW_DOWN, Keys.END], "∂E/∂w22 = ∂E/∂o11·∂o11/∂w22"),
        ("do", [Keys.HOME], ""),
    ):
        table = browser.find_element("id", f"grid-{grid}")
        browser.execute_script("arguments[0].focus()", table.find_element("css selector", "td[tabindex='0']"))
        browser.switch_to.active_element.send_keys(*walk)
        assert live.text.startswith(name)
    assert "frame" in browser.find_element("id", "why").text
