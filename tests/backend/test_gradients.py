"""Every primitive's gradient against finite differences, in 64 bits, on the meaning.

For a random cotangent c, L(x) = Σ c · op(x).  Along a random direction d of one operand,
(L(x + h d) − L(x − h d)) / 2h must be ⟨∂L/∂x, d⟩; with h = 10⁻⁶ both roundings are about 10⁻⁹ of L's terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc import ops
from netc.ir import Builder, gradients, one
from netc.ops.primitive import Value
from netc.runtime import Executable, compile_program
from netc.types import TensorType
from tests.primitive_case import CASES, Application

H = 1e-6
WITH_GRADIENT = sorted(op.name for op in ops.ALL.values() if op.gradient is not None and op is not ops.fill)


def applied(b: Builder, app: Application, inputs: list[Value]) -> Value:
    """The first result; batch normalisation's mean and variance are those of its operand, as its rule
    supposes.
    """
    if app.op is ops.batch_norm:
        x, gamma, beta = inputs[:3]
        return b(ops.batch_norm, x, gamma, beta, *b.all(ops.moments, x), **app.params)
    return b.all(app.op, *inputs, **app.params)[0]


def compiled(app: Application) -> tuple[Executable, list[int]]:
    """A program with the outputs `loss` and `g<i>`, and which operands have a gradient."""
    b = Builder(dtype="f64")
    inputs = [
        b.input(f"x{i}", TensorType(x.shape, "int" if x.dtype.kind == "i" else "f64"), "data")
        for i, x in enumerate(app.operands)
    ]
    y = applied(b, app, inputs)
    cotangent = b.input("cotangent", y.type, "data")
    loss = b(ops.sum_to, b(ops.mul, y, cotangent), shape=())
    b.outputs["loss"] = loss
    floats = [i for i, v in enumerate(inputs) if v.type.dtype == "f64"]
    found = gradients(b, loss, one(b), [inputs[i] for i in floats])
    given = [i for i, g in zip(floats, found, strict=True) if g is not None]
    b.outputs |= {f"g{i}": g for i, g in zip(floats, found, strict=True) if g is not None}
    return compile_program(b.finish(), "numpy"), given


def check(app: Application, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # off the places where a maximum or a kink has no derivative
    operands = [x + rng.uniform(0, 0.2, x.shape) if x.dtype.kind == "f" else x for x in app.operands]
    app = replace(app, operands=tuple(operands))
    exe, given = compiled(app)
    assert given
    feeds: dict[str, Any] = {f"x{i}": x for i, x in enumerate(operands)}
    feeds["cotangent"] = rng.uniform(-1, 1, exe["cotangent"].shape)
    results = exe.run(feeds)
    for i in given:
        direction = rng.uniform(-1, 1, operands[i].shape)
        above = exe.run(feeds | {f"x{i}": operands[i] + H * direction})["loss"]
        below = exe.run(feeds | {f"x{i}": operands[i] - H * direction})["loss"]
        slope = float(above - below) / (2 * H)
        terms = np.abs(results[f"g{i}"] * direction).sum()
        assert float((results[f"g{i}"] * direction).sum()) == pytest.approx(
            slope, rel=1e-5, abs=1e-7 * (terms + 10)
        )


@pytest.mark.parametrize("name", WITH_GRADIENT)
def test_gradient_is_the_slope(name: str) -> None:
    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(st.data(), st.integers(0, 2**32 - 1))
    def drawn(data: st.DataObject, seed: int) -> None:
        app = CASES[name](data.draw)
        if app.op is ops.dot:  # only the plain product is differentiated
            a, b = app.operands
            a, b = a.T if app.params["ta"] else a, b.T if app.params["tb"] else b
            app = replace(app, operands=(np.ascontiguousarray(a), np.ascontiguousarray(b)), params={})
        check(app, seed)

    drawn()
