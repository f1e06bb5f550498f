"""A model that computes activations again learns what another one learns, in less memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.train.frugal import Recompute
from tests.command import Command

TEXT = """
block Basic: x -> y {
  m = x -> conv(x.C, 3, pad=half, bias=false) -> bn -> relu -> conv(x.C, 3, pad=half, bias=false) -> bn
  y = m + x -> relu
}
net Small {
  input image: [N, 2, 12, 12]
  logits = image -> conv(16, 3, pad=half) -> Basic * 4 -> gap -> flatten -> dropout(p=0.2) -> dense(3)
  output logits
}
train Small {
  target label: int[N]
  loss main = [logits, label] -> softmax_xent
  optimizer sgd(lr=0.05, momentum=0.9)
  batch 16
}
"""
rng = np.random.default_rng(0)
X, Y = rng.normal(0, 1, (64, 2, 12, 12)).astype(np.float32), rng.integers(0, 3, 64)


@pytest.mark.parametrize("how", ["cheap", "all"])
def test_it_takes_the_same_steps(how: Recompute) -> None:
    """In float64: what is computed again is fused with other things, and rounds otherwise near a kink of relu."""
    net = netc.parse(TEXT)
    plain, again = netc.compile(net, dtype="f64"), netc.compile(net, dtype="f64", recompute=how)
    for start in (0, 16, 32, 48):
        x, y = X[start : start + 16], Y[start : start + 16]
        assert again.train_step(x, y) == pytest.approx(plain.train_step(x, y), rel=1e-12)
    for name, w in plain.weights().items():
        np.testing.assert_allclose(again.weights()[name], w, rtol=1e-9, atol=1e-12, err_msg=name)
    wanted, found = (m.program("train", 16).plan.arena_bytes for m in (plain, again))
    assert found < 0.8 * wanted
    loss, grads = again.value_and_grad(X, Y)
    assert loss == pytest.approx(plain.value_and_grad(X, Y)[0], rel=1e-12)
    assert grads.keys() == plain.value_and_grad(X, Y)[1].keys()


def test_it_is_for_training() -> None:
    with pytest.raises(ValueError, match="recompute is for training"):
        netc.compile(netc.parse(TEXT), train=False, recompute="all")  # type: ignore[call-overload]


def test_training_by_the_command(tmp_path: Path, netc: Command) -> None:
    out = tmp_path / "run"
    options = ["--set", "train.epochs=1", "--out", out, "--recompute", "all"]
    done = netc("train", "digits", *options)
    assert done.code == 0, done.err
    assert (out / "model.safetensors").exists()
    assert netc("train", "digits", "--recompute", "some").code == 2
