"""Convolutions and matrix products of sizes that need several panels, blocks, strips and parts, and leave
something over.

The bound is that of `test_primitives.py`: 2 (m + 4) ε times the sum of the absolute terms, for m terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netc import ops
from netc.backends.cpu import conv
from netc.backends.cpu.target import TALL, VECTOR_BYTES
from netc.ops.primitive import Primitive
from netc.ops.windows import reach, window_count
from tests.application import Draw
from tests.primitive_case import Application, cast, run

DRAWS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WIDE = st.sampled_from([1, 3, 5, 14, 16, 17, 31, 32, 33, 47, 64, 70])
NARROW = st.integers(1, 3)


def numbers(seed: int, *shape: int) -> Any:
    """Standard normal numbers: sizes are drawn, and what stands in the arrays follows from one seed."""
    return np.random.default_rng(seed).standard_normal(shape)


def near(app: Application, dtype: str, threads: int = 1) -> None:
    rounded = replace(app, operands=tuple(cast(x, dtype) for x in app.operands))
    (got,) = run(rounded, "cpu", dtype, threads)
    if app.op in (ops.conv, ops.conv_data, ops.dot):  # weights that stay are packed once, and used alike
        np.testing.assert_array_equal(run(rounded, "cpu", dtype, threads, stay=True)[0], got)
    wide = replace(rounded, operands=tuple(cast(x, "f64") for x in rounded.operands))
    (exact,) = run(wide, "numpy", "f64")
    (size,) = run(replace(wide, operands=tuple(np.abs(x) for x in wide.operands)), "numpy", "f64")
    eps = np.finfo(np.float32 if dtype == "f32" else np.float64).eps
    most = 2 * (app.terms + 4) * eps * max(1.0, float(size.max()))
    np.testing.assert_allclose(got, exact, rtol=0, atol=most)


def convolutions(draw: Draw) -> list[Application]:
    """A convolution with its two gradients."""
    seed = draw(st.integers(0, 1 << 20))
    n, h, w = draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    window = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, dilation = draw(st.tuples(NARROW, NARROW)), draw(st.tuples(NARROW, NARROW))
    pad = tuple(draw(st.tuples(st.integers(0, 4), st.integers(0, 4))) for _ in range(2))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 20]))
    c, k = (draw(WIDE) * groups, draw(WIDE) * groups) if groups < 20 else (groups, groups)
    out = tuple(
        window_count(size, reach(f, d), s, p)
        for size, f, d, s, p in zip((h, w), window, dilation, stride, pad, strict=True)
    )
    assume(min(out) > 0)
    params = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    x, y = numbers(seed, n, h, w, c), numbers(seed + 1, n, *out, k)
    wt = numbers(seed + 2, *window, c // groups, k)
    taps = window[0] * window[1]
    return [
        Application(ops.conv, (x, wt), params, taps * c // groups, True),
        Application(ops.conv_data, (y, wt), {"size": (h, w), **params}, taps * k // groups, True),
        Application(ops.conv_weights, (x, y), {"window": window, **params}, n * out[0] * out[1], True),
    ]


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("small", [False, True], ids=["whole", "in pieces"])
def test_convolutions(dtype: str, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small:  # blocks that straddle images, panels in shares, rows in parts
        monkeypatch.setattr(conv, "SEEN", 1 << 12)
        monkeypatch.setattr(conv, "PIXELS", 10)
        monkeypatch.setattr(conv, "MULTIPLIED", 10)
        monkeypatch.setattr(conv, "WORTH", 0)

    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        for app in convolutions(data.draw):
            near(app, dtype, 3 if small else 1)

    drawn()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_products(dtype: str, ta: bool, tb: bool) -> None:
    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        m = data.draw(st.sampled_from([1, 2, 4, 13, 15, 64, 130, 600]))
        n = data.draw(st.sampled_from([1, 10, 16, 31, 65, 300, 1030]))
        k = data.draw(st.sampled_from([1, 2, 3, 7, 63, 130, 600]))
        a, b = numbers(m, *((k, m) if ta else (m, k))), numbers(n, *((n, k) if tb else (k, n)))
        near(Application(ops.dot, (a, b), {"ta": ta, "tb": tb}, k, True), dtype, data.draw(st.integers(1, 2)))

    drawn()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("panels", [8, 9.5])
@pytest.mark.parametrize("more", [0, 2, TALL + 2, 2 * TALL + 1, 40 * TALL + 1])
def test_products_of_strips(more: int, panels: float, dtype: str) -> None:
    """As many panels as make it worth to bring strips of A together; rows and steps that fill squares, and some that
    do not.
    """
    lanes = VECTOR_BYTES // (4 if dtype == "f32" else 8)
    m, n = TALL + more, int(panels * 2 * lanes)
    for k in (lanes - 1, 2 * lanes, 257):
        near(Application(ops.dot, (numbers(m, m, k), numbers(n, k, n)), {}, k, True), dtype, 1 + k % 2)


# What comes in the nets: windows that alternate whole, strided, dilated and grouped, with maps of one pixel.
@pytest.mark.parametrize("op", [ops.conv, ops.conv_data, ops.conv_weights], ids=str)
@pytest.mark.parametrize(
    ("h", "c", "k", "window", "stride", "pad", "groups"),
    [(30, 3, 64, 7, 2, 3, 1), (7, 96, 80, 3, 1, 1, 1), (14, 64, 128, 1, 2, 0, 1), (15, 130, 140, 1, 2, 0, 1),
     (1, 130, 40, 1, 2, 0, 1),
     (13, 48, 48, 3, 2, 1, 48), (27, 24, 40, 5, 1, 2, 2)],
)  # fmt: skip
def test_same_bits_with_each_number_of_threads_twice(
    op: Primitive, h: int, c: int, k: int, window: int, stride: int, pad: int, groups: int
) -> None:
    out = (h + 2 * pad - window) // stride + 1
    shapes = {
        ops.conv: ((5, h, h, c), (window, window, c // groups, k)),
        ops.conv_data: ((5, out, out, k), (window, window, c // groups, k)),
        ops.conv_weights: ((5, h, h, c), (5, out, out, k)),
    }
    more = {ops.conv: {}, ops.conv_data: {"size": (h, h)}, ops.conv_weights: {"window": (window, window)}}
    params = {"stride": (stride,) * 2, "pad": ((pad,) * 2,) * 2, "groups": groups, **more[op]}
    app = Application(
        op, tuple(numbers(i, *shape) for i, shape in enumerate(shapes[op])), params, 5 * out * out * k
    )
    near(app, "f32", 2)
    once, again = (
        run(replace(app, operands=tuple(cast(x, "f32") for x in app.operands)), "cpu", "f32", 3) for _ in "ab"
    )
    np.testing.assert_array_equal(once[0], again[0])
