"""A model through the Python API: learning, evaluating, saving, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.train.checkpoint import ModelError

TEXT = """
net Small {
  input image: [N, 2, 6, 6]
  features = image -> conv(4, 3, pad=half) -> bn -> relu -> maxpool(2)
  logits = features -> flatten -> dropout(p=0.2) -> dense(3)
  output logits
}
train Small {
  target label: int[N]
  loss main = [logits, label] -> softmax_xent
  metric [logits, label] -> accuracy, top(2)
  optimizer adam(lr=0.01)
  batch 16
  epochs 12
  seed 3
}
"""
TWO = """
net Two {
  input a: [N, 3]
  input b: [N, 3]
  y = a * b -> dense(2)
  z = a - b
  output y, z
}
"""


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes told apart by the brightest of three patches: (N, 2, 6, 6), (N,)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, count)
    x = rng.normal(0, 0.3, (count, 2, 6, 6)).astype(np.float32)
    x[np.arange(count), 0, 2 * y, 2 * y] += 3
    return x, y


@pytest.fixture
def model() -> netc.Model:
    return netc.compile(netc.parse(TEXT))


def test_it_learns(model: netc.Model) -> None:
    x, y = examples(200)
    history = model.fit(x, y)
    assert len(history) == 12
    assert history[-1] < history[0] / 3
    found = model.evaluate(x, y)
    assert found["accuracy"] > 0.97
    assert found["top2"] >= found["accuracy"]


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = examples(64)
    first, second = (netc.compile(netc.parse(TEXT)) for _ in range(2))
    assert first.fit(x, y, epochs=3) == second.fit(x, y, epochs=3)
    for name, w in first.weights().items():
        np.testing.assert_array_equal(w, second.weights()[name], name)


def test_both_backends_take_the_same_steps(model: netc.Model) -> None:
    x, y = examples(32)
    slow = netc.compile(netc.parse(TEXT), backend="numpy")
    for _ in range(5):
        assert model.train_step(x, y) == pytest.approx(slow.train_step(x, y), rel=1e-4)


def test_a_last_part_of_another_size_counts_right(model: netc.Model) -> None:
    x, y = examples(300)  # 256 and 44
    logits = model.predict(x)
    assert logits.shape == (300, 3)
    np.testing.assert_allclose(logits[290:], model.predict(x[290:]), rtol=1e-5, atol=1e-6)
    assert model.evaluate(x, y)["accuracy"] == pytest.approx((logits.argmax(1) == y).mean())


def test_probabilities_sum_to_one(model: netc.Model) -> None:
    p = model.classify(examples(5)[0])
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_a_gradient_changes_nothing(model: netc.Model) -> None:
    x, y = examples(8)
    before = model.weights()
    loss, grads = model.value_and_grad(x, y)
    assert np.isfinite(loss)
    assert {name: g.shape for name, g in grads.items()} == {
        name: w.shape for name, w in before.items() if "running" not in name
    }
    for name, w in model.weights().items():
        np.testing.assert_array_equal(w, before[name])


def test_saved_and_loaded_it_predicts_the_same(model: netc.Model, tmp_path: Path) -> None:
    x, y = examples(32)
    model.fit(x, y, epochs=2)
    model.save(tmp_path / "small.safetensors")
    again = netc.load_model(tmp_path / "small.safetensors")
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert model.weights()["Small.conv1.weight"].shape == (4, 2, 3, 3)


def test_several_inputs_and_outputs_go_by_name() -> None:
    model = netc.compile(netc.parse(TWO))
    a, b = np.ones((4, 3), np.float32), np.full((4, 3), 2, np.float32)
    out = model.predict({"a": a, "b": b})
    assert set(out) == {"y", "z"}
    np.testing.assert_array_equal(out["z"], -np.ones((4, 3)))
    with pytest.raises(ValueError, match="takes a, b"):
        model.predict(a)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 2, 6, 7)), np.zeros(4, int), r"image has the shape \(4, 2, 6, 7\).*\[N, 2, 6, 6\]"),
        (np.zeros((4, 2, 6, 6)), np.zeros(5, int), "image has 4, label has 5"),
        (np.zeros((4, 2, 6, 6)), np.full(4, 3), "labels from 3 to 3, and there are 3 classes"),
        (np.zeros((4, 2, 6, 6)), np.zeros(4), "label must be integers"),
        (np.zeros((0, 2, 6, 6)), np.zeros(0, int), "no examples"),
    ],
)
def test_what_does_not_fit_is_refused(model: netc.Model, x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.train_step(x, y)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(ModelError, match="no such file"):
        netc.load_model(path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match="no safetensors file"):
        netc.load_model(path)


def test_weights_of_another_net_are_refused(model: netc.Model) -> None:
    weights = model.weights()
    before = model.weights()
    del weights["Small.conv1.bias"]
    with pytest.raises(ValueError, match=r"lacks Small\.conv1\.bias"):
        model.set_weights(weights)
    weights = model.weights() | {"Small.conv1.bias": np.zeros(9)}
    with pytest.raises(ValueError, match=r"Small\.conv1\.bias has the shape \(9,\)"):
        model.set_weights(weights)
    for name, w in model.weights().items():
        np.testing.assert_array_equal(w, before[name])
