"""Files belong to the user: what the program has not made is neither deleted nor replaced."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.files.kept import MARK, Kept

PROBLEM = {"X": [[1, 2], [3, 4]], "W": [[2]], "dEdO": [[1, 2], [3, 4]]}
FAILS = ["--run", "false", "--timeout", "5"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a problem and a file of the user's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text(json.dumps(PROBLEM))
    (tmp_path / "mine.txt").write_text("mine")
    return tmp_path


def files(folder):
    """Every file of a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words):
    """The error of a command that is refused, which leaves every file as it was."""
    before = files(Path.cwd())
    assert main(list(words)) == 2
    assert files(Path.cwd()) == before
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../up", "/tmp/x", "a\nb", "a\x1b[2J", "‮", 7])
def test_a_name_that_is_no_layer_s_is_refused_before_anything_runs(here, capsys, name):
    (here / "suite.json").write_text(json.dumps([PROBLEM | {"name": "first"}, PROBLEM | {"name": name}]))
    told = refused(capsys, "check", *FAILS, "--suite", "suite.json", "--keep", "out")
    assert told.startswith("cnngrad: suite.json, entry 2: the name ")


def test_so_is_the_stem_of_a_file(here, capsys):
    (here / "suite").mkdir()
    shutil.copy("p.json", "suite/...json")
    told = refused(capsys, "check", *FAILS, "--suite", "suite", "--keep", "out")
    assert told.startswith("cnngrad: suite/...json: the name '..' can't be a layer's")
    shutil.copy("p.json", "...json")
    assert "the name '..'" in refused(capsys, "check", "...json", *FAILS, "--keep", "out")


def test_any_other_printable_name_is_a_layer_s(here, capsys):
    names = ["größe [2] {x}", "...", "-rf", "~", "a\\b", "x" * 200]
    (here / "suite.json").write_text(json.dumps([PROBLEM | {"name": name} for name in names]))
    assert main(["check", *FAILS, "--suite", "suite.json", "--keep", "out", "--no-give-up"]) == 1
    assert {f"{name.replace(' ', '-')}.json" for name in names} <= {path.name for path in (here / "out").iterdir()}


@pytest.mark.parametrize(
    ("names", "twice"), [(["a b", "a-b"], "a-b"), (["a", "a.json"], "a.json"), ([".cnngrad"], ".cnngrad")]
)
def test_two_things_of_one_name_are_refused(here, capsys, names, twice):
    (here / "suite.json").write_text(json.dumps([PROBLEM | {"name": name} for name in names]))
    told = refused(capsys, "check", *FAILS, "--suite", "suite.json", "--keep", "out")
    assert told == f"cnngrad: out/{twice} would be written twice: rename one of the layers\n"


def test_a_folder_without_our_mark_is_the_user_s(here, capsys):
    for folder in ("layers", "odd"):
        (here / folder).mkdir()
        shutil.copy("p.json", f"{folder}/problem.json")
    (here / "odd" / MARK).write_text('{"made": 7}')
    for folder in ("layers", "odd"):
        told = refused(capsys, "check", *FAILS, "--suite", "layers", "--keep", folder)
        assert told == f"cnngrad: {folder} is not empty and was not made by --keep: name a new folder\n"
    assert "can't write mine.txt: Not a directory" in refused(capsys, "check", "p.json", *FAILS, "--keep", "mine.txt")


@pytest.mark.parametrize(
    "made", [os.mkfifo, lambda mark: mark.symlink_to("/dev/zero"), lambda mark: mark.write_text("[" * 10**6)]
)
def test_what_is_no_mark_is_neither_waited_for_nor_read(here, capsys, made):
    (here / "odd").mkdir()
    made(here / "odd" / MARK)
    told = refused(capsys, "check", "p.json", *FAILS, "--keep", "odd")
    assert told == "cnngrad: odd is not empty and was not made by --keep: name a new folder\n"
    assert "was not made by cnngrad" in refused(capsys, "forward", "p.json", "-o", "odd/")


def test_a_mark_lists_no_name_that_no_file_can_have(here):
    (here / "out").mkdir()
    (here / "out" / MARK).write_text(json.dumps({"made": ["p/\0", "p/X.npy"]}))
    assert main(["check", "p.json", *FAILS, "--keep", "out"]) == 1


def test_a_name_too_long_for_a_file_is_refused_before_the_first_run(here, capsys):
    (here / "suite.json").write_text(json.dumps([PROBLEM | {"name": "n" * 251}]))
    told = refused(capsys, "check", *FAILS, "--suite", "suite.json", "--keep", "out")
    assert "nnn.json is too long a name for a file: choose a shorter one" in told
    assert not (here / "out").exists()


def test_a_full_disk_leaves_no_half_file_and_no_other_mark(here, monkeypatch, capsys):
    assert main(["check", "p.json", *FAILS, "--keep", "out"]) == 1
    mark = (here / "out" / MARK).read_text()
    real = shutil.copy2

    def full(source, target):
        real(source, target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copy2", full)
    assert main(["check", "p.json", *FAILS, "--keep", "out"]) == 2
    shown = capsys.readouterr()
    assert "No space left on device" in shown.err
    # What was found is shown all the same.
    assert shown.out.splitlines()[-1] == "1 of 1 layer fails."
    assert (here / "out" / MARK).read_text() == mark
    assert not [name for name in files(here / "out") if name.startswith("p/")]


def test_what_a_marked_folder_does_not_list_stays(here, capsys):
    assert main(["check", "p.json", *FAILS, "--keep", "out"]) == 1
    (here / "out" / "p" / "notes.md").write_text("mine")
    (here / "out" / "other.json").write_text("mine")
    assert main(["check", "p.json", *FAILS, "--keep", "out"]) == 1
    assert (here / "out" / "p" / "notes.md").read_text() == "mine"
    assert (here / "out" / "other.json").read_text() == "mine"
    shutil.copy("p.json", "other.json")
    told = refused(capsys, "check", "other.json", *FAILS, "--keep", "out")
    assert told.startswith("cnngrad: out/other.json exists and was not made by cnngrad, so it is not replaced")


def test_only_listed_files_of_the_last_run_are_replaced(here):
    kept, run = Kept(here / "out"), here / "run"
    (run / "sub").mkdir(parents=True)
    (run / "sub" / "dEdX.npy").write_text("1")
    (run / "old.npy").write_text("1")
    os.mkfifo(run / "pipe")
    (run / "link").symlink_to(here / "mine.txt")
    kept.begin(["layer"])
    kept.put("layer", run)
    assert {*files(here / "out")} == {MARK, "layer/sub/dEdX.npy", "layer/old.npy"}
    (here / "out" / "layer" / "new.npy").write_text("mine")
    (run / "old.npy").rename(run / "new.npy")
    again = Kept(here / "out")
    again.begin(["layer"])
    again.put("layer", run)
    assert "new.npy exists and was not made" in str(again.error)
    (run / "new.npy").unlink()
    again.put("layer", run)
    assert {*files(here / "out")} == {MARK, "layer/sub/dEdX.npy", "layer/new.npy"}


@pytest.mark.parametrize("listed", ["../mine.txt", "/etc/hosts", "layer/../../mine.txt"])
def test_a_mark_lists_nothing_outside_its_folder(here, listed):
    (here / "out").mkdir()
    (here / "out" / MARK).write_text(json.dumps({"made": [listed, "layer/x"]}))
    assert json.loads(Kept(here / "out").listing()) == {"made": ["layer/x"]}


def test_a_link_in_a_marked_folder_is_not_followed(here):
    (here / "out").mkdir()
    (here / "user").mkdir()
    (here / "user" / "x").write_text("mine")
    (here / "out" / MARK).write_text(json.dumps({"made": ["layer/x", "x"]}))
    (here / "out" / "layer").symlink_to(here / "user")
    (here / "out" / "x").symlink_to(here / "mine.txt")
    kept = Kept(here / "out")
    with pytest.raises(cnngrad.CnngradError, match="was not made by cnngrad"):
        kept.require(["x"])
    kept.put("layer", here / "user")
    assert "was not made by cnngrad" in str(kept.error)
    assert files(here / "user") == {"x": b"mine"}


def test_a_folder_of_results_replaces_only_its_own(here, capsys):
    assert main(["backward", "p.json", "-o", "out/"]) == 0
    assert main(["backward", "p.json", "-o", "out/"]) == 0
    (here / "mine").mkdir()
    (here / "mine" / "dEdX.npy").write_text("mine")
    capsys.readouterr()
    told = refused(capsys, "backward", "p.json", "-o", "mine")
    assert told.startswith("cnngrad: mine/dEdX.npy exists and was not made by cnngrad")
    (here / "mine" / "dEdX.npy").rename(here / "mine" / MARK)
    told = refused(capsys, "backward", "p.json", "-o", "mine")
    assert told.startswith(f"cnngrad: mine/{MARK} exists and was not made by cnngrad")


def test_a_hard_link_to_what_is_replaced_keeps_its_content(here):
    kept = Kept(here / "out")
    kept.begin(["x"])
    kept.save("x", "old")
    os.link("out/x", "backup")
    kept.save("x", "new")
    assert ((here / "out" / "x").read_text(), (here / "backup").read_text()) == ("new", "old")


LINKS = {
    "the same": lambda: "p.json",
    "another spelling": lambda: "./../" + Path.cwd().name + "/p.json",
    "a link": lambda: os.symlink("p.json", "link.json") or "link.json",
    "a hard link": lambda: os.link("p.json", "hard.json") or "hard.json",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize(
    "words",
    [
        "forward p.json",
        "backward -x p.json::X -w p.json::W -g ones",
        "check p.json",
        "check p.json --hard",
        "check --run false --suite p.json",
    ],
)
def test_no_output_replaces_an_input(capsys, words, link):
    output = link()
    told = refused(capsys, *words.split(), "-o", output)
    assert told == f"cnngrad: {output} is an input of this command: write to another file\n"


def test_nor_raw_numbers_a_report_and_a_result_among_the_arrays(here, capsys):
    np.ones((3, 3)).tofile("x.md")
    told = refused(capsys, "forward", "-x", "x.md:f64:3x3", "-w", "2x2", "--report", "x.md", "--explain")
    assert "x.md is an input" in told
    told = refused(capsys, "check", "p.json", "--run", "cat mine.txt", "--report", "mine.txt")
    assert "mine.txt is an input" in told
    assert main(["forward", "p.json", "-o", "out/"]) == 0
    capsys.readouterr()
    assert "out/O.npy is an input" in refused(capsys, "forward", "-x", "out/O.npy", "-w", "p.json::W", "-o", "out")
    (here / "p.json").rename(here / "x-2.svg")
    told = refused(capsys, "backward", "x-2.svg", "--element", "x11", "--element", "x12", "--report", "x.svg")
    assert "x-2.svg is an input" in told
    (here / "x-2.svg").rename(here / "p.json")
    (here / "o.json").symlink_to("r.md")
    told = refused(capsys, "forward", "p.json", "-o", "o.json", "--report", "r.md")
    assert told == "cnngrad: r.md and o.json are the same file: name another for --report\n"


def test_an_output_is_a_regular_file(here, capsys):
    (here / "loop.json").symlink_to("loop.json")
    (here / "null.json").symlink_to("/dev/null")
    (here / "loop.md").symlink_to("loop.md")
    os.mkfifo("pipe.json")
    assert "Too many levels of symbolic links" in refused(capsys, "forward", "p.json", "-o", "loop.json")
    assert "Too many levels of symbolic links" in refused(capsys, "forward", "p.json", "--report", "loop.md")
    for name in ("null.json", "pipe.json"):
        for words in (["forward", "p.json"], ["check", "p.json"]):
            assert f"can't write {name}: it is a device, not a file" in refused(capsys, *words, "-o", name)
