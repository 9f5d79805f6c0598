"""Train a small network on scikit-learn's handwritten digits and record its first convolution in one training step.

Needs the extra `peers`. Writes X, W, b, dEdO and PyTorch's own dEdW, dEdX, dEdb as float32 `.npy` files beside itself:

    python samples/digits/make.py
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

BATCH = 32
STEPS = 300


def main() -> None:
    torch.manual_seed(3)
    torch.set_num_threads(1)
    digits = load_digits()
    images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    conv = torch.nn.Conv2d(1, 6, kernel_size=3, padding=1)
    rest = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(96, 10))
    optimizer = torch.optim.SGD([*conv.parameters(), *rest.parameters()], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        x = images[chosen].requires_grad_()
        o = conv(x)
        o.retain_grad()
        loss = torch.nn.functional.cross_entropy(rest(o), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        w, b = conv.weight.detach().clone(), conv.bias.detach().clone()
        optimizer.step()
    print(f"loss in the recorded step: {loss.item():.3f}")
    recorded = {
        "X": x.detach(), "W": w, "b": b, "dEdO": o.grad,
        "dEdW": conv.weight.grad, "dEdX": x.grad, "dEdb": conv.bias.grad,
    }  # fmt: skip
    for name, tensor in recorded.items():
        np.save(Path(__file__).with_name(f"{name}.npy"), tensor.numpy())


if __name__ == "__main__":
    main()
