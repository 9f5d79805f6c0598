"""A backward pass with one mistake, for `cnngrad check --run samples.run.wrong_backward:backward`."""

from . import numpy_backward


def backward(x, w, dedo, *, stride=1, padding=0, dilation=1, groups=1):
    """As in numpy_backward, but dE/dX takes W as it is where the full convolution rotates it."""
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    dw, _, db = numpy_backward.backward(x, w, dedo, **options)
    _, dx, _ = numpy_backward.backward(x, w[:, :, ::-1, ::-1], dedo, **options)
    return dw, dx, db
