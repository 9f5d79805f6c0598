"""Factors that people forget or put in too often, by their names."""

from math import prod

from cnngrad.layer import Layer

__all__ = ["named_factors"]


def named_factors(layer: Layer) -> dict[float, list[str]]:
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
