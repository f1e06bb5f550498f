"""The early nets, perceptrons to VGG, as PyTorch modules written from the papers.  Like `torch_nets`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# PyTorch divides alpha by the size.
LRN: dict[str, Any] = {"size": 5, "alpha": 5 * 1e-4, "beta": 0.75, "k": 2}


def dense(*sizes: int, dropout: float = 0.0) -> list[nn.Module]:
    """Dense layers of these sizes with ReLU between them, and dropout after each ReLU."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.ReLU()] if layers else []
        layers += [nn.Dropout(dropout)] if layers and dropout else []
        layers.append(nn.Linear(before, after))
    return layers


def mlp(*sizes: int) -> nn.Module:
    return nn.Sequential(*dense(*sizes))


def lenet5() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), *dense(400, 120, 84, 10),
    )  # fmt: skip


class LeNet5Original(nn.Module):
    """Figure 2 of LeCun et al., 1998, with the connections of its table 1."""

    SEES = ("012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134",
            "1245", "0235", "012345")  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.s2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 6, 1, groups=6)
        self.c3 = nn.ModuleList(nn.Conv2d(len(maps), 1, 5) for maps in self.SEES)
        self.s4 = nn.Conv2d(16, 16, 1, groups=16)
        self.c5, self.f6, self.codes = (
            nn.Conv2d(16, 120, 5),
            nn.Linear(120, 84),
            nn.Linear(84, 10, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.s2(F.avg_pool2d(self.c1(x).tanh(), 2)).tanh()
        x = torch.cat(
            [c(x[:, [int(m) for m in maps]]) for c, maps in zip(self.c3, self.SEES, strict=True)], 1
        )
        x = self.s4(F.avg_pool2d(x.tanh(), 2)).tanh()
        return self.codes(self.f6(self.c5(x).tanh().flatten(1)).tanh())


def alexnet(classes: int = 1000, side: int = 6) -> nn.Module:
    """In one group, as in the paper of 2014."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), *_alexnet_head(side, classes),
    )  # fmt: skip


def alexnet2012(classes: int = 1000, side: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.LocalResponseNorm(**LRN), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(**LRN), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), *_alexnet_head(side, classes),
    )  # fmt: skip


def _alexnet_head(side: int, classes: int) -> list[nn.Module]:
    """Dropout before the first two of three dense layers."""
    wide = nn.Linear(256 * side * side, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()
    return [nn.Flatten(), nn.Dropout(0.5), *wide, nn.Linear(4096, classes)]


STAGES = (64, 128, 256, 512, 512)


def vgg(counts: Sequence[int], classes: int = 1000, side: int = 7) -> nn.Module:
    """A column of table 1 of Simonyan and Zisserman, by the number of convolutions in each stage."""
    layers: list[nn.Module] = []
    x = 3
    for c, count in zip(STAGES, counts, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(x, c, 3, padding=1), nn.ReLU()]
            x = c
        layers.append(nn.MaxPool2d(2))
    last = dense(512 * side * side, 4096, 4096, classes, dropout=0.5)
    return nn.Sequential(*layers, nn.Flatten(), *last)


def vgg16(classes: int = 1000, side: int = 7) -> nn.Module:
    return vgg((2, 2, 3, 3, 3), classes, side)
