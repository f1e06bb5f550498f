"""Weighted sums of a few stretches along one axis, and rows of a table by their numbers."""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.blocks import TABLE_STRIP
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, copy, fill


@helper
def _scaled(x, at, y, to, count, weight):
    for t in range(count):
        y[to + t] = x[at + t] * weight


@helper
def _add_scaled(x, at, y, to, count, weight):
    for t in range(count):
        y[to + t] += x[at + t] * weight


@kernel
def resample(lo, hi, x, y, starts, inputs, weights, size, count, inner):
    """x `(outer, size, inner)` to y `(outer, count, inner)`; rows lo..hi of outer · count."""
    for row in range(lo, hi):
        base, i, to = row // count * size, row % count, row * inner
        first, end = starts[i], starts[i + 1]
        if first == end:
            fill(y, to, inner, 0)
            continue
        for tap in range(first, end):
            at, weight = (base + inputs[tap]) * inner, weights[tap]
            if tap > first:
                if weight == 1:
                    add(x, at, y, to, inner)
                else:
                    _add_scaled(x, at, y, to, inner, weight)
            elif weight == 1:
                copy(x, at, y, to, inner)
            else:
                _scaled(x, at, y, to, inner, weight)


@kernel
def lookup(lo, hi, rows, ids, y, count, c):
    """Places lo..hi: row `ids[place]` of the table `(count, C)`, NaN where there is none."""
    for place in range(lo, hi):
        i = ids[place]
        if 0 <= i < count:
            copy(rows, i * c, y, place * c, c)
        else:
            fill(y, place * c, c, y.dtype.type(np.nan))


@kernel
def lookup_grad(lo, hi, ids, grad, out, count, c):
    """Strips lo..hi of the channels: every row's sum, in the order of the places."""
    for strip in range(lo, hi):
        c0 = strip * TABLE_STRIP
        width = min(TABLE_STRIP, c - c0)
        for i in range(count):
            fill(out, i * c + c0, width, 0)
        for place in range(ids.size):
            i = ids[place]
            if 0 <= i < count:
                add(grad, place * c + c0, out, i * c + c0, width)
