"""Numbers as people hold them: text, raw binary, safetensors, and tensors of other libraries."""

import json
import struct
from contextlib import suppress

import numpy as np
import pytest

import cnngrad
from cnngrad.cli.main import main
from cnngrad.files.binary import load_safetensors

X = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*args):
        code = main([*args, "--json"])
        out, err = capsys.readouterr()
        return json.loads(out) if code in (0, 1) else err

    return run


def test_flat_numbers_take_the_layers_shape(run, tmp_path):
    (tmp_path / "x.txt").write_text("1 2 3\n4 5 6\n7 8 9\n")
    (tmp_path / "w.csv").write_text("1,2\n3,-1\n")
    (tmp_path / "g.txt").write_text("4 -2 -3 5\n")
    (tmp_path / "dx.txt").write_text("\n".join(map(str, [4, 6, -4, 9, -11, 12, -9, 18, -5])))
    (tmp_path / "b.txt").write_text("1\n")
    layer = ("-x", "x.txt", "-w", "w.csv")
    right = cnngrad.backward(X, [[1, 2], [3, -1]], [[4, -2], [-3, 5]])
    assert run("backward", *layer, "-g", "g.txt")["dEdX"] == right.dx.tolist()
    columns = cnngrad.backward(X, [[1, 2], [3, -1]], [[4, -3], [-2, 5]])
    assert run("backward", *layer, "-g", "g.txt", "--order", "F")["dEdX"] == columns.dx.tolist()
    assert run("forward", *layer, "-b", "b.txt")["O"] == [[13, 18], [28, 33]]
    (tmp_path / "g.json").write_text("[[4, -2], [-3, 5]]")
    (tmp_path / "turned.txt").write_text(" ".join(map(str, right.dx.ravel("F"))))
    assert run("check", *layer, "-g", "ones", "--dx", "turned.txt", "--order", "F")["passed"] is False
    assert run("check", *layer, "-g", "g.json", "--dx", "turned.txt", "--order", "F")["passed"] is True
    for without_effect in (("forward", *layer), ("backward", *layer, "-g", "ones"), ("check", *layer, "--dx", "x.txt")):
        assert "--order has no effect here" in run(*without_effect, "--order", "F")
    assert run("check", *layer, "-g", "g.txt", "--dx", "dx.txt")["passed"] is True
    (tmp_path / "g.txt").write_text("4 -2 -3\n")
    assert "dEdO has shape (3,), but X (3, 3)" in run("backward", *layer, "-g", "g.txt")
    assert "order is 'row'" in run("backward", *layer, "-g", "g.txt", "--order", "row")


@pytest.mark.parametrize(
    ("form", "pack"), [("f32", "<9f"), ("f64", "<9d"), ("f16", "<9e"), ("i8", "<9b"), ("i32", "<9i"), ("i32:be", ">9i")]
)
def test_raw_numbers_are_read_in_the_type_that_is_named(run, tmp_path, form, pack):
    (tmp_path / "x.bin").write_bytes(struct.pack(pack, *range(1, 10)))
    (tmp_path / "one.json").write_text("[[1]]")
    found = run("forward", "-x", f"x.bin:{form}:3x3", "-w", "one.json")
    assert found["O"] == X
    back = run("backward", "-x", f"x.bin:{form}:3x3", "-w", "one.json", "-g", f"x.bin:{form}")
    assert back["dEdX"] == X


def test_raw_bfloat16_is_widened_and_judged_as_bfloat16(run, tmp_path):
    values = np.float32([[1.1, 2.3], [0.7, 5.9]])
    half = (values.view(np.uint32) >> 16).astype("<u2")
    (tmp_path / "dx.bin").write_bytes(half.tobytes())
    (tmp_path / "p.json").write_text(json.dumps({"X": [[1.5, 2.5], [3.5, 4.5]], "W": [[1.0]], "dEdO": values.tolist()}))
    (tmp_path / "g.json").write_text(json.dumps((half.astype(np.uint32) << 16).view(np.float32).tolist()))
    report = run("check", "p.json", "-g", "g.json", "--dx", "dx.bin:bf16")
    assert report["passed"] is True


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("x.bin:f32", "x.bin:f32 has no shape: append X's, such as x.bin:f32:3x3"),
        ("x.bin:f64:3x3", "x.bin has 36 bytes: f64 numbers have 8 bytes each"),
        ("x.bin:f32:2x2", "x.bin has 9 f32 numbers, but 2x2 needs 4"),
        ("x.bin:f32:wide", "'wide' is not understood"),
        ("y.bin:f32:3x3", "can't read y.bin: No such file"),
        ("x.bin", "it seems to hold raw binary numbers: name their type, as x.bin:f32"),
        ("empty.bin:f32:3x3", "empty.bin has 0 bytes"),
        ("utf16.bin", "it seems to be a text in UTF-16: save it as UTF-8"),
    ],
)
def test_a_raw_file_that_does_not_fit_is_told(run, tmp_path, spec, words):
    (tmp_path / "x.bin").write_bytes(struct.pack("<9f", *range(1, 10)))
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "utf16.bin").write_bytes("[[1, 2]]".encode("utf-16-le"))
    (tmp_path / "w.json").write_text("[[1]]")
    assert words in run("forward", "-x", spec, "-w", "w.json")


