"""A short row many times, so that a loop over it is long."""

# pyright: basic
# Numba gives these functions their types when they are called.

from netc.backends.cpu.jit import helper


@helper
def tiled(x, out, count):
    """`count` numbers: x, and again x, in memory `out`; x itself if it is so long, and `out` is not looked at."""
    if x.size == count:
        return x
    for first in range(0, count, x.size):
        for t in range(x.size):
            out[first + t] = x[t]
    return out
