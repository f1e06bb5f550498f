"""Sums: over outer, middle or inner axes, and the moments and gradients of batch normalisation.

Long sums are taken in blocks of 256 rows, whose sums are then added up: rounding grows with the number of
blocks plus 256 and not with the length, and the order never depends on the number of threads.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, fill

BLOCK = 256
STRIP = 128  # channels at a time: their sums stay in the first-level cache


@helper
def _add_rows(x, at, step, rows, sums, count):
    for row in range(rows):
        add(x, at + row * step, sums, 0, count)


@kernel
def middle(lo, hi, x, y, rows, inner):
    """x `(outer, rows, inner)` to y `(outer, inner)`; units lo..hi of outer · strips of `inner`."""
    strips = (inner + STRIP - 1) // STRIP
    sums = np.empty(STRIP, y.dtype)
    for unit in range(lo, hi):
        o, first = unit // strips, unit % strips * STRIP
        count, to = min(STRIP, inner - first), o * inner + first
        fill(y, to, count, 0)
        for row in range(0, rows, BLOCK):
            fill(sums, 0, count, 0)
            _add_rows(x, (o * rows + row) * inner + first, inner, min(BLOCK, rows - row), sums, count)
            add(sums, 0, y, to, count)


@kernel
def last(lo, hi, x, y, count):
    """x `(rows, count)` to y `(rows,)`; rows lo..hi."""
    for row in range(lo, hi):
        total = y.dtype.type(0)
        for first in range(0, count, BLOCK):
            part = y.dtype.type(0)
            piece = x[row * count + first : row * count + min(count, first + BLOCK)]
            for t in range(piece.size):
                part += piece[t]
            total += part
        y[row] = total


@helper
def _add_squares(x, at, step, rows, mean, first, sums, count):
    for row in range(rows):
        start = at + row * step
        for t in range(count):
            d = x[start + t] - mean[first + t]
            sums[t] += d * d


@kernel
def moments(lo, hi, x, mean, var, rows, c):
    """Mean and biased variance of each channel of x `(rows, C)`; strips lo..hi of channels.  Two passes."""
    scale = mean.dtype.type(1) / mean.dtype.type(rows)
    sums = np.empty(STRIP, mean.dtype)
    for strip in range(lo, hi):
        first = strip * STRIP
        count = min(STRIP, c - first)
        fill(mean, first, count, 0)
        fill(var, first, count, 0)
        for row in range(0, rows, BLOCK):
            fill(sums, 0, count, 0)
            _add_rows(x, row * c + first, c, min(BLOCK, rows - row), sums, count)
            add(sums, 0, mean, first, count)
        for t in range(count):
            mean[first + t] *= scale
        for row in range(0, rows, BLOCK):
            fill(sums, 0, count, 0)
            _add_squares(x, row * c + first, c, min(BLOCK, rows - row), mean, first, sums, count)
            add(sums, 0, var, first, count)
        for t in range(count):
            var[first + t] *= scale


@kernel
def batch_norm(lo, hi, x, gamma, beta, mean, var, y, eps, c):
    """y = γ (x − mean) / √(var + ε) + β for rows lo..hi of x `(rows, C)`."""
    scale = np.empty(c, y.dtype)
    for t in range(c):
        scale[t] = gamma[t] / np.sqrt(var[t] + eps)
    for row in range(lo, hi):
        a, b = x[row * c : row * c + c], y[row * c : row * c + c]
        for t in range(c):
            b[t] = (a[t] - mean[t]) * scale[t] + beta[t]


@helper
def _add_products(x, g, at, step, rows, mean, first, sums, gsums, count):
    for row in range(rows):
        start = at + row * step
        for t in range(count):
            gsums[t] += g[start + t]
            sums[t] += g[start + t] * (x[start + t] - mean[first + t])


@kernel
def batch_norm_sums(lo, hi, x, mean, var, g, dgamma, dbeta, eps, rows, c):
    """dγ = Σ g x̂ and dβ = Σ g; strips lo..hi of channels."""
    sums, gsums = np.empty(STRIP, g.dtype), np.empty(STRIP, g.dtype)
    for strip in range(lo, hi):
        first = strip * STRIP
        count = min(STRIP, c - first)
        fill(dgamma, first, count, 0)
        fill(dbeta, first, count, 0)
        for row in range(0, rows, BLOCK):
            fill(sums, 0, count, 0)
            fill(gsums, 0, count, 0)
            _add_products(x, g, row * c + first, c, min(BLOCK, rows - row), mean, first, sums, gsums, count)
            add(sums, 0, dgamma, first, count)
            add(gsums, 0, dbeta, first, count)
        for t in range(first, first + count):
            dgamma[t] /= np.sqrt(var[t] + eps)


@kernel
def batch_norm_data(lo, hi, x, gamma, mean, var, g, dx, dgamma, dbeta, eps, rows, c):
    """dx = γ/σ (g − (dβ + x̂ dγ) / M) for rows lo..hi."""
    share = dx.dtype.type(1) / dx.dtype.type(rows)
    scale, slope, shift = np.empty(c, dx.dtype), np.empty(c, dx.dtype), np.empty(c, dx.dtype)
    for t in range(c):
        rstd = 1 / np.sqrt(var[t] + eps)
        scale[t], slope[t], shift[t] = gamma[t] * rstd, rstd * dgamma[t] * share, dbeta[t] * share
    for row in range(lo, hi):
        a, b, out = x[row * c : row * c + c], g[row * c : row * c + c], dx[row * c : row * c + c]
        for t in range(c):
            out[t] = scale[t] * (b[t] - shift[t] - (a[t] - mean[t]) * slope[t])
