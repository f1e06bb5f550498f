"""Every primitive on the CPU backend against its meaning in NumPy, over drawn sizes, in 32 and 64 bits.

The bound: with ε the spacing of numbers at 1 and m the number of terms that a result sums, a result differs
from the one computed in 64 bits by at most 2 (m + 4) ε times the sum of the absolute terms (Higham, 2002,
"Accuracy and stability of numerical algorithms", section 3.1; the 2 because the order of the sum differs
too).  Where the primitive is not linear, the largest result stands for the sum.  What only moves numbers must
agree exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc import ops
from netc.backends.cpu import lowering
from tests.primitive_case import CASES, Application, cast, run

DRAWS = settings(max_examples=12, deadline=None, derandomize=True)


def bound(app: Application, exact: list[Any], dtype: str) -> list[Any]:
    eps = np.finfo(np.float32 if dtype == "f32" else np.float64).eps
    size = exact
    if app.linear:
        size = run(replace(app, operands=tuple(np.abs(x) for x in app.operands)), "numpy", "f64")
    return [2 * (app.terms + 4) * eps * max(1.0, float(np.abs(s).max())) for s in size]


def same(app: Application, dtype: str, threads: int = 1) -> None:
    rounded = replace(app, operands=tuple(cast(x, dtype) for x in app.operands))
    got = run(rounded, "cpu", dtype, threads)
    if app.terms == 0:
        for a, b in zip(got, run(rounded, "numpy", dtype), strict=True):
            np.testing.assert_array_equal(a, b)
        return
    wide = replace(rounded, operands=tuple(cast(x, "f64") for x in rounded.operands))
    exact = run(wide, "numpy", "f64")
    for a, b, most in zip(got, exact, bound(app, exact, dtype), strict=True):
        assert a.dtype == (np.float32 if dtype == "f32" else np.float64)
        np.testing.assert_allclose(a, b, rtol=0, atol=most)


def test_every_primitive_has_a_kernel_and_cases() -> None:
    assert CASES.keys() == ops.ALL.keys()
    for op in ops.ALL.values():
        if not op.view:
            lowering(op)


def test_an_unknown_primitive_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="no kernel for fft"):
        lowering(replace(ops.dot, name="fft"))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_cpu_is_numpy(name: str, dtype: str) -> None:
    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        same(CASES[name](data.draw), dtype)

    drawn()


NAN = np.array([[np.nan, -np.inf, np.inf, -0.0, 0.0, -1.0, 3.0, 88.0, -88.0, 200.0, -200.0, 1e-8]])


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "softplus", "neg"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_infinite_and_not_a_number(name: str, dtype: str) -> None:
    app = Application(ops.ALL[name], (NAN,))
    (got,), (exact,) = run(app, "cpu", dtype), run(app, "numpy", dtype)
    np.testing.assert_allclose(got, exact, rtol=2e-6 if dtype == "f32" else 1e-14, atol=1e-37)


@pytest.mark.parametrize("x", [[1.0, np.nan, 3.0, 2.0], [-np.inf] * 4, [np.nan] * 4])
def test_maxpool_with_not_a_number(x: list[float]) -> None:
    params = {"kernel": (2, 2), "stride": (1, 1), "pad": ((0, 0), (0, 0))}
    for c in (1, 16):
        operand = np.repeat(np.array(x).reshape(1, 2, 2, 1), c, axis=3)
        for app in (
            Application(ops.maxpool, (operand,), params),
            Application(ops.maxpool_grad, (operand, np.ones((1, 1, 1, c))), params),
        ):
            np.testing.assert_array_equal(run(app, "cpu", "f32")[0], run(app, "numpy", "f32")[0])


def test_a_padded_window_of_nothing_but_minus_infinity() -> None:
    """Its gradient goes to the first number that is no padding."""
    params = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1))}
    x = np.full((1, 4, 4, 17), -np.inf)
    for app in (
        Application(ops.maxpool_placed, (x,), params),
        Application(ops.maxpool_grad, (x, np.ones((1, 2, 2, 17))), params),
    ):
        for found, wanted in zip(run(app, "cpu", "f32"), run(app, "numpy", "f32"), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert found.sum() == 4 * 17
