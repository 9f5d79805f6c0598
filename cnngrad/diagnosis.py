"""What is wrong with a gradient: which known mistakes reproduce it, or else where the wrong elements are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import prod

import numpy as np

from cnngrad.arrays import Array
from cnngrad.differences import spread
from cnngrad.layer import Layer
from cnngrad.mistakes import CATALOGUE, Data, Guess, Mistake

__all__ = ["Diagnosis", "Precision", "as_user", "counts", "diagnose", "hidden_mistakes", "locate"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Precision:
    """How precisely a claimed gradient is written.

    Attributes:
        fraction: the rounding of its sums, as a fraction of the sum of absolute terms; 0 for exact integers.
        unit: the last decimal place of a claim that is evidently rounded, else 0.
        digits: the significant digits of a claim that is evidently rounded to them, else 0.
        eps: the relative rounding of each result alone, as for float16.
        worst: as `fraction`, for a plain loop that rounds after every term.
    """

    fraction: float
    unit: float = 0.0
    digits: int = 0
    eps: float = 0.0
    worst: float = 0.0

    def loose(self, values: Array, magnitude: Array) -> Array:
        """How far a claim may be from `values` that a plain loop has summed."""
        return replace(self, fraction=max(self.fraction, self.worst)).allowed(values, magnitude)

    def allowed(self, values: Array, magnitude: Array) -> Array:
        """How far a claim may be from `values`, whose terms' absolute values add up to `magnitude`."""
        allowed: Array = self.fraction * magnitude + self.eps * np.abs(values) + 0.5 * self.unit * (1 + 1e-9)
        if self.digits:
            size = np.floor(np.log10(np.where(values == 0, 1, np.abs(values).astype(np.float64))))
            allowed = allowed + np.where(values == 0, 0, 0.5 * 10.0 ** (size - self.digits + 1) * (1 + 1e-9))
        return allowed


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Attributes:
        mistake: the id of the likeliest known mistake that reproduces it, None where none does.
        also: the ids of the others that reproduce it.
        hint: what the mistake is and how to fix it, or where the wrong elements are.
    """

    mistake: str | None = None
    also: tuple[str, ...] = ()
    hint: str = ""


# So many elements of a guess are compared first.
_PROBES = 512


def diagnose(data: Data, name: str, claim: Array, magnitude: Array, precision: Precision) -> Diagnosis:
    """Name the mistakes that reproduce a wrong gradient.

    Args:
        data: the layer and its numbers.
        name: `"dEdW"`, `"dEdX"` or `"dEdb"`.
        claim: the wrong gradient, in the user's layout.
        magnitude: the sums of absolute terms of the right gradient, in canonical shape.
        precision: how precisely the claim is written.
    """
    found: list[tuple[Mistake, str]] = []
    for mistake in CATALOGUE:
        if mistake.id == "scaled":
            detail = _factor(data, name, claim, magnitude, precision)
        else:
            detail = _reproduced(mistake, data, name, claim, magnitude, precision)
        if detail is not None:
            found.append((mistake, detail))
    if not found:
        return Diagnosis()
    (first, detail), *others = found
    told = f"{first.says}{f' ({detail})' if detail else ''}. To fix it: {first.fix}."
    if others:
        told += " Or: " + "; or ".join(f"{m.says}{f' ({d})' if d else ''}" for m, d in others) + "."
    return Diagnosis(first.id, tuple(mistake.id for mistake, _ in others), _as_sentence(told))


def _as_sentence(words: str) -> str:
    """With a capital, unless it begins with a name such as dE/dO, W or np.rot90, which is written as it is."""
    first = words.split()[0]
    is_name = not first.isalpha() or (first.startswith("d") and first[1:2].isupper())
    return words if is_name else words[0].upper() + words[1:]


def hidden_mistakes(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of the mistakes that can't be seen in this layer and data: they give the right gradient, or none."""
    return tuple(
        mistake.id
        for mistake in CATALOGUE
        if any(name in mistake.guesses for name in names) and not any(_shows(mistake, data, name) for name in names)
    )


def _shows(mistake: Mistake, data: Data, name: str) -> bool:
    right = data.right[name]
    for guess in _guesses(mistake, data, name):
        if guess.bare or guess.array.shape != right.shape or not np.array_equal(guess.array, right):
            return True
    return False


def _guesses(mistake: Mistake, data: Data, name: str) -> Iterator[Guess]:
    make: Callable[[Data], Iterator[Guess]] | None = mistake.guesses.get(name)
    return iter(()) if make is None else make(data)


