"""The parameters of the shipped nets against PyTorch's modules: how many, and each one's shape.

Modules lie on the `meta` device, so no memory is taken for the 144 million of VGG E.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import nn

from netc.loading import load_file
from tests.oracle.test_trajectories import Basic

STAGES = (64, 128, 256, 512, 512)


def mlp(*sizes: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))


def vgg(counts: Sequence[int]) -> nn.Module:
    """A column of table 1 of Simonyan and Zisserman, by the number of convolutions in each stage."""
    layers: list[nn.Module] = []
    before = 3
    for c, count in zip(STAGES, counts, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(before, c, 3, padding=1))
            before = c
    return nn.Sequential(*layers, mlp(512 * 7 * 7, 4096, 4096, 1000))


def resnet(counts: Sequence[int]) -> nn.Module:
    """Table 1 of He et al. for 18 and 34 layers, by the number of blocks in each stage."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)]
    before = 64
    for stage, (c, count) in enumerate(zip((64, 128, 256, 512), counts, strict=True)):
        for i in range(count):
            layers.append(Basic(before, c, 2 if stage and not i else 1))
            before = c
    return nn.Sequential(*layers, nn.Linear(512, 1000))


def lenet5() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), mlp(400, 120, 84, 10))


MODULES = {
    ("lenet5", "LeNet5"): lenet5,
    ("mlp", "MLP"): lambda: mlp(784, 1000, 10),
    ("mlp", "Ciresan1"): lambda: mlp(841, 1000, 500, 10),
    ("mlp", "Ciresan2"): lambda: mlp(841, 1500, 1000, 500, 10),
    ("mlp", "Ciresan3"): lambda: mlp(841, 2000, 1500, 1000, 500, 10),
    ("mlp", "Ciresan4"): lambda: mlp(841, 2500, 2000, 1500, 1000, 500, 10),
    ("mlp", "Ciresan5"): lambda: mlp(841, *[1000] * 9, 10),
    ("vgg", "VGG_A"): lambda: vgg((1, 1, 2, 2, 2)),
    ("vgg", "VGG_B"): lambda: vgg((2, 2, 2, 2, 2)),
    ("vgg", "VGG_D"): lambda: vgg((2, 2, 3, 3, 3)),
    ("vgg", "VGG_E"): lambda: vgg((2, 2, 4, 4, 4)),
    ("resnet", "ResNet18"): lambda: resnet((2, 2, 2, 2)),
    ("resnet", "ResNet34"): lambda: resnet((3, 4, 6, 3)),
}


@pytest.mark.parametrize(("spec", "net"), MODULES)
def test_parameters(spec: str, net: str) -> None:
    with torch.device("meta"):
        module = MODULES[spec, net]()
    wanted = [tuple(p.shape) for p in module.parameters()]
    state = [tuple(b.shape) for b in module.buffers() if b.ndim]  # PyTorch counts batches too, in a scalar
    facts = load_file(spec).must_be_right().nets[net].facts
    weights = [w for node in facts.graph.nodes for w in node.expansion.weights]
    assert facts.params == sum(p.numel() for p in module.parameters())
    assert sorted(w.shape for w in weights if w.trained) == sorted(wanted)
    assert sorted(w.shape for w in weights if not w.trained) == sorted(state)
