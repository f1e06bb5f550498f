"""Sums: over outer, middle or inner axes, and the moments and gradients of batch normalisation.

Long sums are taken in blocks of 256 rows, whose sums are then added up: rounding grows with the number of
blocks plus 256 and not with the length, and the order never depends on the number of threads.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

import numpy as np

from netc.backends.cpu.blocks import STRIP
from netc.backends.cpu.jit import helper, inlined, kernel
from netc.backends.cpu.lanes import full, load, minus, plus, splat, store, times
from netc.backends.cpu.rows import add, fill

BLOCK = 256


@helper
def _add_rows(x, at, step, rows, sums, count):
    for row in range(rows):
        add(x, at + row * step, sums, 0, count)


@kernel
def middle(lo, hi, x, y, sums, rows, inner):
    """x `(outer, rows, inner)` to y `(outer, inner)`; units lo..hi of outer · strips of `inner`.

    `sums` is memory for STRIP numbers.
    """
    strips = (inner + STRIP - 1) // STRIP
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


# ---- Moments ----------------------------------------------------------------------------------------------
#
# A block of rows is read once: its mean is taken, and then, while the first-level cache has it, the sum of the squares
# around that mean.  Chan, Golub and LeVeque, 1979, equation 2.1, extended from two parts to many:
#     Σ (x − μ)² = Σ over blocks of (Σ (x − μ_b)² + n_b (μ_b − μ)²)


@inlined
def _moments_of_one(x, at, step, rows, means, squares, to, count):
    """The mean and the squares around it of a vector of channels over `rows` rows."""
    total = splat(x, 0)
    for row in range(rows):
        total = plus(total, load(x, at + row * step, count))
    mean, square = times(total, splat(x, 1 / rows)), splat(x, 0)
    for row in range(rows):
        d = minus(load(x, at + row * step, count), mean)
        square = plus(square, times(d, d))
    store(mean, means, to, count)
    store(square, squares, to, count)


@inlined
def _moments_of_four(x, at, step, rows, means, squares, to):
    """The same of four vectors that are neighbours: four sums that need not wait for each other."""
    n, share = full(x), splat(x, 1 / rows)
    a = b = c = d = splat(x, 0)
    for row in range(rows):
        p = at + row * step
        a, b = plus(a, load(x, p, n)), plus(b, load(x, p + n, n))
        c, d = plus(c, load(x, p + 2 * n, n)), plus(d, load(x, p + 3 * n, n))
    a, b, c, d = times(a, share), times(b, share), times(c, share), times(d, share)
    e = f = g = h = splat(x, 0)
    for row in range(rows):
        p = at + row * step
        i, j = minus(load(x, p, n), a), minus(load(x, p + n, n), b)
        k, m = minus(load(x, p + 2 * n, n), c), minus(load(x, p + 3 * n, n), d)
        e, f, g, h = plus(e, times(i, i)), plus(f, times(j, j)), plus(g, times(k, k)), plus(h, times(m, m))
    for t, mean, square in ((0, a, e), (n, b, f), (2 * n, c, g), (3 * n, d, h)):
        store(mean, means, to + t, n)
        store(square, squares, to + t, n)


@kernel
def moments(lo, hi, x, partial, rows, block, c):
    """Blocks lo..hi of `block` rows of x `(rows, C)`, each its means and squares `(2, C)` in `partial`."""
    lanes = full(x)
    for unit in range(lo, hi):
        first, to = unit * block, 2 * unit * c
        count, t = min(block, rows - first), 0
        means, squares = partial[to : to + c], partial[to + c : to + 2 * c]
        while t + 4 * lanes <= c:
            _moments_of_four(x, first * c + t, c, count, means, squares, t)
            t += 4 * lanes
        while t < c:
            _moments_of_one(x, first * c + t, c, count, means, squares, t, min(lanes, c - t))
            t += lanes


@kernel
def whole_moments(lo, hi, partial, mean, var, rows, block, c):
    """Mean and biased variance of channels lo..hi from those of the blocks."""
    share, parts = mean.dtype.type(1) / mean.dtype.type(rows), (rows + block - 1) // block
    m, v = mean[lo:hi], var[lo:hi]
    for t in range(m.size):
        m[t] = 0
        v[t] = 0
    for part in range(parts):
        weight = share * mean.dtype.type(min(block, rows - part * block))
        means = partial[2 * part * c + lo : 2 * part * c + hi]
        for t in range(m.size):
            m[t] += weight * means[t]
    for part in range(parts):
        count = mean.dtype.type(min(block, rows - part * block))
        means = partial[2 * part * c + lo : 2 * part * c + hi]
        squares = partial[(2 * part + 1) * c + lo : (2 * part + 1) * c + hi]
        for t in range(m.size):
            d = means[t] - m[t]
            v[t] += squares[t] + count * d * d
    for t in range(m.size):
        v[t] *= share


@kernel
def batch_norm(lo, hi, x, gamma, beta, mean, var, y, scale, eps, c):
    """y = γ (x − mean) / √(var + ε) + β for rows lo..hi of x `(rows, C)`.  `scale` is memory for C numbers."""
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
def batch_norm_sums(lo, hi, x, mean, var, g, dgamma, dbeta, sums, gsums, eps, rows, c):
    """dγ = Σ g x̂ and dβ = Σ g; strips lo..hi of channels.  `sums` and `gsums` are memory for STRIP numbers each."""
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
def batch_norm_data(lo, hi, x, gamma, mean, var, g, dx, dgamma, dbeta, scale, slope, shift, eps, rows, c):
    """dx = γ/σ (g − (dβ + x̂ dγ) / M) for rows lo..hi.  What follows dβ is memory for C numbers each."""
    share = dx.dtype.type(1) / dx.dtype.type(rows)
    for t in range(c):
        rstd = 1 / np.sqrt(var[t] + eps)
        scale[t], slope[t], shift[t] = gamma[t] * rstd, rstd * dgamma[t] * share, dbeta[t] * share
    for row in range(lo, hi):
        a, b, out = x[row * c : row * c + c], g[row * c : row * c + c], dx[row * c : row * c + c]
        for t in range(c):
            out[t] = scale[t] * (b[t] - shift[t] - (a[t] - mean[t]) * slope[t])


@kernel
def total(lo, hi, partial, out, parts, step, at, beside, c):
    """Channels lo..hi of a sum in parts, `step` numbers apart, each of them `beside` rows of C numbers from `at` on."""
    fill(out, lo, hi - lo, 0)
    for part in range(parts):
        for row in range(beside):
            add(partial, part * step + at + row * c + lo, out, lo, hi - lo)
