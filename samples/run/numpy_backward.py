"""A right backward pass in plain NumPy, for `cnngrad check --run samples.run.numpy_backward:backward`."""

import numpy as np


def backward(x, w, dedo, *, stride=1, padding=0, dilation=1, groups=1):
    """dE/dW, dE/dX and dE/db of a layer with X (N, C, H, W), W (F, C/g, kh, kw) and dE/dO (N, F, H', W')."""
    (sh, sw), (dh, dw_) = (np.broadcast_to(option, 2) for option in (stride, dilation))
    pads = np.broadcast_to(padding, (2, 2)) if np.ndim(padding) == 0 else np.array(padding)
    (top, bottom), (left, right) = pads
    framed = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])
    grad_w, grad_framed = np.zeros_like(w), np.zeros_like(framed)
    filters, channels = len(w) // groups, w.shape[1]
    height, width = dedo.shape[2:]
    for g in range(groups):
        f, c = slice(g * filters, (g + 1) * filters), slice(g * channels, (g + 1) * channels)
        for u in range(w.shape[2]):
            for v in range(w.shape[3]):
                rows = slice(dh * u, dh * u + sh * (height - 1) + 1, sh)
                columns = slice(dw_ * v, dw_ * v + sw * (width - 1) + 1, sw)
                grad_w[f, :, u, v] = np.einsum("nfij,ncij->fc", dedo[:, f], framed[:, c, rows, columns])
                grad_framed[:, c, rows, columns] += np.einsum("nfij,fc->ncij", dedo[:, f], w[f, :, u, v])
    grad_x = grad_framed[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return grad_w, grad_x, dedo.sum(axis=(0, 2, 3))
