"""The layer's sums with some of its numbers replaced: what a wrong backward pass adds up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from cnngrad.arrays import Array
from cnngrad.layer import Axis, Layer, Shape
from cnngrad.tensor import Tensor

__all__ = ["Data", "Guess", "Guesses", "at", "on_axes", "some_axes", "turned", "with_values"]


def at(*index: Any) -> Any:
    """An index made of integers, slices and an ellipsis, as NumPy takes it."""
    return index


@dataclass(frozen=True)
class Guess:
    """A wrong gradient that a mistake leads to.

    Attributes:
        array: in canonical shape: (N, C, *S) for dE/dX, (F, C/g, *K) for dE/dW, (F,) for dE/db, or the wrong shape
            that the mistake gives.
        detail: the mistake's parameter in words; empty where it has none.
        bare: the array is in the user's own layout, not in canonical shape.
    """

    array: Array
    detail: str = ""
    bare: bool = False


@dataclass(frozen=True)
class Data:
    """A layer with its numbers in canonical shape, as a convolution without flip, and its right results.

    Attributes:
        layer: the layer.
        x: X, shape (N, C, *S).
        w: W, shape (F, C/g, *K), rotated where the layer has flip.
        dedo: dE/dO, shape (N, F, *S_out).
        right: the right O and gradients in canonical shape, as far as they are known; dE/dW as for W, not rotated back.
        claimed: the shape of the gradient to explain; guesses of other shapes that are costly to make are left out.
        b: the bias, shape (F,); None where the layer has none.
    """

    layer: Layer
    x: Array
    w: Array
    dedo: Array
    right: dict[Tensor, Array]
    claimed: Shape = ()
    b: Array | None = None

    def may_be(self, spatial: Shape) -> bool:
        """Whether the gradient to explain has this spatial shape, and is not empty."""
        return min(spatial) > 0 and self.claimed[len(self.claimed) - len(spatial) :] == spatial

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The layer's spatial axes."""
        return self.layer.axes

    @property
    def stride(self) -> Shape:
        """The stride s of each axis."""
        return tuple(a.stride for a in self.axes)

    @property
    def dilation(self) -> Shape:
        """The dilation d of each axis."""
        return tuple(a.dilation for a in self.axes)

    @property
    def before(self) -> Shape:
        """p, the zeros in front, of each axis."""
        return tuple(a.before for a in self.axes)

    @property
    def leftover(self) -> Shape:
        """The number of positions that the stride leaves over, for each axis."""
        return tuple(a.leftover for a in self.axes)

    @cached_property
    def spatial(self) -> tuple[int, ...]:
        """The numbers of the spatial axes of X, W and O."""
        return tuple(range(2, 2 + self.layer.dims))

    @cached_property
    def output(self) -> Array:
        """O, shape (N, F, *S_out)."""
        return self.convolve()

    def convolve(
        self,
        x: Array | None = None,
        w: Array | None = None,
        *,
        stride: Shape | None = None,
        dilation: Shape | None = None,
        before: Shape | None = None,
        out: Shape | None = None,
        biased: bool = True,
    ) -> Array:
        """O with some of the layer's numbers replaced; without b if not `biased`."""
        layer = self.layer
        x, w = self.x if x is None else x, self.w if w is None else w
        before, out = before or self.before, out or self.dedo.shape[2:]
        filters = w.reshape(layer.groups, layer.group_filters, *w.shape[1:])
        inputs = x.reshape(len(x), layer.groups, w.shape[1], *x.shape[2:])
        o = np.zeros((len(x), layer.groups, layer.group_filters, *out), np.result_type(x, w))
        for tap in product(*map(range, w.shape[2:])):
            found = self._reach(tap, out, stride, dilation, before, x.shape[2:])
            if found is not None:
                outs, ins = found
                o[at(..., *outs)] += _by_channel(inputs[at(..., *ins)], filters[at(..., *tap)].swapaxes(1, 2))
        o = o.reshape(len(x), layer.filters, *out)
        return o + self.b.reshape(-1, *(1,) * layer.dims) if biased and self.b is not None else o

    def compute(
        self, result: Tensor, *, x: Array | None = None, w: Array | None = None, dedo: Array | None = None
    ) -> Array:
        """O, dE/dW, dE/dX or dE/db, with other numbers in X, W or dE/dO as far as they are given."""
        if result is Tensor.O:
            return self.convolve(x, w)
        if result is Tensor.DX:
            return self.scatter(w, dedo)
        if result is Tensor.DW:
            return self.gather(x, dedo)
        total: Array = (self.dedo if dedo is None else dedo).sum(axis=(0, *self.spatial))
        return total

    def scatter(
        self,
        w: Array | None = None,
        dedo: Array | None = None,
        *,
        stride: Shape | None = None,
        dilation: Shape | None = None,
        before: Shape | None = None,
        size: Shape | None = None,
        overwrite: bool = False,
        outermost: bool = False,
    ) -> Array:
        """dE/dX with some of the layer's numbers replaced.

        With `overwrite` the last window wins instead of adding; or, where the loop over the filter's elements is the
        `outermost`, the last of those.
        """
        layer = self.layer
        w = self.w if w is None else w
        dedo = self.dedo if dedo is None else dedo
        before, size = before or self.before, size or layer.size
        outputs = dedo.reshape(len(dedo), layer.groups, layer.group_filters, *dedo.shape[2:])
        filters = w.reshape(layer.groups, layer.group_filters, *w.shape[1:])
        dx = np.zeros((len(dedo), layer.groups, w.shape[1], *size), np.result_type(w, dedo))
        taps = list(product(*map(range, w.shape[2:])))
        # The last window, in reading order, that holds an element holds it under its first tap.
        for tap in taps if outermost else reversed(taps):
            found = self._reach(tap, dedo.shape[2:], stride, dilation, before, size)
            if found is not None:
                outs, ins = found
                part = _by_channel(outputs[at(..., *outs)], filters[at(..., *tap)])
                if overwrite:
                    dx[at(..., *ins)] = part
                else:
                    dx[at(..., *ins)] += part
        return dx.reshape(len(dedo), layer.groups * w.shape[1], *size)

    def gather(
        self,
        x: Array | None = None,
        dedo: Array | None = None,
        *,
        stride: Shape | None = None,
        dilation: Shape | None = None,
        before: Shape | None = None,
        kernel: Shape | None = None,
    ) -> Array:
        """dE/dW with some of the layer's numbers replaced."""
        layer = self.layer
        x = self.x if x is None else x
        dedo = self.dedo if dedo is None else dedo
        before, kernel = before or self.before, kernel or layer.kernel
        outputs = dedo.reshape(len(dedo), layer.groups, layer.group_filters, *dedo.shape[2:])
        inputs = x.reshape(len(x), layer.groups, layer.group_channels, *x.shape[2:])
        dw = np.zeros((layer.groups, layer.group_filters, layer.group_channels, *kernel), np.result_type(x, dedo))
        for tap in product(*map(range, kernel)):
            found = self._reach(tap, dedo.shape[2:], stride, dilation, before, x.shape[2:])
            if found is not None:
                outs, ins = found
                dw[at(..., *tap)] = _by_filter(outputs[at(..., *outs)], inputs[at(..., *ins)])
        return dw.reshape(layer.filters, layer.group_channels, *kernel)

    def _reach(
        self, tap: Shape, out: Shape, stride: Shape | None, dilation: Shape | None, before: Shape, size: Shape
    ) -> tuple[list[slice], list[slice]] | None:
        """The outputs that read an input through a tap, and those inputs, as slices; None where there are none."""
        outs, ins = [], []
        per_axis = zip(tap, out, stride or self.stride, dilation or self.dilation, before, size, strict=True)
        for u, count, s, d, p, length in per_axis:
            axis = Axis(size=length, kernel=u + 1, stride=s, dilation=d, before=p)
            inside = axis.inside_of(axis.position(0, u), count)
            if not inside:
                return None
            outs.append(slice(inside.start, inside.stop))
            ins.append(slice(axis.position(inside[0], u), axis.position(inside[-1], u) + 1, s))
        return outs, ins


