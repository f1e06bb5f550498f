"""Kernels that memory bounds: sizes around the lengths of vectors and blocks, rounding, and equal bits for any threads.

Bounds are stated beside each test, against the same computed in 64 bits; ε is the spacing of float32 numbers at 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc import ops
from netc.backends.cpu import table
from netc.ops.fused import Expression, Step
from tests.application import Application
from tests.primitive_case import run

DRAWS = settings(max_examples=25, deadline=None, derandomize=True)
EPS = float(np.finfo(np.float32).eps)
AROUND = st.sampled_from(
    [1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 130]
)  # vectors hold 2 to 16 numbers
DTYPES = st.sampled_from(["f32", "f64"])


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def exactly(app: Application, dtype: str) -> None:
    """What only moves numbers gives the same bits as NumPy."""
    for got, wanted in zip(run(app, "cpu", dtype), run(app, "numpy", dtype), strict=True):
        np.testing.assert_array_equal(got, wanted)


# ---- Moves -----------------------------------------------------------------------------------------------


@DRAWS
@given(st.integers(1, 3), AROUND, AROUND, DTYPES)
def test_axes_change_places(batch: int, p: int, q: int, dtype: str) -> None:
    exactly(Application(ops.swap, (numbers(0, batch, p, q),)), dtype)


@DRAWS
@given(st.lists(AROUND, min_size=1, max_size=4), st.integers(1, 9), DTYPES)
def test_channels_side_by_side(widths: list[int], rows: int, dtype: str) -> None:
    parts = tuple(numbers(i, rows, 2, width) for i, width in enumerate(widths))
    exactly(Application(ops.concat, parts, {"axis": 2}), dtype)
    whole, start = np.concatenate(parts, axis=2), sum(widths[:-1])
    stretch = {"axis": 2, "start": start, "stop": start + widths[-1]}
    exactly(Application(ops.cut, (whole,), stretch), dtype)
    exactly(Application(ops.uncut, (parts[-1],), {**stretch, "size": start + widths[-1]}), dtype)


# ---- Pools -----------------------------------------------------------------------------------------------


@DRAWS
@given(st.integers(1, 4), st.integers(1, 3), AROUND, st.integers(3, 9), DTYPES, st.integers(0, 9))
def test_the_first_of_the_largest(kernel: int, stride: int, c: int, size: int, dtype: str, seed: int) -> None:
    """Whole numbers, so that many are equal and sums have no rounding: exact, whether windows meet or not."""
    pad = ((kernel // 2, kernel // 2), (0, kernel // 2))
    params = {"kernel": (kernel, kernel), "stride": (stride, stride), "pad": pad}
    x = np.random.default_rng(seed).integers(-2, 3, (2, size, size + 1, c)).astype(float)
    x[np.random.default_rng(seed).random(x.shape) < 0.02] = np.nan
    app = Application(ops.maxpool, (x,), params)
    exactly(app, dtype)
    (y,) = run(app, "numpy", "f64")
    g = np.random.default_rng(seed).integers(-3, 4, y.shape).astype(float)
    exactly(Application(ops.maxpool_grad, (x, g), params), dtype)


# ---- Sums ------------------------------------------------------------------------------------------------


@DRAWS
@given(st.integers(1, 700), AROUND, DTYPES)
def test_moments_far_from_zero(rows: int, c: int, dtype: str) -> None:
    """x = 1000 + noise.  The mean is off by (rows of a block + blocks) ε of it at most, the variance by 1e-4 of itself:
    one pass with Σ x² would be off by 1e6 ε, which is 0.1.
    """
    x = (1000 + numbers(rows, rows, c)).astype(np.float32)
    mean, var = run(Application(ops.moments, (x,)), "cpu", dtype)
    exact_mean, exact_var = x.astype(float).mean(axis=0), x.astype(float).var(axis=0)
    np.testing.assert_allclose(mean, exact_mean, rtol=(128 + rows / 16) * EPS, atol=0)
    np.testing.assert_allclose(var, exact_var, rtol=1e-4, atol=1e-4)


def summing(x: Any) -> Application:
    """y = 2x, and the sums of x and y over each channel."""
    steps = (Step(ops.scale, (0,), (("factor", 2.0),)),)
    return Application(ops.fused, (x,), {"expression": Expression(steps, (1,), (0, 1))})


@DRAWS
@given(st.integers(1, 5000), AROUND, DTYPES)
def test_sums_of_many(rows: int, c: int, dtype: str) -> None:
    """Numbers of one sign: off by (rows of a block + blocks) ε of the sum at most, rows of few channels 64 together."""
    x = np.abs(numbers(rows, rows, c)).astype(np.float32)
    doubled, of_x, of_y = run(summing(x), "cpu", dtype)
    np.testing.assert_array_equal(doubled, 2 * x)
    exact = x.astype(float).sum(axis=0)
    bound = (256 + rows / 16 + 64) * EPS
    np.testing.assert_allclose(of_x, exact, rtol=bound)
    np.testing.assert_allclose(of_y, 2 * exact, rtol=bound)


# ---- Threads ---------------------------------------------------------------------------------------------


def _norm(rows: int, c: int) -> Application:
    gamma, mean, var = numbers(1, c), numbers(2, c), np.abs(numbers(3, c)) + 0.1
    return Application(
        ops.batch_norm_grad,
        (numbers(4, rows, c), gamma, mean, var, numbers(5, rows, c)),
        {"eps": 1e-5},
    )


POOL = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1))}
SHARED = {
    "moments": Application(ops.moments, (numbers(0, 1111, 70),)),
    "sums": summing(numbers(0, 1111, 70)),
    "few channels": summing(numbers(0, 4096, 6)),
    "batch norm": _norm(1111, 70),
    "pool": Application(ops.maxpool_grad, (numbers(0, 5, 9, 9, 20), numbers(1, 5, 5, 5, 20)), POOL),
}


@pytest.mark.parametrize("app", SHARED.values(), ids=SHARED.keys())
def test_bits_do_not_depend_on_threads(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are added in an order that follows from the shape."""
    monkeypatch.setattr(table, "WORTH", 0)
    wanted = run(app, "cpu", "f32", 1)
    for threads in (2, 3, 7):
        for got, one in zip(run(app, "cpu", "f32", threads), wanted, strict=True):
            np.testing.assert_array_equal(got, one)
