"""Pooling over windows of `(N, H, W, C)`: the largest value or the mean, each channel for itself.

`g` holds the sizes `(n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw)`.  Windows may hang over every
edge.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, fill
from netc.backends.cpu.target import VECTOR_BYTES


@helper
def _inside(start, step, size, count):
    """Which of the taps start, start + step, … lie in 0..size: the first, and the one past the last."""
    first = 0 if start >= 0 else (step - 1 - start) // step
    end = (size - 1 - start) // step + 1 if start < size else 0
    return first, min(count, end)


@helper
def _larger(x, at, y, to, count):
    for t in range(count):
        a, b = y[to + t], x[at + t]
        y[to + t] = b if b > a or b != b else a  # NaN is the largest, as in NumPy


@kernel
def largest(lo, hi, x, y, g):
    """Output rows lo..hi of all images' N · Ho."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw = g
    lowest = y.dtype.type(-np.inf)
    for row in range(lo, hi):
        i = row % ho
        r0, r1 = _inside(i * sh - top, dh, h, kh)
        corner = (row // ho * h + i * sh - top) * w
        for j in range(wo):
            s0, s1 = _inside(j * sw - left, dw, w, kw)
            to, start = (row * wo + j) * c, (corner + j * sw - left) * c
            if c >= VECTOR_BYTES // y.itemsize:
                fill(y, to, c, lowest)
                for ri in range(r0, r1):
                    for si in range(s0, s1):
                        _larger(x, start + (ri * dh * w + si * dw) * c, y, to, c)
                continue
            for t in range(c):  # too few channels for a vector: the largest so far stays in a register
                best = lowest
                for ri in range(r0, r1):
                    for si in range(s0, s1):
                        b = x[start + (ri * dh * w + si * dw) * c + t]
                        best = b if b > best or b != b else best
                y[to + t] = best


@kernel
def largest_grad(lo, hi, x, grad, dx, g):
    """Images lo..hi: each window's gradient goes to the first of its largest values, or to its first NaN."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw = g
    fill(dx, lo * h * w * c, (hi - lo) * h * w * c, 0)
    for row in range(lo * ho, hi * ho):
        i = row % ho
        r0, r1 = _inside(i * sh - top, dh, h, kh)
        corner = (row // ho * h + i * sh - top) * w
        for j in range(wo):
            s0, s1 = _inside(j * sw - left, dw, w, kw)
            start = (corner + j * sw - left) * c
            if r0 >= r1 or s0 >= s1:
                continue  # the window sees padding only
            for t in range(c):
                where = start + (r0 * dh * w + s0 * dw) * c + t
                best = x[where]
                for ri in range(r0, r1):
                    for si in range(s0, s1):
                        at = start + (ri * dh * w + si * dw) * c + t
                        b = x[at]
                        larger = (b > best) | ((b != b) & (best == best))  # without a branch to mispredict
                        best, where = b if larger else best, at if larger else where
                dx[where] += grad[(row * wo + j) * c + t]


@helper
def _add_share(x, at, y, to, count, divisor):
    for t in range(count):
        y[to + t] += x[at + t] / divisor


@kernel
def mean(lo, hi, x, divisors, y, g):
    """Output rows lo..hi of all images' N · Ho; `divisors` `(Ho, Wo)` is what each window is divided by."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, _dh, _dw = g
    for row in range(lo, hi):
        image, i = row // ho, row % ho
        for j in range(wo):
            to = (row * wo + j) * c
            fill(y, to, c, 0)
            for ri in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for si in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    at = ((image * h + i * sh + ri - top) * w + j * sw + si - left) * c
                    add(x, at, y, to, c)
            divisor = divisors[i * wo + j]
            for t in range(c):
                y[to + t] /= divisor


@kernel
def mean_grad(lo, hi, grad, divisors, dx, g):
    """Images lo..hi: each window's gradient in equal shares to what it saw."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, _dh, _dw = g
    fill(dx, lo * h * w * c, (hi - lo) * h * w * c, 0)
    for row in range(lo * ho, hi * ho):
        image, i = row // ho, row % ho
        for j in range(wo):
            divisor = divisors[i * wo + j]
            for ri in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for si in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    to = ((image * h + i * sh + ri - top) * w + j * sw + si - left) * c
                    _add_share(grad, (row * wo + j) * c, dx, to, c, divisor)
