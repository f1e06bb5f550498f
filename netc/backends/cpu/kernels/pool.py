"""Pooling over windows of `(N, H, W, C)`: the largest value or the mean, each channel for itself.

`g` holds the sizes `(n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw)`.  Windows may hang over every edge.  For
each output pixel a vector of channels walks the window in registers; the last vector of a pixel may be masked.
"""

# pyright: basic
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

import numpy as np

from netc.backends.cpu.jit import helper, inlined, kernel
from netc.backends.cpu.lanes import (
    full,
    larger,
    larger_than,
    load,
    load_bytes,
    plus,
    splat,
    store,
    store_bytes,
    times,
    where_equal,
)
from netc.backends.cpu.rows import fill


@helper
def _inside(start, step, size, count):
    """Which of the taps start, start + step, … lie in 0..size: the first, and the one past the last."""
    first = 0 if start >= 0 else (step - 1 - start) // step
    end = (size - 1 - start) // step + 1 if start < size else 0
    return first, min(count, end)


@helper
def _whole(lead, step, size, reach, count):
    """Which of `count` windows, `step` apart from -lead on, lie inside: the first, and the one past the last.

    Nearly all do, and where each begins and ends need not be asked: a division takes as long as a window of 2 × 2.
    """
    begin = min(count, (max(lead, 0) + step - 1) // step)
    end = (size + lead - reach) // step + 1 if size + lead >= reach else 0
    return begin, max(begin, min(count, end))


@inlined
def _open(dx, row, c_row, i, ho, end, done, h):
    """Zeros into the rows of an image's gradient up to `end` that no window before row i of the output has seen.

    Returns up to where they are: with the last row of windows all are.
    """
    first = 0 if i == 0 else done
    last = h if i == ho - 1 else max(first, min(h, end))
    fill(dx, row + first * c_row, (last - first) * c_row, 0)
    return last


# ---- Max -------------------------------------------------------------------------------------------------
# A tap is numbered in reading order of the whole window, from `first` on where the window begins outside; `more` are
# the taps outside between one row and the next.  With places and without are kernels of their own: one that does both
# would take twice as long to compile.


@inlined
def _largest(x, start, rows, cols, down, right, first, more, y, places, to, count):
    """The largest of each channel."""
    best = splat(y, -np.inf)
    for ri in range(rows):
        for si in range(cols):
            best = larger(load(x, start + ri * down + si * right, count), best)
    store(best, y, to, count)


@inlined
def _found(x, start, rows, cols, down, right, first, more, like, count):
    """The largest, and its tap: of equal ones the first."""
    best, where = splat(like, -np.inf), splat(like, first)
    tap, one, skipped = where, splat(like, 1), splat(like, more)
    for ri in range(rows):
        for si in range(cols):
            b = load(x, start + ri * down + si * right, count)
            where = larger_than(b, best, tap, where)
            best, tap = larger(b, best), plus(tap, one)
        tap = plus(tap, skipped)
    return best, where


@inlined
def _largest_placed(x, start, rows, cols, down, right, first, more, y, places, to, count):
    """The largest of each channel, and which tap it is."""
    best, where = _found(x, start, rows, cols, down, right, first, more, y, count)
    store(best, y, to, count)
    store_bytes(where, places, to, count)


def _pool(of_vector):
    """The kernel that does so for each vector of channels of a pixel."""

    @inlined
    def of_pixel(x, start, rows, cols, down, right, first, more, y, places, to, c):
        lanes, t = full(y), 0
        while t + lanes <= c:
            of_vector(x, start + t, rows, cols, down, right, first, more, y, places, to + t, lanes)
            t += lanes
        if t < c:
            of_vector(x, start + t, rows, cols, down, right, first, more, y, places, to + t, c - t)

    @kernel
    def pool(lo, hi, x, y, places, g):
        """Output rows lo..hi of all images' N · Ho, and the taps they come from where `places` are wanted."""
        _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw = g
        down, right = dh * w * c, dw * c
        begin, end = _whole(left, sw, w, (kw - 1) * dw + 1, wo)
        for row in range(lo, hi):
            i = row % ho
            r0, r1 = _inside(i * sh - top, dh, h, kh)
            corner = (row // ho * h + i * sh - top + r0 * dh) * w
            for j in range(wo):
                s0, s1 = (0, kw) if begin <= j < end else _inside(j * sw - left, dw, w, kw)
                to, start = (row * wo + j) * c, (corner + j * sw - left + s0 * dw) * c
                # Nearly every window is one of these: without loops it takes half the time.
                if r1 - r0 == 3 and kw == 3 and s1 - s0 == 3:
                    of_pixel(x, start, 3, 3, down, right, r0 * 3, 0, y, places, to, c)
                elif r1 - r0 == 2 and kw == 2 and s1 - s0 == 2:
                    of_pixel(x, start, 2, 2, down, right, r0 * 2, 0, y, places, to, c)
                else:
                    first, more = r0 * kw + s0, kw - (s1 - s0)
                    of_pixel(x, start, r1 - r0, s1 - s0, down, right, first, more, y, places, to, c)

    return pool


largest, largest_placed = _pool(_largest), _pool(_largest_placed)


@inlined
def _sought(x, start, rows, cols, down, right, first, more, places, at, like, count):
    """The tap of the largest of x."""
    _, where = _found(x, start, rows, cols, down, right, first, more, like, count)
    return where


@inlined
def _kept(x, start, rows, cols, down, right, first, more, places, at, like, count):
    """The tap that `places` name."""
    return load_bytes(like, places, at, count)


def _to_largest(where_of):
    """What gives a pixel's gradient to the tap that `where_of` tells, vector by vector of its channels."""

    @inlined
    def to_largest(x, start, rows, cols, down, right, first, more, places, grad, at, dx, apart, count):
        """Adds the gradient there.  Windows that lie apart need not look at what is there: with few channels that look
        would wait for the store before, some of whose masked lanes it reads.
        """
        where = where_of(x, start, rows, cols, down, right, first, more, places, at, dx, count)
        share, tap, one, skipped = load(grad, at, count), splat(dx, first), splat(dx, 1), splat(dx, more)
        for ri in range(rows):
            for si in range(cols):
                to = start + ri * down + si * right
                mine = where_equal(where, tap, share)
                store(mine if apart else plus(load(dx, to, count), mine), dx, to, count)
                tap = plus(tap, one)
            tap = plus(tap, skipped)

    @inlined
    def of_pixel(x, start, rows, cols, down, right, first, more, places, grad, at, dx, apart, c):
        lanes, t = full(dx), 0
        while t + lanes <= c:
            to_largest(
                x, start + t, rows, cols, down, right, first, more, places, grad, at + t, dx, apart, lanes
            )
            t += lanes
        if t < c:
            to_largest(
                x, start + t, rows, cols, down, right, first, more, places, grad, at + t, dx, apart, c - t
            )

    return of_pixel


def _unpool(of_pixel):
    """The kernel that does so for each window."""

    @kernel
    def unpool(lo, hi, x, places, grad, dx, g):
        """Images lo..hi: each window's gradient goes to one tap, of equal values or of NaN to the first."""
        _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, dh, dw = g
        down, right, done = dh * w * c, dw * c, 0
        apart = kh <= sh and kw <= sw and dh == 1 and dw == 1
        begin, end = _whole(left, sw, w, (kw - 1) * dw + 1, wo)
        covered = kh == sh and kw == sw and top == 0 and left == 0 and ho * sh >= h and wo * sw >= w
        for row in range(lo * ho, hi * ho):
            image, i = row // ho, row % ho
            done = (
                0
                if apart and covered
                else _open(dx, image * h * w * c, w * c, i, ho, i * sh - top + (kh - 1) * dh + 1, done, h)
            )
            r0, r1 = _inside(i * sh - top, dh, h, kh)
            corner = (image * h + i * sh - top + r0 * dh) * w
            for j in range(wo):
                s0, s1 = (0, kw) if begin <= j < end else _inside(j * sw - left, dw, w, kw)
                at, start = (row * wo + j) * c, (corner + j * sw - left + s0 * dw) * c
                if r1 - r0 == 3 and kw == 3 and s1 - s0 == 3 and not apart:
                    of_pixel(x, start, 3, 3, down, right, r0 * 3, 0, places, grad, at, dx, False, c)
                elif r1 - r0 == 2 and kw == 2 and s1 - s0 == 2 and apart:
                    of_pixel(x, start, 2, 2, down, right, r0 * 2, 0, places, grad, at, dx, True, c)
                else:
                    first, more = r0 * kw + s0, kw - (s1 - s0)
                    of_pixel(
                        x, start, r1 - r0, s1 - s0, down, right, first, more, places, grad, at, dx, apart, c
                    )

    return unpool


largest_grad, unpool = _unpool(_to_largest(_sought)), _unpool(_to_largest(_kept))


# ---- Mean -------------------------------------------------------------------------------------------------


@inlined
def _mean(x, start, rows, cols, down, right, share, y, to, count):
    total = splat(y, 0)
    for ri in range(rows):
        for si in range(cols):
            total = plus(total, load(x, start + ri * down + si * right, count))
    store(times(total, splat(y, share)), y, to, count)


@kernel
def mean(lo, hi, x, shares, y, g):
    """Output rows lo..hi of all images' N · Ho; `shares` `(Ho, Wo)` is the weight of each number of a window."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, _dh, _dw = g
    lanes = full(y)
    begin, end = _whole(left, sw, w, kw, wo)
    for row in range(lo, hi):
        i = row % ho
        r0, r1 = _inside(i * sh - top, 1, h, kh)
        corner = (row // ho * h + i * sh - top + r0) * w
        for j in range(wo):
            s0, s1 = (0, kw) if begin <= j < end else _inside(j * sw - left, 1, w, kw)
            to, start, share = (row * wo + j) * c, (corner + j * sw - left + s0) * c, shares[i * wo + j]
            t = 0
            while t + lanes <= c:
                _mean(x, start + t, r1 - r0, s1 - s0, w * c, c, share, y, to + t, lanes)
                t += lanes
            if t < c:
                _mean(x, start + t, r1 - r0, s1 - s0, w * c, c, share, y, to + t, c - t)


@inlined
def _to_all(start, rows, cols, down, right, grad, at, share, dx, count):
    mine = times(load(grad, at, count), splat(dx, share))
    for ri in range(rows):
        for si in range(cols):
            to = start + ri * down + si * right
            store(plus(load(dx, to, count), mine), dx, to, count)


@kernel
def mean_grad(lo, hi, grad, shares, dx, g):
    """Images lo..hi: each window's gradient in equal shares to what it saw."""
    _n, h, w, c, ho, wo, kh, kw, sh, sw, top, left, _dh, _dw = g
    lanes, done = full(dx), 0
    begin, end = _whole(left, sw, w, kw, wo)
    for row in range(lo * ho, hi * ho):
        image, i = row // ho, row % ho
        done = _open(dx, image * h * w * c, w * c, i, ho, i * sh - top + kh, done, h)
        r0, r1 = _inside(i * sh - top, 1, h, kh)
        corner = (image * h + i * sh - top + r0) * w
        for j in range(wo):
            s0, s1 = (0, kw) if begin <= j < end else _inside(j * sw - left, 1, w, kw)
            at, start, share = (row * wo + j) * c, (corner + j * sw - left + s0) * c, shares[i * wo + j]
            t = 0
            while t + lanes <= c:
                _to_all(start + t, r1 - r0, s1 - s0, w * c, c, grad, at + t, share, dx, lanes)
                t += lanes
            if t < c:
                _to_all(start + t, r1 - r0, s1 - s0, w * c, c, grad, at + t, share, dx, c - t)
