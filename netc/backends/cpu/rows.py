"""Stretches of memory: what kernels do to `count` neighbouring numbers.

Plain loops: LLVM makes them vectors or calls of memset and memcpy, and they compile five times faster than
Numba's assignment to a slice.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from netc.backends.cpu.jit import helper


@helper
def fill(out, to, count, value):
    """out = value"""
    for t in range(count):
        out[to + t] = value


@helper
def copy(x, at, out, to, count):
    """out = x"""
    for t in range(count):
        out[to + t] = x[at + t]


@helper
def add(x, at, out, to, count):
    """out += x"""
    for t in range(count):
        out[to + t] += x[at + t]
