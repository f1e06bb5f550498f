"""The gradient of a large dense layer with its update, strip by strip: a strip is there only while caches hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netc import ops
from netc.backends.cpu.call import Borrow, Bound, Call
from netc.backends.cpu.dot import Product, product
from netc.backends.cpu.loops import pointwise
from netc.backends.cpu.target import TALL
from netc.ir.program import Equation
from netc.ops.epilogue import STRIP
from netc.ops.fused import Step
from netc.ops.primitive import Value
from netc.types import TensorType


def with_update(b: Bound) -> list[Call]:
    """The product of each strip of rows, and behind it the update of these rows."""
    m, n = b.out()
    dtype = b.outputs[0].dtype
    tall = min(m, max(1, STRIP // (n * dtype.itemsize * TALL)) * TALL)
    memory = Borrow(tall * n, dtype)  # a strip: (tall, n)
    strip = np.empty(0, dtype)  # stands for it until it is lent
    calls: list[Call] = []
    for at in range(0, m, tall):
        rows = min(tall, m - at)
        calls += [_gradient(b, at, rows, strip), *_update(b, at, rows, strip)]
    return [replace(c, args=tuple(memory if a is strip else a for a in c.args)) for c in calls]


def _gradient(b: Bound, at: int, rows: int, strip: Any) -> Call:
    """So many rows of the product from `at` on, into the strip."""
    first: Step = b.params["first"]
    x, dy = (b.inputs[i] for i in first.args)  # (depth, m), (depth, n)
    dy_value = b.eq.inputs[first.args[1]]
    (m, n), (depth, _) = b.out(), dy_value.type.dims
    few, y = (Value(0, TensorType(shape, dy_value.type.dtype)) for shape in ((depth, rows), (rows, n)))
    part = Bound(Equation(ops.dot, (few, dy_value), (y,), {"ta": True}), (x[at:], dy), (strip,), b.threads)
    return product(part, Product(x[at:], dy, rows, n, depth, ta=True, rows=m))


def _update(b: Bound, at: int, rows: int, strip: Any) -> list[Call]:
    """The loop over these rows of all that has the gradient's shape; a rate is the same for all."""
    then: Step = b.params["then"]
    n, whole = b.out()[1], b.eq.outputs[0].type
    y = Value(0, TensorType((rows, n), whole.dtype))
    here = slice(at * n, (at + rows) * n)

    def parts(values: Sequence[Value], arrays: Sequence[Any]) -> list[tuple[Value, Any]]:
        pairs = zip(values, arrays, strict=True)
        return [(Value(0, y.type), array[here]) if v.type == whole else (v, array) for v, array in pairs]

    known = [*parts(b.eq.inputs, b.inputs), (y, strip)]
    inputs, operands = zip(*(known[i] for i in then.args), strict=True)
    outputs, results = zip(*parts(b.eq.outputs, b.outputs), strict=True)
    return pointwise(
        Bound(Equation(then.op, inputs, outputs, dict(then.params)), operands, results, b.threads)
    )
