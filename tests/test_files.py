"""Files in: what people hold is read or refused with a way out, and no damage breaks the program."""

import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import cnngrad
from cnngrad import memory
from cnngrad.cli.main import main
from cnngrad.files.problem import Reader
from cnngrad.files.read import parse
from cnngrad.tensor import Tensor
from tests import contents, golden

X, W, G = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, -1]], [[4, -2], [-3, 5]]


def saved(save, *args, **arrays):
    file = io.BytesIO()
    save(file, *args, **arrays)
    return file.getvalue()


def compressed(**arrays):
    return saved(np.savez_compressed, **arrays)


PROBLEM = {"X": X, "W": W, "dEdO": G, "stride": 1, "padding": [[0, 0], [0, 0]], "flip": False}
FILES = {
    "npy": saved(np.save, np.array(X)),
    "npy of float32": saved(np.save, np.array(X, np.float32)),
    "npz": saved(np.savez, X=np.array(X, np.int8), W=np.array(W, np.int8), stride=1),
    "compressed npz": compressed(X=np.array(X, np.int8), W=np.array(W, np.int8), stride=1),
    "json": json.dumps(PROBLEM).encode(),
}


def read_and_compute(content):
    """What the command does with a problem, or with an array for X, whose content this is."""
    read = parse("FILE", content, lambda _: None)
    reader = Reader(lambda: content)
    if isinstance(read, np.ndarray):
        cnngrad.forward(reader.array(Tensor.X, "-").array, W)
    else:
        problem = reader.problem("-")
        given = problem.operands(problem.layer())
        cnngrad.forward(given[Tensor.X].array, given[Tensor.W].array, **problem.options)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_every_flip_of_a_bit_is_read_or_refused_in_two_lines(content, whole):
    read_and_compute(content)
    refused = []
    bits = range(0, 8 * len(content), 1 if whole else 13)
    for bit in bits:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            read_and_compute(bytes(damaged))
        except cnngrad.CnngradError as error:
            refused.append(str(error))
    assert len(refused) > len(bits) / 8
    assert max(message.count("\n") for message in refused) < 2


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_every_truncation_is_refused(content):
    for length in range(len(content)):
        with pytest.raises(cnngrad.CnngradError, match=r"."):
            read_and_compute(content[:length])


@pytest.mark.parametrize("on_disk", [True, False])
def test_more_numbers_than_the_header_promises_are_refused(tmp_path, on_disk):
    content = FILES["npy"].replace(b"(3, 3)", b"(3, 2)")
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(cnngrad.CnngradError, match=r"promises 48 bytes of numbers, but 72 are there: save it again"):
        Reader(lambda: content).array(Tensor.X, str(tmp_path / "x.npy") if on_disk else "-")


@pytest.mark.parametrize("size", [2**31 - 1, 2**31])
def test_the_largest_size_of_a_shape_is_that_of_int32(size, capsys):
    """Two columns of W fit into no X with one."""
    assert main(["forward", "-x", f"{size}x1", "-w", "2x2", "--explain"]) == 2
    assert ("has a size of more than 2147483647" in capsys.readouterr().err) == (size > 2**31 - 1)


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_a_shape_that_no_array_has_is_refused(tmp_path, capsys, digits):
    assert main(["forward", "-x", "9" * digits + "x3", "-w", "2x2", "--explain"]) == 2
    err = capsys.readouterr().err
    assert "has a size of more than 2147483647: write one such as 3x3" in err
    assert len(err) < 200
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({'9' * digits}, 3), }}\n".encode()
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert main(["forward", "-x", str(tmp_path / "x.npy"), "-w", "2x2"]) == 2
    assert "is not a readable NPY file" in capsys.readouterr().err


@pytest.mark.parametrize("kind", contents.KINDS)
def test_files_of_every_kind_are_read_or_refused_as_people_have_seen(kind):
    assert contents.contents(kind) == golden.kept("contents", kind)


