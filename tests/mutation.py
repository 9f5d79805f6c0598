"""Change the code in one place at random, see whether the tests notice, and tell which changes they let through.

    .venv/bin/python -m tests.mutation --count 100 --seed 0

Each change is of a bound, a sign or a condition: a comparison, `+` for `-`, an integer one larger, `and` for `or`, a
condition turned round. It is made in a copy of the checkout, where pytest runs until the first failure: first the tests
that call the changed function, the quickest ones first, as a run with the unchanged code has shown.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What stands between two operands, and what replaces it.
OPERATORS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
# Sizes of parts that are done one after another, and of a block that makes glibc keep memory: they decide time and
# memory alone, which the benchmarks measure.
PARTS = {"_BLOCK", "_LARGEST_BLOCK", "_ONE_PART", "_PART", "_TOGETHER"}
# So do the limits between the ways of computing and the sizes of tiles, up to rounding.
MEASURED = "measured.py"
# Written in a copy by the run with the unchanged code: how long each test takes, and the functions that it calls.
CALLS = ROOT / "calls.json"
calls = json.loads(CALLS.read_text()) if CALLS.exists() else {}


def changes(path):
    """Every change of a file, as (line, what is there, the new text of the whole file)."""
    if path.name == MEASURED:
        return
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = text.encode()

    def span(node):
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    tree = ast.parse(text)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.Assign) and PARTS & set(named(node)))]
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "reshape"]
    # NumPy takes any negative size for the one that is left.
    alike = {id(size.operand) for call in calls for size in call.args if isinstance(size, ast.UnaryOp)}
    for node in nodes:
        if id(node) in alike:
            continue
        for first, last, new in replacements(node, span, data):
            changed = data[:first] + new.encode() + data[last:]
            yield node.lineno, f"{data[first:last].decode()!r} -> {new!r}", changed.decode()


def named(assignment):
    return [target.id for target in assignment.targets if isinstance(target, ast.Name)]


def replacements(node, span, data):
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from exchanged(node.ops[0], node.left, node.comparators[0], span, data)
    elif isinstance(node, ast.BinOp) and not isinstance(node.left, ast.Constant | ast.JoinedStr):
        yield from exchanged(node.op, node.left, node.right, span, data)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield *span(node), str(node.value + 1)
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        yield from exchanged(node.op, *node.values, span, data)
    elif isinstance(node, ast.If | ast.IfExp):
        first, last = span(node.test)
        # Imports for annotations alone change nothing that runs.
        if data[first:last] != b"TYPE_CHECKING":
            yield first, last, f"not ({data[first:last].decode()})"


def exchanged(operator, left, right, span, data):
    """Another operator; brackets around the operands stay."""
    if type(operator) in OPERATORS:
        first, last = span(left)[1], span(right)[0]
        yield first, last, data[first:last].decode().replace(*OPERATORS[type(operator)], 1)


def function_at(text, line):
    """The qualified name of the innermost function in a line; empty outside functions."""

    def inside(node, name):
        for each in ast.iter_child_nodes(node):
            if getattr(each, "end_lineno", line) >= line >= getattr(each, "lineno", line):
                if isinstance(each, ast.ClassDef):
                    return inside(each, f"{name}{each.name}.")
                if isinstance(each, ast.FunctionDef):
                    return inside(each, f"{name}{each.name}.<locals>.")
                return inside(each, name)
        return name

    return inside(ast.parse(text), "").removesuffix(".<locals>.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """For pytest, of which this module is a plugin: note what a test calls, unless that is known."""
    if CALLS.exists():
        return (yield)
    codes, begun = set(), time.monotonic()
    for each in (sys, threading):
        each.settrace(lambda frame, *_: codes.add(frame.f_code))
    try:
        return (yield)
    finally:
        for each in (sys, threading):
            each.settrace(None)
        # Threads that a test has left go on calling.
        names = {code.co_filename.removeprefix(f"{ROOT}/") + f":{code.co_qualname}" for code in list(codes)}
        own = sorted(name for name in names if name.startswith("cnngrad/"))
        calls[item.nodeid] = time.monotonic() - begun, own


def pytest_sessionfinish(session):
    """Keep what was noted."""
    if not CALLS.exists():
        CALLS.write_text(json.dumps(calls))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Bring the tests that call the changed function to the front, then others of their files: caches hide calls."""
    if not CALLS.exists():
        return
    changed = os.environ["CHANGED"]
    # Code outside functions serves all functions of its module.
    is_near = changed.__eq__ if changed.rpartition(":")[2] else lambda name: name.startswith(changed)
    near = {test for test, (_, called) in calls.items() if any(map(is_near, called))}
    files = {test.partition("::")[0] for test in near}
    items.sort(
        key=lambda item: (item.nodeid not in near, item.nodeid.partition("::")[0] not in files, calls[item.nodeid][0])
    )


def survives(path, line, text, folder, more, limit=None):
    """Whether the tests pass with this file's text in a copy of the checkout; False after `limit` seconds."""
    relative = path.relative_to(ROOT)
    original = (folder / relative).read_text(encoding="utf-8")
    (folder / relative).write_text(text, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "--quiet", "-x", "-p", "no:cacheprovider", "-p", "tests.mutation"]
        command += more
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "LANG": "C.UTF-8", "HOME": str(folder)}
        environment["CHANGED"] = f"{relative}:{function_at(original, line)}"
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=limit)
        if done.returncode and text == original:
            print(done.stdout.decode()[-3000:])
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        (folder / relative).write_text(original, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="with all cases of the tests, as .ci/run has them")
    options = parser.parse_args()
    more = ["--whole"] * options.whole
    every = [(path, *change) for path in sorted((ROOT / "cnngrad").rglob("*.py")) for change in changes(path)]
    chosen = random.Random(options.seed).sample(every, options.count)
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis")
    noticed = 0
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.jobs) as pool:
        folders = [Path(place, str(k)) for k in range(options.jobs)]
        shutil.copytree(ROOT, folders[0], ignore=ignored)
        first, begun = every[0][0], time.monotonic()
        if not survives(first, 0, first.read_text(encoding="utf-8"), folders[0], more):
            sys.exit("the tests fail on the unchanged code: they can't tell what a change does")
        # A change may make a loop endless. Notes take time, so twice as long is long enough even beside other jobs.
        limit = 2 * (time.monotonic() - begun)
        for folder in folders[1:]:
            shutil.copytree(folders[0], folder)
        free = list(folders)

        def tried(change):
            path, line, what, text = change
            folder = free.pop()
            try:
                return survives(path, line, text, folder, more, limit), f"{path.relative_to(ROOT)}:{line}: {what}"
            finally:
                free.append(folder)

        for survived, where in pool.map(tried, chosen):
            noticed += not survived
            if survived:
                print(f"not noticed: {where}", flush=True)
    print(f"{noticed} of {options.count} changes were noticed")


if __name__ == "__main__":
    main()
