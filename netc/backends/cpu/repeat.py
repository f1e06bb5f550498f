"""A short row many times, so that a loop over it is long."""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper


@helper
def tiled(x, count):
    """`count` numbers: x, and again x; x itself if it is so long."""
    if x.size == count:
        return x
    out = np.empty(count, x.dtype)
    for first in range(0, count, x.size):
        for t in range(x.size):
            out[first + t] = x[t]
    return out
