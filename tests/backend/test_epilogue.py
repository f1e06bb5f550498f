"""Epilogues that kernels take along: the same numbers as one after the other, for convolutions of any kind and size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netc import ops
from netc.backends import cpu
from netc.backends.cpu.call import DONE, Along
from netc.ir import Builder, Program
from netc.ir.epilogue import epilogues, updates_along
from netc.ir.fuse import fuse
from netc.ops.primitive import Value
from netc.ops.windows import window_count
from netc.runtime import compile_program
from netc.types import NUMPY_NAME, TensorType
from tests.application import Draw
from tests.backend.test_contractions import DRAWS

KINDS = (
    "bias", "clip", "residual", "residual alone", "itself", "a vector", "a gate", "flat", "gate", "kept", "sums",
    "moments", "moments alone",
)  # fmt: skip


def convolution(b: Builder, draw: Draw) -> Value:
    """Direct, by Winograd's algorithm, depthwise, grouped or strided; forward or by data."""
    how = draw(st.sampled_from(["direct", "winograd", "depthwise", "grouped", "data"]))
    n, h, w = draw(st.integers(1, 5)), draw(st.integers(3, 15)), draw(st.integers(3, 15))
    c = draw(st.sampled_from([32, 48] if how == "winograd" else [1, 6, 16, 40, 66]))
    k = draw(st.sampled_from([32, 70] if how == "winograd" else [6, 17, 64, 128]))
    groups = {"depthwise": c, "grouped": 2}.get(how, 1)
    c, k = (c, c) if how == "depthwise" else (c * (2 if groups == 2 else 1), k * (2 if groups == 2 else 1))
    window = (3, 3) if how == "winograd" else (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (1, 1) if how in ("winograd", "data") else (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    params: dict[str, Any] = {"stride": stride, "pad": ((1, 1), (1, 1)), "groups": groups}
    out = tuple(window_count(size, f, s, (1, 1)) for size, f, s in zip((h, w), window, stride, strict=True))
    assume(min(out) > 0)
    weights = b.input("w", TensorType((*window, c // groups, k), b.dtype), "data")
    if how == "data":
        return b(
            ops.conv_data,
            b.input("x", TensorType((n, *out, k), b.dtype), "data"),
            weights,
            size=(h, w),
            **params,
        )
    return b(ops.conv, b.input("x", TensorType((n, h, w, c), b.dtype), "data"), weights, **params)


def with_epilogue(kind: str, dtype: Any, draw: Draw) -> Program:
    b = Builder(dtype=dtype)
    y = convolution(b, draw)
    n, _, _, k = y.type.dims
    same, vector = (lambda name: b.input(name, y.type, "data")), b.input("v", TensorType((k,), dtype), "data")
    if kind.startswith("moments"):
        b.outputs["mean"], b.outputs["var"] = b.all(ops.moments, y)
        if kind == "moments":
            b.outputs["z"] = b(ops.bias, y, vector)
    elif kind == "sums":
        z = b(ops.relu_grad, b(ops.relu, same("r")), y)
        b.outputs |= {
            "z": z,
            "dv": b(ops.sum_to, z, shape=(k,)),
            "dy": b(ops.sum_to, b(ops.mul, z, same("s")), shape=(k,)),
        }
    elif kind == "flat":
        b.outputs["z"] = b(ops.relu, b(ops.add, y, same("r")))
    elif kind == "gate":
        gate = b.input("gate", TensorType((n, 1, 1, k), dtype), "data")
        b.outputs["z"] = b(ops.relu, b(ops.mul, b(ops.bias, y, vector), gate))
    elif kind == "clip":
        b.outputs["z"] = b(ops.clip, b(ops.bias, y, vector), low=-0.5, high=1.5)
    else:
        z = b(ops.bias, y, vector)
        more = {
            "residual": lambda: (z, same("r")),
            "residual alone": lambda: (same("r"), z),
            "itself": lambda: (z, y),
            "a vector": lambda: (z, b.input("s", vector.type, "data")),
            "a gate": lambda: (z, b.input("g", TensorType((n, 1, 1, k), dtype), "data")),
        }
        z = b(ops.add, *more[kind]()) if kind in more else z
        b.outputs["z"] = z if kind == "residual alone" else b(ops.relu, z)
        if kind == "kept":
            b.outputs["y"] = y
    return fuse(b.finish())


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was taken along, or done by tiles."""
    seen: list[Any] = []
    plain = cpu._calls  # pyright: ignore[reportPrivateUsage]

    def calls(*args: Any) -> Any:
        made = plain(*args)
        seen.extend(a for c in made for a in c.args if isinstance(a, Along) and (a.call or a is DONE))
        return made

    monkeypatch.setattr(cpu, "_calls", calls)
    return seen


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_as_one_after_the_other(
    kind: str, threads: int, dtype: str, taken: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads > 1:
        monkeypatch.setattr("netc.backends.cpu.table.WORTH", 0)
        monkeypatch.setattr("netc.backends.cpu.conv.PIXELS", 20)  # several blocks, and the last one short

    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        apart = with_epilogue(kind, dtype, data.draw)
        joined = epilogues(apart)
        assert len(joined.equations) < len(apart.equations)
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        given = {
            i.name: rng.standard_normal(i.value.type.dims).astype(NUMPY_NAME[dtype]) for i in apart.inputs
        }
        wanted, found = (compile_program(p, "cpu", threads).run(given) for p in (apart, joined))
        for name, value in wanted.items():
            if name in ("mean", "var", "dv", "dy"):  # sums of other blocks
                rows = apart.equations[0].outputs[0].type.size // value.size
                most = 8 * rows * np.finfo(value.dtype).eps * max(1.0, np.abs(value).max())
                np.testing.assert_allclose(found[name], value, rtol=0, atol=most)
            else:
                np.testing.assert_array_equal(found[name], value)

    drawn()
    assert taken


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_an_update_in_strips(dtype: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weight and momentum after it, in place, are those of the whole gradient."""
    monkeypatch.setattr("netc.ir.epilogue.STRIP", 0)
    monkeypatch.setattr("netc.ir.epilogue._TALL", 1)
    monkeypatch.setattr("netc.backends.cpu.strips.STRIP", 1)  # as few rows as a tile takes
    monkeypatch.setattr("netc.backends.cpu.table.WORTH", 0)
    b = Builder(dtype=dtype)
    x, dy = (b.input(name, TensorType((9, n), dtype), "data") for name, n in (("x", 67), ("dy", 41)))
    w, rate = (
        b.input("w", TensorType((67, 41), dtype), "param"),
        b.input("lr", TensorType((), dtype), "scalar"),
    )
    v = b.input("v", w.type, "slot")
    new = b(ops.add, b(ops.scale, v, factor=0.9), b(ops.dot, x, dy, ta=True))
    b.update(v, new)
    b.update(w, b(ops.sub, w, b(ops.mul, new, rate)))
    whole = fuse(b.finish())
    joined = updates_along(whole)
    assert [eq.op for eq in joined.equations] == [ops.with_update]
    rng = np.random.default_rng(5)
    given = {i.name: rng.standard_normal(i.value.type.dims).astype(NUMPY_NAME[dtype]) for i in whole.inputs}
    found: list[dict[str, Any]] = []
    for program in (whole, joined):
        exe = compile_program(program, "cpu", threads, {name: given[name].copy() for name in "wv"})
        for _ in range(2):
            exe.run({name: a for name, a in given.items() if name not in "wv"})
        found.append(exe.buffers)
    for name in "wv":
        assert not np.array_equal(found[0][name], given[name])
        np.testing.assert_allclose(
            found[1][name], found[0][name], rtol=0, atol=100 * np.finfo(given[name].dtype).eps
        )
