"""Commands whose output is kept as golden/commands.txt, and which options have no effect where: golden/refused.txt."""

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from cnngrad.cli.main import main
from cnngrad.cli.options import RULES, _refuse
from cnngrad.errors import CnngradError

SAMPLES = Path(__file__).parents[1] / "samples"
# Run in the folder of the samples; of those with OUT the file's text is kept too.
COMMANDS = [
    "",
    "forward",
    "forward --help",
    "backward --help",
    "check --help",
    "exercise --help",
    "foward notes.json",
    "forward notes.json --strid 2",
    "forward notes.json",
    "forward notes.json --json",
    "forward channels.json --precision 3",
    "forward channels.json --precision 0",
    "forward notes.json notes.json",
    "forward notes.json --only dX",
    "forward note.json",
    "forward wrong",
    "forward notes.json -w notes.json::V",
    "forward -x 3x3 -w 2x2",
    "forward -x 3x3 -w 2x2 --element o12",
    "forward -x 3x3 -w 4x4",
    "forward -x 12x40 -w 3x3 --element o9,31",
    "forward -x notes.json::X -w wrong/dEdX.json --all --limit 2",
    "forward digits/X.npy",
    "forward -x digits/X.npy -w digits/W.npy -b digits/b.npy --padding 1 -o OUT.json --only O",
    "backward notes.json",
    "backward notes.json --only dW,dY",
    "backward notes.json --only dW --json",
    "backward notes.json --element o12",
    "backward notes.json --element y12",
    "backward notes.json --element x22,w11",
    "backward notes.json --element x22 --element w11 --zeros --terms 2",
    "backward notes.json --section dx-conv",
    "backward notes.json --section dx-conv --report OUT.md --math dollar",
    "backward notes.json --element x22 --report OUT.tex --theme dark",
    "backward notes.json --report OUT.tex --fragment --section db",
    "backward notes.json --section mlp --report OUT.txt --title Mine --author Me",
    "backward notes.json --report OUT.doc",
    "backward notes-stride2.json -o OUT.txt",
    "backward transposed.json --element x11 --json",
    "backward depthwise.json --limit 2 --terms 1 --section dx",
    "backward reflect.json --limit 3 --element x11",
    "backward padding-dilation.json --explain --limit 1 --terms 3 --section dw",
    "backward chain-1.json -g chain-2.json",
    "check notes.json",
    "check notes.json --json",
    "check notes.json --rtol 0",
    "check notes.json --rtol -1",
    "check notes.json --step 0",
    "check notes.json --hard",
    "check channels.json --hard --grow",
    "check wrong/problem.json --dx wrong/dEdX.json",
    "check wrong/problem.json --dx wrong/dEdX.json --element x22 --json",
    "check wrong/problem.json --dx wrong/dEdX.json --report OUT.md",
    "check notes.json --o notes.json::W",
    "check notes.json --dx notes.json::X --dw notes.json::W --as digits:2",
    "check --mistakes",
    "check --mistakes wrong-operand --json",
    "check --mistakes rotated",
    "check -x 3x3 -w 2x2",
    "check --run m:f --run-only 0",
    "check --run m:f --shard 0/4",
    "check --run m:f --shard 5/4",
    "check --run m:f --without speed",
    "check --run m:f --points 10",
    "exercise notes.json --ask dX --seed 4",
    "exercise -x 4x4 -w 2x2 --ask frame,products --count 2 --json",
    "exercise -x 4x4 -w 2x2 --ask dX --solution OUT.md",
    "exercise -x 4x4 -w 2x2 --ask y11",
    "exercise -x 4x4 -w 2x2 --ask matrx",
    "exercise -x 40x40 -w 2x2 --ask dX",
    "exercise -x 4x4 -w 2x2 --ask dX --count 0",
]


def output(command):
    """The exit code, what a command prints, and the text of the file that it writes."""
    with TemporaryDirectory() as folder, chdir(SAMPLES), patch.dict(os.environ, {"COLUMNS": "80"}):
        (out, err), place = (io.StringIO(), io.StringIO()), str(Path(folder, "OUT"))
        with redirect_stdout(out), redirect_stderr(err):
            code = main(command.replace("OUT", place).split())
        files = "".join(path.read_text(encoding="utf-8") for path in Path(folder).iterdir())
    return f"exit {code}\n{out.getvalue()}{err.getvalue()}{files}\n".replace(place, "OUT").replace(os.sep, "/")


PROBLEM = {"problem": "p.json"}
# What else is on the command line.
BESIDE = {
    "lesson": [
        {},
        PROBLEM,
        *({**PROBLEM, flag: True} for flag in ("--explain", "--all", "--json", "--fragment", "--no-flip")),
        *({**PROBLEM, flag: "x11"} for flag in ("--element", "--section")),
        *({**PROBLEM, "--report": f"r.{ending}"} for ending in ("txt", "md", "tex", "svg", "html")),
        PROBLEM | {"--report": "r.tex", "--element": "x11"},
        PROBLEM | {"--report": "r.txt", "--json": True},
    ],
    "check": [
        {},
        PROBLEM,
        {"-x": "3x3", "-w": "2x2"},
        {"-x": "3x3"},
        *({"--run": run} for run in ("m:f", "./program")),
        *({"--run": run, "--suite": suite} for run in ("m:f", "./program") for suite in ("quick", "own.json")),
        {"--run": "m:f", "-x": "3x3", "-w": "2x2"},
        {"--run": "m:f", "-x": "3x3", "-w": "2x2", "--suite": "quick"},
        PROBLEM | {"--run": "./program"},
        {"--run-each": "*.py"},
        {"--run-each": "*.py", "--run": "m:f"},
        *({"--run": "m:f", "--format": name} for name in ("github", "gradescope")),
        {"--run": "m:f", "--json": True},
        {"--run": "m:f", "--stream": True},
        *({**PROBLEM, flag: "a.npy"} for flag in ("--o", "--dw", "--dx", "--db")),
        PROBLEM | {"--o": "a.npy", "--dx": "a.npy"},
        PROBLEM | {"--hard": True},
        {"--mistakes": ""},
        PROBLEM | {"--report": "r.html", "--no-flip": True},
    ],
    "exercise": [
        PROBLEM,
        *({**PROBLEM, "--report": f"r.{ending}"} for ending in ("txt", "md", "tex", "svg", "html")),
        *({**PROBLEM, flag: "a.csv"} for flag in ("--solution", "--grade", "--format", "--fragment")),
        PROBLEM | {"--json": True},
    ],
}
REFUSED = {"backward": BESIDE["lesson"], "check": BESIDE["check"], "exercise": BESIDE["exercise"]}
VALUES = {"--format": "github", "--math": "github", "--theme": "light", "--color": "never"}


def refused(command):
    """For each of many command lines the options that are refused beside it."""
    lines = []
    flags = dict.fromkeys(flag for rules in RULES[command] for options, *_ in rules for flag in options.split())
    for beside in REFUSED[command]:
        lines.append(f"beside {' '.join(map(str, beside))}:\n")
        for flag in flags:
            value = "moodle" if (command, flag) == ("exercise", "--format") else VALUES.get(flag, "1")
            try:
                _refuse(command, {flag: value} | beside)
            except CnngradError as error:
                lines.append(f"  {error}\n")
    return "".join(lines)
