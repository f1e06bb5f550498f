"""Which kernels resample an axis, and look rows up in a table."""

from __future__ import annotations

from math import prod
from typing import Any

from netc.backends.cpu.blocks import TABLE_STRIP
from netc.backends.cpu.call import Bound, Call
from netc.backends.cpu.emit import kernels
from netc.ops.sampling import Table, table


def _resample(b: Bound, taps: Table) -> list[Call]:
    """Rows of the result in parallel."""
    axis: int = b.params["axis"]
    x, y = b.shape(0), b.out()
    inner, out = prod(x[axis + 1 :]), b.outputs[0]
    weights: Any = taps.weights.astype(out.dtype)
    sizes = x[axis], y[axis], inner
    args: tuple[Any, ...] = (b.inputs[0], out, taps.starts, taps.inputs, weights, *sizes)
    return [Call(kernels("resample").resample, prod(y[: axis + 1]), args, b.work)]


def resample(b: Bound) -> list[Call]:
    """Each output from the inputs that it sees."""
    axis: int = b.params["axis"]
    return _resample(b, table(b.params["by"], b.shape(0)[axis]))


def resample_grad(b: Bound) -> list[Call]:
    """Each input from the outputs that saw it."""
    return _resample(b, table(b.params["by"], b.params["size"], turned=True))


def lookup(b: Bound) -> list[Call]:
    """Places in parallel."""
    count, c = b.shape(0)
    return [Call(kernels("resample").lookup, prod(b.shape(1)), (*b.inputs, *b.outputs, count, c), b.work)]


def lookup_grad(b: Bound) -> list[Call]:
    """Strips of channels in parallel, so that each row's sum has one order."""
    count, c = b.out()
    k = kernels("resample")
    return [Call(k.lookup_grad, -(-c // TABLE_STRIP), (*b.inputs, *b.outputs, count, c), b.work)]