def _reproduced(
    mistake: Mistake, data: Data, name: str, claim: Array, magnitude: Array, precision: Precision
) -> str | None:
    """The detail of the first guess that is the claim, to the claim's precision; None where there is none."""
    scale = float(magnitude.max()) if magnitude.size else 0.0
    for number, guess in enumerate(_guesses(mistake, data, name)):
        array = as_user(data.layer, name, guess)
        if array.size == claim.size == 1:
            array = array.reshape(claim.shape)
        if array.shape != claim.shape:
            continue
        if not claim.size:
            return guess.detail
        # Few numbers tell most guesses from the claim.
        few = slice(None, None, 1 + claim.size // _PROBES)
        some = array.reshape(-1)[few]
        if (np.abs(claim.reshape(-1)[few] - some) > precision.allowed(some, np.asarray(100 * scale))).any():
            continue
        error = np.abs(claim - array)
        sizes = next(islice(_guesses(mistake, _sizes(data, name), name), number, None))
        if (error <= precision.allowed(array, np.abs(as_user(data.layer, name, sizes)).reshape(array.shape))).all():
            return guess.detail
    return None


def _sizes(data: Data, name: str) -> Data:
    """The same layer with absolute values, so that a mistake's sums become sums of absolute terms."""
    x, w, dedo = (np.abs(a.astype(np.float64)) for a in (data.x, data.w, data.dedo))
    if name == "dEdb":
        right = dedo.sum(axis=(0, *data.spatial))
    else:
        right = data.scatter(w, dedo) if name == "dEdX" else data.gather(x, dedo)
    b = None if data.b is None else np.abs(data.b.astype(np.float64))
    return replace(data, x=x, w=w, b=b, dedo=dedo, right={name: right})


def as_user(layer: Layer, name: str, guess: Guess) -> Array:
    """A guess in the user's layout: rotated back where the layer has flip, without the axes that are not there."""
    array = guess.array
    if name == "dEdW" and layer.flip and array.ndim == 2 + layer.dims:
        array = np.flip(array, tuple(range(array.ndim - layer.dims, array.ndim)))
    if guess.bare:
        return array
    lead = {"dEdX": layer.x_lead, "dEdW": layer.w_lead}.get(name)
    if lead is None:
        return array.reshape(()) if layer.w_lead < 2 and array.size == 1 else array
    return array.reshape(array.shape[2 - lead :])


def _factor(data: Data, name: str, claim: Array, magnitude: Array, precision: Precision) -> str | None:
    """By which factor a claim is the right gradient, with the factor's name; None where it is not."""
    right = as_user(data.layer, name, Guess(data.right[name])).astype(np.float64)
    if claim.shape != right.shape or not right.any() or not claim.any():
        return None
    factor = float((claim * right).sum() / (right * right).sum())
    sizes = as_user(data.layer, name, Guess(magnitude.reshape(data.right[name].shape)))
    tight = Precision(max(precision.fraction, spread(np.float64, 1)), precision.unit, precision.digits, precision.eps)
    named = _named_factors(data.layer)
    for value, words in named.items():
        near = abs(factor - value) <= 1e-3 * abs(value)
        if near and (np.abs(claim - value * right) <= tight.allowed(value * right, abs(value) * sizes)).all():
            return f"by {' = '.join([f'{value:.6g}', *words])}"
    # One element alone has some factor always, and one close to 1 is rounding.
    rounding = 20 * (tight.fraction + tight.eps)
    if np.count_nonzero(right) < 2 or abs(abs(factor) - 1) < rounding:
        return None
    wide = replace(tight, fraction=4 * tight.fraction, unit=4 * tight.unit, eps=4 * tight.eps)
    fits = (np.abs(claim - factor * right) <= wide.allowed(factor * right, abs(factor) * sizes)).all()
    return f"by {factor:.6g}" if fits else None


def _named_factors(layer: Layer) -> dict[float, list[str]]:
    """Factors that people forget or put in too often, by value; all the names that a value has, the likeliest first."""
    positions, taps = prod(layer.out), prod(layer.kernel)
    counts = [
        (layer.batch, "N"),
        (positions, "H'·W'" if layer.dims == 2 else "positions of O"),
        (layer.batch * positions, "N·H'·W'" if layer.dims == 2 else "N · positions of O"),
        (layer.filters, "F"),
        (layer.channels, "C"),
        (taps, "kh·kw" if layer.dims == 2 else "size of the kernel"),
        (prod(a.stride for a in layer.axes), "product of the strides"),
    ]
    factors: dict[float, list[str]] = {}
    for count, word in counts:
        # What there is one of multiplies nothing, nor does it change the name of a product.
        if count > 1 and not (word.startswith("N") and word != "N" and layer.batch == 1):
            factors.setdefault(1 / count, []).append(f"1/({word})" if "·" in word or " " in word else f"1/{word}")
            factors.setdefault(float(count), []).append(word)
    return {0.5: [], 2.0: []} | factors


def locate(layer: Layer, name: str, wrong: Array) -> str:
    """Where the wrong elements are, in words.

    Args:
        layer: the layer.
        name: `"dEdW"`, `"dEdX"` or `"dEdb"`.
        wrong: True where an element is wrong, in the user's layout.
    """
    total, count = wrong.size, int(wrong.sum())
    if count == total:
        return "every element is wrong"
    if count == 1:
        return "one element alone is wrong"
    axes = _axis_names(layer, name, wrong.ndim)
    places = np.argwhere(wrong)
    limits = [
        _range(words, min(column), max(column), wrong.shape[axis])
        for axis, (words, column) in enumerate(zip(axes, places.T.tolist(), strict=True))
        if len(set(column)) < wrong.shape[axis] and len(set(column)) == max(column) - min(column) + 1
    ]
    if limits:
        return f"{count} of {total} elements are wrong, all in {', '.join(limits)}"
    if name == "dEdX" and _on_border(layer, wrong):
        return f"{count} of {total} elements are wrong, all on the border"
    return f"{count} of {total} elements are wrong, here and there"


def counts(layer: Layer, name: str, wrong: Array) -> list[str]:
    """How many elements are wrong in each part that has any: by sample, channel, row band, and on the border."""
    lines = []
    for axis, (word, _) in enumerate(_axis_names(layer, name, wrong.ndim)):
        if wrong.shape[axis] == 1:
            continue
        other = tuple(a for a in range(wrong.ndim) if a != axis)
        per = wrong.sum(axis=other) if other else wrong.astype(int)
        each = wrong.size // wrong.shape[axis]
        bands = _bands(per, each)
        lines.append(f"{word}: {', '.join(bands)}")
    if name == "dEdX":
        border = _border(layer, wrong)
        if border.all():
            return lines
        lines.append(
            f"place: border {int((wrong & border).sum())} of {int(border.sum())}, "
            f"inside {int((wrong & ~border).sum())} of {int((~border).sum())}"
        )
    return lines


def _bands(per: Array, each: int, most: int = 8) -> list[str]:
    """`3 to 4: 12 of 16` for each run of positions; of many positions, equal bands."""
    size = len(per)
    step = -(-size // most)
    bands = []
    for first in range(0, size, step):
        last = min(first + step, size)
        number = int(per[first:last].sum())
        if number:
            where = f"{first + 1}" if last == first + 1 else f"{first + 1} to {last}"
            bands.append(f"{where}: {number} of {each * (last - first)}")
    return bands


def _axis_names(layer: Layer, name: str, ndim: int) -> list[tuple[str, str]]:
    """What the axes of a user's array are called, singular and plural."""
    spatial = {1: ["position"], 2: ["row", "column"], 3: ["depth", "row", "column"]}[layer.dims]
    lead = {"dEdX": ["sample", "channel"], "dEdW": ["filter", "channel"], "dEdb": ["filter"]}[name]
    words = [*lead, *([] if name == "dEdb" else spatial)]
    return [(word, f"{word}s") for word in words[len(words) - ndim :]]


def _range(words: tuple[str, str], first: int, last: int, size: int) -> str:
    """`rows 5 to 6 (the last)`."""
    text = f"{words[0]} {first + 1}" if first == last else f"{words[1]} {first + 1} to {last + 1}"
    return f"{text} (the last)" if last == size - 1 else f"{text} (the first)" if first == 0 else text


def _border(layer: Layer, wrong: Array) -> Array:
    """The elements within a window's reach of the edge, where padding and crops matter."""
    border = np.zeros(wrong.shape, bool)
    for number, axis in enumerate(layer.axes, start=wrong.ndim - layer.dims):
        reach = min(max(1, axis.span - 1), axis.size)
        here = (slice(None),) * number
        border[(*here, slice(0, reach))] = True
        border[(*here, slice(axis.size - reach, None))] = True
    return border


def _on_border(layer: Layer, wrong: Array) -> bool:
    """Whether the border has all wrong elements, and does not have every element."""
    border = _border(layer, wrong)
    return not border.all() and bool((~wrong | border).all())
