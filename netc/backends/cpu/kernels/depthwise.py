"""Depthwise convolution, each channel with a window of its own: vectors over channels.

`product` does forward and by data, a grid of output pixels (see `netc/backends/cpu/grids.py`).  Along each
axis a grid is (pixels, how far apart they read, how far before the source the first reads, taps, how far
apart these read, the first's number in the window, and the step of the numbers).  Windows that hang over an
edge are cut there: the pixels of a row whose windows are whole along it are done together, the others one
by one.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.channelwise import collect, spread
from netc.backends.cpu.follow import follow
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import add, copy, fill


@helper
def _inside(start, step, taps, size):
    """Which of the taps start, start + step, … lie in 0..size: the first, and the one past the last."""
    first = 0 if start >= 0 else (step - 1 - start) // step
    end = (size - 1 - start) // step + 1 if start < size else 0
    return min(first, taps), max(min(first, taps), min(taps, end))


@helper
def _nothing_seen(y, to, k, bias, low, high):
    """A pixel whose window lies outside: zeros, with their bias and within bounds if there are any."""
    fill(y, to, k, 0)
    for c in range(bias.size):
        x = bias[c]
        y[to + c] = low if x < low else (min(x, high))


@kernel
def product(lo, hi, x, wt, y, bias, low, high, then, source, rows, cols, target, sizes):
    """Blocks lo..hi of `per` rows of all images' grids, and then of `then`, or with a bias and bounds; `s` is the
    window's width.
    """
    s, total, per = sizes
    _n, h, w, c = source
    count_i, step_i, lead_i, taps_i, apart_i, first_i, number_i = rows
    count_j, step_j, lead_j, taps_j, apart_j, first_j, number_j = cols
    height, width, k, first_row, row_stride, first_col, col_stride = target
    # pixels from..to have windows that are whole along the row
    begin = min(count_j, max(0, -(-lead_j // step_j)))
    end = (w - 1 + lead_j - (taps_j - 1) * apart_j) // step_j + 1
    end = max(begin, min(count_j, end)) if taps_j > 0 else begin
    steps = (step_j * c, col_stride * k, apart_i * w * c, apart_j * c, number_i * s * c, number_j * c)
    for row in range(lo * per, min(total, hi * per)):
        image, i = row // count_i, row % count_i
        top = i * step_i - lead_i
        r0, r1 = _inside(top, apart_i, taps_i, h)
        to = ((image * height + first_row + i * row_stride) * width + first_col) * k
        from_x = ((image * h + top + r0 * apart_i) * w - lead_j) * c
        from_w = ((first_i + r0 * number_i) * s + first_j) * c
        j = 0
        while j < count_j:
            together = end - begin if j == begin and end > begin else 1
            s0, s1 = _inside(j * step_j - lead_j, apart_j, taps_j, w)
            if r0 >= r1 or s0 >= s1:
                together = 1
                _nothing_seen(y, to + j * col_stride * k, k, bias, low, high)
            else:
                at = from_x + (j * step_j + s0 * apart_j) * c
                w_at, y_at = from_w + s0 * number_j * c, to + j * col_stride * k
                spread(x, at, wt, w_at, y, y_at, steps, together, c, r1 - r0, s1 - s0, bias, low, high)
            j += together
        if row % per == per - 1 or row == total - 1:
            follow(then, row // per * per * width, (row + 1) * width)


@kernel
def by_weights(lo, hi, x, grad, out, source, rows, cols, parts):
    """Parts lo..hi of the output rows, each a sum `(R, S, C)` of its own."""
    n, h, w, c = source
    count_i, step_i, lead_i, r, apart_i = rows
    count_j, step_j, lead_j, s, apart_j = cols
    size, total = r * s * c, n * count_i
    for part in range(lo, hi):
        fill(out, part * size, size, 0)
        for row in range(total * part // parts, total * (part + 1) // parts):
            image, top = row // count_i, row % count_i * step_i - lead_i
            r0, r1 = _inside(top, apart_i, r, h)
            for ri in range(r0, r1):
                for si in range(s):
                    left = si * apart_j - lead_j
                    j0, j1 = _inside(left, step_j, count_j, w)
                    if j0 >= j1:
                        continue
                    at = ((image * h + top + ri * apart_i) * w + left + j0 * step_j) * c
                    to = part * size + (ri * s + si) * c
                    collect(x, at, grad, (row * count_j + j0) * c, out, to, (step_j * c, c), j1 - j0, c)


@kernel
def total(lo, hi, partial, out, parts, size):
    """Numbers lo..hi of the sum of all parts, in their order."""
    copy(partial, lo, out, lo, hi - lo)
    for part in range(1, parts):
        add(partial, part * size + lo, out, lo, hi - lo)
