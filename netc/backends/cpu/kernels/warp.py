"""Pictures drawn again from elsewhere in themselves: the moves of augmentation, in one pass."""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import copy, fill


@helper
def _frame(x, at, framed, to, height, width):
    """The plane of x that begins at `at`, with zeros around it: a row and a column before, two rows and one column
    after.
    """
    row = width + 2
    fill(framed, to, (height + 3) * row, 0)
    for i in range(height):
        copy(x, at + i * width, framed, to + (i + 1) * row + 1, width)


@helper
def _folded(u, last, turn):
    """A place on an axis that is mirrored at 0 and at `last`, again and again; `turn` is 2 · last, or 1."""
    u = abs(u)
    u -= turn * np.floor(u / turn)
    return last - abs(u - last)


@helper
def _row(i, m, matrices, field, at, below, right, plane, width):
    """The places in x of row i: down in `below`, across in `right`; `field` is added from `at` on."""
    real = below.dtype.type
    u0 = matrices[m] * real(i) + matrices[m + 2]
    v0 = matrices[m + 3] * real(i) + matrices[m + 5]
    u1, v1 = matrices[m + 1], matrices[m + 4]
    for j in range(width):
        below[j] = u0 + u1 * real(np.int32(j))
        right[j] = v0 + v1 * real(np.int32(j))
    if field.size > 0:
        for j in range(width):
            below[j] += field[at + j]
            right[j] += field[at + plane + j]


@helper
def _mirror(places, size):
    """Folds the places of a row on an axis of that size."""
    real = places.dtype.type
    last, turn = real(size - 1), real(max(2 * size - 2, 1))
    for j in range(places.size):
        places[j] = _folded(places[j], last, turn)


@helper
def _find(spot, below, right, height, width):
    """Where in the frame the first of the four pixels is, and how far the place is from it, down and across.

    Places are held within the frame, outside of which there are zeros as well.
    """
    real = below.dtype.type
    one, zero = real(1), real(0)
    most_i, most_j = real(height + 1), real(width + 1)
    for j in range(width):
        u, v = below[j] + one, right[j] + one
        u = u if u > 0 else zero  # which a NaN becomes, too
        v = v if v > 0 else zero
        u = min(most_i, u)
        v = min(most_j, v)
        r, s = np.int32(u), np.int32(v)
        below[j], right[j] = u - real(r), v - real(s)
        spot[j] = r * np.int32(width + 2) + s


@helper
def _blend(framed, frame, spot, below, right, y, to, width):
    """A row of y, from `to` on: the four pixels around each place of the plane at `frame`, by their nearness."""
    one, row = y.dtype.type(1), np.uint64(width + 2)
    for j in range(width):
        k = np.uint64(frame + spot[j])
        p, q = below[j], right[j]
        a, b = framed[k], framed[k + np.uint64(1)]
        d, e = framed[k + row], framed[k + row + np.uint64(1)]
        y[to + j] = (one - p) * ((one - q) * a + q * b) + p * ((one - q) * d + q * e)


@kernel
def warp(lo, hi, x, y, matrices, field, framed, spot, below, right, channels, height, width, mirror):
    """Pictures lo..hi of y `(N, C, H, W)`: each pixel from the place in x that its matrix `(2, 3)` says, and `field`
    `(N, 2, H, W)`, if it has any numbers, moves it by; between pixels linearly.

    Beyond the border there are zeros or, with `mirror`, the picture mirrored at the middle of its last pixels.
    `framed` is scratch, C · (H + 3) · (W + 2) and a 0; so are `spot` (int32), `below` and `right`, each W.
    """
    plane = height * width
    frame = (height + 3) * (width + 2)
    for n in range(lo, hi):
        for c in range(channels):
            _frame(x, (n * channels + c) * plane, framed, c * frame, height, width)
        for i in range(height):
            _row(i, 6 * n, matrices, field, 2 * n * plane + i * width, below, right, plane, width)
            if mirror:
                _mirror(below, height)
                _mirror(right, width)
            _find(spot, below, right, height, width)
            for c in range(channels):
                to = (n * channels + c) * plane + i * width
                _blend(framed, c * frame, spot, below, right, y, to, width)
