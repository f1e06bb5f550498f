"""A model for prediction only, and a trained one that predicts: which weights they use, and what they keep."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import netc
from netc.lower import inference
from netc.runtime import Executable, compile_program

TEXT = """
net Small {
  input image: [N, 2, 6, 6]
  features = image -> conv(4, 3, pad=half, bias=false) -> bn -> relu -> maxpool(2)
  logits = features -> flatten -> dense(3) -> bn
  output logits
}
train Small {
  target label: int[N]
  loss main = [logits, label] -> softmax_xent
  metric [logits, label] -> accuracy
  optimizer adam(lr=0.01)
  batch 16
  epochs 2
}
"""
NEAR = {"rtol": 1e-5, "atol": 1e-5}
rng = np.random.default_rng(0)
X, Y = rng.normal(0, 1, (300, 2, 6, 6)).astype(np.float32), rng.integers(0, 3, 300)


def unfolded(model: netc.Predictor, x: Any) -> Any:
    """The outputs by the program as the layers have it."""
    program = inference(model.graph, len(x))
    return compile_program(program, "numpy", buffers=model.buffers).run({"image": x})["logits"]


def test_it_has_weights_and_nothing_of_training() -> None:
    net = netc.parse(TEXT)
    engine, model = netc.compile(net, train=False), netc.compile(net)
    assert not isinstance(engine, netc.Model)
    assert engine.weights().keys() == model.weights().keys()
    assert engine.buffers.keys() == model.weights().keys()
    for name, w in model.weights().items():
        np.testing.assert_array_equal(engine.weights()[name], w)
    assert not hasattr(engine, "train_step")
    np.testing.assert_array_equal(engine.predict(X), model.predict(X))
    assert engine.evaluate(X, Y) == model.evaluate(X, Y)


def test_predictions_follow_training() -> None:
    model = netc.compile(netc.parse(TEXT))
    for _ in range(3):
        before = model.predict(X[:8])
        np.testing.assert_allclose(before, unfolded(model, X[:8]), **NEAR)
        model.train_step(X[:16], Y[:16])
        assert np.abs(model.predict(X[:8]) - before).max() > 1e-3
    np.testing.assert_allclose(model.predict(X[:8]), unfolded(model, X[:8]), **NEAR)


def test_evaluation_follows_training() -> None:
    model = netc.compile(netc.parse(TEXT))
    before = model.evaluate(X, Y)["loss"]
    model.fit(X, Y)
    fresh = netc.compile(netc.parse(TEXT), train=False)
    fresh.set_weights(model.weights())
    assert model.evaluate(X, Y) == fresh.evaluate(X, Y)
    assert model.evaluate(X, Y)["loss"] < before


def test_predictions_follow_new_weights_at_every_batch() -> None:
    engine = netc.compile(netc.parse(TEXT), train=False)
    engine.predict(X[:1]), engine.predict(X[:5])
    engine.set_weights({name: 2 * w + 0.1 for name, w in engine.weights().items()})
    for batch in (5, 1, 5, 7):
        np.testing.assert_allclose(engine.predict(X[:batch]), unfolded(engine, X[:batch]), **NEAR)


def test_weights_written_by_hand_are_told() -> None:
    engine = netc.compile(netc.parse(TEXT), train=False)
    engine.predict(X[:2])
    engine.buffers["Small.bn1.bias"][...] = 3
    engine.version += 1
    np.testing.assert_allclose(engine.predict(X[:2]), unfolded(engine, X[:2]), **NEAR)


def test_what_is_prepared_is_shared_by_all_batches() -> None:
    engine = netc.compile(netc.parse(TEXT), train=False)
    one, other = engine.engine("predict", 1), engine.engine("evaluate", 4)
    names = [i.name for i in one.program.by_role("prepared")]
    assert len(names) == 4
    for name in names:
        assert one[name] is not other[name]
        assert np.shares_memory(one[name], other[name])


def test_it_is_prepared_once_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    model = netc.compile(netc.parse(TEXT))
    runs: list[int] = []
    run = Executable.run

    def counted(self: Executable, feeds: Any) -> Any:
        runs.extend([1] if not self.program.outputs else [])  # only what prepares has no outputs
        return run(self, feeds)

    monkeypatch.setattr(Executable, "run", counted)
    model.predict(X), model.predict(X), model.predict(X[:3])
    assert len(runs) == 1
    model.train_step(X[:16], Y[:16])
    model.predict(X), model.evaluate(X, Y)
    assert len(runs) == 2


def test_threads_that_begin_together() -> None:
    engine = netc.compile(netc.parse(TEXT), train=False)
    wanted, found = unfolded(engine, X[:6]), list[Any]()
    threads = [threading.Thread(target=lambda: found.append(engine.predict(X[:6]))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4
    for y in found:
        np.testing.assert_allclose(y, wanted, **NEAR)


def test_loaded_for_prediction(tmp_path: Path) -> None:
    model = netc.compile(netc.parse(TEXT))
    model.fit(X, Y)
    model.save(tmp_path / "small.safetensors")
    engine = netc.load_model(tmp_path / "small.safetensors", train=False)
    assert type(engine) is netc.Predictor
    np.testing.assert_array_equal(engine.predict(X), model.predict(X))
    engine.save(tmp_path / "again.safetensors")
    again = netc.load_model(tmp_path / "again.safetensors").weights()
    for name, w in model.weights().items():
        np.testing.assert_array_equal(again[name], w)


DOUBLE = """
net Double {
  input x: f64[N, 1, 6, 6]
  y = x -> conv(2, 3, weight=[[[[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]], [[[0, 0.1, 0], [0, 0, 0], [0, 0, 0]]]]) -> tanh
        -> flatten -> dense(3)
  output y
}
"""


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_a_net_of_float64_computes_in_float64(backend: Literal["numpy", "cpu"]) -> None:
    net = netc.parse(DOUBLE)
    model = netc.compile(net, backend=backend)
    x = np.random.default_rng(0).normal(size=(2, 1, 6, 6))
    y = model.predict(x)
    assert y.dtype == np.float64
    w = model.weights()
    assert {a.dtype for a in w.values()} == {np.dtype(np.float64)}
    assert w["Double.conv1.weight"][0, 0, 0, 0] == 0.1
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), (1, 2))
    maps = np.einsum("nhwij,kij->nkhw", windows, w["Double.conv1.weight"][:, 0])
    wanted = np.tanh(maps).reshape(2, -1) @ w["Double.dense1.weight"].T
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-14)
    assert netc.compile(net, dtype="f32", backend=backend).predict(x).dtype == np.float32
