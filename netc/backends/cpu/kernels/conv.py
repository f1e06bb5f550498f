"""Convolution, forward, by data and by weights, over `(N, H, W, C)`, for any stride, padding, dilation and
groups.
 `product` does forward and by data: a grid of output pixels (see `netc/backends/cpu/grids.py`), some rows
of it at a time, against panels of the weights.  The rows of the source that they see are copied with their
padding around them, so that no window needs a test at an edge; where there is no padding they are read in
place.  The tuples of sizes are made in `netc/backends/cpu/conv.py`.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.follow import follow
from netc.backends.cpu.gather import gathered, lined
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.panels import panel
from netc.backends.cpu.rows import add, copy, fill
from netc.backends.cpu.target import VECTOR_BYTES

DIRECT = 512  # output channels from which rows of the gradient lie too far apart for the first-level cache


@kernel
def pack(lo, hi, wt, order, panels, at, rows, cols, row_step, col_step, tap_step, group_step, groups):
    """The weights as panels `(groups, ceil(cols / width), taps, rows, width)` of two vectors, zeros past
    the last column; lo..hi of groups · panels · taps.  `rows` are summed over; the steps are the weights'.
    """
    width, taps = 2 * (VECTOR_BYTES // panels.itemsize), order.size
    of_group = (cols + width - 1) // width
    for unit in range(lo, hi):
        number, tap = unit // taps, unit % taps
        first = number % of_group * width
        count, to = min(width, cols - first), at + unit * rows * width
        start = number // of_group * group_step + order[tap] * tap_step + first * col_step
        panel(wt, start, row_step, col_step, panels, to, rows, count)


@helper
def _surround(x, image, first, count, out, to, source, cols, top, left):
    """Rows first.. of an image's padded form, `count` of `cols` columns, to `out`."""
    _n, h, w, c = source
    begin, end = max(0, left), min(cols, w + left)
    for row in range(first - top, first - top + count):
        if row < 0 or row >= h or begin >= end:
            fill(out, to, cols * c, 0)
        else:
            fill(out, to, begin * c, 0)
            copy(x, ((image * h + row) * w + begin - left) * c, out, to + begin * c, (end - begin) * c)
            fill(out, to + end * c, (cols - end) * c, 0)
        to += cols * c


@helper
def _look(x, row0, row1, around, reads, each, source, grid):
    """Copies what rows row0..row1 of all images' output pixels see, if it is padded; `reads` are where
    their pixels' windows begin, of every `each`-th.
    """
    _n, h, w, c = source
    rows, row_step, top, row_reach, cols, col_step, left, extent, padded, last, _ = grid
    row, place, t = row0, 0, 0
    while row < row1:
        image, i = row // rows, row % rows
        count = min(rows - i, row1 - row)
        if padded:
            seen = (count - 1) * row_step + row_reach
            _surround(x, image, i * row_step, seen, around, place, source, extent, top, left)
            start, pitch = place, extent * c
            place += seen * pitch
        else:
            start, pitch = ((image * h + i * row_step - top) * w - left) * c, w * c
        for r in range(count):
            for j in range(0, cols, each):
                reads[t] = start + r * row_step * pitch + min(j * col_step, last) * c
                t += 1
        row += count


