"""Stretches of memory: what kernels do to `count` neighbouring numbers.

Vectors are written out, for LLVM would ask at each stretch whether its two arrays overlap, and stretches are short:
rows of 64 channels are copied nearly twice as fast (22 instead of 12 GB/s).  A loop that fills becomes vectors or a
call of memset.  All of them compile five times faster than Numba's assignment to a slice.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.jit import helper
from netc.backends.cpu.lanes import full, load, plus, store


@helper
def fill(out, to, count, value):
    """out = value"""
    for t in range(count):
        out[to + t] = value


@helper
def copy(x, at, out, to, count):
    """out = x"""
    lanes, t = full(out), 0
    while t + lanes <= count:
        store(load(x, at + t, lanes), out, to + t, lanes)
        t += lanes
    if t < count:
        store(load(x, at + t, count - t), out, to + t, count - t)


@helper
def add(x, at, out, to, count):
    """out += x"""
    lanes, t = full(out), 0
    while t + lanes <= count:
        store(plus(load(out, to + t, lanes), load(x, at + t, lanes)), out, to + t, lanes)
        t += lanes
    if t < count:
        rest = count - t
        store(plus(load(out, to + t, rest), load(x, at + t, rest)), out, to + t, rest)
