"""The worked examples that the lectures print, through the whole compiler, to the printed digits.

Sources: A. Perminov, Introduction to Neural Networks, 2025; E. Sokolov, Foundations of Deep Learning, 2022
(lecture 2) and 2025 (lecture 3); A. Avdyushenko, Machine Learning, part 2, 2022 (lecture 1).  The nets are
those of specs/lectures.net.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from netc.loading import Loaded, load_file
from netc.train.model import Model
from netc.train.spec import default_spec
from tests.layer_case import BACKENDS, run, sensitivity

backends = pytest.mark.parametrize("backend", BACKENDS)


@cache
def lectures() -> Loaded:
    return load_file("lectures").must_be_right()


def model(net: str, backend: str, **weights: Any) -> Model:
    """A net of the lectures with the weights that the lecture gives it: `v_weight` is that of the layer v."""
    compiled = lectures().nets[net]
    m = Model(compiled.graph, compiled.train or default_spec(compiled.graph), backend=backend)  # type: ignore[arg-type]
    m.set_weights({name.replace("__", "."): np.array(w, np.float32) for name, w in weights.items()})
    return m


def batch(*rows: Any) -> Any:
    return np.array([rows], np.float32)


def printed(found: Any, wanted: Any, digits: int) -> None:
    """Equal when rounded to the digits that the lecture prints."""
    np.testing.assert_array_equal(
        np.round(np.asarray(found, np.float64), digits) + 0.0, np.array(wanted) + 0.0
    )


# ---- Neurons and layers ------------------------------------------------------------------------------------


@backends
def test_neuron(backend: str) -> None:
    m = model("Neuron", backend, Neuron__dense1__weight=[[0.15, 0.7, -0.5]], Neuron__dense1__bias=[0.42])
    printed(m.predict(batch(0.8, -0.3, 0.1)), [[0.28]], 6)
    printed(m.predict(batch(-0.8, -0.3, -0.1)), [[0.14]], 6)
    assert m.predict(batch(-8, 0, 0))[0, 0] == 0  # below zero a relu gives 0


@backends
def test_layer(backend: str) -> None:
    weight = [[0.15, -0.7], [0.02, 0.81], [1.1, -0.24]]
    m = model("Layer", backend, Layer__dense1__weight=weight, Layer__dense1__bias=[0, -0.3, 0.14])
    out = m.predict(batch(0.5, -0.3))
    printed(out["z"], [[0.285, -0.533, 0.762]], 3)
    cut_off = np.trunc(out["y"] * 1000) / 1000  # the lecture prints 0.2775 as 0.277
    np.testing.assert_allclose(cut_off, [[0.277, -0.487, 0.642]], atol=1e-6)


@backends
def test_softmax(backend: str) -> None:
    y = model("Softmax", backend).predict(batch(1, 0, 0.5, -1, 1))
    np.testing.assert_allclose(
        y, [[0.322, 0.118, 0.195, 0.043, 0.322]], atol=1e-3
    )  # to within one of the third digit
    assert y.sum() == pytest.approx(1, abs=1e-6)


# ---- Backpropagation and gradient descent ------------------------------------------------------------------


def backpropagation(backend: str) -> Model:
    weights = {"Backpropagation__dense1__weight": [[1.0, 3.0]], "Backpropagation__dense1__bias": [-1.2]}
    return model("Backpropagation", backend, **weights)


X, T = batch(2.0, -0.5), batch(-1.0)
LOSS = (1 - np.tanh(0.7)) ** 2  # 0.15652; the lecture squares a rounded y and prints 0.1567


@backends
def test_backpropagation(backend: str) -> None:
    m = backpropagation(backend)
    out = m.predict(X)
    printed(out["v4"], [[-0.7]], 6)
    printed(out["y"], [[-0.604]], 3)
    loss, grads = m.value_and_grad(X, T)
    assert loss == pytest.approx(LOSS, rel=1e-6)
    printed(grads["Backpropagation.dense1.weight"], [[1.004, -0.251]], 3)
    printed(grads["Backpropagation.dense1.bias"], [0.502], 3)


@backends
def test_backpropagation_to_every_node(backend: str) -> None:
    m = backpropagation(backend)
    assert pytest.approx(0.1567, abs=2e-4) == LOSS
    slope = 2 * (m.predict(X)["y"] - T)  # dL/dy
    printed(slope, [[0.791]], 3)
    p = sensitivity(m.graph, "y", ["v4", "x"], "f32")
    found = run(p, {"x": X, "cotangent": slope, **m.buffers}, backend)
    printed(found["grad v4"], [[0.502]], 3)
    printed(found["grad x"], [[0.502, 1.507]], 3)


@backends
def test_one_step_of_gradient_descent(backend: str) -> None:
    m = backpropagation(backend)
    assert m.train_step(X, T) == pytest.approx(LOSS, rel=1e-6)
    weights = m.weights()
    printed(weights["Backpropagation.dense1.weight"], [[0.297, 3.176]], 3)
    printed(weights["Backpropagation.dense1.bias"], [-1.552], 3)
    assert m.train_step(X, T) < LOSS / 100  # the step went down


@backends
def test_descent(backend: str) -> None:
    m = model("Descent", backend, Descent__dense1__weight=[[3.0]])
    path = []
    for _ in range(5):
        x = float(m.weights()["Descent.dense1.weight"][0, 0])
        assert m.train_step(batch(1), batch(0)) == pytest.approx(x * x, rel=1e-6)
        path.append(float(m.weights()["Descent.dense1.weight"][0, 0]))
    assert path == pytest.approx([0.6, 0.12, 0.024, 0.0048, 0.00096], rel=1e-5)


# ---- Convolution and pooling -------------------------------------------------------------------------------

IMAGE = [[6, 5, 3, -1, 6, 7], [4, 6, 2, 4, 6, 2], [1, 3, 6, 0, 0, 1], [5, 7, 2, 1, 5, 8]]
FILTER = [[3, 2, -1], [-1, 1, 4], [1, 3, 2]]
VALID = [[57, 55, 33, 14], [78, 36, 17, 58]]
PADDED = [
    [50, 37, 14, 46, 61, 13],
    [44, 57, 55, 33, 14, 31],
    [44, 78, 36, 17, 58, 52],
    [32, 13, 20, 37, 35, 5],
]
STRIDED = [[50, 14, 61], [44, 36, 58]]


@backends
def test_convolution(backend: str) -> None:
    weights = {f"Convolution__{label}__weight": [[FILTER]] for label in "vps"}
    out = model("Convolution", backend, **weights).predict(batch(IMAGE))
    np.testing.assert_array_equal(out["valid"][0, 0], VALID)
    np.testing.assert_array_equal(out["padded"][0, 0], PADDED)
    np.testing.assert_array_equal(out["strided"][0, 0], STRIDED)


@backends
def test_convolution_of_a_square(backend: str) -> None:
    image = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
    m = model("Square", backend, Square__conv1__weight=[[[[0, 1, 2], [2, 2, 0], [0, 1, 2]]]])
    np.testing.assert_array_equal(m.predict(batch(image))[0, 0], [[12, 12, 17], [10, 17, 19], [9, 6, 14]])


@backends
def test_a_diagonal_is_found_wherever_it_lies(backend: str) -> None:
    m = model("Diagonal", backend, Diagonal__conv1__weight=[[[[1, 0], [0, 1]]]])
    below = m.predict(batch([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    above = m.predict(batch([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_array_equal(below["found"][0, 0], [[0, 0, 0], [0, 1, 0], [0, 0, 2]])
    np.testing.assert_array_equal(above["found"][0, 0], [[2, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert below["largest"].item() == above["largest"].item() == 2


@backends
def test_maxpool(backend: str) -> None:
    image = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
    np.testing.assert_array_equal(model("MaxPool", backend).predict(batch(image))[0, 0], [[6, 8], [3, 4]])
    rows = [[1, 0, 2, 1, 0, 0], [0, 1, 3, 2, 1, 2]]
    np.testing.assert_array_equal(model("MaxPoolRow", backend).predict(batch(rows))[0, 0], [[1, 3, 2]])
