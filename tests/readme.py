"""The READMEs' commands and the outputs shown below them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# Every page that shows commands.
PAGES = (README, ROOT / "samples" / "README.md")
EVERY_PAGE = (*PAGES, ROOT / "cnngrad" / "README.md", ROOT / "tests" / "README.md")

_SHOWN = re.compile(r"```sh\n(?P<command>cnngrad [^\n]*)\n```\n\n```text\n(?P<output>.*?)```", re.DOTALL)


def shown():
    """(command, output) for each command line of a page that is followed by its output."""
    return [(m["command"], m["output"]) for page in PAGES for m in _SHOWN.finditer(page.read_text(encoding="utf-8"))]


_END = re.compile(r"(?<=<!-- the end of the output -->\n```text\n)(.*?)(?=```)", re.DOTALL)


def quick_start():
    """The command lines of the first two blocks, and the end of the first one's output."""
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return blocks[0].strip(), blocks[1].strip(), _END.search(text)[1]


def run(command):
    """A README command's standard output, with this environment's cnngrad."""
    program = f"{sys.executable} -m cnngrad"
    line = re.sub(r"(^|\| )cnngrad ", rf"\1{program} ", command)
    bash = shutil.which("bash")
    plain = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run([bash, "-c", line], capture_output=True, encoding="utf-8", cwd=ROOT, env=plain)
    assert done.returncode == (1 if "wrong" in command else 0), done.stderr
    return done.stdout


def rewrite():
    whole = run("cnngrad backward samples/notes.json --explain")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        text = _SHOWN.sub(lambda m: f"```sh\n{m['command']}\n```\n\n```text\n{run(m['command'])}```", text)
        page.write_text(_END.sub(lambda _: whole[whole.index("Summary ─") :], text), encoding="utf-8")
