"""Matrix products: C (M, N) = A (M, K) · B (K, N), either of them stored transposed."""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import copy
from netc.backends.cpu.target import VECTOR_BYTES
from netc.backends.cpu.tile import block

ROWS = 240  # rows of A that one unit of work takes: they and a panel of B stay in the second-level cache
DEPTH = 512  # how much of K at a time
ENOUGH = 96  # rows of C from which a packed panel of B pays for its packing


@helper
def _pack(b, at, b_step, b_column, packed, width, depth, cols):
    """A panel `(depth, cols)` of B with neighbouring columns side by side, in rows of `width`."""
    if b_column == 1:
        for k in range(depth):
            copy(b, at + k * b_step, packed, k * width, cols)
        return
    for j in range(cols):
        for k in range(depth):
            packed[k * width + j] = b[at + k * b_step + j * b_column]


@kernel
def dot(lo, hi, a, b, c, m, n, k, a_row, a_step, b_step, b_column):
    """Units lo..hi: panels of two vectors of columns, each cut into blocks of rows."""
    width = 2 * (VECTOR_BYTES // c.itemsize)
    blocks = (m + ROWS - 1) // ROWS
    # A panel that many rows use, or whose columns are apart, is brought together first.
    together = b_column != 1 or m > ENOUGH
    packed = np.empty(DEPTH * width if together else 1, c.dtype)
    for unit in range(lo, hi):
        j, i = unit // blocks * width, unit % blocks * ROWS
        rows, cols = min(ROWS, m - i), min(width, n - j)
        for k0 in range(0, k, DEPTH):
            depth, add, a_at = min(DEPTH, k - k0), 1 if k0 > 0 else 0, i * a_row + k0 * a_step
            if not together:
                b_at = k0 * b_step + j
                block(
                    a, a_at, a_row, a_step, 0, b, b_at, b_step, 0, 1, depth, c, i * n + j, n, rows, cols, add
                )
            else:
                _pack(b, k0 * b_step + j * b_column, b_step, b_column, packed, width, depth, cols)
                block(
                    a, a_at, a_row, a_step, 0, packed, 0, width, 0, 1, depth, c, i * n + j, n, rows, cols, add
                )
