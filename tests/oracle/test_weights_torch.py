"""Shared, frozen and given weights, and losses on inner tensors, beside PyTorch: losses, gradients, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from netc.loading import Compiled, load_text
from netc.train.model import Model
from tests.layer_case import BACKENDS

torch.set_num_threads(1)
STEPS = 5

SIAMESE = """
block Embed(n: int): x -> y {
  y = x -> conv(4, 3, bias=false) -> bn -> relu -> gap -> flatten -> dense(n)
}

net Siamese {
  input a: [N, 2, 8, 7]
  input b: [N, 2, 8, 7]
  shared enc = Embed(5)
  za = a -> enc
  zb = b -> enc
  y = za - zb
  output y
}

train Siamese {
  target t: [N, 5]
  loss [y, t] -> mse
  optimizer sgd(lr=0.1, momentum=0.9)
}
"""

TIED = """
net Tied {
  input x: [N, 3, 6, 6]
  shared f = conv(3, 3, pad=half)
  y = x -> for i in range(3) { f -> relu } -> f -> gap -> flatten
  output y
}

train Tied {
  target t: [N, 3]
  loss [y, t] -> mse
  optimizer sgd(lr=0.1, momentum=0.9)
}
"""

FROZEN = """
net Frozen {
  input x: [N, 1, 8, 8]
  edges = x -> sobel: conv(1, 3, weight=[[1, 0, -1], [2, 0, -2], [1, 0, -1]], bias=false, frozen=true)
  y = edges -> conv(3, 3, frozen=true) -> bn(frozen=true) -> relu -> gap -> flatten -> dense(2)
  output y
}

train Frozen {
  target t: [N, 2]
  loss [y, t] -> mse
  optimizer adam(lr=0.01)
}
"""

HEADS = """
net Heads {
  input x: [N, 2, 8, 8]
  a = x -> conv(4, 3, pad=half) -> relu
  side1 = a -> gap -> flatten -> dense(5)
  b = a -> maxpool(2) -> conv(6, 3, pad=half) -> relu
  side2 = b -> gap -> flatten -> dense(5)
  logits = b -> conv(6, 3) -> relu -> gap -> flatten -> dense(5)
  output logits
}

