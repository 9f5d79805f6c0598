"""Backward passes that are wrong only sometimes, or that cheat, and right ones that look like them.

Each is f(x, w, dedo, **options) and returns (dw, dx, db); `CHEATS` has the fault that a run names, `HONEST` none.
"""

import numpy as np

import cnngrad


def right(x, w, dedo, **options):
    """By nested loops of our own in `reference.py` it would be the same, and slower."""
    grads = cnngrad.backward(x, w, dedo, **options)
    return np.array(grads.dw, float), np.array(grads.dx, float), dedo.sum((0, 2, 3), dtype=float)


def rotates_in_place(x, w, dedo, **options):
    results = right(x, w, dedo, **options)
    w[...] = w[..., ::-1, ::-1].copy()
    return results


def zeroes_the_gradient(x, w, dedo, **options):
    results = right(x, w, dedo, **options)
    dedo[...] = 0
    return results


def into_x(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    x[...] = dx
    return dw, x, db


_SPACE = np.zeros(2**16)


def returns_its_workspace(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    _SPACE[: dw.size] = dw.ravel()
    return _SPACE[: dw.size].reshape(dw.shape), dx, db


def apart_in_one_buffer(x, w, dedo, **options):
    dw, dx, db = right(x, w, dedo, **options)
    space = np.concatenate([dw.ravel(), dx.ravel()])
    return space[: dw.size].reshape(dw.shape), space[dw.size :].reshape(dx.shape), db


def on_copies(x, w, dedo, **options):
    x, w, dedo = (array.copy() for array in (x, w, dedo))
    results = right(x, w, dedo, **options)
    for array in (x, w, dedo):
        array[...] = 0
    return results


CHEATS = [
    (rotates_in_place, "changes-inputs", "it changes W in place"),
    (zeroes_the_gradient, "changes-inputs", "it changes ∂E/∂O in place"),
    (into_x, "aliases", "its ∂E/∂X shares memory with X"),
    (returns_its_workspace, "aliases", "its ∂E/∂W shares memory with that of the next call, and changes"),
]
HONEST = [apart_in_one_buffer, on_copies]