def test_an_npz_that_unpacks_to_much_is_told_first_and_refused_where_memory_does_not_hold_it(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "p.npz"
    path.write_bytes(compressed(X=np.zeros((4096, 4096)), W=np.ones((1, 1))))
    assert path.stat().st_size < 2**20
    assert main(["forward", str(path), "-o", str(tmp_path / "O.npy")]) == 0
    assert capsys.readouterr().err == f"cnngrad: {path} unpacks to 128 MiB\n"
    monkeypatch.setattr(memory, "available", lambda: 100 * 2**20)
    assert main(["forward", str(path), "-o", str(tmp_path / "P.npy")]) == 2
    assert "unpacks to 128 MiB, but 100 MiB are free: save smaller arrays" in capsys.readouterr().err
    assert not (tmp_path / "P.npy").exists()


def test_the_memory_that_is_free_is_the_least_that_is_known(monkeypatch):
    def unknown():
        raise OSError

    for readings, free in (((5, 3, 4), 3), ((7, unknown, unknown), 7), ((2, -1, 9), 0), ((unknown,) * 3, None)):
        for name, reading in zip(("_of_machine", "_of_group", "_of_process"), readings, strict=True):
            monkeypatch.setattr(memory, name, reading if callable(reading) else lambda size=reading: size)
        assert memory.available() == free


def test_an_npz_is_unpacked_into_its_arrays_and_no_second_copy():
    content = compressed(X=np.zeros((1024, 4096)), W=np.ones((1, 1)))
    tracemalloc.start()
    parse("p.npz", content, lambda _: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 32 * 2**20


def npz_with_pickle():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02.")
    return file.getvalue()


HELD = {
    "x.pt": (npz_with_pickle(), "a PyTorch file", 'np.save("X.npy", torch.load("x.pt").detach().numpy())'),
    "x.pkl": (pickle.dumps(X), "a Python pickle", "pickle.load"),
    "x.mat": (b"MATLAB 5.0 MAT-file" + bytes(200), "a MATLAB file", 'scipy.io.loadmat("x.mat")["X"]'),
    "x.h5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file", 'h5py.File("x.h5")'),
    "x.png": (b"\x89PNG\r\n\x1a\n", "an image", "PIL.Image.open"),
    "x.npy.gz": (b"\x1f\x8b\x08\0", "a file compressed by gzip", "gzip.open"),
}


@pytest.mark.parametrize(("name", "held"), HELD.items(), ids=HELD.keys())
def test_a_file_that_is_not_read_is_named_with_the_line_that_turns_it_into_one(
    tmp_path, monkeypatch, capsys, name, held
):
    content, seems, line = held
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert main(["forward", "-x", name, "-w", "2x2"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"cnngrad: {name} is not JSON")
    assert f"it seems to be {seems}: save it as .npy, in Python np.save" in told
    assert line in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps({"X": X}).encode("utf-16"), "it seems to be a text in UTF-16: save it as UTF-8"),
        ("1,5\u00a02,5".encode("cp1252"), "is not UTF-8, nor NPY or NPZ: byte 4 (in line 1) is 0xa0: save it as UTF-8"),
        (
            '{"X": [[1]],\n "ä": 1}'.encode("latin-1"),
            "is not UTF-8, nor NPY or NPZ: byte 16 (in line 2) is 0xe4: save it",
        ),
    ],
)
def test_json_in_another_encoding_is_told_with_the_byte(content, words):
    with pytest.raises(cnngrad.CnngradError) as caught:
        parse("p.json", content, print)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("dout", "dEdO"), ("dZ", "dEdO"), ("dY", "dEdO"), ("grad_output", "dEdO"), ("weight", "W"), ("input", "X"),
        ("kernel", "W"), ("bias", "b"), ("Filter", "W"), ("pads", "padding"), ("strides", "stride"), ("dEDO", "dEdO"),
    ],
)  # fmt: skip
def test_another_tool_s_key_is_told_with_ours(key, meant):
    with pytest.raises(cnngrad.CnngradError, match=f"unknown key '{key}': did you mean '{meant}'?"):
        Reader(lambda: json.dumps({key: 1}).encode()).problem("-")


@pytest.mark.parametrize("spec", ["3,3", "3by3", "3*3", "3; 3"])
def test_a_shape_in_other_words_is_told_in_ours(spec):
    with pytest.raises(cnngrad.CnngradError, match="for an array without numbers write its shape as 3x3"):
        Reader(bytes).array(Tensor.X, spec)


