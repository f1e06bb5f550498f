"""Shipped nets against PyTorch modules: the same weights in the same order, and from equal weights equal outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from netc.loading import Compiled, load_file
from netc.train.model import Model
from netc.train.spec import default_spec
from tests import torch_early_nets as early
from tests import torch_nets as nets

torch.set_num_threads(1)
TEN = {"classes": "10"}
resnet50_2015 = partial(nets.bottlenecks, (3, 4, 6, 3), True, False)
se_resnet50 = partial(nets.bottlenecks, (3, 4, 6, 3), True, True)


@dataclass(frozen=True)
class Pair:
    """A net and its module; `small` arguments of the module, `settings` and `sizes` of the net make them small."""

    spec: str
    net: str
    module: Callable[..., nn.Module]
    small: tuple[int, ...] = (10,)
    settings: Mapping[str, str] = field(default_factory=lambda: TEN)
    sizes: tuple[int, ...] | None = None


PAIRS = (
    Pair("alexnet", "AlexNet", early.alexnet, (10, 1), TEN, (3, 67, 67)),
    Pair("alexnet", "AlexNet2012", early.alexnet2012, (10, 1), TEN, (3, 67, 67)),
    Pair("efficientnet", "EfficientNetB0", nets.efficientnet, (10,), TEN, (3, 64, 64)),
    Pair("googlenet", "GoogLeNet", nets.GoogLeNet, (10,), TEN, (3, 80, 80)),
    Pair("googlenet", "GoogLeNetTraining", nets.GoogLeNetTraining, (10, 1), TEN, (3, 80, 80)),
    Pair("highway", "Highway", nets.highway, (3,), {"layers": "3"}),
    Pair("highway", "HighwayConvolutional", nets.highway_convolutional, (4,), {"width": "4"}),
    Pair("inception_resnet", "InceptionResNetV2", nets.inception_resnet, (10,), TEN, (3, 75, 75)),
    Pair("lenet5", "LeNet5", early.lenet5, (), {}),
    Pair("lenet5", "LeNet5_Original", early.LeNet5Original, (), {}),
    Pair("mobilenet", "MobileNetV1", nets.mobilenet, (10,), TEN, (3, 64, 64)),
    Pair("resnet", "ResNet18", nets.resnet18, (10,), TEN, (3, 64, 64)),
    Pair("resnet", "ResNet50", nets.resnet50, (10,), TEN, (3, 64, 64)),
    Pair("resnet", "ResNet50_2015", resnet50_2015, (10,), TEN, (3, 64, 64)),
    Pair("resnet_cifar", "ResNet20", partial(nets.cifar_resnet, 3), (), {}, (3, 16, 16)),
    Pair("senet", "SE_ResNet50", se_resnet50, (10,), TEN, (3, 64, 64)),
    Pair("siamese", "Siamese", nets.Siamese, (1,), {"side": "65"}),
    Pair("unet", "UNet", nets.UNet, (2,), {"width": "2"}, (1, 188, 188)),
    Pair("vgg", "VGG_D", early.vgg16, (10, 1), TEN, (3, 32, 32)),
    Pair("wide_resnet", "WideResNet", nets.wide_resnet, (10, 2), {"depth": "10", "k": "2"}, (3, 16, 16)),
    Pair("xception", "Xception", nets.xception, (10,), TEN, (3, 71, 71)),
)
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p.net)


def shapes(net: Compiled) -> dict[str, tuple[int, ...]]:
    """Weights and states by name, in the order in which the net has its layers; shared ones once."""
    return {
        f"{net.graph.name}.{node.owner or node.path}.{w.name}": tuple(w.shape)
        for node in net.graph.nodes
        for w in node.expansion.weights
    }


def kept(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and statistics in the module's order; PyTorch counts batches too, which is left out."""
    return {name: t for name, t in module.state_dict().items() if not name.endswith("num_batches_tracked")}


@each_pair
def test_weights_are_those_of_the_module(pair: Pair) -> None:
    net = load_file(pair.spec).must_be_right().nets[pair.net]
    with torch.device("meta"):  # takes no memory
        module = pair.module()
    assert list(shapes(net).values()) == [tuple(t.shape) for t in kept(module).values()]
    assert net.facts.params == sum(p.numel() for p in module.parameters())


def drawn(name: str, shape: tuple[int, ...], rng: Any) -> Any:
    """Numbers that keep the variance of what flows, and statistics, scales and biases that make a difference."""
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) == 1:
        return rng.normal(0, 0.1, shape) + name.endswith("weight")
    return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)


@each_pair
def test_outputs_are_those_of_the_module(pair: Pair) -> None:
    net = load_file(pair.spec, pair.settings, pair.sizes).must_be_right().nets[pair.net]
    model = Model(net.graph, net.train or default_spec(net.graph), backend="numpy", dtype="f64")
    module = pair.module(*pair.small).double().eval()
    rng = np.random.default_rng(1)
    weights = {name: drawn(name, shape, rng) for name, shape in shapes(net).items()}
    model.set_weights(weights)
    theirs = dict(zip(kept(module), map(torch.tensor, weights.values()), strict=True))
    module.load_state_dict(theirs, strict=False)
    x = {n.name: rng.standard_normal((2, *n.type.shape[1:])) for n in net.graph.inputs}
    with torch.no_grad():
        wanted = module(*map(torch.tensor, x.values()))
    found = model.predict(x)
    if not isinstance(found, dict):
        found, wanted = {"the output": found}, {"the output": wanted}
    assert found.keys() == wanted.keys()
    for name, y in found.items():
        assert y.std() > 0
        np.testing.assert_allclose(
            y, wanted[name].numpy(), rtol=1e-8, atol=1e-9 * np.abs(y).max(), err_msg=name
        )
