"""Normalisation inside one example: groups of channels to mean 0 and variance 1, and the gradient of that.

A unit is one example, or one pixel of it: `rows` pixels of C channels.  One group is a stretch of memory; several are
summed channel by channel first, so that the inner loop runs over neighbours.  Long sums go in blocks of 256.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, fill

BLOCK = 256


@helper
def _total(a):
    """Σ a"""
    total = a.dtype.type(0)
    for first in range(0, a.size, BLOCK):
        part = a.dtype.type(0)
        for t in range(first, min(a.size, first + BLOCK)):
            part += a[t]
        total += part
    return total


@helper
def _squares(a, mean):
    """Σ (a − mean)²"""
    total = a.dtype.type(0)
    for first in range(0, a.size, BLOCK):
        part = a.dtype.type(0)
        for t in range(first, min(a.size, first + BLOCK)):
            part += (a[t] - mean) * (a[t] - mean)
        total += part
    return total


@helper
def _products(a, b):
    """Σ a b"""
    total = a.dtype.type(0)
    for first in range(0, a.size, BLOCK):
        part = a.dtype.type(0)
        for t in range(first, min(a.size, first + BLOCK)):
            part += a[t] * b[t]
        total += part
    return total


@kernel
def one(lo, hi, x, y, rstd, eps, size):
    """Units lo..hi of `size` numbers, which are one group."""
    share, unit = y.dtype.type(1) / y.dtype.type(size), y.dtype.type(1)
    for u in range(lo, hi):
        a, b = x[u * size : u * size + size], y[u * size : u * size + size]
        mean = _total(a) * share
        r = unit / np.sqrt(_squares(a, mean) * share + eps)
        for t in range(size):
            b[t] = (a[t] - mean) * r
        rstd[u] = r


@kernel
def one_grad(lo, hi, y, rstd, g, dx, size):
    """dx = (g − mean g − y · mean (g y)) · rstd for units lo..hi."""
    share = dx.dtype.type(1) / dx.dtype.type(size)
    for u in range(lo, hi):
        a, b, out = (
            y[u * size : u * size + size],
            g[u * size : u * size + size],
            dx[u * size : u * size + size],
        )
        mean, along, r = _total(b) * share, _products(a, b) * share, rstd[u]
        for t in range(size):
            out[t] = (b[t] - mean - a[t] * along) * r


@helper
def _means(sums, groups, rows):
    """Sums by channel become, in place, the means of the groups that they are in."""
    width = sums.size // groups
    share = sums.dtype.type(1) / sums.dtype.type(width * rows)
    for k in range(groups):
        total = sums.dtype.type(0)
        for t in range(k * width, k * width + width):
            total += sums[t]
        fill(sums, k * width, width, total * share)


@kernel
def several(lo, hi, x, y, rstd, mean, var, sums, eps, rows, c, groups):
    """Units lo..hi of `rows` pixels.  `mean`, `var` and `sums` are memory for C numbers each."""
    for u in range(lo, hi):
        start = u * rows * c
        fill(mean, 0, c, 0)
        fill(var, 0, c, 0)
        for first in range(0, rows, BLOCK):
            fill(sums, 0, c, 0)
            for row in range(first, min(rows, first + BLOCK)):
                add(x, start + row * c, sums, 0, c)
            add(sums, 0, mean, 0, c)
        _means(mean, groups, rows)
        for first in range(0, rows, BLOCK):
            fill(sums, 0, c, 0)
            for row in range(first, min(rows, first + BLOCK)):
                a = x[start + row * c : start + row * c + c]
                for t in range(c):
                    sums[t] += (a[t] - mean[t]) * (a[t] - mean[t])
            add(sums, 0, var, 0, c)
        _means(var, groups, rows)
        for t in range(c):
            var[t] = y.dtype.type(1) / np.sqrt(var[t] + eps)
        for row in range(rows):
            at = start + row * c
            a, b = x[at : at + c], y[at : at + c]
            for t in range(c):
                b[t] = (a[t] - mean[t]) * var[t]
        for k in range(groups):
            rstd[u * groups + k] = var[k * (c // groups)]


@kernel
def several_grad(lo, hi, y, rstd, g, dx, mean, along, sums, products, r, rows, c, groups):
    """dx = (g − mean g − y · mean (g y)) · rstd for units lo..hi.  What follows dx is memory for C numbers each."""
    for u in range(lo, hi):
        start = u * rows * c
        fill(mean, 0, c, 0)
        fill(along, 0, c, 0)
        for first in range(0, rows, BLOCK):
            fill(sums, 0, c, 0)
            fill(products, 0, c, 0)
            for row in range(first, min(rows, first + BLOCK)):
                at = start + row * c
                a, b = y[at : at + c], g[at : at + c]
                for t in range(c):
                    sums[t] += b[t]
                    products[t] += a[t] * b[t]
            add(sums, 0, mean, 0, c)
            add(products, 0, along, 0, c)
        _means(mean, groups, rows)
        _means(along, groups, rows)
        for k in range(groups):
            fill(r, k * (c // groups), c // groups, rstd[u * groups + k])
        for row in range(rows):
            at = start + row * c
            a, b, out = y[at : at + c], g[at : at + c], dx[at : at + c]
            for t in range(c):
                out[t] = (b[t] - mean[t] - a[t] * along[t]) * r[t]
