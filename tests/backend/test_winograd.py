"""Winograd's convolution, in tiles of both sizes, forward, by data and by weights, against the meaning in 64 bits.

The bound: FACTOR · ε times the largest output that the absolute values of all operands would give, whatever the
number of channels up to 129; ε is the spacing of numbers at 1.  Of 2,600 drawn convolutions the worst took half.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import netc
from netc import ops
from netc.backends import cpu
from netc.backends.cpu import winograd
from netc.backends.cpu.threads import _gang
from netc.backends.cpu.transform import matrices
from netc.runtime import compile_program
from tests.application import Application, Draw, numbers, pads, pair
from tests.command import Command
from tests.primitive_case import program, run

DRAWS = settings(max_examples=25, deadline=None, derandomize=True)
FACTOR = {(2, 3): 20, (4, 3): 40, (2, 5): 40}
EPS = float(np.finfo(np.float32).eps)
# The primitive, the sizes of the tiles and the windows, and whether the inputs or the weights are kept transformed.
CASES = [(name, m, r, kept) for name in ("conv", "conv_data") for m, r in FACTOR for kept in (True, False)]
CASES += [("conv_weights", 4, 3, False), ("conv_weights", 2, 5, False)]
CHANNELS = st.sampled_from([1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 66, 129])


def convolution(draw: Draw, name: str, r: int) -> Application:
    """Any size that windows of r × r fit, with padding up to r on each side."""
    n, (h, w), c, k = draw(st.integers(1, 3)), pair(draw, 1, 13), draw(CHANNELS), draw(CHANNELS)
    pad = pads(draw, r)
    ho, wo = h + sum(pad[0]) + 1 - r, w + sum(pad[1]) + 1 - r
    assume(ho > 0 < wo)
    params: dict[str, Any] = {"stride": (1, 1), "pad": pad, "dilation": (1, 1), "groups": 1}
    x, y, weights = (n, h, w, c), (n, ho, wo, k), (r, r, c, k)
    if name == "conv":
        return Application(ops.conv, (numbers(draw, *x), numbers(draw, *weights)), params)
    if name == "conv_data":
        return Application(
            ops.conv_data, (numbers(draw, *y), numbers(draw, *weights)), {"size": (h, w), **params}
        )
    return Application(ops.conv_weights, (numbers(draw, *x), numbers(draw, *y)), {"window": (r, r), **params})


def always(m: int | None, patch: pytest.MonkeyPatch, kept: bool = False) -> None:
    """Tiles of m × m whatever the cost model says, or none."""
    patch.setattr(winograd, "keeps_inputs", lambda *_: kept)
    patch.setattr(winograd, "_DEEP", 32)  # so that few channels take several stretches
    patch.setattr(winograd, "fastest", lambda *_: m)
    patch.setattr(winograd, "pays", lambda _: m is not None)


def kernels_of(app: Application, **options: Any) -> set[str]:
    """Which of the backend's files its kernels come from, as its table has them."""
    seen: set[str] = set()
    lowered = cpu.lowering(app.op)
    eq = next(e for e in program(app, "f32").equations if e.op is app.op)
    flat = {v: np.zeros(v.type.size, np.float32) for v in (*eq.inputs, *eq.outputs)}
    bound = cpu.Bound(eq, tuple(flat[v] for v in eq.inputs), tuple(flat[v] for v in eq.outputs), 1, **options)
    for call in lowered(bound):
        seen.add(call.kernel.source.stem.split("_")[0])
    return seen


def error(app: Application, threads: int = 1) -> float:
    """The largest error, as a multiple of ε and of the largest output of the absolute values."""
    rounded = replace(app, operands=tuple(x.astype(np.float32) for x in app.operands))
    (got,) = run(rounded, "cpu", "f32", threads)
    (exact,) = run(rounded, "numpy", "f64")
    (size,) = run(replace(rounded, operands=tuple(map(np.abs, rounded.operands))), "numpy", "f64")
    return float(np.abs(got - exact).max() / (EPS * max(size.max(), 1e-30)))


