"""README tells the truth: its commands give the outputs it shows, and its Python examples run."""

import doctest
import re

import pytest
import typer

from cnngrad.cli.main import app
from tests import readme


@pytest.mark.parametrize(("command", "output"), readme.shown())
def test_a_command_gives_the_output_shown(command, output):
    assert readme.run(command) == output


def test_readme_shows_an_output_for_every_command_but_the_two_of_the_quick_start():
    text = readme.README.read_text(encoding="utf-8")
    assert text.count("```sh\n") == len(readme.shown()) + 2
    assert len(readme.shown()) >= 8


def test_the_quick_starts_output_ends_as_shown():
    first, second, end = readme.quick_start()
    assert first.endswith(".venv/bin/cnngrad backward samples/notes.json --explain")
    assert second.endswith("-m pytest --quiet")
    assert readme.run("cnngrad backward samples/notes.json --explain").endswith(end)


def test_the_python_examples_run():
    failed, tried = doctest.testfile(str(readme.README), module_relative=False, encoding="utf-8")
    assert tried > 5
    assert failed == 0


def test_the_layout_names_every_module():
    text = readme.README.read_text(encoding="utf-8")
    package = readme.ROOT / "cnngrad"
    modules = {path.name for path in package.rglob("*.py") if not path.name.startswith("__")}
    assert {name for name in modules if name not in text} == set()


def test_readme_names_every_option_and_no_other():
    rows = re.findall(r"^\| (`-.*?) \|", readme.README.read_text(encoding="utf-8"), re.MULTILINE)
    named = {flag for row in rows for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)}
    commands = typer.main.get_command(app).commands.values()
    flags = {flag for command in commands for option in command.params for flag in option.opts + option.secondary_opts}
    assert named == {flag for flag in flags if flag.startswith("-")} | {"--help", "--version"}


def test_readme_tells_where_the_notes_slip():
    text = readme.README.read_text(encoding="utf-8")
    for row in ("∂E/∂w21, chain rule", "∂E/∂w22, chain rule", "∂E/∂x12", "∂E/∂x21", "∂E/∂x22", "∂E/∂x23"):
        assert f"\n| {row} |" in text
