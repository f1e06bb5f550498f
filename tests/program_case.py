"""Random small programs with parameters that are updated: what planning and passes are tested on."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from netc import ops
from netc.ir import Builder, Program
from netc.ops.primitive import Value
from netc.types import TensorType

SHAPES = ((4, 6), (6,), (), (4, 1), (2, 3, 4))


def _apply(b: Builder, draw: Any, values: list[Value]) -> list[Value]:
    """One equation over what there is already."""
    x = draw(st.sampled_from(values))
    same = [v for v in values if v.type == x.type]
    y = draw(st.sampled_from(same))
    kind = draw(
        st.sampled_from(
            ["unary", "unary", "binary", "binary", "scalar", "view", "sum", "channels", "wide", "norm", "two"]
        )
    )
    if kind == "unary":
        return [b(draw(st.sampled_from([ops.tanh, ops.relu, ops.neg])), x)]
    if kind == "binary":
        return [b(draw(st.sampled_from([ops.add, ops.mul, ops.sub])), x, y)]
    if kind == "scalar":
        scalars = [v for v in values if v.type.shape == ()]
        return [b(ops.mul, x, draw(st.sampled_from(scalars)))] if scalars else []
    if kind == "view":
        return [
            b(ops.reshape, x, shape=draw(st.sampled_from([(x.type.size,), (1, x.type.size), x.type.shape])))
        ]
    if kind == "sum":
        return [b(ops.sum_to, x, shape=())]
    if kind == "channels" and x.type.rank > 1:
        return [b(ops.sum_to, x, shape=x.type.shape[-1:])]
    if kind == "norm" and x.type.rank > 1:
        return _norm(b, draw, x, y)
    if kind == "wide" and x.type.rank and x.type.size < 200:
        return [b(ops.concat, x, y, axis=0)]
    if x.type.rank == 2:
        return list(b.all(ops.moments, x))
    return [b(ops.tanh, x)]


def _norm(b: Builder, draw: Any, x: Value, g: Value) -> list[Value]:
    """A norm, what may follow it, and the gradients of both."""
    mean, var = b.all(ops.moments, x)
    z = b(ops.batch_norm, x, var, mean, mean, var, eps=1e-3)
    out = draw(st.sampled_from([(), (ops.relu, ops.relu_grad), (ops.tanh, ops.tanh_grad)]))
    y = b(out[0], z) if out else z
    y = b(ops.add, y, g) if draw(st.booleans()) else y
    g = b(out[1], y, g) if out else g
    found = [y, *b.all(ops.batch_norm_grad, x, var, mean, var, g, eps=1e-3)]
    return found if draw(st.booleans()) else [*found, z, g]


@st.composite
def programs(draw: Any, dtype: Any = "f64") -> Program:
    """A program of up to 25 equations; parameters are updated with values of their type, some with each
    other's.
    """
    b = Builder(dtype=dtype)
    values = [b.input(f"x{i}", TensorType(shape, dtype), "data") for i, shape in enumerate(SHAPES[:3])]
    params = [
        b.input(f"w{i}", TensorType(shape, dtype), "param") for i, shape in enumerate((*SHAPES, SHAPES[0]))
    ]
    values += params
    for _ in range(draw(st.integers(1, 25))):
        values += _apply(b, draw, values)
    for w in draw(st.lists(st.sampled_from(params), unique=True)):
        # a parameter that becomes another input would let updates go round in circles
        fitting = [v for v in values if v.type == w.type and v not in params]
        if fitting:
            b.update(w, draw(st.sampled_from(fitting[-3:])))
    for i, v in enumerate(draw(st.lists(st.sampled_from(values), max_size=3))):
        b.outputs[f"y{i}"] = v
    return b.finish()
