"""What lessons say is true: every sentence has a pattern, and a check that follows from the definitions alone."""

import re
from collections import Counter
from dataclasses import replace
from functools import cached_property
from itertools import pairwise, product

import numpy as np
import pytest

import cnngrad
from cnngrad.derivation.blocks import Expansions, Grids, Sentence
from cnngrad.derivation.grids import Copy, Fill, Grid, Pair
from cnngrad.render.matrix import Fitting
from cnngrad.render.painter import Painter
from cnngrad.render.terminal import text_of
from tests import reference
from tests.cases import CASES, SMALL, Case

WORDS = {1: ("position",), 2: ("row", "column"), 3: ("depth", "row", "column")}
ENDS = {"row": ("above", "below"), "column": ("on the left", "on the right")}
NAME = r"[xwo](?:\[\d+,\d+\])?[\d,]*\d"
EACH = r"(?:\d+ \w+(?: \(\w+\))?(?:, )?)+"
SIDES = r"(?:\d+ \w+ on each side|\d+ \w+ (?:in front|above|on the left)(?:, \d+ [a-z ]+)+)"


def is_grid(item):
    return isinstance(item, Grid)


class Facts:
    """What is true of a layer, from its definition."""

    def __init__(self, case, data):
        self.case, self.words = case, WORDS[case.dims]
        self.x, self.w, self.b, self.dedo = data
        self.pads, self.kernel, self.stride, self.dilation = case.pads, case.w[2:], case.stride, case.dilation
        self.wide, self.out = (case.o, case.x) if case.transposed else (case.x, case.o)
        self.wide, self.out = self.wide[2:], self.out[2:]
        self.span = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        self.padded = [size + sum(pair) for size, pair in zip(self.wide, self.pads, strict=True)]
        every = zip(self.padded, self.stride, self.out, self.span, strict=True)
        self.leftover = [padded - s * (n - 1) - span for padded, s, n, span in every]
        self.frame = [(span - 1, span - 1 + over) for span, over in zip(self.span, self.leftover, strict=True)]
        self.products = list(reference.pairs(case.x, case.w, case.o, *case.definition))
        self.sizes = {"x": case.x, "w": case.w, "o": case.o, "b": case.o[1:2]}
        dw, dx, db = reference.backward(self.x, self.w, self.dedo, *case.definition)
        bias = self.b if case.bias else None
        self.results = {"w": dw, "x": dx, "b": db, "o": reference.forward(self.x, self.w, bias, *case.definition)}
        self.is_strided = any(s > 1 and n > 1 for s, n in zip(self.stride, self.out, strict=True))
        self.is_dilated = any(d > 1 and k > 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        self.is_padded = any(map(sum, self.pads))

    def along(self, axis):
        """The positions that meet along an axis: that of a window, and what it reads or stamps, or None."""
        s, d, p, size = self.stride[axis], self.dilation[axis], self.pads[axis][0], self.wide[axis]
        for i, u in product(range(self.out[axis]), range(self.kernel[axis])):
            yield i, reference.standing(s * i + d * u - p, size, self.case.mode)

    @cached_property
    def reached(self):
        return [{h for _, h in self.along(axis) if h is not None} for axis in range(self.case.dims)]

    @cached_property
    def stamping(self):
        return [{i for i, h in self.along(axis) if h is not None} for axis in range(self.case.dims)]

    def targets(self, letter):
        """The names of the elements of the section's first table of this form."""
        tables = [block for block in self.blocks if isinstance(block, Expansions) and block.chain]
        return [expansion.target.element for expansion in tables[0].expansions]

    @cached_property
    def terms(self):
        """The products of each element."""
        found = {letter: Counter() for letter in "owx"}
        for triple in self.products:
            for letter, index in zip("owx", triple, strict=True):
                found[letter][index] += 1
        found["b"] = dict.fromkeys(((f,) for f in range(self.case.o[1])), self.case.o[0] * np.prod(self.case.o[2:]))
        return found

    def index(self, name):
        """The letter and the index, from 0, of an element."""
        letter, lead, place = re.fullmatch(r"([xwob])(?:\[([\d,]+)\])?([\d,]*)", name).groups()
        lead = [int(k) for k in lead.split(",")] if lead else [1] * (1 + (letter != "b"))
        places = [] if letter == "b" else place.split(",") if "," in place or self.case.dims == 1 else list(place)
        return letter, tuple(int(k) - 1 for k in [*lead, *places])

    def counted(self, name):
        letter, index = self.index(name)
        return self.terms[letter][index] + (letter == "o" and self.case.bias)

    def per_axis(self, text):
        """The numbers of `1 zero`, or of `1 zero (rows), 2 zeros (columns)`."""
        found = re.findall(r"(\d+) (\w+)(?: \((\w+)s\))?", text)
        assert all(word.endswith("s") == (number != "1") for number, word, _ in found), text
        if len(found) == 1:
            return [int(found[0][0])] * self.case.dims
        assert [axis for _, _, axis in found] == list(self.words)
        return [int(number) for number, _, _ in found]

    def sides(self, text):
        """The numbers before and behind of each axis."""
        if match := re.fullmatch(r"(\d+) \w+ on each side", text):
            return [(int(match[1]),) * 2] * self.case.dims
        places = [place for word in self.words for place in ENDS.get(word, ("in front", "behind"))]
        found = re.findall(r"(\d+)(?: zeros?| positions?)? ([a-z ]+?)(?=,|$)", text)
        assert [place for _, place in found] == places, text
        numbers = [int(number) for number, _ in found]
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def moves(self, said, numbers):
        """Whether per-axis numbers are right on all axes on which something moves or lies beside something."""
        return all(a == b for a, b in zip(self.per_axis(said), numbers, strict=True))

    def several(self, *letters):
        """The words of the axes in front that have several of each."""
        leads = {"x": ("sample", "channel"), "o": ("sample", "filter"), "w": ("filter", "channel")}
        if self.case.transposed:
            leads["w"] = ("channel", "filter")
        return list(
            dict.fromkeys(
                f"{word} 1" for a in letters for word, n in zip(leads[a], self.sizes[a][:2], strict=True) if n > 1
            )
        )

    def over(self, text):
        """The leftover of `the last row and the last 2 columns`."""
        found = dict.fromkeys(self.words, 0)
        for number, word in re.findall(r"the last (?:(\d+) )?(\w+?)s?(?=,| and|$)", text):
            assert number != "1"
            found[word] = int(number or 1)
        return list(found.values())

    @cached_property
    def leads(self):
        """The samples, channels or filters that an element of each array is summed over."""
        case = self.case
        return {"w": case.x[0], "o": case.x[1] // case.groups, "x": case.o[1] // case.groups}

    def check_leads(self, name, word, count):
        """Over what an element's pictures go one by one, and how many there are."""
        letter = name[0]
        number = self.leads[letter]
        assert word == (None if number == 1 else {"o": "channel", "w": "sample", "x": "filter"}[letter])
        assert count == (str(number) if number > 4 else None)

    def where(self, letter, index):
        """Where an element lies."""
        axes = [(k, n) for k, n in zip(index[2:], self.sizes[letter][2:], strict=True) if n > 1]
        at = sum(k == 0 or k == n - 1 for k, n in axes)
        if not axes:
            return None
        if at == 0:
            return "inside"
        return {(1, 1): "at an end", (2, 1): "at an edge", (3, 1): "on a face"}.get(
            (len(axes), at), "at a corner" if at == len(axes) else "at an edge"
        )

    def remark(self, name, text):
        letter, index = self.index(name)
        count = self.terms[letter][index]
        if match := re.fullmatch(r"(?:(.*) )?with (\d+) terms?", text):
            assert int(match[2]) == self.counted(name) > 0
            assert match[1] == self.where(letter, index)
            return
        transposed = self.case.transposed
        right = {
            "which meets only padding": not transposed and letter == "w",
            "which no x reaches": transposed and letter == "o",
            "whose products are all cut off": transposed and letter != "o",
            "which no window reads": not transposed and letter == "x",
            "whose window covers only padding": not transposed and letter == "o",
        }
        assert count == 0
        assert right[text]


SAID = []


def says(pattern):
    """Enter the check of the sentences that match a pattern."""

    def noted(check):
        SAID.append((re.compile(pattern, re.DOTALL), check))
        return check

    return noted


def listed(text):
    return re.split(r", | and ", text) if text else []


@says(r"Indices in brackets: (.*)\. All indices count from 1\.")
def _(facts, told):
    pair = ("w[c,f]", "channel c and filter f") if facts.case.transposed else ("w[f,c]", "filter f and channel c")
    assert told == f"x[n,c] belongs to sample n and channel c, {pair[0]} belongs to {pair[1]}"


@says(r"E is the error, which training minimizes; ∂E/∂O comes back from the next layer\.")
def _(facts):
    pass


@says(r"The padding holds (.*) \((\w+)\)\. Its cells are marked: x′ is a cell that repeats x\.")
def _(facts, words, mode):
    assert mode == facts.case.mode
    assert words == {
        "reflect": "the mirror image", "replicate": "the nearest element", "circular": "the opposite side"
    }[mode]  # fmt: skip


@says(r"With its padding( of zeros)?, X is")
def _(facts, zeros):
    assert facts.is_padded
    assert bool(zeros) == (facts.case.mode == "zeros")


@says(r"For ((?:sample|channel|filter) 1.*), as an example:")
def _(facts, names):
    letters = {"layer": "xwo", "output": "o", "dw-conv": "w", "dx-conv": "x"}[facts.section]
    assert names.split(", ") == facts.several(*letters)


@says(
    rf"∗ means that the filter slides over (X|∂E/∂O); it is (not rotated|rotated by 180°) before it slides( \(flip\))?"
    rf"(?:; it moves in steps of ({EACH}) \(stride\))?(?:; its elements lie ({EACH}) apart \(dilation\))?\.( .*)?"
)
def _(facts, wide, turned, flip, steps, apart, more):
    assert wide == ("∂E/∂O" if facts.case.transposed else "X")
    assert (turned == "rotated by 180°") == bool(flip) == facts.case.flip
    assert bool(steps) == facts.is_strided
    assert not steps or facts.moves(steps, facts.stride)
    assert bool(apart) == facts.is_dilated
    assert not apart or facts.moves(apart, facts.dilation)
    in_flip = " This is what mathematics calls a convolution."
    other = " In mathematics this is called cross-correlation; a convolution rotates the filter first."
    assert more == (in_flip if facts.case.flip else None if facts.case.transposed else other)


@says(r"([ijkpqr, ]+) counts? the (.*?) of (O|X)(?:, ([ijk, ]+) those of X)?(?:, and ([uvt, ]+) those of W)?, from 1\.")
def _(facts, letters, words, tensor, others, of_w):
    assert listed(words) == [f"{word}s" for word in facts.words]
    wide = (tensor == "X") != facts.case.transposed
    assert letters.split(", ") == list("pqr" if wide else "ijk")[: facts.case.dims]
    assert not of_w or of_w.split(", ") == list("uvt")[: facts.case.dims]
    assert not others or others.split(", ") == list("ijk")[: facts.case.dims]
    assert bool(of_w) == (tensor == "O")
    assert bool(others) == (facts.case.transposed and tensor == "O")


@says(
    r"The layer has (\d+) groups of (\d+) channels? and (\d+) filters?: a (filter|channel) (.*) of its own group\. "
    r"([cf]) counts them within the group, \6' in (X|O): \6' = \6 \+ (\d+)·\(number of the group − 1\)\."
)
def _(facts, groups, channels, filters, each, verb, letter, array, step):
    case = facts.case
    assert int(groups) == case.groups > 1
    assert int(channels) * case.groups == case.x[1]
    assert int(filters) * case.groups == case.o[1]
    assert (each, verb, letter, array, int(step)) == (
        ("channel", "is stamped only onto the filters", "f", "O", int(filters))
        if case.transposed
        else ("filter", "reads only the channels", "c", "X", int(channels))
    )


@says(r"Shown: (.*)\. The other (?:(\d+) work|(one) works) the same way\.")
def _(facts, told, number, one):
    parts = re.findall(rf"(?:∂E/∂)?({NAME}|b\[\d+\]) (.*?)(?=, (?:∂E/∂)?[xwob][\[\d]|$)", told)
    for name, remark in parts:
        facts.remark(name, remark)
    assert np.prod(facts.sizes[parts[0][0][0]]) - len(parts) == int(number or 1)
    assert bool(one) == (int(number or 1) == 1)
    assert sorted({facts.index(name) for name, _ in parts}) == [facts.index(name) for name, _ in parts]


@says(rf"The window of ({NAME}) overlaps the padding(\. All its products)?:")
def _(facts, name, with_zeros):
    _, index = facts.index(name)
    touched = [
        not 0 <= s * i + d * u - p < size
        for i, s, d, (p, _), k, size in zip(
            index[2:], facts.stride, facts.dilation, facts.pads, facts.kernel, facts.wide, strict=True
        )
        for u in range(k)
    ]
    assert any(touched)
    every = facts.leads["o"] * np.prod(facts.kernel) + facts.case.bias
    assert bool(with_zeros) == (facts.case.mode == "zeros" and every <= 32)
    if with_zeros:
        (sums,) = facts.after_it.expansions
        assert len(sums.terms) == every
        assert "more" not in text_of(Painter().blocks([facts.after_it]))


@says(r"(?:(One) more matrix is|(\d+) more matrices are) not shown\.")
def _(facts, one, number):
    letter = {"output": "o", "dw": "w", "dx": "x"}[facts.section]
    size = facts.sizes[letter]
    assert sum(map(is_grid, facts.before_it.rows[0])) + int(number or 1) == np.prod(size[: max(2, len(size) - 2)])
    assert bool(one) == (not number)


@says(
    rf"({NAME}) is used in every output of its filter, so the chain rule has one term for each"
    r"(; terms with a 0 of the padding are omitted)?:"
)
def _(facts, name, omitted):
    assert not facts.case.transposed
    outputs = facts.case.o[0] * np.prod(facts.out)
    fewer = [facts.terms["w"][facts.index(shown)[1]] < outputs for shown in facts.targets("w")]
    assert bool(omitted) == any(fewer)


@says(
    rf"Each x of its channel stamps ({NAME}) onto an output of its own(, unless the padding cuts it off)?"
    r"(\. For the others ∂o/∂w = 0; their products are omitted)?:"
)
def _(facts, name, cut, others):
    assert facts.case.transposed
    assert bool(cut) == facts.is_padded
    _, index = facts.index(name)
    met = [o for o, w, _ in facts.products if w == index]
    assert len(set(met)) == len(met)
    outputs = facts.case.o[0] * np.prod(facts.case.o[2:])
    assert bool(others) == any(facts.terms["w"][facts.index(shown)[1]] < outputs for shown in facts.targets("w"))


@says(rf"In ({NAME}), ({NAME}) is multiplied by (.*), so ∂\1/∂\2 = (.*?)\.(?: This gives)?")
def _(facts, o, by, times, total):
    o, by = facts.index(o), facts.index(by)
    factors = [facts.index(name) for name in times.split(" and by ")]
    assert factors == [facts.index(name) for name in total.split(" + ")]
    triples = [dict(zip("owx", triple, strict=True)) for triple in facts.products]
    other = "x" if by[0] == "w" else "w"
    right = [(other, each[other]) for each in triples if each["o"] == o[1] and each[by[0]] == by[1]]
    assert sorted(factors) == sorted(right)


@says(r"In these sums (X|∂E/∂O) lies on (X|∂E/∂O):")
def _(facts, moving, wide):
    assert np.prod(facts.kernel) == 1


@says(rf"In these sums (X|∂E/∂O) slides over (X|∂E/∂O), ({EACH}) at a time( \(dilation\))?:")
def _(facts, moving, wide, steps, dilation):
    assert (moving, wide) == (("X", "∂E/∂O") if facts.case.transposed else ("∂E/∂O", "X"))
    assert facts.moves(steps, facts.dilation)
    assert bool(dilation) == facts.is_dilated


@says(
    rf"(?:The windows of neighbouring outputs|Neighbouring x) lie ({EACH}) apart on (X|O), so (X|∂E/∂O) is spread "
    rf"out in "
    rf"the same way: ({EACH}) between its elements\."
)
def _(facts, apart, wide, moving, zeros):
    assert (moving, wide) == (("X", "O") if facts.case.transposed else ("∂E/∂O", "X"))
    assert facts.moves(apart, facts.stride)
    assert facts.moves(zeros, [s - 1 for s in facts.stride])
    assert facts.is_strided


@says(r"(X|∂E/∂O)( with its padding)? is cut here: no window reaches (.*)\.")
def _(facts, wide, padded, over):
    assert wide == ("∂E/∂O" if facts.case.transposed else "X")
    assert bool(padded) == facts.is_padded
    assert facts.over(over) == facts.leftover != [0] * facts.case.dims


@says(r"Since W is rotated before it slides, the result comes out rotated by 180°\.")
def _(facts):
    assert facts.case.flip


@says(
    r"(?:(X|∂E/∂O) lies in another place for each ∂E/∂w\. )?(?:Shifted one cell at a time, the filter gives "
    r"(∂E/∂X|O)(.*)\. )?"
    r"The products in \[brackets\]( and b)? (add up to|are some of the terms of) the element:"
)
def _(facts, moving, full, crop, bias, verb):
    letter = {"dw-conv": "w", "dx-conv": "x", "output": "o"}[facts.section]
    assert (verb == "add up to") == (facts.leads[letter] <= 4)
    assert bool(moving) == (letter == "w" and np.prod(facts.kernel) > 1)
    assert not moving or moving == ("X" if facts.case.transposed else "∂E/∂O")
    assert full in (None, "O" if facts.case.transposed else "∂E/∂X")
    assert not full or facts.cropped(crop)
    assert bool(bias) == (facts.case.bias and facts.case.transposed and letter == "o")


def cropped(facts, said):
    """Whether a clause says how the full convolution is cut back, or folded."""
    if not facts.is_padded:
        return said == ""
    if facts.case.mode == "zeros":
        match = re.fullmatch(rf", cut back by the padding of ({SIDES})", said)
        return facts.sides(match[1]) == [tuple(pair) for pair in facts.pads]
    end = "and each position of it is added to the x that stands there"
    match = re.fullmatch(rf"; the result has a padding of ({SIDES}) \((\w+)\), {end}", said)
    return facts.sides(match[1]) == [tuple(pair) for pair in facts.pads] and match[2] == facts.case.mode


Facts.cropped = cropped


EACH_LEAD = r"(?:, (channel|sample|filter) by (?:channel|sample|filter)(?:, the first 4 of (\d+))?)?"


@says(rf"For (?:∂E/∂)?({NAME})(?: = (-?\d+))?, ([a-z ]+(?:\d+ terms?)?){EACH_LEAD}:")
def _(facts, name, value, remark, word, count):
    facts.check_leads(name, word, count)
    letter, index = facts.index(name)
    facts.remark(name, remark)
    assert value == (None if facts.in_symbols else str(facts.results[letter][index]))


@says(r"If X is the output of another layer, that layer needs ∂E/∂X\. In an MLP, .* the error comes back like this:")
def _(facts):
    pass


@says(
    rf"In the forward pass ({NAME}) sends its value along each connection, .* and ∂E/∂\1 is the sum of what arrives\."
)
def _(facts, name):
    assert facts.terms["x"][facts.index(name)[1]] == max(facts.terms["x"].values())


@says(
    r"A convolution is a fully connected layer whose weight matrix M holds each w once for every output that uses "
    r"it, and "
    r"0 elsewhere\. .* as a column o( \(to which b is added\))?, .* the w that connects them(, the sum of "
    r"several)?, or 0:"
)
def _(facts, bias, several):
    assert bool(bias) == facts.case.bias
    assert bool(several) == (facts.case.mode != "zeros")
    assert not facts.case.transposed


@says(
    r"A transposed convolution is a fully connected layer, too\. .* as a column o( \(to which b is added\))?, .* "
    r"its name:"
)
def _(facts, bias):
    assert bool(bias) == facts.case.bias
    assert facts.case.transposed


@says(r"(Mᵀ|M) is (\d+)×(\d+) here, too large to print\.")
def _(facts, name, rows, columns):
    assert (name == "Mᵀ") == facts.case.transposed
    assert (int(rows), int(columns)) == (np.prod(facts.case.o[1:]), np.prod(facts.case.x[1:]))
    rows = [row for block in facts.blocks if isinstance(block, Grids) for row in block.rows]
    assert not {"M", "Mᵀ"} & {item.title for row in rows for item in row if is_grid(item)}


@says(
    r"In an MLP every entry of M is a separate weight with its own gradient ∂E/∂o·x\. Here a w stands in at most "
    r"(\d+) (entry|entries), and ∂E/∂w adds up the gradients of its entries\."
)
def _(facts, number, word):
    entries = Counter(w for o, w, x in facts.products if o[0] == 0)
    assert max(entries.values(), default=0) == int(number)
    assert (word == "entry") == (number == "1")


@says(
    r"An x affects only the outputs (whose windows cover it|that it is stamped on)"
    r"(\. For the others ∂o/∂x = 0; their products are omitted)?:"
)
def _(facts, reached, others):
    assert (reached == "that it is stamped on") == facts.case.transposed
    outputs = np.prod(facts.case.o[2:]) * facts.case.o[1] // facts.case.groups
    met = {name: {o for o, _, x in facts.products if x == facts.index(name)[1]} for name in facts.targets("x")}
    assert bool(others) == any(len(found) < outputs for found in met.values())


@says(
    r"The full convolution gives a gradient for each position of X with its padding\. Fold adds each one to the x "
    r"that stands there\."
)
def _(facts):
    assert facts.case.mode != "zeros"


@says(r"W has one element(?: for each channel)? here, so a rotation changes nothing\.")
def _(facts):
    assert np.prod(facts.kernel) == 1


@says(
    rf"Why (not )?rotated\? ({NAME}|∂E/∂{NAME}) (?:is reached by|reaches) (.*?)(, …)?: as (x|the output) "
    rf"moves on, the "
    r"element of W moves (back|on too)\. (?:Laid out in the order of (X|∂E/∂O) these elements lie as in W( rotated "
    r"by 180°)?|W (is|was) rotated before it (?:is stamped|slid) \(flip\); a second rotation brings it back)\."
)
def _(facts, unturned, name, told, more, moving, way, array, turned, flip):
    letter, index = facts.index(name.removeprefix("∂E/∂"))
    pairs = [[facts.index(each) for each in part.split(" through ")] for part in re.split(r", by |, (?=[ox])", told)]
    triples = [dict(zip("owx", triple, strict=True)) for triple in facts.products]
    for (other, at), (_, w) in pairs:
        assert {letter: index, other: at, "w": w} in triples
        assert other == ("x" if moving == "x" else "o")
    places, elements = [at[2:] for (_, at), _ in pairs], [w[2:] for _, (_, w) in pairs]
    assert places == sorted(places)
    assert elements == sorted(elements, reverse=way == "back")
    is_full = (letter == "o") == facts.case.transposed
    assert bool(unturned) == (is_full == facts.case.flip) == (way == "on too")
    assert len(pairs) > 1
    if array:
        assert array == ("X" if letter == "o" else "∂E/∂O")
        assert bool(turned) == (way == "back")
    else:
        assert facts.case.flip
        assert is_full
        assert (flip == "is") == facts.case.transposed
    meeting = [each for each in triples if each[letter] == index]
    if facts.case.mode == "zeros":
        assert bool(more) == (len(meeting) > len(pairs))


@says(
    r"Why (not )?rotated\? A filter meets the first cell that it covers with its first element, and the last cell "
    r"with its last\. As it slides over (X|∂E/∂O), an element of \2 lies at its end for the first cell, "
    r"and at its beginning for the last\. (So the filter is turned round|W (is|was) rotated before it "
    r"(?:is stamped|slid) \(flip\); a second rotation brings it back)\."
)
def _(facts, unturned, array, turned, when):
    assert bool(unturned) == bool(when) == facts.case.flip
    assert array == ("X" if facts.case.transposed else "∂E/∂O")
    assert when in (None, "is" if facts.case.transposed else "was")


@says(r"Why (not )?rotated\? Each ∂E/∂x collects what its stamp covers\.")
def _(facts, unturned):
    assert facts.case.transposed
    assert bool(unturned) == (not facts.case.flip)


@says(r"(O|∂E/∂W|∂E/∂X) is a sum over the (\d+) (channels|samples|filters)\.( For the first:)?")
def _(facts, result, number, word, first):
    case = facts.case
    assert not first or result == ("O" if case.transposed else "∂E/∂X")
    sums = {"O": ("channels", case.x[1], case.groups), "∂E/∂W": ("samples", case.x[0], 1)}
    own, count, groups = sums.get(result, ("filters", case.o[1], case.groups))
    assert word == own
    assert int(number) * groups == count > groups


@says(
    rf"(?:Because of the stride (?:X|∂E/∂O) gets ({EACH}) between its elements\. ?)?(?:Full means that the filter "
    rf"starts where "
    rf"it covers only the first element of (?:X|∂E/∂O), so (X|∂E/∂O) has a frame of ({SIDES})\.( At the end it is "
    rf"wider by what "
    rf"the stride leaves over\.| At the end it is wider by the output padding\.)?)?(?: ?With dilation the filter's "
    rf"elements lie "
    rf"({EACH}) apart\.)?"
)
def _(facts, zeros, array, frame, wider, apart):
    assert bool(zeros) == facts.is_strided
    assert not zeros or facts.moves(zeros, [s - 1 for s in facts.stride])
    assert bool(frame) == any(map(any, facts.frame))
    assert not frame or facts.sides(frame) == facts.frame
    assert bool(wider) == any(facts.leftover)
    assert not wider or wider.endswith("padding.") == facts.case.transposed
    assert bool(apart) == facts.is_dilated
    assert not apart or facts.moves(apart, facts.dilation)
    assert array in (None, "X" if facts.case.transposed else "∂E/∂O")


@says(
    rf"The filter moves one cell at a time here(?:, though W moved ({EACH}) at a time over X: the windows of "
    rf"neighbouring outputs "
    rf"lie that far apart on X|: the stamps of neighbouring x lie ({EACH}) apart on O), and the zeros keep this "
    rf"distance\."
)
def _(facts, moved, apart):
    assert bool(apart) == facts.case.transposed
    assert facts.moves(moved or apart, facts.stride)
    assert facts.is_strided


@says(
    rf"(?:Code that scatters, dX\[window\] \+= W·∂E/∂o for one output after another, is right "
    rf"too(, if dX has the padding of X, which is (?:cut off at the end \(shown as -\)|folded back at the end))?\. "
    rf".* For ∂E/∂({NAME})(?: = (-?\d+))? it is|For ({NAME})(?: = (-?\d+))? the stamp is)"
)
def _(facts, padding, o, value, x, number):
    assert bool(x) == facts.case.transposed
    assert bool(padding) == (facts.is_padded and not x)
    array, (_, index) = (facts.x, facts.index(x)) if x else (facts.dedo, facts.index(o))
    assert (number or value) == (None if facts.in_symbols else str(array[index]))


@says(r"b is added to every output of its filter, so its gradient is the sum of their gradients:")
def _(facts):
    assert facts.case.bias


@says(r"∂E/∂X of this layer is ∂E/∂O of the layer before it, which follows the same steps\.")
def _(facts):
    pass


@says(
    rf"Each x stamps W onto O: W(, rotated by 180° \(flip\),)? times this x is added to O\.( An x of channel c "
    rf"stamps w\[c,f\] onto "
    rf"filter f\.)?(?: The stamps of neighbouring x lie ({EACH}) apart \(stride\)\.)?(?: The elements of W lie "
    rf"({EACH}) apart "
    rf"\(dilation\)\.)?(?: Stamps that overlap add up\.)?(?: The padding of ({SIDES}) is cut off \(shown as -\)\.)?"
    rf"( b is added to every o of its filter\.)?"
)
def _(facts, flip, onto, apart, dilated, cut, bias):
    assert bool(onto) == (not facts.is_bare)
    assert bool(flip) == facts.case.flip
    assert bool(apart) == facts.is_strided
    assert not apart or facts.moves(apart, facts.stride)
    assert bool(dilated) == facts.is_dilated
    assert not dilated or facts.moves(dilated, facts.dilation)
    assert bool(cut) == facts.is_padded
    assert not cut or facts.sides(cut) == [tuple(pair) for pair in facts.pads]
    assert bool(bias) == facts.case.bias


@says(
    r"The size of O is \(size of X − 1\)·stride \+ width of a stamp − padding on both sides \+ output padding: (.*)\."
)
def _(facts, told):
    sums = re.findall(r"\((\d+) − 1\)·(\d+) \+ (\d+) − (\d+)(?: \+ (\d+))? = (\d+)", told)
    every = zip(
        facts.case.x[2:],
        facts.stride,
        facts.span,
        map(sum, facts.pads),
        facts.case.extra,
        facts.case.o[2:],
        strict=True,
    )
    found = [tuple(int(number or 0) for number in each) for each in sums]
    right = [tuple(map(int, each)) for each in every]
    assert found == (right if len(found) == len(right) else right[:1])
    assert len(found) == len(right) or len(set(right)) == 1


@says(
    r"(?:Why output padding\? A convolution drops what its stride leaves over: with this W, stride and padding it "
    r"makes .*\. So the "
    r"size of X alone does not tell the size of O: output padding chooses it\. )?Output padding adds positions "
    r"behind O, not around "
    r"it\. PyTorch demands that it is less than the stride or the dilation\."
)
def _(facts):
    """The sizes are held against the definition in `test_derivation`."""
    assert any(facts.case.extra) or max(facts.stride) > 1


@says(r"Gathered for one o after another, the same sums are a full convolution:")
def _(facts):
    assert facts.case.transposed


@says(r"A transposed convolution is also called deconvolution, but it does not undo a convolution: .*")
def _(facts):
    assert facts.case.transposed


GAPS = rf"(?: with ({EACH}) between its elements)?"
PADDED = rf"(?: with its padding of ({SIDES}|{SIDES} \(\w+\)))?"
OVER = r"(?:, without (.*), which (?:no stamp reaches|the stride leaves over))?"


@says(
    rf"Here: (?:X|∂E/∂O){GAPS} slides over (?:X|∂E/∂O){PADDED}{OVER}(?:, in steps of ({EACH}) \(dilation\))?"
    r"(; the result is rotated by 180°)?\."
)
def _(facts, zeros, padding, over, steps, turned):
    facts.recipe(zeros, padding, over)
    assert bool(steps) == facts.is_dilated
    assert not steps or facts.moves(steps, facts.dilation)
    assert bool(turned) == facts.case.flip
    assert facts.is_strided or facts.is_padded or any(facts.leftover) or steps or turned


@says(
    rf"Here: the filter slides over ∂E/∂O{PADDED}{OVER}(?:, in steps of ({EACH}))?"
    rf"(?:; its elements lie ({EACH}) apart)?\."
)
def _(facts, padding, over, steps, apart):
    facts.recipe("1 zero" * facts.is_strided, padding, over, spread=False)
    assert bool(steps) == facts.is_strided
    assert not steps or facts.moves(steps, facts.stride)
    assert bool(apart) == facts.is_dilated
    assert not apart or facts.moves(apart, facts.dilation)
    assert facts.is_strided or facts.is_padded or any(facts.leftover) or apart


@says(
    rf"Here: (?:X|∂E/∂O){GAPS}(?: in a frame of ({SIDES}))?(?:, under a filter whose elements lie ({EACH}) apart)?"
    rf"((?:, cut back by|; the result has a padding of) [^;]*?)?(; b is added)?\."
)
def _(facts, zeros, frame, apart, crop, bias):
    facts.recipe(zeros, None, None, spread=True, slides=False)
    assert bool(frame) == any(map(any, facts.frame))
    assert not frame or facts.sides(frame) == facts.frame
    assert bool(apart) == facts.is_dilated
    assert not apart or facts.moves(apart, facts.dilation)
    assert facts.cropped(crop or "")
    assert bool(bias) == (facts.case.transposed and facts.case.bias)


def recipe(facts, zeros, padding, over, spread=True, slides=True):
    """Check what sentences of the summary have in common."""
    assert bool(zeros) == facts.is_strided
    assert not zeros or not spread or facts.moves(zeros, [s - 1 for s in facts.stride])
    if slides:
        assert bool(padding) == facts.is_padded
        said, _, mode = (padding or "0 zeros on each side").partition(" (")
        assert facts.sides(said) == [tuple(pair) for pair in facts.pads]
        assert mode.rstrip(")") == ("" if facts.case.mode == "zeros" else facts.case.mode)
        assert facts.over(over or "") == facts.leftover


Facts.recipe = recipe


@says(
    r"(No (?:window reads|x reaches) (?:position|depth|row|column)s? .*?)(: (?:∂E/∂x|o) is (?:exactly 0|0|b) there)?\."
)
def _(facts, told, end):
    letter = "o" if facts.case.transposed else "x"
    zero = end and end.removeprefix(f": {'o' if letter == 'o' else '∂E/∂x'} is ").removesuffix(" there")
    right = ("b" if facts.case.bias else "0") if letter == "o" else "exactly 0"
    assert zero == (right if letter == "o" or facts.section == "dx" else None)
    unread = [sorted(set(range(size)) - met) for size, met in zip(facts.wide, facts.reached, strict=True)]
    found = {word: [] for word in facts.words}
    for part in told.split("; "):
        places, _, why = part.partition(f" of {letter.upper()}, since ")
        assert places.lower().startswith("no x reaches " if letter == "o" else "no window reads ")
        for word, numbers in re.findall(r"(position|depth|row|column)s? ([\d, …]*\d)", places):
            found[word] = numbers.split(", ")
            axis = facts.words.index(word)
            assert facts.reasons(axis, unread[axis]) == why
    for word, missing in zip(facts.words, unread, strict=True):
        named = [str(k + 1) for k in missing]
        assert found[word] == (named if len(named) <= 6 else [*named[:3], "…", named[-1]])


def reasons(facts, axis, unread):
    """Why no window reaches positions: behind the last one, or between them."""
    s, d, k, span = facts.stride[axis], facts.dilation[axis], facts.kernel[axis], facts.span[axis]
    last = s * (facts.out[axis] - 1) + span - 1 - facts.pads[axis][0]
    why = []
    if any(h > last for h in unread):
        why.append(
            "output padding adds positions behind the last stamp"
            if facts.case.transposed
            else f"the stride {s} does not divide the {facts.padded[axis] - span} steps that a window of {span} can "
            f"move on {facts.padded[axis]} positions (remainder {(facts.padded[axis] - span) % s})"
        )
    if any(h < last for h in unread):
        between = f"the stride {s} is larger than the {'stamp' if facts.case.transposed else 'window'} of {span}"
        assert s > span or d > 1
        why.append(f"stride {s} with dilation {d} skips such positions" if d > 1 and k > 1 else between)
    return " and since ".join(why)


Facts.reasons = reasons


@says(r"The padding cuts off all stamps of (.*) of X: ∂E/∂x is exactly 0 there\.")
def _(facts, told):
    assert facts.case.transposed
    for word, numbers in re.findall(r"(position|depth|row|column)s? ([\d, …]*\d)", told):
        axis = facts.words.index(word)
        missing = [str(i + 1) for i in range(facts.case.x[2 + axis]) if i not in facts.stamping[axis]]
        assert numbers.split(", ") == (missing if len(missing) <= 6 else [*missing[:3], "…", missing[-1]])


# What is said of single elements.
@says(
    rf"For ({NAME}|∂E/∂{NAME}), (W|W rotated by 180°|X|∂E/∂O) lies on (framed )?(X|∂E/∂O)( with its padding)?"
    rf"{EACH_LEAD}, the products in \[brackets\]:"
)
def _(facts, name, upper, framed, lower, padded, word, count):
    case, (letter, _) = facts.case, facts.index(name.removeprefix("∂E/∂"))
    wide, windows = ("∂E/∂O", "X") if case.transposed else ("X", "∂E/∂O")
    is_full = letter == ("o" if case.transposed else "x")
    assert lower == (windows if is_full else wide)
    assert upper == (windows if letter == "w" else "W rotated by 180°" if case.flip != is_full else "W")
    assert bool(framed) == (is_full and any(map(any, facts.frame)))
    assert bool(padded) == (facts.is_padded and not is_full)
    facts.check_leads(name.removeprefix("∂E/∂"), word, count)
    assert isinstance(facts.after_it, Grids)


@says(r"Depths without a marked cell are not shown\.")
def _(facts):
    assert facts.case.dims == 3


@says(rf"({NAME}), (wh[a-z ]*), has a gradient of exactly 0\.")
def _(facts, name, why):
    letter, index = facts.index(name)
    assert letter != "o"
    facts.remark(name, why)
    assert facts.results[letter][index] == 0


@says(rf"({NAME}), (wh[a-z ]*), adds up (no products|only products with 0)\.")
def _(facts, name, why, sums):
    assert name.startswith("o")
    assert (sums == "no products") == facts.case.transposed
    facts.remark(name, why)


def check_grid(facts, grid):
    """A title's numbers are those of the grid."""
    for each in filter(None, (grid, grid.around, grid.around and grid.around.around)):
        for word, first, last, size in re.findall(r"(row|column|position)s (\d+) to (\d+) of (\d+)", each.title):
            assert int(size) in (facts.padded[facts.words.index(word)], facts.framed[facts.words.index(word)])
            assert int(last) - int(first) + 1 == (each.height if word == "row" else each.width)
    if grid.title == "X, padded" and facts.case.dims < 3:
        # A cell of the padding is a zero, or marked as a copy.
        kind = Fill if facts.case.mode == "zeros" else Copy
        pads, sizes = [(0, 0), *facts.pads][-2:], [1, *facts.wide][-2:]
        for r, row in enumerate(grid.cells):
            for c, cell in enumerate(row):
                inside = all(0 <= k - a < n for k, (a, _), n in zip((r, c), pads, sizes, strict=True))
                assert isinstance(getattr(cell.content, "left", cell.content), kind) != inside
    # Every product is seen, or that some are not is said.
    marked = sum(cell.marked and isinstance(cell.content, Pair) for row in grid.cells for cell in row)
    for width in (60, 80) if marked else ():
        text = "".join(part for line in Fitting(6, width).lines([grid]) for part, _ in line)
        assert len(re.findall(r"(?<![a-z])\[", text)) == marked or "the middle counts too" in text


def check_sums(facts, block):
    """What a table says of what it omits, as a terminal shows it."""
    for expansion in block.expansions:
        name = expansion.target.element
        if name.startswith("b"):
            continue
        text = " ".join(text_of(Painter().blocks([replace(block, expansions=(expansion,))])).split())
        _, shown, *numbers = text.partition("─ ")[2].split(" = ", 2)
        more = re.search(r"… (\d+) more", shown)
        assert not more or int(more[1]) > 1
        zeros = re.search(r"\((\d+) products? with 0\)", shown)
        assert int(zeros[1] if zeros else 0) == expansion.zeros
        symbols = re.sub(r" \+ … \d+ more| \(\d+ products? with 0\).*", "", shown).split(" + ")
        count = sum(not re.match(r"0\b", term) for term in symbols)
        if not block.chain and not any(None in term.factors for term in expansion.terms):
            assert count + int(more[1] if more else 0) == facts.counted(name)
            assert facts.in_symbols or bool(more) == any("more =" in number for number in numbers)
        if more and numbers:
            products, number, rest, value = re.fullmatch(
                r"(.*) \+ \((\d+) more = (-?\d+)\) (-?\d+)", numbers[0]
            ).groups()
            assert number == more[1]
            first = sum(np.prod([int(n) for n in re.findall(r"-?\d+", term)]) for term in products.split(" + "))
            assert first + int(rest) == int(value) == facts.results[name[0]][facts.index(name)[1]]


def check_lesson(case, seed=0, in_symbols=False, **choice):
    """Every sentence, title and table of a lesson; the patterns that were met."""
    data = case.data(seed)
    facts, met = Facts(case, data), set()
    facts.framed = [
        sum(pair) + s * (n - 1) + 1 for pair, s, n in zip(facts.frame, facts.stride, facts.out, strict=True)
    ]
    facts.in_symbols, facts.is_bare = in_symbols, max(*case.x[:2], *case.w[:2]) == 1
    # X, W and dE/dO without axes for samples, channels and filters have names without brackets.
    x, w, dedo = (array[0, 0] if facts.is_bare else array for array in (data[0], data[1], data[3]))
    b = data[2] if case.bias else None
    if in_symbols:
        x, w, dedo = ("x".join(map(str, array.shape)) for array in (x, w, dedo))
        b = str(case.o[1]) if case.bias and not facts.is_bare else "1" if case.bias else None
    forward = any(name.startswith("o") for name in choice.get("elements", ()))
    for section in cnngrad.derive(x, w, None if forward else dedo, b=b, **choice, **case.options).sections:
        facts.section, facts.blocks, facts.before_it = section.name, section.blocks, None
        for block, facts.after_it in pairwise([*section.blocks, None]):
            if isinstance(block, Sentence):
                text = "".join(map(str, block.parts))
                # A name in words is not typeset as one.
                assert not re.search(rf"\b(?:{NAME}|b\[)", "".join(p for p in block.parts if isinstance(p, str))), text
                found = [(pattern, check, match) for pattern, check in SAID if (match := pattern.fullmatch(text))]
                assert len(found) == 1, f"{len(found)} patterns: {text}"
                ((pattern, check, match),) = found
                check(facts, *match.groups())
                met.add(pattern)
            for row in block.rows if isinstance(block, Grids) else ():
                for grid in filter(is_grid, row):
                    check_grid(facts, grid)
            if isinstance(block, Expansions):
                check_sums(facts, block)
            facts.before_it = block
    return met


def a_layer(seed):
    """A random layer of any kind."""
    rng = np.random.default_rng(seed)
    dims = int(rng.integers(1, 4))
    while True:
        most = (12, 7, 4)[dims - 1]
        sizes, kernels = rng.integers(1, most, dims, endpoint=True), rng.integers(1, 4, dims)
        strides, dilations = rng.integers(1, 4, dims), rng.choice((1, 1, 2), dims)
        pads = rng.integers(0, 3, (dims, 2)) * rng.integers(0, 2)
        groups, channels, filters, batch = (int(n) for n in rng.choice((1, 1, 2, 3, 5), 4) ** rng.integers(0, 2))
        transposed, mode = rng.random() < 0.3, str(rng.choice(("zeros", "zeros", "reflect", "replicate", "circular")))
        numbers = (tuple(map(int, each)) for each in (sizes, kernels, strides, dilations))
        sizes, kernels, strides, dilations = numbers
        pads = tuple((int(a), int(b)) for a, b in pads)
        flip, bias = bool(rng.integers(2)), bool(rng.integers(2))
        if transposed:
            extra = tuple(int(n) for n in rng.integers(0, strides))
            x, w = (batch, groups * channels, *sizes), (groups * channels, filters, *kernels)
            case = Case(x, w, strides, pads, dilations, groups, flip, bias, transposed=True, extra=extra)
        else:
            x, w = (batch, groups * channels, *sizes), (groups * filters, channels, *kernels)
            case = Case(x, w, strides, pads, dilations, groups, flip, bias, mode if np.any(pads) else "zeros")
        widest = max(max(pair) - size for pair, size in zip(pads, sizes, strict=True))
        if min(case.o) > 0 and widest < {"reflect": 0, "circular": 1}.get(mode, 99):
            return case


def elements(case, seed, letters):
    """Names of some elements of a layer: the first and the last of an array, and a random one."""
    rng = np.random.default_rng(seed)
    for letter, shape in ((letter, {"w": case.w, "x": case.x, "o": case.o}[letter]) for letter in letters):
        wide = max(*case.x[2:], *case.w[2:], *case.o[2:]) > 9
        for index in [(0,) * len(shape), tuple(n - 1 for n in shape), tuple(rng.integers(0, shape))]:
            n, c, *place = (int(k) + 1 for k in index)
            brackets = f"[{n},{c}]" if max(*case.x[:2], *case.w[:2]) > 1 else ""
            yield f"{letter}{brackets}{(',' if wide else '').join(map(str, place))}"


def lessons_of(seed):
    """The patterns that are met in lessons of a random layer."""
    case = a_layer(seed)
    met = check_lesson(case, seed, limit=4, in_symbols=seed % 3 == 1)
    for letters in ("wx", "o"):
        met |= check_lesson(case, seed, limit=4, elements=[*elements(case, seed, letters)])
    return met


@pytest.mark.parametrize("seed", range(0, 200, 40))
def test_what_a_lesson_says_is_true(seed):
    lessons_of(seed)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", SMALL)
def test_what_a_lesson_says_of_a_chosen_layer_is_true(name):
    check_lesson(CASES[name], limit=4)


@pytest.mark.long
@pytest.mark.whole
def test_what_200_lessons_say_is_true_and_every_pattern_occurs():
    met = set().union(*map(lessons_of, range(200)))
    assert [pattern.pattern for pattern, _ in SAID if pattern not in met] == []
