"""Write the golden files, README's outputs and the samples' pictures anew: python -m tests.rewrite."""

import base64
from tempfile import TemporaryDirectory

import pytest

from cnngrad.cli.main import main
from tests import golden, readme
from tests.browser import a_browser

# The picture of the page, in pixels; it ends below the small equations.
WIDTH, HEIGHT = 1280, 800


def picture():
    """The page with an element that is pinned, as a browser shows it."""
    with TemporaryDirectory() as folder, a_browser(WIDTH, HEIGHT) as driver:
        main(["backward", str(golden.SAMPLES / "notes.json"), "--report", f"{folder}/page.html"])
        driver.get(f"file://{folder}/page.html#dx-x22")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        below = driver.find_element("id", "equation-o").rect
        clip = {"x": 0, "y": 0, "width": WIDTH - 15, "height": below["y"] + below["height"] + 8, "scale": 1}
        shown = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    (golden.SAMPLES / "page.png").write_bytes(base64.b64decode(shown["data"]))


if __name__ == "__main__":
    golden.rewrite()
    main(["backward", str(golden.SAMPLES / "notes.json"), "--element", "x22", "--report", "samples/notes.svg"])
    try:
        picture()
    except pytest.skip.Exception as missing:
        print(f"samples/page.png stays as it is: {missing}")
    readme.rewrite()
