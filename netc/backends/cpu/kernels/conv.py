"""Convolution, forward, by data and by weights, over `(N, H, W, C)`, for any stride, padding, dilation and
groups.

All three are the register tile over an image with its padding around it.  Where the channels are not grouped
and the window's columns not dilated, a row of the window is one stretch of S · C neighbouring numbers; else
each of its S taps is a stretch of C / G.  `g` holds the sizes: see `geometry` in
`netc/backends/cpu/contract.py`.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, copy, fill
from netc.backends.cpu.target import VECTOR_BYTES
from netc.backends.cpu.tile import block

CACHE = 65536  # numbers of an image and a gradient that one pass over the weights may touch


@helper
def _pad_rows(x, image, row0, row1, out, h, w, c, top, left, wp):
    """Rows row0..row1 of the padded image `(Hp, Wp, C)`, from image number `image` of x."""
    for row in range(row0, row1):
        to = row * wp * c
        source = row - top
        if source < 0 or source >= h:
            fill(out, to, wp * c, 0)
        else:
            fill(out, to, left * c, 0)
            copy(x, (image * h + source) * w * c, out, to + left * c, w * c)
            fill(out, to + (left + w) * c, (wp - left - w) * c, 0)


@helper
def _stretches(c, s, dw, groups):
    """How a row of the window falls into stretches: how many, how long each, and how far apart in the image."""
    if groups == 1 and dw == 1:
        return 1, s * c, 0
    return s, c // groups, dw * c


@kernel
def forward(lo, hi, x, wt, y, g):
    """Output rows lo..hi of all images' N · Ho."""
    _n, h, w, c, ho, wo, k, r, s, sh, sw, top, left, hp, wp, dh, dw, groups = g
    pieces, run, apart = _stretches(c, s, dw, groups)
    # the tile's outer loop runs over the window's rows, or over the pieces of one row
    steps, outer, apart = (1, r, dh * wp * c) if pieces == 1 else (r, pieces, apart)
    width, kg, cg = 2 * (VECTOR_BYTES // y.itemsize), k // groups, c // groups
    padded = hp != h or wp != w
    around = np.empty(hp * wp * c if padded else 1, y.dtype)
    ready, ready_rows = -1, 0
    for row in range(lo, hi):
        image, i = row // ho, row % ho
        if padded:
            if image != ready:
                ready, ready_rows = image, i * sh
            need = i * sh + dh * (r - 1) + 1
            _pad_rows(x, image, max(ready_rows, i * sh), need, around, h, w, c, top, left, wp)
            ready_rows = need
            source, start = around, i * sh * wp * c
        else:
            source, start = x, (image * h + i * sh) * w * c
        for group in range(groups):
            for j in range(0, kg, width):
                cols, y_at = min(width, kg - j), row * wo * k + group * kg + j
                for step in range(steps):
                    at = start + step * dh * wp * c + group * cg
                    from_w = group * kg + j + step * outer * run * k
                    block(
                        source, at, sw * c, 1, apart, wt, from_w, k, run * k, outer, run,
                        y, y_at, k, wo, cols, 1 if step > 0 else 0,
                    )  # fmt: skip


@kernel
def turn(lo, hi, wt, out, depth, k):
    """The weights `(R·S·C/G, K)` as `(K, R·S·C/G)`; lo..hi of K."""
    for kk in range(lo, hi):
        for d in range(depth):
            out[kk * depth + d] = wt[d * k + kk]


@kernel
def by_data(lo, hi, grad, turned, dx, g):
    """Images lo..hi: each output pixel's gradient times all weights, `(Wo, R·S·C/G)`, is added where it came
    from.
    """
    _n, h, w, c, ho, wo, k, r, s, sh, sw, top, left, hp, wp, dh, dw, groups = g
    pieces, run, apart = _stretches(c, s, dw, groups)
    width, kg, cg = 2 * (VECTOR_BYTES // dx.itemsize), k // groups, c // groups
    depth = r * s * cg
    around = np.empty(hp * wp * c, dx.dtype)
    parts = np.empty(wo * depth, dx.dtype)
    for image in range(lo, hi):
        fill(around, 0, hp * wp * c, 0)
        for i in range(ho):
            for group in range(groups):
                at = (image * ho + i) * wo * k + group * kg
                for d in range(0, depth, width):
                    cols = min(width, depth - d)
                    block(
                        grad,
                        at,
                        k,
                        1,
                        0,
                        turned,
                        group * kg * depth + d,
                        depth,
                        0,
                        1,
                        kg,
                        parts,
                        d,
                        depth,
                        wo,
                        cols,
                        0,
                    )
                for j in range(wo):
                    for ri in range(r):
                        to = ((i * sh + ri * dh) * wp + j * sw) * c + group * cg
                        for piece in range(pieces):
                            add(
                                parts,
                                j * depth + (ri * pieces + piece) * run,
                                around,
                                to + piece * apart,
                                run,
                            )
        for row in range(h):
            copy(around, ((row + top) * wp + left) * c, dx, (image * h + row) * w * c, w * c)


@kernel
def by_weights(lo, hi, x, grad, out, parts, g):
    """Parts lo..hi of `parts` equal shares of the images, each a sum `(R·S·C/G, K)` of its own in `out`."""
    n, h, w, c, ho, wo, k, r, s, sh, sw, top, left, hp, wp, dh, dw, groups = g
    pieces, run, apart = _stretches(c, s, dw, groups)
    width, kg, cg = 2 * (VECTOR_BYTES // out.itemsize), k // groups, c // groups
    size = r * s * cg * k
    padded = hp != h or wp != w
    around = np.empty(hp * wp * c if padded else 1, out.dtype)
    chunk = max(1, CACHE // (wp * c * sh + wo * k))
    for part in range(lo, hi):
        fill(out, part * size, size, 0)
        for image in range(n * part // parts, n * (part + 1) // parts):
            if padded:
                _pad_rows(x, image, 0, hp, around, h, w, c, top, left, wp)
            source, start = (around, 0) if padded else (x, image * h * w * c)
            for i in range(0, ho, chunk):
                rows = min(chunk, ho - i)
                for group in range(groups):
                    for j in range(0, kg, width):
                        g_at, cols = (image * ho + i) * wo * k + group * kg + j, min(width, kg - j)
                        for piece in range(r * pieces):
                            at = (
                                start
                                + i * sh * wp * c
                                + piece // pieces * dh * wp * c
                                + piece % pieces * apart
                            )
                            to = part * size + piece * run * k + group * kg + j
                            block(
                                source, at + group * cg, 1, sw * c, sh * wp * c, grad, g_at, k, wo * k, rows, wo,
                                out, to, k, run, cols, 1,
                            )  # fmt: skip


@kernel
def total(lo, hi, partial, out, parts, size):
    """Numbers lo..hi of the sum of all parts, in their order."""
    copy(partial, lo, out, lo, hi - lo)
    for part in range(1, parts):
        add(partial, part * size + lo, out, lo, hi - lo)
