"""Random layers beside PyTorch's autograd: python -m tests.peers --count 3000 (extra `peers`)."""

import argparse

import numpy as np

import cnngrad


def random_transposed(generator):
    """The same for a transposed layer; its padding cuts off no more than leaves a position of O."""
    x_shape, (filters, channels, *kernel), options = random_layer(generator)
    groups = options.pop("groups")
    del options["padding_mode"]
    extra = [int(generator.integers(0, 3)) + sum(pair) for pair in options["padding"]]
    options |= {"groups": groups, "transposed": True, "output_padding": extra}
    return (x_shape[0], filters, *(min(size, 5) for size in x_shape[2:])), (filters, channels, *kernel), options


def random_layer(generator):
    """(X's shape, W's shape, options) of a layer of one to three axes with everything at once."""
    dims = int(generator.integers(1, 4))
    kernel, stride, dilation = generator.integers(1, (4, 4, 3), (dims, 3)).T
    pads = generator.integers(0, 4, (dims, 2))
    span = dilation * (kernel - 1) + 1
    size = np.maximum(1, span - pads.sum(axis=1)) + generator.integers(0, 5, dims)
    groups, channels, filters, batch = (int(count) for count in generator.integers(1, 4, 4))
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    spare = int((pads - size[:, None]).max())
    modes = ["zeros", "replicate"] + ["circular"] * (spare <= 0) + ["reflect"] * (spare < 0)
    options["padding_mode"] = str(generator.choice(modes))
    return (
        (batch, groups * channels, *size.tolist()),
        (groups * filters, channels, *kernel.tolist()),
        {name: value if name in ("groups", "padding_mode") else value.tolist() for name, value in options.items()},
    )


def padded(x, padding, padding_mode="zeros"):
    """X with its padding, by PyTorch."""
    import torch

    mode = "constant" if padding_mode == "zeros" else padding_mode
    return torch.nn.functional.pad(x, [amount for pair in reversed(padding) for amount in pair], mode=mode)


def transposed(x, w, b, stride, padding, dilation, groups, output_padding):
    """O of a transposed layer, by PyTorch, which adds rows behind, and then what is left is cut."""
    import torch

    conv = getattr(torch.nn.functional, f"conv_transpose{x.ndim - 2}d")
    full = conv(x, w, None, stride=stride, dilation=dilation, groups=groups)
    full = torch.nn.functional.pad(full, [amount for extra in reversed(output_padding) for amount in (0, extra)])
    o = torch.nn.functional.pad(full, [-amount for pair in reversed(padding) for amount in pair])
    return o + b.reshape(-1, *[1] * (x.ndim - 2))


def pytorch(x, w, b, dedo, *, stride, padding, dilation, groups, padding_mode="zeros", **others):
    """O, dE/dW, dE/dX and dE/db by PyTorch's autograd; dE/dO is made by `dedo` from O's shape."""
    import torch

    conv = getattr(torch.nn.functional, f"conv{x.ndim - 2}d")
    leaves = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (x, w, b)]
    if others:
        o = transposed(*leaves, stride, padding, dilation, groups, others["output_padding"])
    else:
        o = conv(padded(leaves[0], padding, padding_mode), *leaves[1:], stride=stride, dilation=dilation, groups=groups)
    given = dedo(tuple(o.shape))
    dx, dw, db = torch.autograd.grad(o, leaves, torch.tensor(given, dtype=torch.float64))
    return given, [array.detach().numpy() for array in (o, dw, dx, db)]


def worst_error(generator, integers):
    """The largest error in a random layer, as a fraction of the largest sum of absolute terms of its array."""
    kind = random_transposed if generator.integers(2) else random_layer
    x_shape, w_shape, options = kind(generator)
    filters = options["groups"] * w_shape[1] if kind is random_transposed else w_shape[0]

    def numbers(shape):
        return generator.integers(-9, 10, shape) if integers else generator.standard_normal(shape)

    x, w, b = (numbers(shape) for shape in (x_shape, w_shape, (filters,)))
    dedo, theirs = pytorch(x, w, b, numbers, **options)
    absolute = [np.abs(array) for array in (x, w, b, dedo)]
    sums = results(*absolute, options)
    errors = [np.abs(a - b).max() for a, b in zip(results(x, w, b, dedo, options), theirs, strict=True)]
    return max(error / max(total.max(), 1) for error, total in zip(errors, sums, strict=True))


def results(x, w, b, dedo, options):
    grads = cnngrad.backward(x, w, dedo, dims=x.ndim - 2, **options)
    return [cnngrad.forward(x, w, b, dims=x.ndim - 2, **options), grads.dw, grads.dx, grads.db]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="how many layers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    for kind in ("integers", "float64"):
        worst = max(worst_error(generator, kind == "integers") for _ in range(options.count // 2))
        print(f"{options.count // 2} layers, {kind}: worst error {worst:.1e} of the sum of absolute terms")


if __name__ == "__main__":
    main()
