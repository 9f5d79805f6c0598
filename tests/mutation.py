"""Change the code in one place at random, see whether the tests notice, and tell which changes they let through.

    .venv/bin/python -m tests.mutation --count 100 --seed 0

Each change is of a bound, a sign or a condition: a comparison, `+` for `-`, an integer one larger, `and` for `or`, a
condition turned round. It is made in a copy of the checkout, where pytest runs until the first failure.
"""

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What stands between two operands, and what replaces it.
OPERATORS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
# The quick ones: most changes are noticed there.
FIRST = (
    "test_expansion", "test_arrays", "test_edges", "test_layer", "test_conv", "test_layouts", "test_laws",
    "test_sources", "test_relation", "test_samples", "test_derivation", "test_documents", "test_cli", "test_compute",
    "test_files", "test_report", "test_recipe", "test_mistakes", "test_control", "test_running",
)  # fmt: skip


def changes(path):
    """Every change of a file, as (line, what is there, the new text of the whole file)."""
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = text.encode()

    def span(node):
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    nodes = list(ast.walk(ast.parse(text)))
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "reshape"]
    # NumPy takes any negative size for the one that is left.
    alike = {id(size.operand) for call in calls for size in call.args if isinstance(size, ast.UnaryOp)}
    for node in nodes:
        if id(node) in alike:
            continue
        for first, last, new in replacements(node, span, data):
            changed = data[:first] + new.encode() + data[last:]
            yield node.lineno, f"{data[first:last].decode()!r} -> {new!r}", changed.decode()


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
        yield first, last, f"not ({data[first:last].decode()})"


def exchanged(operator, left, right, span, data):
    """Another operator; brackets around the operands stay."""
    if type(operator) in OPERATORS:
        first, last = span(left)[1], span(right)[0]
        yield first, last, data[first:last].decode().replace(*OPERATORS[type(operator)], 1)


def ordered(module):
    """The test files: first those that import the module, then those that import its room, each as in FIRST."""
    room, name = str(module.parent).replace("/", "."), module.stem

    def key(test):
        text = test.read_text(encoding="utf-8")
        imports = f"{room}.{name}" in text or f"from {room} import {name}" in text
        return not imports, room not in text, FIRST.index(test.stem) if test.stem in FIRST else len(FIRST), test.stem

    return [f"tests/{test.name}" for test in sorted((ROOT / "tests").glob("test_*.py"), key=key)]


def survives(path, text, folder):
    """Whether the tests pass with this file's text in a copy of the checkout."""
    relative = path.relative_to(ROOT)
    original = (folder / relative).read_text(encoding="utf-8")
    (folder / relative).write_text(text, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "--quiet", "-x", "-p", "no:cacheprovider"]
        command += [*ordered(relative), "cnngrad"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "LANG": "C.UTF-8", "HOME": str(folder)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=900)
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
    options = parser.parse_args()
    every = [(path, *change) for path in sorted((ROOT / "cnngrad").rglob("*.py")) for change in changes(path)]
    chosen = random.Random(options.seed).sample(every, options.count)
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis")
    noticed = 0
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.jobs) as pool:
        folders = [Path(place, str(k)) for k in range(options.jobs)]
        for folder in folders:
            shutil.copytree(ROOT, folder, ignore=ignored)
        free = list(folders)

        def tried(change):
            path, line, what, text = change
            folder = free.pop()
            try:
                return survives(path, text, folder), f"{path.relative_to(ROOT)}:{line}: {what}"
            finally:
                free.append(folder)

        first = every[0][0]
        if not tried((first, 0, "unchanged", first.read_text(encoding="utf-8")))[0]:
            sys.exit("the tests fail on the unchanged code: they can't tell what a change does")
        for survived, where in pool.map(tried, chosen):
            noticed += not survived
            if survived:
                print(f"not noticed: {where}", flush=True)
    print(f"{noticed} of {options.count} changes were noticed")


if __name__ == "__main__":
    main()
