"""README tells the truth: its commands give the outputs it shows, and its Python examples run."""

import doctest
import re

import pytest

from cnngrad.cli.main import main
from tests import readme


@pytest.mark.parametrize(("command", "output"), readme.shown())
def test_a_command_gives_the_output_shown(command, output):
    assert readme.run(command) == output


def test_every_command_has_its_output_but_the_two_of_the_quick_start():
    text = "".join(page.read_text(encoding="utf-8") for page in readme.PAGES)
    assert text.count("```sh\n") == len(readme.shown()) + 2
    assert len(readme.shown()) >= 5


@pytest.mark.parametrize("page", readme.EVERY_PAGE, ids=lambda page: page.parent.name)
def test_every_block_is_closed_before_the_next_one_opens(page):
    fences = re.findall(r"^```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences[1::2]) <= {"```"}
    assert len(fences) % 2 == 0


def test_readme_is_short_enough_to_be_read():
    assert len(readme.README.read_bytes()) <= 9 * 1024


def test_the_quick_starts_output_ends_as_shown():
    first, second, end = readme.quick_start()
    assert first.endswith(".venv/bin/cnngrad backward samples/notes.json --explain")
    assert second.endswith("-m pytest --quiet -n auto")
    assert readme.run("cnngrad backward samples/notes.json --explain").endswith(end)


def test_the_python_examples_run():
    failed, tried = doctest.testfile(str(readme.README), module_relative=False, encoding="utf-8")
    assert tried > 4
    assert failed == 0


def test_the_picture_of_the_house_names_every_module_and_no_other():
    package = readme.ROOT / "cnngrad"
    picture = (package / "README.md").read_text(encoding="utf-8").partition("```\n")[2].partition("```")[0]
    modules = {path.name for path in package.rglob("*.py") if not path.name.startswith("__")}
    # A folder that git left behind may hold what Python compiled.
    files = {path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    rooms = {path.parent.name for path in files} - {package.name}
    named = set(re.findall(r"[a-z_]+\.py", picture))
    # For the sections the picture describes all modules together.
    assert modules - named <= {path.name for path in (package / "derivation/sections").glob("*.py")}
    assert named <= modules
    assert {room for room in rooms if f"{room}/" not in picture} == set()


def test_the_samples_page_tells_where_the_notes_slip():
    text = readme.PAGES[1].read_text(encoding="utf-8")
    for row in ("∂E/∂w21, chain rule", "∂E/∂w22, chain rule", "∂E/∂x12", "∂E/∂x21", "∂E/∂x22", "∂E/∂x23"):
        assert f"\n| {row} |" in text


@pytest.mark.parametrize("name", ["forward", "backward", "check"])
def test_the_examples_of_the_help_run(name, capsys, monkeypatch):
    monkeypatch.chdir(readme.README.parent)
    assert main([name, "--help"]) == 0
    examples = capsys.readouterr().out.partition("Examples:\n")[2].split("cnngrad ")[1:]
    assert len(examples) == 2
    for example in examples:
        wrong = "samples/wrong" in example
        assert main(example.split()) == (1 if wrong else 0)
