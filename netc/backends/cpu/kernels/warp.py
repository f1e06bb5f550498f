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


@kernel
def warp(lo, hi, x, y, matrices, field, framed, spot, below, right, channels, height, width, mirror):
    """Pictures lo..hi of y `(N, C, H, W)`: each pixel from the place in x that its matrix `(2, 3)` says, and `field`
    `(N, 2, H, W)`, if it has any numbers, moves it by; between pixels linearly.

    Beyond the border there are zeros or, with `mirror`, the picture mirrored at the middle of its last pixels.
    `framed` is scratch, C · (H + 3) · (W + 2) and a 0; so are `spot` (int32), `below` and `right`, each W.
    """
    plane, row = height * width, width + 2
    frame = (height + 3) * row
    real = x.dtype.type
    one = real(1)
    last_i, last_j = real(height - 1), real(width - 1)
    turn_i, turn_j = real(max(2 * height - 2, 1)), real(max(2 * width - 2, 1))
    most_i, most_j = real(height + 1), real(width + 1)
    bent = field.size > 0
    for n in range(lo, hi):
        m = 6 * n
        for c in range(channels):
            _frame(x, (n * channels + c) * plane, framed, c * frame, height, width)
        for i in range(height):
            u0 = matrices[m] * real(i) + matrices[m + 2]
            v0 = matrices[m + 3] * real(i) + matrices[m + 5]
            u1, v1 = matrices[m + 1], matrices[m + 4]
            for j in range(width):
                below[j] = u0 + u1 * real(np.int32(j))
                right[j] = v0 + v1 * real(np.int32(j))
            if bent:
                for j in range(width):
                    below[j] += field[2 * n * plane + i * width + j]
                    right[j] += field[(2 * n + 1) * plane + i * width + j]
            if mirror:
                for j in range(width):
                    below[j] = _folded(below[j], last_i, turn_i)
                    right[j] = _folded(right[j], last_j, turn_j)
            for j in range(width):
                u, v = below[j] + one, right[j] + one
                u = u if u > 0 else real(0)  # which a NaN becomes, too
                v = v if v > 0 else real(0)
                u = min(most_i, u)
                v = min(most_j, v)
                r, s = np.int32(u), np.int32(v)
                below[j], right[j] = u - real(r), v - real(s)
                spot[j] = r * np.int32(row) + s
            for c in range(channels):
                to = (n * channels + c) * plane + i * width
                for j in range(width):
                    k = np.uint64(c * frame + spot[j])
                    p, q = below[j], right[j]
                    a, b = framed[k], framed[k + np.uint64(1)]
                    d, e = framed[k + np.uint64(row)], framed[k + np.uint64(row + 1)]
                    y[to + j] = (one - p) * ((one - q) * a + q * b) + p * ((one - q) * d + q * e)
