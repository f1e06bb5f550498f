"""One training step beside PyTorch's, the same net, batch, data and threads: medians and their ratio.

python benchmarks/step.py
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from machine import interleaved, keep, medians
from torch import nn

import netc
from netc.train.settings import Sgd

ROUNDS = 30
LENET5 = """
net LeNet5 {
  input image: [N, 1, 28, 28]
  logits = image
    -> conv(6, 5, pad=2) -> tanh -> avgpool(2)
    -> conv(16, 5) -> tanh -> avgpool(2)
    -> flatten -> dense(120) -> tanh -> dense(84) -> tanh -> dense(10)
  output logits
}
"""
MLP = """
net MLP {
  input image: [N, 784]
  logits = image -> dense(1000) -> relu -> dense(500) -> relu -> dense(10)
  output logits
}
"""


def lenet5() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, 10))


def torch_step(module: nn.Module, x: Any, y: Any) -> Callable[[], object]:
    """A step of SGD with momentum, eager."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def netc_step(text: str, x: Any, y: Any) -> Callable[[], object]:
    model = netc.compile(netc.parse(text), threads=torch.get_num_threads())
    model.spec = dataclasses.replace(model.spec, optimizer=Sgd(0.01, momentum=0.9))
    return lambda: model.train_step(x, y)


def main() -> None:
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)
    for name, text, module, shape in (
        ("LeNet-5", LENET5, lenet5, (1, 28, 28)),
        ("MLP 784-1000-500-10", MLP, mlp, (784,)),
    ):
        for batch in (1, 64):
            x = rng.random((batch, *shape), np.float32)
            y = rng.integers(0, 10, batch)
            found = medians(
                interleaved({"netc": netc_step(text, x, y), "torch": torch_step(module(), x, y)}, ROUNDS)
            )
            rows.append(
                {
                    "net": name,
                    "batch": batch,
                    "netc_ms": round(found["netc"] * 1e3, 3),
                    "torch_ms": round(found["torch"] * 1e3, 3),
                    "ratio": round(found["torch"] / found["netc"], 2),
                }
            )
            print(rows[-1])
    keep("step", rows)


if __name__ == "__main__":
    main()
