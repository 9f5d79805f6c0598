"""A headless Chromium for the tests that look at pages; they are skipped if it is not installed."""

import shutil
from contextlib import contextmanager

import pytest


@contextmanager
def a_browser(width=1300, height=1200, *arguments):
    """A browser with a window of this size, or the test is skipped."""
    webdriver = pytest.importorskip("selenium.webdriver")
    wait = pytest.importorskip("selenium.webdriver.support.wait")
    if not (shutil.which("chromedriver") and shutil.which("chromium")):
        pytest.skip("needs Chromium and its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})

    class Browser(webdriver.Chrome):
        def get(self, url):
            super().get(url)
            # In a browser just begun, on a busy machine, the driver comes back from a page that is still loading.
            loaded = "return document.readyState === 'complete'"
            wait.WebDriverWait(self, 60).until(lambda driver: driver.execute_script(loaded))

    driver = Browser(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
