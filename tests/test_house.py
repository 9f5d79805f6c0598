"""The house's rules, read off the code itself."""

import ast
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "cnngrad"
# From the top: each room imports only from itself and from those in front of it.
ROOMS = (
    "errors", "schema", "tensor", "settings", "blas", "threads", "layer", "arrays", "memory", "compute", "functions",
    "derivation", "causes", "checks", "exercises", "files", "programs", "render", "results", "cli",
)  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES_OF_A_FUNCTION = 45
SCRIPTS = sorted((PACKAGE / "render" / "page").glob("*.js"))
MOST_LINES_OF_SCRIPTS = 1100


@cache
def parsed(path):
    return ast.parse(path.read_text())


@cache
def nodes():
    """All nodes of all modules, each with its module's path."""
    return [(path, node) for path in MODULES for node in ast.walk(parsed(path))]


def room_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path):
    """The rooms that a module imports from, also inside functions and for types alone."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cnngrad."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "cnngrad":
            yield from {alias.name for alias in node.names} & set(ROOMS)


def test_imports_point_upwards():
    for path in MODULES:
        room = room_of(path)
        if room not in ("__init__", "__main__"):
            assert set(imported(path)) <= {*ROOMS[: ROOMS.index(room) + 1]}, path


def test_every_room_is_in_the_list():
    assert {room_of(path) for path in MODULES} - {"__init__", "__main__"} == set(ROOMS)


def test_functions_are_short_enough_to_be_read():
    for path, node in nodes():
        if isinstance(node, ast.FunctionDef):
            body = node.body
            documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
            first = body[0].end_lineno if documented else node.body[0].lineno - 1
            assert node.end_lineno - first <= MOST_LINES_OF_A_FUNCTION, (path, node.name)


def test_nothing_reaches_for_a_network_or_a_pickle():
    banned = {"socket", "ssl", "http", "urllib", "requests", "ftplib", "smtplib", "pickle", "shelve", "marshal"}
    for path, node in nodes():
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & banned, path
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in banned, path
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert node.value.value is False, path


def test_the_pages_script_is_small_enough_to_be_read():
    lines = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in SCRIPTS}
    assert [line for each in lines.values() for line in each if len(line) > 100] == []
    assert sum(map(len, lines.values())) <= MOST_LINES_OF_SCRIPTS


def test_the_pages_scripts_share_a_scope_without_a_name_twice():
    names = [
        name
        for path in SCRIPTS
        for name in re.findall(
            r"^(?:export )?(?:async )?(?:const|let|function) (\w+)", path.read_text(encoding="utf-8"), re.M
        )
    ]
    assert sorted(names) == sorted(set(names))