@kernel
def product(
    lo, hi, x, panels, out, taps, around, reads, writes, bias, low, high, residual, then, source, grid, target, sizes
):  # fmt: skip
    """Units lo..hi: blocks of `per` rows of output pixels, each with `shares` shares of the panels.  If that is one,
    `then` is done with the pixels of a block when they are finished; or tiles add a bias and a residual and keep to
    bounds.

    `around` is memory for what they see, if it is padded; `reads` and `writes` for a number of each pixel.
    """
    rows, cols, last = grid[0], grid[4], grid[10]
    height, width, k, first_row, row_stride, first_col, col_stride = target
    groups, cg, kg, run, at, per, shares = sizes
    lanes = 2 * (VECTOR_BYTES // out.itemsize)
    of_group = (kg + lanes - 1) // lanes
    depth = taps.size * run
    seen = around if grid[8] else x
    ready = -1
    for unit in range(lo, hi):
        block, share = unit // shares, unit % shares
        row0, row1 = block * per, min(source[0] * rows, block * per + per)
        if block != ready:
            ready = block
            _look(x, row0, row1, around, reads, 1, source, grid)
            for row in range(row0, row1):
                to = (row // rows * height + first_row + row % rows * row_stride) * width + first_col
                for j in range(cols):
                    writes[(row - row0) * cols + j] = (to + min(j * col_stride, last)) * k
        for number in range(groups * of_group * share // shares, groups * of_group * (share + 1) // shares):
            group, first = number // of_group, number % of_group * lanes
            count, y_at, b_at = min(lanes, kg - first), group * kg + first, at + number * depth * lanes
            gathered(
                seen, group * cg, reads, taps, panels, b_at, lanes, run * lanes, taps.size, run,
                out, y_at, writes, (row1 - row0) * cols, count, bias, group * kg + first, low, high, residual,
            )  # fmt: skip
        follow(then, row0 * width, row1 * width)


@kernel
def nothing(lo, hi, out, rows, cols, target):
    """Zeros for output rows lo..hi of all images' output pixels that see nothing."""
    height, width, k, first_row, row_stride, first_col, col_stride = target
    for row in range(lo, hi):
        to = (row // rows * height + first_row + row % rows * row_stride) * width + first_col
        for j in range(cols):
            fill(out, (to + j * col_stride) * k, k, 0)


@kernel
def by_weights(lo, hi, x, grad, out, taps, around, starts, panels, source, grid, sizes):
    """Units lo..hi of parts · panels · stretches: the gradient of a stretch of the window's rows for a
    panel of output channels, summed over a part of the output rows.  `per` rows at a time are copied, of
    which `few` are multiplied at a time: a panel of their gradients stays in the first-level cache.

    `around` is memory for what `per` rows see, if it is padded, `starts` for a number of each of them, and `panels`
    for a panel of the gradients of `few`.
    """
    rows, cols, col_step = grid[0], grid[4], grid[5]
    groups, cg, kg, run, parts, per, few, joined = sizes
    lanes, k, total = 2 * (VECTOR_BYTES // out.itemsize), groups * kg, source[0] * rows
    of_group, stretches, size = (kg + lanes - 1) // lanes, taps.size, taps.size * run * k
    units = groups * of_group * stretches
    seen = around if grid[8] else x
    for part in range(lo // units, (hi - 1) // units + 1):
        begin, end = max(lo - part * units, 0), min(hi - part * units, units)
        row_begin, row_end = total * part // parts, total * (part + 1) // parts
        for row in range(row_begin, row_end, few):
            ready = (row - row_begin) % per
            if ready == 0:
                _look(x, row, min(row_end, row + per), around, starts, cols, source, grid)
            now = min(few, row_end - row)
            here, again = starts[ready : ready + now], 1 if row > row_begin else 0
            outer, depth = (1, now * cols) if joined else (now, cols)
            packed = -1
            for unit in range(begin, end):
                number, stretch = unit // stretches, unit % stretches
                group, first = number // of_group, number % of_group * lanes
                count, to = min(lanes, kg - first), group * kg + first
                # Where a row of B is shorter than the tile is wide, numbers of the next pixel stand in for zeros.
                inside = (row + now) * cols * k + lanes <= grad.size
                whole = k < DIRECT and (count == lanes or inside)
                if number != packed and not whole:
                    packed = number
                    panel(grad, row * cols * k + to, k, 1, panels, 0, now * cols, count)
                right, b_at, b_step = (grad, row * cols * k + to, k) if whole else (panels, 0, lanes)
                lined(
                    seen, taps[stretch] + group * cg, here, col_step * source[3],
                    right, b_at, b_step, cols * b_step, outer, depth,
                    out, part * size + stretch * run * k + to, k, run, count, again,
                )  # fmt: skip


@kernel
def picked(lo, hi, x, out, source, size, steps):
    """Output rows lo..hi of all images' pixels that windows of one pixel see, side by side."""
    _n, h, w, c = source
    rows, cols = size
    row_step, top, col_step, left = steps
    for row in range(lo, hi):
        at = ((row // rows * h + row % rows * row_step - top) * w - left) * c
        for j in range(cols):
            copy(x, at + j * col_step * c, out, (row * cols + j) * c, c)


@kernel
def total(lo, hi, partial, out, parts, size):
    """Numbers lo..hi of the sum of all parts, in their order."""
    copy(partial, lo, out, lo, hi - lo)
    for part in range(1, parts):
        add(partial, part * size + lo, out, lo, hi - lo)
