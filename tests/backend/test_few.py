"""Convolutions that give few channels: pixels together, and gradients that are spread, of any size and stride."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netc import ops
from netc.backends import cpu
from netc.backends.cpu.emit import kernels
from netc.ops.primitive import Primitive
from netc.ops.windows import window_count
from netc.runtime import compile_program
from tests.application import Draw
from tests.backend.test_contractions import DRAWS, near, numbers
from tests.primitive_case import Application, cast, program, run

FEW, MORE = st.integers(1, 8), st.sampled_from([1, 1, 2, 6, 12, 40])


def drawn(draw: Draw) -> list[Application]:
    """A convolution of few channels over a map that is wider than high, with its gradients."""
    seed = draw(st.integers(0, 1 << 20))
    n, h, w = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 33))
    c, k = draw(FEW), draw(MORE)
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 5)))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
    pad = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    out = tuple(
        window_count(size, f, s, p) for size, f, s, p in zip((h, w), window, stride, pad, strict=True)
    )
    assume(min(out) > 0)
    params: dict[str, Any] = {"stride": stride, "pad": pad}
    x, y, wt = numbers(seed, n, h, w, c), numbers(seed + 1, n, *out, k), numbers(seed + 2, *window, c, k)
    taps = window[0] * window[1]
    return [
        Application(ops.conv, (x, wt), params, taps * c, True),
        Application(ops.conv_data, (y, wt), {"size": (h, w), **params}, taps * k, True),
        Application(ops.conv_weights, (x, y), {"window": window, **params}, n * out[0] * out[1], True),
    ]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """The kernels that equations were given."""
    seen: set[Any] = set()
    plain = cpu._calls  # pyright: ignore[reportPrivateUsage]

    def calls(*args: Any) -> Any:
        made = plain(*args)
        seen.update(call.kernel for call in made)
        return made

    monkeypatch.setattr(cpu, "_calls", calls)
    return seen


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("spreads", [False, True], ids=["together", "spread"])
@pytest.mark.parametrize("threads", [1, 3])
def test_few_channels(
    dtype: str, spreads: bool, threads: int, used: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads > 1:
        monkeypatch.setattr("netc.backends.cpu.conv.WORTH", 0)
    if spreads:  # wherever it can be
        monkeypatch.setattr("netc.backends.cpu.few._ADDED", -1e9)

    @DRAWS
    @given(st.data())
    def few(data: st.DataObject) -> None:
        for app in drawn(data.draw):
            near(app, dtype, threads)

    few()
    k = kernels("few")
    assert used >= ({k.turn, k.spread} if spreads else {k.pack, k.parted})


# What LeNet-5 and a small net for colours have: groups that end where the row does, and pixels that are computed twice.
@pytest.mark.parametrize("op", [ops.conv, ops.conv_data, ops.conv_weights], ids=str)
@pytest.mark.parametrize(
    ("h", "w", "c", "k", "window", "stride", "pad"),
    [(28, 28, 1, 6, 5, 1, 2), (14, 14, 6, 16, 5, 1, 0), (17, 31, 3, 5, 3, 2, 1), (9, 40, 2, 12, 1, 1, 0)],
)
def test_same_bits_with_each_number_of_threads_twice(
    op: Primitive, h: int, w: int, c: int, k: int, window: int, stride: int, pad: int
) -> None:
    out = tuple((size + 2 * pad - window) // stride + 1 for size in (h, w))
    shapes = {
        ops.conv: ((9, h, w, c), (window, window, c, k)),
        ops.conv_data: ((9, *out, k), (window, window, c, k)),
        ops.conv_weights: ((9, h, w, c), (9, *out, k)),
    }
    more = {ops.conv: {}, ops.conv_data: {"size": (h, w)}, ops.conv_weights: {"window": (window, window)}}
    params = {"stride": (stride,) * 2, "pad": ((pad,) * 2,) * 2, **more[op]}
    operands = tuple(numbers(i, *shape) for i, shape in enumerate(shapes[op]))
    app = Application(op, operands, params, 9 * out[0] * out[1])
    near(app, "f32", 2)
    narrow = Application(op, tuple(cast(x, "f32") for x in operands), params, app.terms)
    for threads in (1, 3):
        once, again = (run(narrow, "cpu", "f32", threads) for _ in "ab")
        np.testing.assert_array_equal(once[0], again[0])


def test_strict_looks_only_where_windows_do() -> None:
    """Together, a pixel that is not finite reaches neighbours that do not see it, as infinity times 0."""
    x, wt = numbers(1, 1, 8, 28, 1), numbers(2, 3, 3, 1, 1)
    x[0, 4, 10, 0] = np.inf
    operands = cast(x, "f32"), cast(wt, "f32")
    app = Application(ops.conv, operands, {"stride": (1, 1), "pad": ((1, 1), (1, 1))})
    (exact,) = run(app, "numpy", "f32")
    strict = compile_program(program(app, "f32"), "cpu", math="strict")
    found = strict.run({f"x{i}": operand for i, operand in enumerate(operands)})["y0"]
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(exact))
    (fast,) = run(app, "cpu", "f32")
    assert np.isfinite(exact[~np.isfinite(fast)]).any()
