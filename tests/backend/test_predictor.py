"""Predicting with folded norms: how far rounding takes it from the program as the layers have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netc
from netc.graph.model import Graph
from netc.loading import load_file, load_text
from netc.lower import inference
from netc.runtime import compile_program
from netc.train.predictor import Predictor
from netc.train.spec import default_spec
from tests.backend.test_specs_run import SMALL

BATCH = 2
# How far off, relative to the largest output.  Without folding it is as much: 3e-7 to 1.1e-5 in single precision, the
# last for the fifty layers and gates of SE-ResNet.
SINGLE, DOUBLE, MORE = 5e-5, 1e-12, 4
WITH_NORMS = {
    "efficientnet": "EfficientNetB0",
    "inception_resnet": "InceptionResNetV2",
    "mobilenet": "MobileNetV1",
    "resnet": "ResNet18",
    "resnet_cifar": "ResNet20",
    "senet": "SE_ResNet50",
    "wide_resnet": "WideResNet",
    "xception": "Xception",
}


def drawn(name: str, shape: tuple[int, ...], rng: Any) -> Any:
    """Numbers that keep the variance of what flows, and statistics, scales and biases that make a difference."""
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) == 1:
        return rng.normal(0, 0.1, shape) + name.endswith("weight")
    return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)


def with_weights(model: Predictor) -> Predictor:
    rng = np.random.default_rng(1)
    model.set_weights({name: drawn(name, w.shape, rng) for name, w in model.weights().items()})
    return model


def examples(graph: Graph) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {n.name: rng.standard_normal((BATCH, *n.type.shape[1:])).astype(np.float32) for n in graph.inputs}


def apart(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    """The largest difference, relative to the largest output."""
    assert found.keys() == wanted.keys()
    return max(float(np.abs(found[n] - y).max() / np.abs(y).max()) for n, y in wanted.items())


@pytest.mark.parametrize(("spec", "name"), WITH_NORMS.items())
def test_specs_with_norms(spec: str, name: str) -> None:
    small = SMALL[spec]
    graph = load_file(spec, small.settings, small.sizes).must_be_right().nets[name].graph
    model = with_weights(Predictor(graph, default_spec(graph)))
    exact = with_weights(Predictor(graph, default_spec(graph), backend="numpy", dtype="f64"))
    x = examples(graph)
    double = {n: a.astype(np.float64) for n, a in x.items()}
    folded = model.engine("predict", BATCH)
    assert folded.program.by_role("prepared")
    wanted = compile_program(inference(graph, BATCH, dtype="f64"), "numpy", buffers=exact.buffers).run(double)
    unfolded = compile_program(inference(graph, BATCH), buffers=model.buffers).run(x)
    assert apart(exact.engine("predict", BATCH).run(double), wanted) <= DOUBLE
    error = apart(folded.run(x), wanted)
    assert error <= SINGLE
    assert error <= MORE * apart(unfolded, wanted)


def test_weights_are_packed_when_they_change() -> None:
    """What kernels make of weights is made again for new ones, and only then."""
    text = """net A {
  input x: [N, 3, 12, 12]
  y = x -> conv(32, 3, pad=half) -> relu -> conv(40, 3, pad=half) -> conv(8, 5, stride=2) -> flatten -> dense(4)
  output y
}"""
    graph = load_text(text, "a.net").must_be_right().nets["A"].graph
    model = Predictor(graph, default_spec(graph))
    x = np.random.default_rng(1).standard_normal((2, 3, 12, 12), np.float32)
    first = model.predict(x)
    np.testing.assert_array_equal(model.predict(x), first)
    model.set_weights({name: 2 * w for name, w in model.weights().items()})
    changed = model.predict(x)
    model.set_weights({name: w / 2 for name, w in model.weights().items()})
    np.testing.assert_array_equal(model.predict(x), first)
    assert np.abs(changed - first).max() > np.abs(first).max()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"threads": 0}, "threads is a whole number from 1 to 1024, not 0"),
        ({"threads": 2.5}, "threads is a whole number from 1 to 1024, not 2.5"),
        ({"threads": True}, "threads is a whole number from 1 to 1024, not True"),
        ({"dtype": "f16"}, "dtype is f32 or f64, not f16"),
        ({"backend": "cuda"}, "backend is cpu or numpy, not cuda"),
        ({"recompute": "bad"}, "recompute is cheap or all, not bad"),
    ],
    ids=str,
)
def test_compile_names_what_it_does_not_know(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        netc.compile(netc.load("digits"), **how)