def safetensors(arrays, **changed):
    header, numbers = {"__metadata__": {"made": "by hand"}}, b""
    for name, (form, array) in arrays.items():
        content = array.tobytes()
        place = [len(numbers), len(numbers) + len(content)]
        header[name] = {"dtype": form, "shape": list(array.shape), "data_offsets": place} | changed.get(name, {})
        numbers += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


ARRAYS = {"X": ("F32", np.float32(X)), "W": ("BF16", np.uint16([[0x3F80, 0x4000], [0x4040, 0xBF80]]))}


def test_safetensors_are_read_as_a_problem_and_by_name(run, tmp_path):
    (tmp_path / "p.safetensors").write_bytes(safetensors(ARRAYS))
    assert run("forward", "p.safetensors")["O"] == [[12, 17], [27, 32]]
    assert run("forward", "-x", "p.safetensors::X", "-w", "p.safetensors::W")["O"] == [[12, 17], [27, 32]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": {"dtype": "C64"}}, "holds C64"),
        ({"X": {"shape": [4, 3]}}, "cannot reshape"),
        ({"X": {"data_offsets": [0, 2**40]}}, "cannot reshape"),
        ({"X": {"shape": [-1, 3]}}, "X is not where its header says"),
        ({"X": {"shape": [-3, -3]}}, "can only specify one unknown dimension"),
        ({"W": {"data_offsets": [0, 8]}}, "is not where its header says"),
        ({"W": {"data_offsets": None}}, "is not a readable safetensors file"),
    ],
)
def test_a_damaged_safetensors_file_is_told(change, words):
    with pytest.raises(cnngrad.CnngradError, match=words):
        load_safetensors("p.safetensors", safetensors(ARRAYS, **change))


def test_a_header_longer_than_its_safetensors_file_is_told():
    content = safetensors(ARRAYS)
    with pytest.raises(
        cnngrad.CnngradError, match=f"it has {len(content)} bytes, but its header claims {len(content) - 7}"
    ):
        load_safetensors("p.safetensors", (len(content) - 7).to_bytes(8, "little") + content[8:])


def test_every_flip_of_a_bit_and_every_cut_of_a_safetensors_file_is_read_or_refused():
    content = safetensors({"X": ("F32", np.float32([[1, 2]]))})
    for place in range(len(content)):
        flipped = bytes([*content[:place], content[place] ^ 1 << place % 8, *content[place + 1 :]])
        for damaged in (flipped, content[:place]):
            with suppress(cnngrad.CnngradError):
                load_safetensors("p.safetensors", damaged)


class Tensor:
    """What PyTorch's tensors have in common with ours here."""

    def __init__(self, array, steps=()):
        self.array, self.steps, self.dtype = np.asarray(array), steps, "torch.bfloat16"

    def detach(self):
        return Tensor(self.array, (*self.steps, "detach"))

    def cpu(self):
        return Tensor(self.array, (*self.steps, "cpu"))

    def float(self):
        return Tensor(np.float32(self.array), (*self.steps, "float"))

    def numpy(self):
        assert self.steps == ("detach", "cpu", "float")
        return self.array


def test_tensors_of_other_libraries_are_taken_as_they_are():
    assert cnngrad.forward(Tensor(X), [[1.0]]).tolist() == X
    gpu = type("ndarray", (), {"__module__": "cupy", "get": lambda _: np.array(X)})
    assert cnngrad.forward(gpu(), [[1]]).tolist() == X


def test_pytorchs_tensors_are_taken_as_they_are():
    torch = pytest.importorskip("torch")
    x, w = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True), torch.ones((2, 2), requires_grad=True)
    o = torch.nn.functional.conv2d(x[None, None].float(), w[None, None])
    o.sum().backward()
    assert cnngrad.forward(x, w).tolist() == o[0, 0].tolist()
    assert cnngrad.check(x, w, torch.ones(2, 2), dx=x.grad, dw=w.grad)


@pytest.mark.parametrize("name", ["x", "w"])
def test_none_and_masked_arrays_are_errors_that_say_so(name):
    with pytest.raises(cnngrad.CnngradError, match=rf"{name.upper()} is null \(None\): it must be an array"):
        cnngrad.forward(**{"x": X, "w": X, name: None})
    with pytest.raises(cnngrad.CnngradError, match=f"{name.upper()} is a masked array"):
        cnngrad.forward(**{"x": X, "w": X, name: np.ma.masked_array([[1, 2]], [[0, 1]])})