def _by_channel(outputs: Array, w: Array) -> Array:
    """(n, g, f, …) and (g, f, c): the sum over f, as (n, g, c, …); and for O with f and c swapped."""
    if outputs.shape[2] == 1:
        # One filter a group: nothing is to be added up, and nothing copied.
        only: Array = outputs * w.reshape(1, w.shape[0], w.shape[2], *(1,) * (outputs.ndim - 3))
        return only
    flat = outputs.reshape(*outputs.shape[:3], -1)
    result: Array = np.matmul(w.swapaxes(1, 2), flat)
    return result.reshape(*result.shape[:3], *outputs.shape[3:])


def _by_filter(outputs: Array, inputs: Array) -> Array:
    """(n, g, f, …) and (n, g, c, …): the sum over n and positions, as (g, f, c)."""
    left, right = (a.reshape(*a.shape[:3], -1) for a in (outputs, inputs))
    result: Array = np.matmul(left, right.swapaxes(2, 3)).sum(axis=0)
    return result


Guesses = Iterator[Guess]


def turned(array: Array, axes: Sequence[int]) -> Array:
    """The array reversed along the axes."""
    return np.flip(array, tuple(axes))


def on_axes(axes: Sequence[int]) -> str:
    """Which spatial axes, in words."""
    return "axis " + " and ".join(str(axis + 1) for axis in axes)


def some_axes(dims: int) -> list[Shape]:
    """All the axes together, then each by itself where there are several."""
    alone = [(axis,) for axis in range(dims)] if dims > 1 else []
    return [tuple(range(dims)), *alone]


def with_values(values: Shape, axes: Sequence[int], others: Sequence[int]) -> Shape:
    """The values, on some axes replaced by others."""
    return tuple(others[k] if k in axes else value for k, value in enumerate(values))
