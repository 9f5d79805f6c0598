"""A notebook, executed: what its cells show, and a picture of it."""

import io
import os

import pytest

from tests.browser import a_browser

nbformat = pytest.importorskip("nbformat", exc_type=ImportError)
nbclient = pytest.importorskip("nbclient", exc_type=ImportError)
nbconvert = pytest.importorskip("nbconvert", exc_type=ImportError)

# What the notebook's own packages warn of is not ours.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

CELLS = [
    "import cnngrad\nX, W, G = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]]",
    "cnngrad.derive(X, W, G)",
    "cnngrad.backward(X, W, G)",
    "cnngrad.check(X, W, G, dx=[[4, 6, -4], [9, -11, 12], [-9, 18, 5]])",
    "print(cnngrad.derive(X, W, G, elements=['x22']))",
    "repr(cnngrad.derive(X, W, G))",
    "cnngrad.derive(X, W, G).page()",
    "cnngrad.derive(X, W, G).figure('x22')",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook with its outputs."""
    home = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    # Nothing is read from or written to the home of whoever runs the tests.
    os.environ.update({"HOME": str(home), "IPYTHONDIR": str(home), "JUPYTER_CONFIG_DIR": str(home / "jupyter")})
    try:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return notebook


def shown(notebook, cell, kind="text/plain"):
    (output,) = notebook.cells[cell].outputs
    return output["text"] if "text" in output else output["data"][kind]


def test_cells_show_what_they_hold(executed):
    assert "## Summary" in shown(executed, 1, "text/markdown")
    assert "$$" in shown(executed, 1, "text/markdown")
    assert "dx = [[  4   6  -4]" in shown(executed, 2, "text/html")
    assert "WRONG" in shown(executed, 3, "text/html")
    assert "4·(-1) + (-2)·3 + (-3)·2 + 5·1" in shown(executed, 4)
    assert shown(executed, 5) == "'<cnngrad derivation: X 3×3 · W 2×2 · stride 1 · padding 0 → O 2×2; 8 sections>'"
    assert "<iframe srcdoc=" in shown(executed, 6, "text/html")
    assert "∂E/∂O,&#160;framed" in shown(executed, 7, "image/svg+xml")


def test_the_notebook_is_a_page_that_can_be_looked_at(executed, tmp_path):
    html, _ = nbconvert.HTMLExporter(embed_images=True).from_notebook_node(executed)
    assert html.count("<iframe") == 1
    page = tmp_path / "notebook.html"
    page.write_text(html, encoding="utf-8")
    with a_browser(1000, 2000) as driver:
        driver.get(page.as_uri())
        frames = driver.find_elements("tag name", "iframe")
        assert len(frames) == 1
        picture = driver.get_screenshot_as_png()
        # The page in the cell works: its script has filled the line under the grids.
        driver.switch_to.frame(frames[0])
        assert driver.find_elements("css selector", "table td")
    image = pytest.importorskip("PIL.Image", exc_type=ImportError).open(io.BytesIO(picture))
    assert len(image.convert("RGB").getcolors(2**24)) > 50
