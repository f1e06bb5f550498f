"""Depthwise convolution, each channel with a window of its own: vectors over channels.  `g` as in conv.py."""

# pyright: basic
# Numba gives these functions their types when they are called.

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import fill


@helper
def _multiply_add(a, a_at, b, b_at, out, to, count):
    for t in range(count):
        out[to + t] += a[a_at + t] * b[b_at + t]


@kernel
def forward(lo, hi, x, wt, y, g):
    """Output rows lo..hi of all images' N · Ho."""
    _n, h, w, c, ho, wo, _k, r, s, sh, sw, top, left, _hp, _wp, dh, dw, _groups = g
    for row in range(lo, hi):
        image, i = row // ho, row % ho
        for j in range(wo):
            to = (row * wo + j) * c
            fill(y, to, c, 0)
            for ri in range(r):
                hh = i * sh + ri * dh - top
                if hh < 0 or hh >= h:
                    continue
                for si in range(s):
                    ww = j * sw + si * dw - left
                    if 0 <= ww < w:
                        _multiply_add(x, ((image * h + hh) * w + ww) * c, wt, (ri * s + si) * c, y, to, c)


@kernel
def by_data(lo, hi, grad, wt, dx, g):
    """Input rows lo..hi of all images' N · H: each input gathers from the windows that saw it."""
    _n, h, w, c, ho, wo, _k, r, s, sh, sw, top, left, _hp, _wp, dh, dw, _groups = g
    for row in range(lo, hi):
        image, hh = row // h, row % h
        for ww in range(w):
            to = (row * w + ww) * c
            fill(dx, to, c, 0)
            for ri in range(r):
                i = hh + top - ri * dh
                if i < 0 or i % sh != 0 or i // sh >= ho:
                    continue
                for si in range(s):
                    j = ww + left - si * dw
                    if j >= 0 and j % sw == 0 and j // sw < wo:
                        at = ((image * ho + i // sh) * wo + j // sw) * c
                        _multiply_add(grad, at, wt, (ri * s + si) * c, dx, to, c)


@kernel
def by_weights(lo, hi, x, grad, dwt, g):
    """Taps lo..hi of the window's R · S."""
    n, h, w, c, ho, wo, _k, _r, s, sh, sw, top, left, _hp, _wp, dh, dw, _groups = g
    for tap in range(lo, hi):
        ri, si = tap // s, tap % s
        fill(dwt, tap * c, c, 0)
        for row in range(n * ho):
            hh = row % ho * sh + ri * dh - top
            if hh < 0 or hh >= h:
                continue
            for j in range(wo):
                ww = j * sw + si * dw - left
                if 0 <= ww < w:
                    at = ((row // ho * h + hh) * w + ww) * c
                    _multiply_add(x, at, grad, (row * wo + j) * c, dwt, tap * c, c)
