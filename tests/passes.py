"""Right backward passes as people write them: spread out, gathered, by im2col, and by FFT. Two axes, with groups."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def scattered(layer, x, w, dedo):
    """Every element of dE/dO stamps the filter onto dE/dX."""
    framed, (sh, sw), (dh, dw), (height, width) = _numbers(layer, x)
    grad_w, grad_x = np.zeros_like(w), np.zeros_like(framed)
    for i, j in np.ndindex(height, width):
        steps = zip((sh, sw), (i, j), (dh, dw), w.shape[2:], strict=True)
        here = (slice(None), slice(None), *(slice(s * k, s * k + d * (n - 1) + 1, d) for s, k, d, n in steps))
        for f, c in _groups(layer):
            grad_x[:, c][here] += np.einsum("nf,fcuv->ncuv", dedo[:, f, i, j], w[f])
            grad_w[f] += np.einsum("nf,ncuv->fcuv", dedo[:, f, i, j], framed[:, c][here])
    return grad_w, _cropped(layer, grad_x)


def gathered(layer, x, w, dedo):
    """dE/dX as the full convolution with the rotated filter, dE/dW as the convolution of X with dE/dO."""
    framed, stride, dilation, _ = _numbers(layer, x)
    spread = _spread(dedo, stride, [axis.spread for axis in layer.axes])
    around = [(axis.span - 1, axis.span - 1 + axis.leftover) for axis in layer.axes]
    padded = np.pad(spread, [(0, 0), (0, 0), *around])
    dilated = _spread(w, dilation, [axis.span for axis in layer.axes])
    grad_w, grad_x = np.zeros_like(w), np.zeros_like(framed)
    for f, c in _groups(layer):
        windows = sliding_window_view(padded[:, f], dilated.shape[2:], (2, 3))
        grad_x[:, c] = np.einsum("nfijuv,fcuv->ncij", windows, dilated[f, :, ::-1, ::-1])
        windows = sliding_window_view(framed[:, c], spread.shape[2:], (2, 3))
        taps = windows[:, :, :: dilation[0], :: dilation[1]][:, :, : w.shape[2], : w.shape[3]]
        grad_w[f] = np.einsum("ncuvij,nfij->fcuv", taps, spread[:, f])
    return grad_w, _cropped(layer, grad_x)


def im2col(layer, x, w, dedo):
    """Both as products of matrices, with the windows of X as columns."""
    framed = _numbers(layer, x)[0]
    rows, columns = (
        axis.stride * np.arange(axis.out)[:, None] + axis.dilation * np.arange(axis.kernel) for axis in layer.axes
    )
    where = (slice(None), slice(None), rows[:, None, :, None], columns[None, :, None, :])
    grad_w, grad_x = np.zeros_like(w), np.zeros_like(framed)
    for f, c in _groups(layer):
        taken = framed[:, c][where].transpose(1, 4, 5, 0, 2, 3)
        matrix = taken.reshape(np.prod(taken.shape[:3]), -1)
        outputs = dedo[:, f].transpose(1, 0, 2, 3).reshape(len(w[f]), -1)
        grad_w[f] = (outputs @ matrix.T).reshape(w[f].shape)
        back = (w[f].reshape(len(w[f]), -1).T @ outputs).reshape(taken.shape).transpose(3, 0, 4, 5, 1, 2)
        group = np.zeros_like(framed[:, c])
        np.add.at(group, where, back)
        grad_x[:, c] = group
    return grad_w, _cropped(layer, grad_x)


def fourier(layer, x, w, dedo):
    """Both as products of transforms."""
    framed, stride, dilation, _ = _numbers(layer, x)
    size = [n + axis.span for n, axis in zip(framed.shape[2:], layer.axes, strict=True)]
    spread = np.fft.rfft2(_spread(dedo, stride, [axis.spread for axis in layer.axes]), size)
    filters = np.fft.rfft2(_spread(w, dilation, [axis.span for axis in layer.axes]), size)
    inputs = np.fft.rfft2(framed, size)
    grad_w, grad_x = np.zeros_like(w), np.zeros_like(framed)
    for f, c in _groups(layer):
        back = np.fft.irfft2(np.einsum("nfij,fcij->ncij", spread[:, f], filters[f]), size)
        grad_x[:, c] = back[:, :, : framed.shape[2], : framed.shape[3]]
        taps = np.fft.irfft2(np.einsum("ncij,nfij->fcij", inputs[:, c], spread[:, f].conj()), size)
        grad_w[f] = taps[:, :, :: dilation[0], :: dilation[1]][:, :, : w.shape[2], : w.shape[3]]
    return grad_w, _cropped(layer, grad_x)


def _numbers(layer, x):
    framed = np.pad(x, [(0, 0), (0, 0), *((axis.before, axis.after) for axis in layer.axes)])
    return framed, [a.stride for a in layer.axes], [a.dilation for a in layer.axes], layer.out


def _groups(layer):
    """The filters and the channels of every group, as slices."""
    f, c = layer.group_filters, layer.group_channels
    return [(slice(g * f, (g + 1) * f), slice(g * c, (g + 1) * c)) for g in range(layer.groups)]


def _spread(array, steps, size):
    made = np.zeros((*array.shape[:2], *size), array.dtype)
    made[:, :, :: steps[0], :: steps[1]] = array
    return made


def _cropped(layer, framed):
    return framed[(slice(None), slice(None), *(slice(a.before, a.before + a.size) for a in layer.axes))]


PASSES = [scattered, gathered, im2col, fourier]