def test_a_missing_file_is_told_with_a_near_name(tmp_path):
    (tmp_path / "weights.npy").write_bytes(FILES["npy"])
    with pytest.raises(cnngrad.CnngradError, match=f"did you mean {tmp_path}/weights.npy"):
        Reader(bytes).array(Tensor.W, f"{tmp_path}/weigths.npy")
    with pytest.raises(cnngrad.CnngradError, match=r"No such file or directory$"):
        Reader(bytes).array(Tensor.W, f"{tmp_path}/none/x.npy")


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        ({"stride": "two"}, [], "FILE: stride is 'two': it must be an integer of at least 1"),
        ({"stride": 0}, [], "FILE: stride is 0: it must be at least 1"),
        ({"padding": "sama"}, [], "FILE: padding 'sama' is unknown"),
        ({"dims": 7}, [], "FILE: dims is 7"),
        ({"stride": [[[1]]]}, [], "FILE: stride is nested too deeply"),
        ({"dEdO": [[1]]}, [], "FILE: dEdO has shape (1, 1)"),
        ({"stride": "two"}, ["--stride", "0"], "cnngrad: stride is 0: it must be at least 1"),
    ],
)
def test_what_a_file_says_wrongly_is_told_with_its_name(tmp_path, capsys, changes, flags, words):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"X": X, "W": W, "dEdO": G} | changes))
    assert main(["backward", str(path), *flags]) == 2
    assert words.replace("FILE", str(path)) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "pads"),
    [("SAME", "same"), ("VALID", "valid"), ("SAME_UPPER", "same"), ("SAME_LOWER", "same-lower"), ("Full", "full")],
)
def test_padding_as_tensorflow_and_onnx_write_it(word, pads, capsys):
    x, w = np.arange(20).reshape(4, 5), np.arange(1, 7).reshape(2, 3)
    assert cnngrad.forward(x, w, padding=word).tolist() == cnngrad.forward(x, w, padding=pads).tolist()
    assert main(["forward", "-x", "4x5", "-w", "2x3", "--padding", word, "--explain"]) == 0
    assert f"-> {pads}" not in capsys.readouterr().out


def test_an_array_alone_in_its_object_is_told_as_such():
    with pytest.raises(cnngrad.CnngradError, match="holds its array under a key: name it, as -::weight"):
        Reader(lambda: b'{"weight": [[1]]}').array(Tensor.W, "-")


SEQUENCES = np.arange(48).reshape(2, 3, 8), np.arange(24).reshape(4, 3, 2)


def test_shapes_that_another_number_of_axes_would_fit_are_told_with_it():
    x, w = SEQUENCES
    with pytest.raises(
        cnngrad.CnngradError, match=r"has 2 channels.*for a layer with 1 spatial axis use --dims 1 \(dims=1 in"
    ):
        cnngrad.forward(x, w)
    assert cnngrad.forward(x, w, dims=1).shape == (2, 4, 7)
    with pytest.raises(cnngrad.CnngradError, match="spatial axis use --dims 1"):
        cnngrad.backward(x, w, np.ones((2, 4, 7)))
    volumes = np.ones((2, 5, 6, 7)), np.ones((3, 2, 2, 2, 2))
    with pytest.raises(cnngrad.CnngradError, match="spatial axes use --dims 3"):
        cnngrad.forward(*volumes, dims=2)


def test_where_two_readings_fit_the_layer_s_line_says_which_was_taken(tmp_path, capsys):
    """As many samples as filters, each with three channels: one image, or three sequences."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"X": np.ones((3, 3, 8), int).tolist(), "W": np.ones((3, 3, 2), int).tolist()}))
    assert main(["forward", str(path)]) == 0
    assert "(2 spatial axes; for 1 use --dims 1)" in capsys.readouterr().out.replace("\n", " ")
    assert main(["forward", str(path), "--dims", "1"]) == 0
    assert "spatial axes" not in capsys.readouterr().out


def test_a_bias_or_an_error_gradient_tells_the_readings_apart(capsys):
    x, w, b = np.ones((2, 3, 4, 4), int), np.ones((2, 3, 2, 2), int), [1, 2]
    assert not cnngrad.check(x, w, b=b).layer.others
    assert not cnngrad.check(x, w, np.ones((2, 2, 3, 3), int)).layer.others
    assert cnngrad.check(x, w).layer.others == " (2 spatial axes; for 3 use --dims 3)"
