"""Recognises files that cnngrad can't read, and says how it can read them."""

import re

__all__ = ["advice", "raw_advice", "text_advice"]

# Number of bytes or characters that are examined; a 0 byte among them is a sign of raw numbers.
_LOOKED_AT = 4096
# For each kind of binary file: its name, how it begins, and a line of Python that converts it; the first match counts.
_BINARY = (
    ("a PyTorch file", rb"PK\x03\x04[\s\S]*/data\.pkl", 'np.save("X.npy", torch.load("FILE").detach().numpy())'),
    ("a Python pickle", rb"\x80[\x02-\x05]", 'np.save("X.npy", pickle.load(open("FILE", "rb")))'),
    ("a MATLAB file", rb"MATLAB 5\.0", 'np.save("X.npy", scipy.io.loadmat("FILE")["X"])'),
    ("an HDF5 file", rb"\x89HDF\r\n", 'np.save("X.npy", h5py.File("FILE")["X"][:])'),
    ("an image", rb"\x89PNG|\xff\xd8\xff|GIF8", 'np.save("X.npy", np.asarray(PIL.Image.open("FILE").convert("L")))'),
    ("a file compressed by gzip", rb"\x1f\x8b", 'np.save("X.npy", np.load(gzip.open("FILE")))'),
)


def advice(name: str, content: bytes) -> str | None:
    """What a binary file seems to be, and how to convert it to .npy; None if it is not recognised.

    >>> advice("m.mat", b"MATLAB 5.0 MAT-file")
    'it seems to be a MATLAB file: save it as .npy, in Python np.save("X.npy", scipy.io.loadmat("m.mat")["X"])'
    """
    # A PyTorch archive is also recognised by its file name.
    begins = content[:_LOOKED_AT] + (b"/data.pkl" if name.endswith((".pt", ".pth")) else b"")
    for words, pattern, line in _BINARY:
        if re.match(pattern, begins):
            return f"it seems to be {words}: save it as .npy, in Python {line.replace('FILE', name)}"
    return None


def raw_advice(name: str, content: bytes) -> str | None:
    """How to read a file of raw binary numbers; None if its content is something else."""
    if re.match(rb"\xff\xfe|\xfe\xff|(?:[\t\n\r -~]\0){4}|(?:\0[\t\n\r -~]){4}", content):
        return "it seems to be a text in UTF-16: save it as UTF-8"
    if b"\0" not in content[:_LOOKED_AT]:
        return None
    spec = "-" if name == "standard input" else name
    return (
        f"it seems to hold raw binary numbers: name their type, as {spec}:f32 (or f64, f16, bf16, i8, i32), and for X "
        f"and W their shape too, as {spec}:f32:3x3"
    )


_SAVED = 'save the array itself, np.save("X.npy", X)'
_WHOLE = 'np.set_printoptions(threshold=10**9), or torch.set_printoptions(profile="full")'
_PANDAS = 'np.save("X.npy", pandas.read_csv("FILE", sep=None, engine="python").to_numpy()), without its index'
_BASES = 'np.save("X.npy", np.array([int(word, 16) for word in open("FILE").read().split()])), or with 8 or 2 for 16'
# Without words of another kind.
_IN_A_BASE = r"(?i)radix|\A[^g-wyz.]*?\b(?:0[0-9a-f]|[0-9]+[a-df]|[a-f]+[0-9]|[01]{8}|[a-f]{4})[^g-wyz.]*\Z"
_LOG = r"(?:INFO|DEBUG|WARN(?:ING)?|ERROR|LOG)\b|[IWEF][0-9]{4} |[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T][0-9]{2}:"
_TITLES = r'\A\s*+(?:"?[A-Za-z_][\w.]*+"?(?:[ \t]++|(?=\n)))++\n[ \t]*+"?[-+.0-9<_]'
_DRAWN = r"(?m)^[ \t]*(?:[|+├─](?:[ *]*[A-Za-z]\w* *[*|]|[ :|+=]*[-─])|:?-+:? *\|)"
_ELEMENTS = r"(?m)(?:^\s*\w*|[{(,]\s*)(?:[\[(][0-9, ]+[\])])+ *(?:=>?|:)"
_CALL = r"[\w.](?<!\b[aA]rray)(?<!\b[tT]ensor)(?<![0-9])\("
# Texts that hold no readable array: a pattern, what the text is, and what to do with it; the first match counts.
_TEXTS = (
    (r"∂E/∂[\s\S]*…", "a table that cnngrad has cut", "let it save the numbers: -o X.npy"),
    (r"\.\.\.|[…⋮⋯⋱]|<repeats", "cut", f"print it whole, in Python after {_WHOLE}"),
    (rf"\A\s*\[?(?:{_LOG})", "a log", "leave what stands behind dates and words"),
    (r"\\begin\b|\\\\", "LaTeX", r"leave its numbers, with a comma for each & and a new line for each \\"),
    (r"# Created by Octave", "Octave's text", "leave its numbers in one line, and say --order F for its columns"),
    (r"(?m)\A---$|^(?:\w+:|\s*- .*)\n\s*- ", "YAML", 'np.save("X.npy", yaml.safe_load(open("FILE"))), or its ["X"]'),
    (r"\A\s*[0-9a-fA-F]{7,8}[: ]", "a hexadecimal dump", "xxd -r FILE X.bin makes raw numbers of it: X.bin:f32"),
    (_ELEMENTS, "elements with indices", f"leave numbers alone, in one line, or {_SAVED}"),
    (r"sparse", "a sparse array", 'np.save("X.npy", X.to_dense()), or X.toarray() in SciPy'),
    (r"(?i)[0-9.][ij]\b", "complex numbers", 'save their real part: np.save("X.npy", X.real)'),
    (r"(?i)[\[(,\s](?:true|false)[\]),\s]", "booleans", 'save them as integers: np.save("X.npy", np.array(X, int))'),
    (r"[0-9] ?%(?![ \t]*[A-Za-z])", "percentages", 'divide them by 100: np.save("X.npy", X / 100)'),
    (rf"{_TITLES}|\A(?:\s*\"?[A-Za-z_][\w ]*\"?[,;\t]|[,;\t]|[ \t]+0[ \t]+1)|dtype:", "a table with titles", _PANDAS),
    (_DRAWN, "a drawn table", f"leave its rows of numbers alone, or {_SAVED}"),
    (rf"#include|{_CALL}", "code", f"cnngrad runs none: leave an array with its numbers alone, or {_SAVED}"),
    (r"[0-9]['’\u00a0\u202f\u2007\u2009][0-9]{3}", "numbers with marks of thousands", "leave the marks out"),
    (r"[0-9],([0-9]+ *[;\t|\"]|[0-9]{3}\b)", "decimal commas or thousands", "write decimal points, and no other mark"),
    (_IN_A_BASE, "numbers in base 16, 8 or 2, or with Fortran's d for e", _BASES),
)


def text_advice(name: str, text: str) -> str:
    """What a text seems to be, and how to make it readable.

    >>> print(text_advice("x.txt", "[[1+2j, 3]]"))
    it seems to be complex numbers: save their real part: np.save("X.npy", X.real)
    """
    for pattern, words, line in _TEXTS:
        if re.search(pattern, text[:_LOOKED_AT]):
            return f"it seems to be {words}: {line.replace('FILE', name)}"
    return f"{_SAVED}, or print nested lists, X.tolist()"
