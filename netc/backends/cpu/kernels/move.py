"""Kernels that move numbers: stretches of an axis, exchanged axes, repeats, and the random mask of dropout."""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

import numpy as np

from netc.backends.cpu.blocks import TURNED
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.lanes import full, turn_square
from netc.backends.cpu.rows import copy, fill


@kernel
def stretch(lo, hi, x, y, x_row, x_at, y_row, y_at, width):
    """Rows lo..hi: `width` numbers from x to y; each has its own row length and start."""
    for row in range(lo, hi):
        copy(x, row * x_row + x_at, y, row * y_row + y_at, width)


@kernel
def constant(lo, hi, y, value):
    """Numbers lo..hi of y are `value`."""
    fill(y, lo, hi - lo, value)


@kernel
def place(lo, hi, x, y, width, start, row_length):
    """Rows lo..hi of y are zeros, with x's row from `start` on."""
    for row in range(lo, hi):
        fill(y, row * row_length, row_length, 0)
        copy(x, row * width, y, row * row_length + start, width)


@helper
def _swap_rest(x, at, q, y, to, p, rows, cols):
    """y[j, i] = x[i, j] for `rows` × `cols` numbers of x, one after the other."""
    for j in range(cols):
        for i in range(rows):
            y[to + j * p + i] = x[at + i * q + j]


@kernel
def swap(lo, hi, x, y, p, q):
    """x `(batch, P, Q)` to y `(batch, Q, P)`; units lo..hi of batch · strips of Q, in squares of vectors."""
    side, strips = full(y), (q + TURNED - 1) // TURNED
    for unit in range(lo, hi):
        base, q0 = unit // strips * p * q, unit % strips * TURNED
        cols = min(TURNED, q - q0)
        whole = p // side * side if cols == TURNED else 0
        for p0 in range(0, whole, side):
            for j in range(q0, q0 + TURNED, side):
                turn_square(x, base + p0 * q + j, q, y, base + j * p + p0, p)
        _swap_rest(x, base + whole * q + q0, q, y, base + q0 * p + whole, p, p - whole, cols)


@kernel
def swap_rows(lo, hi, x, y, p, q, inner):
    """x `(batch, P, Q, inner)` to y `(batch, Q, P, inner)`; units lo..hi of batch · Q."""
    for unit in range(lo, hi):
        base, j = unit // q * p * q, unit % q
        for i in range(p):
            copy(x, (base + i * q + j) * inner, y, (base + j * p + i) * inner, inner)


@kernel
def spread(lo, hi, x, y, rows, inner):
    """x `(outer, inner)` to y `(outer, rows, inner)`; rows lo..hi of outer · rows."""
    for row in range(lo, hi):
        copy(x, row // rows * inner, y, row * inner, inner)


@kernel
def spread_last(lo, hi, x, y, count):
    """x `(rows,)` to y `(rows, count)`; rows lo..hi."""
    for row in range(lo, hi):
        fill(y, row * count, count, x[row])


@helper
def _mix(z):
    """The finaliser of SplitMix64, as in `netc/ops/random.py`."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def dropout_mask(lo, hi, counter, y, stream, threshold, kept):
    """Numbers lo..hi: 0 where 24 hashed bits are below the threshold, else `kept`."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = _mix(np.uint64(counter[0]) * golden + np.uint64(stream))
    for i in range(lo, hi):
        bits = _mix(np.uint64(i + 1) * golden + key) >> np.uint64(40)
        y[i] = kept if bits >= np.uint64(threshold) else y.dtype.type(0)
