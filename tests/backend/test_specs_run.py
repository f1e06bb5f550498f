"""Every spec that ships, run at a small size: one forward and one backward pass on the CPU against 64 bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from netc.loading import Compiled, load_file
from netc.resources import spec_names
from netc.train.model import Model
from netc.train.spec import TrainSpec, default_spec
from netc.types import NUMPY_NAME, DType

BATCH = 2
# Rounding moves a few relus across their kink in float32, and each of them all gradients below it.
LOSS, GRADIENT = 1e-4, 0.05


@dataclass(frozen=True)
class Small:
    """Sizes and settings that make the nets of a spec small; `nets` are those that are run, all where it is empty."""

    sizes: tuple[int, ...] | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    nets: tuple[str, ...] = ()
    dtype: DType = "f32"  # of the CPU's run


TEN = {"classes": "10"}
SMALL = {
    "alexnet": Small((3, 67, 67), TEN, ("AlexNet2012",)),
    "digits": Small(),
    "efficientnet": Small((3, 64, 64), TEN),
    "filters": Small((1, 9, 11)),
    "googlenet": Small((3, 80, 80), TEN, ("GoogLeNetTraining",)),
    "highway": Small(settings={"layers": "3", "width": "4"}),
    # At 75x75 its last maps are one pixel, and 200 batch norms over two numbers amplify rounding ten thousand million
    # times: NumPy in single precision is 2 % off too.
    "inception_resnet": Small((3, 75, 75), TEN, dtype="f64"),
    "lectures": Small(),
    "lenet5": Small(),
    "mlp": Small((1, 12, 12)),
    "mobilenet": Small((3, 64, 64), TEN),
    "regression": Small(),
    "resnet": Small((3, 64, 64), TEN, ("ResNet18", "ResNet50_2015")),
    "resnet_slim": Small((3, 64, 64), TEN, ("ResNet50_Slim",)),
    "resnet_cifar": Small((3, 16, 16), nets=("ResNet20",)),
    "senet": Small((3, 64, 64), TEN),
    "siamese": Small(settings={"side": "65"}),
    "unet": Small((1, 188, 188), {"width": "4"}),
    "vgg": Small((3, 32, 32), TEN, ("VGG_C",)),
    "wide_resnet": Small((3, 16, 16), {"depth": "10", "k": "2"}),
    "xception": Small((3, 71, 71), TEN),
}
RUNS = [
    pytest.param(spec, name, id=f"{spec}-{name}")
    for spec, small in SMALL.items()
    for name in small.nets or load_file(spec).nets
]


def test_these_are_all() -> None:
    assert sorted(SMALL) == spec_names()


def feeds(net: Compiled, spec: TrainSpec) -> tuple[dict[str, Any], Any]:
    """Inputs of two examples, and what is wanted of them."""
    rng = np.random.default_rng(0)
    inputs = {n.name: rng.standard_normal((BATCH, *n.type.shape[1:])) for n in net.graph.inputs}
    target = spec.target[1]
    shape = (BATCH, *target.shape[1:])
    if target.dtype != "int":
        return inputs, rng.uniform(0, 1, shape)
    logits = net.graph.nodes[net.graph.tensors[spec.losses[0].operands[0]]]
    return inputs, rng.integers(0, logits.type.shape[1], shape)


@pytest.mark.parametrize(("spec", "name"), RUNS)
def test_forward_and_backward(spec: str, name: str) -> None:
    small = SMALL[spec]
    net = load_file(spec, small.settings, small.sizes).must_be_right().nets[name]
    train = net.train or default_spec(net.graph)
    logits = net.graph.nodes[net.graph.tensors[train.losses[0].operands[0]]].type
    alone = logits.shape == (logits.shape[0], 1) and net.train is None  # of one class, which is certain
    x, y = feeds(net, train)
    exact = Model(net.graph, train, backend="numpy", dtype="f64")
    fast = Model(net.graph, train, dtype=small.dtype)
    wanted_loss, wanted = exact.value_and_grad(x, y)
    single = {n: a.astype(NUMPY_NAME[small.dtype]) for n, a in x.items()}
    loss, gradient = fast.value_and_grad(
        single, y if y.dtype.kind == "i" else y.astype(NUMPY_NAME[small.dtype])
    )
    assert loss == pytest.approx(wanted_loss, rel=LOSS)
    assert gradient.keys() == wanted.keys()
    for weight, g in gradient.items():
        assert np.isfinite(g).all(), weight
    size = np.sqrt(sum(np.sum(g**2) for g in wanted.values()))
    apart = np.sqrt(sum(np.sum((gradient[w] - g) ** 2) for w, g in wanted.items()))
    assert apart <= GRADIENT * size
    assert size > 0 or not wanted or alone
