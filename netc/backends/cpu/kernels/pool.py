"""Pooling over windows of `(N, H, W, C)`: the largest value or the mean, each channel for itself.

`g` holds the sizes `(n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw)`.  Windows may hang over every
edge.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel


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
        image, i = row // ho, row % ho
        for j in range(wo):
            to = (row * wo + j) * c
            y[to : to + c] = lowest
            for ri in range(kh):
                hh = i * sh + ri * dh - top
                if hh < 0 or hh >= h:
                    continue
                for si in range(kw):
                    ww = j * sw + si * dw - left
                    if 0 <= ww < w:
                        _larger(x, ((image * h + hh) * w + ww) * c, y, to, c)


@helper
def _note_larger(x, at, best, where, count):
    for t in range(count):
        a, b = best[t], x[at + t]
        if a == a and (where[t] < 0 or b > a or b != b):  # the first NaN, else the first of the largest
            best[t], where[t] = b, at


@kernel
def largest_grad(lo, hi, x, grad, dx, g):
    """Images lo..hi: each window's gradient goes to the first of its largest values."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw = g
    best, where = np.empty(c, x.dtype), np.empty(c, np.int64)
    dx[lo * h * w * c : hi * h * w * c] = 0
    for row in range(lo * ho, hi * ho):
        image, i = row // ho, row % ho
        for j in range(wo):
            best[:] = -np.inf
            where[:] = -1
            for ri in range(kh):
                hh = i * sh + ri * dh - top
                if hh < 0 or hh >= h:
                    continue
                for si in range(kw):
                    ww = j * sw + si * dw - left
                    if 0 <= ww < w:
                        _note_larger(x, ((image * h + hh) * w + ww) * c, best, where, c)
            for t in range(c):
                if where[t] >= 0:
                    dx[where[t] + t] += grad[(row * wo + j) * c + t]


@helper
def _add(x, at, y, to, count):
    for t in range(count):
        y[to + t] += x[at + t]


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
            y[to : to + c] = 0
            for ri in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for si in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    at = ((image * h + i * sh + ri - top) * w + j * sw + si - left) * c
                    _add(x, at, y, to, c)
            divisor = divisors[i * wo + j]
            for t in range(c):
                y[to + t] /= divisor


@kernel
def mean_grad(lo, hi, grad, divisors, dx, g):
    """Images lo..hi: each window's gradient in equal shares to what it saw."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, _dh, _dw = g
    dx[lo * h * w * c : hi * h * w * c] = 0
    for row in range(lo * ho, hi * ho):
        image, i = row // ho, row % ho
        for j in range(wo):
            divisor = divisors[i * wo + j]
            for ri in range(max(0, top - i * sh), min(kh, h + top - i * sh)):
                for si in range(max(0, left - j * sw), min(kw, w + left - j * sw)):
                    to = ((image * h + i * sh + ri - top) * w + j * sw + si - left) * c
                    _add_share(grad, (row * wo + j) * c, dx, to, c, divisor)