@pytest.mark.parametrize(("name", "m", "r", "kept"), CASES)
def test_any_size_is_numpy(name: str, m: int, r: int, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    always(m, monkeypatch, kept)

    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        app = convolution(data.draw, name, r)
        assert "winograd" in kernels_of(app)
        threads = data.draw(st.integers(1, 3))
        assert error(app, threads) <= FACTOR[m, r]
        if name != "conv_weights":
            once, prepared = (run(app, "cpu", "f32", threads, stay)[0] for stay in (False, True))
            np.testing.assert_array_equal(prepared, once)

    drawn()


@pytest.mark.parametrize(("m", "r", "most"), [(2, 3, 6e-6), (4, 3, 2e-5), (2, 5, 6e-6)])
def test_many_channels(m: int, r: int, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 512 channels, against the largest output: what the README says."""
    always(m, monkeypatch)
    rng = np.random.default_rng(5)
    operands = rng.standard_normal((1, 14, 14, 512)), rng.standard_normal((r, r, 512, 32))
    app = Application(ops.conv, operands, {"stride": (1, 1), "pad": ((1, 1), (1, 1))})
    (got,), (exact,) = run(app, "cpu", "f32"), run(app, "numpy", "f64")
    assert np.abs(got - exact).max() <= most * np.abs(exact).max()


def large(name: str, r: int = 3) -> Application:
    """One that the cost model gives to Winograd, large enough that threads share it."""
    rng = np.random.default_rng(3)
    x, other = rng.standard_normal((2, 19, 23, 48)), rng.standard_normal((r, r, 48, 48))
    params: dict[str, Any] = {"stride": (1, 1), "pad": ((r // 2,) * 2,) * 2}
    if name == "conv_data":
        params["size"] = 19, 23
    elif name == "conv_weights":
        params["window"], other = (r, r), rng.standard_normal((2, 19, 23, 48))
    return Application(ops.ALL[name], (x, other), params)


@contextmanager
def alone(threads: int) -> Generator[None, None, None]:
    """While another holds the threads, a run does all their parts itself."""
    with _gang(threads).busy:
        yield


@pytest.mark.parametrize(("name", "m", "r", "kept"), CASES)
def test_the_same_bits_whoever_does_which_part(
    name: str, m: int, r: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(m, monkeypatch, kept)
    if name == "conv_weights":  # the number of threads decides into how many sums a large one is cut
        exe = compile_program(program(large(name, r), "f32"), threads=3)
        feeds = {f"x{i}": x.astype(np.float32) for i, x in enumerate(large(name, r).operands)}
        results = [exe.run(feeds)["y0"]]
        with alone(3):
            results.append(exe.run(feeds)["y0"])
    else:
        results = [run(large(name, r), "cpu", "f32", threads)[0] for threads in (1, 1, 2, 3, 7)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("r", [3, 5])
@pytest.mark.parametrize("name", ["conv", "conv_data", "conv_weights"])
def test_strict_is_the_direct_kernel(name: str, r: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app = large(name, r)
    assert "winograd" in kernels_of(app)
    assert kernels_of(app, math="strict") == {"conv"}
    feeds = {f"x{i}": x.astype(np.float32) for i, x in enumerate(app.operands)}
    strict = compile_program(program(app, "f32"), threads=1, math="strict").run(feeds)["y0"]
    fast = compile_program(program(app, "f32"), threads=1).run(feeds)["y0"]
    always(None, monkeypatch)
    direct = compile_program(program(app, "f32"), threads=1).run(feeds)["y0"]
    np.testing.assert_array_equal(strict, direct)
    assert (strict != fast).any()


@pytest.mark.parametrize(
    "other",
    [
        {"stride": (2, 1)},
        {"dilation": (1, 2)},
        {"groups": 2},
        {"window": (3, 1)},
        {"window": (4, 4)},
        {"dtype": "f64"},
    ],
    ids=str,
)
def test_what_winograd_cannot_do_is_direct(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    always(4, monkeypatch)
    params = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1} | other
    dtype, window = params.pop("dtype", "f32"), params.pop("window", (3, 3))
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 9, 9, 16))
    w = rng.standard_normal((*window, 16 // params["groups"], 16))
    app = Application(ops.conv, (x, w), params)
    (got,), (exact,) = run(app, "cpu", dtype), run(app, "numpy", "f64")
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-11 if dtype == "f64" else 1e-3)
    if dtype == "f32":
        assert kernels_of(app) == {"conv"}


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (4, 3), (3, 4), (2, 5), (5, 2)])
def test_the_matrices_are_a_convolution(outputs: int, taps: int) -> None:
    """Aᵀ ((G w) · (Bᵀ x)) is exactly the correlation of x with w."""
    at, g, bt = (np.array(m, dtype=object) for m in matrices(outputs, taps))
    rng = np.random.default_rng(2)
    x, w = (rng.integers(-9, 9, size).astype(object) for size in (outputs + taps - 1, taps))
    wanted = [sum(x[i : i + taps] * w) for i in range(outputs)]
    assert list(at @ ((g @ w) * (bt @ x))) == wanted


NET = """
net A {
  input x: [N, 32, 16, 16]
  h = x -> conv(32, 3, pad=half) -> relu
  y = h -> conv(32, 3, pad=half) -> gap -> flatten -> dense(4)
  output y
}
"""


def test_math_of_a_model() -> None:
    net = netc.parse(NET)
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((4, 32, 16, 16)).astype(np.float32), np.arange(4)
    for train in (True, False):
        fast, strict = (netc.compile(net, train=train, math=math, threads=1) for math in ("fast", "strict"))
        a, b = fast.predict(x), strict.predict(x)
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())
        assert (a != b).any()
    steps = {math: netc.compile(net, math=math, threads=1).train_step(x, y) for math in ("fast", "strict")}
    assert steps["fast"] == pytest.approx(steps["strict"], rel=1e-5)
    with pytest.raises(ValueError, match="math is fast or strict, not quick"):
        netc.compile(net, math="quick")  # type: ignore[call-overload]


def test_math_of_the_commands(tmp_path: Path, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    bind = cpu.bind

    def noted(program: Any, arrays: Any, threads: Any, math: Any, stay: bool) -> Any:
        seen.append(math)
        return bind(program, arrays, threads, math, stay)

    monkeypatch.setattr(cpu, "bind", noted)
    train = ["train", "digits", "--set", "train.epochs=1", "--out"]
    assert netc(*train, tmp_path / "a", "--math", "strict").code == 0
    assert set(seen) == {"strict"}
    seen.clear()
    assert netc(*train, tmp_path / "b").code == 0
    assert set(seen) == {"fast"}
    for math in ("fast", "strict"):
        found = json.loads(netc("bench", "digits", "--steps", 1, "--math", math, "--json").out)
        assert found["nets"][0]["math"] == math
    assert netc("bench", "digits", "--math", "quick").code == 2
