"""The parameters of the shipped nets against PyTorch's modules: how many, and each one's shape.

Modules lie on the `meta` device, so no memory is taken for the 144 million of VGG E.
"""

from __future__ import annotations

import pytest
import torch

from netc.loading import load_file
from tests import torch_early_nets as early
from tests import torch_nets as nets

MODULES = {
    ("lenet5", "LeNet5"): early.lenet5,
    ("mlp", "MLP"): lambda: early.mlp(784, 1000, 10),
    ("mlp", "Ciresan1"): lambda: early.mlp(841, 1000, 500, 10),
    ("mlp", "Ciresan2"): lambda: early.mlp(841, 1500, 1000, 500, 10),
    ("mlp", "Ciresan3"): lambda: early.mlp(841, 2000, 1500, 1000, 500, 10),
    ("mlp", "Ciresan4"): lambda: early.mlp(841, 2500, 2000, 1500, 1000, 500, 10),
    ("mlp", "Ciresan5"): lambda: early.mlp(841, *[1000] * 9, 10),
    ("vgg", "VGG_A"): lambda: early.vgg((1, 1, 2, 2, 2)),
    ("vgg", "VGG_B"): lambda: early.vgg((2, 2, 2, 2, 2)),
    ("vgg", "VGG_D"): lambda: early.vgg((2, 2, 3, 3, 3)),
    ("vgg", "VGG_E"): lambda: early.vgg((2, 2, 4, 4, 4)),
    ("resnet", "ResNet18"): lambda: nets.basics((2, 2, 2, 2)),
    ("resnet", "ResNet34"): lambda: nets.basics((3, 4, 6, 3)),
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
