"""What the examples of norms, losses and joins leave out: large groups, whole masks, NaN, rows by columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc import ops
from netc.types import N, TensorType
from tests.application import Application
from tests.backend.test_layers import check_backends, check_gradients
from tests.layer_case import BACKENDS, Case, draw, program, run
from tests.primitive_case import run as run_primitive


def of(*sizes: int) -> TensorType:
    return TensorType((N, *sizes))


# ---- Rows and columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["add", "sub", "mul"])
@pytest.mark.parametrize(
    "types",
    [(of(3, 1, 5), of(3, 4, 1)), (of(3, 4, 1), of(3, 1, 5), of(3, 4, 5)), (of(35, 1, 5), of(35, 4, 1))],
    ids=str,
)
def test_a_row_and_a_column_make_a_map(kind: str, types: tuple[TensorType, ...]) -> None:
    case = Case(kind, types)
    check_backends(case, True)
    check_gradients(case, True)


# ---- Normalisation ----------------------------------------------------------------------------------------

LARGE = ["ln", "ln(over=C)", "gn(4)", "instance_norm", "lrn", "l2norm"]


@pytest.mark.parametrize("source", LARGE)
def test_many_numbers_far_from_zero(source: str) -> None:
    """Sums of 23,000 numbers around 10 in 32 bits, against the same in 64."""
    case = Case(source, (of(40, 24, 24),))
    p, wide = (program(case, 2, training=True, dtype=dtype) for dtype in ("f32", "f64"))
    values = draw(p)
    values["x0"] = values["x0"] + 10
    exact = run(wide, {k: np.float64(v) for k, v in values.items()}, "numpy")
    for name, array in run(p, values, "cpu").items():
        most = float(np.abs(exact[name]).max())
        np.testing.assert_allclose(array, exact[name], rtol=0, atol=2e-5 * most, err_msg=name)


@pytest.mark.parametrize("source", ["ln(affine=none)", "gn(3, affine=false)", "instance_norm"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_mean_0_and_variance_1(source: str, backend: str) -> None:
    groups = {"ln(affine=none)": 1, "gn(3, affine=false)": 3, "instance_norm": 6}[source]
    p = program(Case(source, (of(6, 9, 8),)), 4, training=False, dtype="f64", grads=False)
    y = run(p, draw(p), backend)["y"].reshape(4, 72, groups, -1)
    np.testing.assert_allclose(y.mean((1, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((1, 3)), 1, rtol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lrn_by_hand(backend: str) -> None:
    p = program(Case("lrn(3, alpha=1, beta=1, k=1)", (of(4),)), 1, training=False, dtype="f64", grads=False)
    found = run(p, draw(p) | {"x0": np.array([[1.0, 2, 3, 4]])}, backend)["y"]
    np.testing.assert_allclose(found, [[1 / 6, 2 / 15, 3 / 30, 4 / 26]], rtol=1e-12)


# ---- Whole examples dropped -------------------------------------------------------------------------------


@pytest.mark.parametrize("types", [(of(3, 4, 5),), (of(7),)], ids=str)
def test_drop_path_drops_whole_examples(types: tuple[TensorType, ...]) -> None:
    case = Case("drop_path(0.3)", types)
    p = program(case, 400, training=True, dtype="f32")
    values = draw(p) | {"x0": np.ones(p.inputs[0].value.type.dims, np.float32)}
    here, there = (run(p, values, backend)["y"] for backend in BACKENDS)
    np.testing.assert_array_equal(here, there)
    rows = here.reshape(400, -1)
    assert (rows == rows[:, :1]).all()
    assert set(np.unique(rows)) == {0, np.float32(1 / 0.7)}
    assert abs((rows[:, 0] == 0).mean() - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5
    assert (run(p, values | {"step": 8}, "numpy")["y"] != here).any()  # another step, another mask


@pytest.mark.parametrize("source", ["drop_path(0.3)", "identity"])
def test_nothing_is_computed_outside_of_training(source: str) -> None:
    p = program(Case(source, (of(3, 4, 5),)), 2, training=False, dtype="f32", grads=False)
    assert not p.equations


# ---- What is infinite or not a number ---------------------------------------------------------------------

STRANGE = np.array([[np.nan, -np.inf, np.inf, -0.0, 0.0, -1.0, 3.0, 88.0, -88.0, 200.0, -200.0, 1e-8]])
PARAMS: dict[str, dict[str, Any]] = {
    "clip": {"low": 0.0, "high": 6.0},
    "leaky": {"slope": 0.1},
    "elu": {"alpha": 1.0},
}


@pytest.mark.parametrize("name", ["clip", "leaky", "elu", "gelu", "silu", "sign", "abs", "log_softmax"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_infinite_and_not_a_number(name: str, dtype: str) -> None:
    app = Application(ops.ALL[name], (STRANGE,), PARAMS.get(name, {}))
    (got,), (exact,) = run_primitive(app, "cpu", dtype), run_primitive(app, "numpy", dtype)
    np.testing.assert_allclose(got, exact, rtol=2e-6 if dtype == "f32" else 1e-14, atol=1e-15)


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_that_is_no_class_costs_nan(label: int) -> None:
    case = Case("nll", (of(5), TensorType((N,), "int")))
    p = program(case, 2, training=True, dtype="f32")
    found = run(p, draw(p) | {"x1": np.array([label, 1])}, "cpu")
    assert np.isnan(found["y"])
    assert (found["grad x0"][0] == 0).all()
