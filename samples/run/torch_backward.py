"""A right backward pass as a torch.autograd.Function, for `--run samples.run.torch_backward:backward`."""

import torch
from torch.nn.functional import conv2d, fold, pad, unfold


class Convolution(torch.autograd.Function):
    """O = Conv(X, W) by im2col; what comes back is gathered with the same columns, and folded."""

    @staticmethod
    def forward(context, x, w, options):
        context.save_for_backward(x, w)
        context.options = options
        return conv2d(x, w, stride=options["stride"], dilation=options["dilation"], groups=options["groups"])

    @staticmethod
    def backward(context, dedo):
        x, w = context.saved_tensors
        groups, steps = context.options["groups"], {name: context.options[name] for name in ("dilation", "stride")}
        columns = unfold(x, w.shape[2:], **steps).unflatten(1, (groups, -1))
        filters, outputs = w.flatten(1).unflatten(0, (groups, -1)), dedo.flatten(2).unflatten(1, (groups, -1))
        dw = torch.einsum("ngfo,ngko->gfk", outputs, columns).reshape(w.shape)
        back = torch.einsum("gfk,ngfo->ngko", filters, outputs).flatten(1, 2)
        return fold(back, x.shape[2:], w.shape[2:], **steps), dw, None


def backward(x, w, dedo, *, stride=1, padding=0, dilation=1, groups=1):
    """dE/dW, dE/dX and dE/db of NumPy arrays."""
    x, w, dedo = (torch.from_numpy(array).double() for array in (x, w, dedo))
    x, w = x.requires_grad_(), w.requires_grad_()
    top, bottom, left, right = (padding,) * 4 if isinstance(padding, int) else sum(map(tuple, padding), ())
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    o = Convolution.apply(pad(x, (left, right, top, bottom)), w, options)
    dx, dw = torch.autograd.grad(o, (x, w), dedo)
    return dw, dx, dedo.sum((0, 2, 3))
