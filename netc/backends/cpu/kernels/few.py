"""Convolutions that give few channels: a tile of these alone would be mostly empty.

*Together*: neighbouring pixels are computed as one, which has all their channels and sees all that they see.  The
weights of each are zeros where it does not look.  `pack` and `parted` go there and back; the kernels in between are
those of all convolutions.

*Spread*, by data: the gradient of a pixel times the weights of one row of the window, `(K) · (K, S C)`, is what the
pixel gives to S neighbours of C channels each, which are neighbours in memory.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from netc.backends.cpu.jit import kernel
from netc.backends.cpu.panels import panel
from netc.backends.cpu.rows import add, copy, fill
from netc.backends.cpu.target import VECTOR_BYTES
from netc.backends.cpu.tile import block


@kernel
def pack(lo, hi, wt, order, panels, at, rows, cols, steps, window):
    """The weights for `pixels` that look `step` apart, as one panel `(R, S + (pixels - 1) step, rows, width)` whose
    columns are each pixel's `cols`; lo..hi of R.  `steps` are the weights': from row to row, from column to column, and
    from tap to tap.
    """
    s, pixels, step = window
    width = 2 * (VECTOR_BYTES // panels.itemsize)
    of_row = (s + (pixels - 1) * step) * rows * width
    for r in range(lo, hi):
        fill(panels, at + r * of_row, of_row, 0)
        for pixel in range(pixels):
            for t in range(s):
                to = at + r * of_row + (pixel * step + t) * rows * width + pixel * cols
                tap = order[r * s + t] * steps[2]
                for row in range(rows):
                    for col in range(cols):
                        panels[to + row * width + col] = wt[tap + row * steps[0] + col * steps[1]]


@kernel
def parted(lo, hi, partial, out, window, parts, pixels, step):
    """Rows lo..hi of the window's gradient `(R, S, C, K)`, from `parts` sums in which pixels are together: the sum of
    all pixels' shares, in their order.
    """
    r, s, c, k = window
    seen, wide = s + (pixels - 1) * step, pixels * k
    for row in range(lo, hi):
        fill(out, row * s * c * k, s * c * k, 0)
        for part in range(parts):
            for pixel in range(pixels):
                at = ((part * r + row) * seen + pixel * step) * c * wide + pixel * k
                for t in range(s * c):
                    add(partial, at + t * wide, out, (row * s * c + t) * k, k)


@kernel
def turn(lo, hi, wt, panels, window):
    """Rows lo..hi of the weights `(R, S, C, K)`, turned, as panels `(R, ceil(S C / width), K, width)`."""
    _, s, c, k = window
    width = 2 * (VECTOR_BYTES // panels.itemsize)
    count = (s * c + width - 1) // width
    for unit in range(lo * count, hi * count):
        r, first = unit // count, unit % count * width
        panel(wt, (r * s * c + first) * k, 1, k, panels, unit * k * width, k, min(width, s * c - first))


@kernel
def spread(lo, hi, grad, panels, out, sums, sent, source, target, window, stride, pad):
    """Images lo..hi of the gradient `(N, H, W, C)`, `target`, from that of the results `(N, Ho, Wo, K)`, `source`.

    `sums` is memory for what windows see, `window` tells of how many rows and columns, and for one stretch more; `sent`
    for what every pixel gives to one row of its window.
    """
    (_, ho, wo, k), (_, h, w, c) = source, target
    r, s, down, across = window
    width = 2 * (VECTOR_BYTES // out.itemsize)
    count = (s * c + width - 1) // width
    wide = count * width
    apart = (wide + stride[1] * c - 1) // (stride[1] * c)  # pixels that give to none in common
    fill(sent, 0, sent.size, 0)
    for image in range(lo, hi):
        fill(sums, 0, down * across * c, 0)
        for row in range(r):
            for number in range(count):
                block(
                    grad, image * ho * wo * k, k, 1, 0,
                    panels, (row * count + number) * k * width, width, 0, 1, k,
                    sent, number * width, wide, ho * wo, min(width, s * c - number * width), 0,
                )  # fmt: skip
            # Numbers that were just written under another alignment are waited for: pixels that share none come first.
            for first in range(min(apart, wo)):
                for y in range(ho):
                    to = (y * stride[0] + row) * across * c
                    for x in range(first, wo, apart):
                        add(sent, (y * wo + x) * wide, sums, to + x * stride[1] * c, wide)
        for y in range(h):
            copy(sums, ((y + pad[0]) * across + pad[1]) * c, out, (image * h + y) * w * c, w * c)
