"""Activations, normalisations and losses against PyTorch beyond the examples: kinks, tails, every group, every size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.types import N, TensorType
from tests.layer_case import Case, close, draw, from_door, nchw, nhwc, program, run, to_door
from tests.torch_pointwise import MORE

drawn = settings(deadline=None, derandomize=True, max_examples=60)
MAPS = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))


def compare(
    case: Case, values: dict[str, Any], *, batch: int, dtype: Any = "f64", backend: str = "numpy"
) -> None:
    """Result and gradients on these numbers, those that `values` lacks drawn."""
    p = program(case, batch, training=True, dtype=dtype)
    values = draw(p) | values
    tensors: dict[str, torch.Tensor] = {}
    for i in p.inputs:
        if i.name in values:
            array = to_door(i, values[i.name]) if i.role == "param" else nchw(values[i.name])
            tensors[i.name] = torch.tensor(array)
            tensors[i.name].requires_grad_(f"grad {i.name}" in p.outputs)
    xs = [tensors[name] for name in sorted(t for t in tensors if t.startswith("x"))]
    weights = {n.removeprefix("layer."): t for n, t in tensors.items() if n.startswith("layer.")}
    y = MORE[case.layer.kind](case.layer, xs, weights, True)
    (y * tensors["cotangent"]).sum().backward()
    wanted = {"y": nhwc(y.detach().numpy())}
    for i in p.inputs:
        if f"grad {i.name}" in p.outputs:
            g = tensors[i.name].grad
            assert g is not None
            wanted[f"grad {i.name}"] = from_door(i, g.numpy()) if i.role == "param" else nhwc(g.numpy())
    loose = {"rtol": 2e-6, "atol": 3e-6}
    close(run(p, values, backend), wanted, **(loose if dtype == "f32" else {"rtol": 1e-10, "atol": 1e-10}))


# ---- Activations ------------------------------------------------------------------------------------------

BENT = ["relu6", "leaky_relu(slope=0.2)", "prelu", "elu(alpha=1.5)", "selu", "hardsigmoid", "sign"]
SMOOTH = ["elu", "selu", "gelu", "gelu(form=tanh)", "silu"]
# off the kinks −3, 0, 3 and 6, where a slope is one's choice
TAILS = np.array([[-90.0, -40, -8.5, -3.1, -2.9, -1, -1e-4, 1e-4, 0.5, 2.9, 3.1, 5.9, 6.1, 12, 88, 1e4]])


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("source", [*dict.fromkeys([*BENT, *SMOOTH]), "hardswish", "log_softmax"])
def test_tails(source: str, dtype: str, backend: str) -> None:
    one = np.float32 if dtype == "f32" else np.float64
    x = TAILS.astype(one) if source != "log_softmax" else TAILS.astype(one)[:, :15]
    case = Case(source, (TensorType((N, x.shape[1])),))
    compare(case, {"x0": x}, batch=1, dtype=dtype, backend=backend)


@pytest.mark.parametrize("source", BENT)
def test_at_zero(source: str) -> None:
    """Where the line bends at 0, the slope there is PyTorch's."""
    compare(Case(source, (TensorType((N, 3)),)), {"x0": np.array([[0.0, -0.0, 1.0]])}, batch=1)


# ---- Normalisation ----------------------------------------------------------------------------------------


@drawn
@given(MAPS, st.integers(1, 3), st.sampled_from(["CHW", "C"]), st.sampled_from(["channel", "scalar", "none"]))
def test_any_ln(size: tuple[int, ...], batch: int, over: str, affine: str) -> None:
    compare_norm(f"ln(over={over}, affine={affine})", size, batch)


@drawn
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_any_gn(groups: int, each: int, h: int, w: int, batch: int) -> None:
    compare_norm(f"gn({groups})", (groups * each, h, w), batch)


@drawn
@given(MAPS, st.integers(1, 3))
def test_any_instance_norm(size: tuple[int, ...], batch: int) -> None:
    if size[1] * size[2] > 1:  # PyTorch refuses one pixel
        compare_norm("instance_norm", size, batch)


def compare_norm(source: str, size: tuple[int, ...], batch: int) -> None:
    """With an ε that keeps the variance of few numbers away from 0."""
    text = source.replace(")", ", eps=0.01)") if ")" in source else f"{source}(eps=0.01)"
    compare(Case(text, (TensorType((N, *size)),)), {}, batch=batch)


