"""Matrix products: C (M, N) = A (M, K) · B (K, N), either of them stored transposed.

K is taken a stretch at a time.  A panel of B, two vectors of columns, stays in the first-level cache while
strips of A, as many rows as a tile is tall, pass by from the second.  Where many panels use A its strips
are brought together first, and a panel where many strips use it.  With one row, or almost no K, nothing is
used twice: `rows` streams.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from netc.backends.cpu.blocks import LANES
from netc.backends.cpu.gather import lined
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.panels import panel, turned_strip
from netc.backends.cpu.rows import copy, fill
from netc.backends.cpu.target import TALL, VECTOR_BYTES
from netc.backends.cpu.tile import block


@helper
def _strips(a, at, a_row, a_step, rows, depth, out, apart):
    """Rows of A as strips `(ceil(rows / TALL), depth, TALL)`, so far apart; one of A's steps is 1."""
    if a_row == 1:
        for k in range(depth):
            for strip in range(0, rows, TALL):
                copy(
                    a, at + k * a_step + strip, out, strip // TALL * apart + k * TALL, min(TALL, rows - strip)
                )
        return
    for strip in range(0, rows, TALL):
        begin, to = at + strip * a_row, strip // TALL * apart
        for k in range(turned_strip(a, begin, a_row, out, to, depth), depth):
            for i in range(min(TALL, rows - strip)):
                out[to + k * TALL + i] = a[begin + i * a_row + k]


@kernel
def dot(
    lo, hi, a, b, c, left, right, here, m, n, k, a_row, a_step, b_step, b_column, rows, stretch, packs, apart
):
    """Units lo..hi: blocks of `rows` rows of A, each with all panels of columns, `stretch` of K at a time.

    `packs` is 1 where A's strips are brought together, in memory `left`, and `apart` where a panel of B is; one that
    lies at the end of B is too, in memory `right`.  `here` is a 0, the one place where a tile's steps begin.
    """
    width = 2 * (VECTOR_BYTES // c.itemsize)
    count = (n + width - 1) // width
    source_a, step = (left, TALL) if packs else (a, a_step)
    strips_apart = stretch * TALL + LANES
    unit = lo
    while unit < hi:
        i, first = unit // count * rows, unit % count
        last = min(count, first + hi - unit)
        height = min(rows, m - i)
        for k0 in range(0, k, stretch):
            depth, again, a_at = min(stretch, k - k0), 1 if k0 > 0 else 0, i * a_row + k0 * a_step
            if packs:
                _strips(a, a_at, a_row, a_step, height, depth, left, strips_apart)
            for number in range(first, last):
                j = number * width
                cols, b_at, row_step, source = min(width, n - j), k0 * b_step + j * b_column, b_step, b
                # Where B's rows end before the tile does, the next row's numbers stand in for zeros.
                if apart or b_at + (depth - 1) * b_step + width > b.size:
                    panel(b, b_at, b_step, b_column, right, 0, depth, cols)
                    b_at, row_step, source = 0, width, right
                if not packs and a_row != 1:
                    block(
                        a, a_at, a_row, a_step, 0, source, b_at, row_step, 0, 1, depth,
                        c, i * n + j, n, height, cols, again,
                    )  # fmt: skip
                    continue
                for strip in range(0, height, TALL):
                    at = strip // TALL * strips_apart if packs else a_at + strip
                    lined(
                        source_a, at, here, step, source, b_at, row_step, 0, here.size, depth,
                        c, (i + strip) * n + j, n, min(TALL, height - strip), cols, again,
                    )  # fmt: skip
        unit += last - first


@kernel
def rows(lo, hi, a, b, c, n, k, a_row, a_step, strip):
    """Units lo..hi of M · N / strip: Σ over k of a number of A times a row of B, four of them at a time."""
    strips = (n + strip - 1) // strip
    for unit in range(lo, hi):
        i, first = unit // strips, unit % strips * strip
        count, at = min(strip, n - first), i * a_row
        out = c[i * n + first : i * n + first + count]
        whole = k - k % 4
        if k < 4:
            fill(out, 0, count, 0)
        for k0 in range(0, whole, 4):
            x0, x1 = a[at + k0 * a_step], a[at + (k0 + 1) * a_step]
            x2, x3 = a[at + (k0 + 2) * a_step], a[at + (k0 + 3) * a_step]
            from_b = k0 * n + first
            b0, b1 = b[from_b : from_b + count], b[from_b + n : from_b + n + count]
            b2, b3 = b[from_b + 2 * n : from_b + 2 * n + count], b[from_b + 3 * n : from_b + 3 * n + count]
            if k0 == 0:
                for t in range(count):
                    out[t] = x0 * b0[t] + x1 * b1[t] + x2 * b2[t] + x3 * b3[t]
            else:
                for t in range(count):
                    out[t] += x0 * b0[t] + x1 * b1[t] + x2 * b2[t] + x3 * b3[t]
        for k0 in range(whole, k):
            x0, b0 = a[at + k0 * a_step], b[k0 * n + first : k0 * n + first + count]
            for t in range(count):
                out[t] += x0 * b0[t]


@kernel
def columns(lo, hi, a, b, c, k):
    """Columns lo..hi of the one row of C, where B is stored transposed: each a sum along neighbours."""
    for j in range(lo, hi):
        total = c.dtype.type(0)
        row = b[j * k : j * k + k]
        for t in range(k):
            total += a[t] * row[t]
        c[j] = total