train Heads {
  target label: int[N]
  loss main = [logits, label] -> softmax_xent
  loss aux1 = [side1, label] -> softmax_xent(weight=0.3)
  loss aux2 = [side2, label] -> softmax_xent(weight=0.3)
  optimizer sgd(lr=0.1, momentum=0.9)
}
"""


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.ModuleDict(
            {"conv1": nn.Conv2d(2, 4, 3, bias=False), "bn1": nn.BatchNorm2d(4), "dense1": nn.Linear(4, 5)}
        )

    def embed(self, x: Any) -> Any:
        x = F.relu(self.enc["bn1"](self.enc["conv1"](x)))
        return self.enc["dense1"](x.mean((2, 3)))

    def forward(self, a: Any, b: Any) -> Any:
        za = self.embed(a)  # the running statistics take one step for each use
        return za - self.embed(b)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Any) -> Any:
        for _ in range(3):
            x = F.relu(self.f(x))
        return self.f(x).mean((2, 3))


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sobel = nn.Conv2d(1, 1, 3, bias=False)
        self.conv1, self.bn1, self.dense1 = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 2)
        for module in (self.sobel, self.conv1, self.bn1):
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self.bn1.eval()
        return self

    def forward(self, x: Any) -> Any:
        return self.dense1(F.relu(self.bn1(self.conv1(self.sobel(x)))).mean((2, 3)))


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.dense1 = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(4, 5)
        self.conv2, self.dense2 = nn.Conv2d(4, 6, 3, padding=1), nn.Linear(6, 5)
        self.conv3, self.dense3 = nn.Conv2d(6, 6, 3), nn.Linear(6, 5)

    def forward(self, x: Any) -> Any:
        a = F.relu(self.conv1(x))
        b = F.relu(self.conv2(F.max_pool2d(a, 2)))
        logits = self.dense3(F.relu(self.conv3(b)).mean((2, 3)))
        return logits, self.dense1(a.mean((2, 3))), self.dense2(b.mean((2, 3)))


def aux(out: Any, label: Any) -> Any:
    logits, side1, side2 = out
    sides = F.cross_entropy(side1, label) + F.cross_entropy(side2, label)
    return F.cross_entropy(logits, label) + 0.3 * sides


Optimizer = Callable[[Any], torch.optim.Optimizer]
SGD: Optimizer = lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9)  # noqa: E731
ADAM: Optimizer = lambda params: torch.optim.Adam(params, lr=0.01)  # noqa: E731
CASES: dict[str, tuple[str, type[nn.Module], Any, Optimizer]] = {
    "Siamese": (SIAMESE, Siamese, F.mse_loss, SGD),
    "Tied": (TIED, Tied, F.mse_loss, SGD),
    "Frozen": (FROZEN, Frozen, F.mse_loss, ADAM),
    "Heads": (HEADS, Heads, aux, SGD),
}


def compiled(name: str) -> Compiled:
    return load_text(CASES[name][0]).must_be_right().nets[name]


def batches(net: Compiled) -> list[tuple[dict[str, Any], Any]]:
    assert net.train
    rng = np.random.default_rng(3)
    _, target = net.train.target
    out: list[tuple[dict[str, Any], Any]] = []
    for _ in range(STEPS):
        xs = {n.name: rng.standard_normal((6, *n.type.shape[1:])) for n in net.graph.inputs}
        t = rng.integers(0, 5, 6) if target.dtype == "int" else rng.standard_normal((6, *target.shape[1:]))
        out.append((xs, t))
    return out


def tensors(module: nn.Module, name: str) -> dict[str, Any]:
    """The module's parameters and statistics under the names that netc gives them."""
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {f"{name}.{k}": v for k, v in state.items() if not k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_training_is_pytorchs(name: str, backend: Any) -> None:
    _, kind, loss, optimizer = CASES[name]
    net = compiled(name)
    assert net.train
    model = Model(net.graph, net.train, backend=backend, dtype="f64")
    torch.manual_seed(5)
    module = kind().double()
    theirs = tensors(module, name)
    assert model.weights().keys() == theirs.keys()
    if name == "Frozen":  # what the file gives goes over
        with torch.no_grad():
            module.sobel.weight.copy_(torch.tensor(model.weights()["Frozen.sobel.weight"]))  # type: ignore[union-attr]
    model.set_weights({k: v.detach().numpy() for k, v in theirs.items()})
    step = optimizer([p for p in module.parameters() if p.requires_grad])
    module.train()
    for xs, t in batches(net):
        x = xs if len(xs) > 1 else next(iter(xs.values()))
        step.zero_grad()
        # A state takes a step in each pass of PyTorch, so its gradient and its update come from one.
        value = loss(module(*(torch.tensor(a) for a in xs.values())), torch.tensor(t))
        value.backward()
        ours, grads = model.value_and_grad(x, t)
        assert ours == pytest.approx(value.item(), rel=1e-9)
        wanted = {f"{name}.{k}": p.grad for k, p in module.named_parameters() if p.requires_grad}
        assert grads.keys() == wanted.keys()
        for key, g in wanted.items():
            np.testing.assert_allclose(grads[key], g.numpy(), rtol=1e-7, atol=1e-10, err_msg=key)
        assert model.train_step(x, t) == pytest.approx(value.item(), rel=1e-9)
        step.step()
    after = model.weights()
    for key, wanted_value in tensors(module, name).items():
        np.testing.assert_allclose(
            after[key], wanted_value.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=key
        )


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_counted_once(name: str) -> None:
    facts, module = compiled(name).facts, CASES[name][1]()
    assert facts.params == sum(p.numel() for p in module.parameters())
    assert facts.frozen == sum(p.numel() for p in module.parameters() if not p.requires_grad)


def test_each_loss_is_an_output_of_its_own_weighted() -> None:
    net = compiled("Heads")
    assert net.train
    model = Model(net.graph, net.train, backend="numpy")
    (xs, t), *_ = batches(net)
    told = model.evaluate(xs["x"], t)
    assert told["loss"] == pytest.approx(told["main"] + told["aux1"] + told["aux2"], rel=1e-6)
    assert 0 < told["aux1"] < 1