@drawn
@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.sampled_from([0.5, 0.75, 1.3]),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_any_lrn(channels: int, size: int, beta: float, k: int, wide: bool) -> None:
    shape = (N, channels, 2, 3) if wide else (N, channels)
    compare(Case(f"lrn(size={size}, alpha=0.3, beta={beta}, k={k})", (TensorType(shape),)), {}, batch=2)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_l2norm_of_nothing(backend: str) -> None:
    """A vector of zeros has no direction: it stays, and its gradient is finite."""
    x = np.array([[0.0, 0, 0], [3, 0, 4]], np.float32)
    p = program(Case("l2norm(eps=0.001)", (TensorType((N, 3)),)), 2, training=True, dtype="f32")
    found = run(p, draw(p) | {"x0": x, "cotangent": np.ones((2, 3), np.float32)}, backend)
    np.testing.assert_allclose(found["y"], [[0, 0, 0], [0.6, 0, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(found["grad x0"][0], 1000, rtol=1e-6)
    np.testing.assert_allclose(found["grad x0"][1], (1 - np.array([0.6, 0, 0.8]) * 1.4) / 5, rtol=1e-5)


# ---- Losses -----------------------------------------------------------------------------------------------

CLASSES = 6


@drawn
@given(st.sampled_from([0, 0.1, 0.7]), st.booleans(), st.sampled_from([(), (2, 3)]), st.integers(1, 5))
def test_any_cross_entropy(smoothing: float, weighted: bool, pixels: tuple[int, ...], batch: int) -> None:
    arguments = [f"smoothing={smoothing}"] + ["class_weights=[1, 0.5, 3, 0.25, 2, 1.5]"] * weighted
    types = (TensorType((N, CLASSES, *pixels)), TensorType((N, *pixels), "int"))
    compare(Case(f"softmax_xent({', '.join(arguments)})", types), {}, batch=batch)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize(
    "source", ["softmax_xent(smoothing=0.1)", "softmax_xent(class_weights=[1, 2, 3, 4, 5])"]
)
def test_cross_entropy_of_large_logits(source: str, backend: str) -> None:
    values = {
        "x0": np.float32([[1e4, -1e4, 0, 0, 0], [-3e4, 3e4, 1, 1, 1]]),
        "x1": np.array([1, 0]),
    }
    types = (TensorType((N, 5)), TensorType((N,), "int"))
    compare(Case(source, types), values, batch=2, dtype="f32", backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_bce_logits_of_large_logits(backend: str) -> None:
    x = np.float32([[1e4, -1e4, 1e4, -1e4, 90, -90, 0, 20]])
    t = np.float32([[1, 0, 0, 1, 0.5, 0.5, 1, 1]])
    types = (TensorType((N, 8)), TensorType((N, 8)))
    compare(Case("bce_logits", types), {"x0": x, "x1": t}, batch=1, dtype="f32", backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_bce_of_what_is_sure(backend: str) -> None:
    """A sure mistake costs 100, and pulls with a finite force.  (A sigmoid makes exact zeros and ones.)"""
    x = np.float32([[-300, 300, -300, 300]])
    t = np.float32([[-300, 300, 300, -300]])
    case = Case("bce", (TensorType((N, 4)), TensorType((N, 4))))
    p = program(case, 1, training=True, dtype="f32")
    found = run(p, draw(p) | {"x0": x, "x1": t, "cotangent": np.float32(1)}, backend)
    assert found["y"] == pytest.approx(50)
    assert np.isfinite(found["grad x0"]).all()


@pytest.mark.parametrize("source", ["mae", "huber", "huber(delta=0.5)"])
def test_where_both_are_equal(source: str) -> None:
    y = np.array([[1.0, 2, -3, 0.5]])
    types = (TensorType((N, 4)), TensorType((N, 4)))
    compare(Case(source, types), {"x0": y, "x1": y + np.array([[0, 0.5, 1, -2]])}, batch=1)


@drawn
@given(st.sampled_from([0.0, 0.25, 1.0, 3.0]), st.integers(1, 5))
def test_any_hinge(margin: float, batch: int) -> None:
    types = (TensorType((N, CLASSES)), TensorType((N,), "int"))
    values = {"x0": np.random.default_rng(batch).normal(size=(batch, CLASSES))}
    compare(Case(f"hinge(margin={margin})", types), values, batch=batch)
