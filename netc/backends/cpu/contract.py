"""Which kernels do the contractions.  To put a faster kernel in, put it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netc.backends.cpu import winograd
from netc.backends.cpu.call import Borrow, Bound, Call, Own
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.grids import Grid, data_axes, forward_axis
from netc.backends.cpu.target import TALL, VECTOR_BYTES
from netc.backends.cpu.threads import WORTH

DEPTH = 1024  # bytes of K that a matrix product takes at a time: a panel of 32 KiB
PAGES = 32  # as many as a processor finds without looking them up, beside those that it writes
BLOCK = 40  # strips of A that one unit of a matrix product takes: they stay in the second-level cache
SEEN = 256 << 10  # bytes of the source that a block of output rows may see
# A result that no cache holds, of few steps, is written row by row: panels of its columns would come back to each page.
SHALLOW, LARGE = 64, 4 << 20
WIDE = 256  # channels from which the weights' gradient of a 1×1 window is a matrix product, which packs its strips
PIXELS = 196  # that it should have at least: many tiles, and little that is left over
MULTIPLIED = 224  # by weights: pixels whose gradients, a panel of them, stay in the first-level cache
_HERE = np.zeros(1, np.int64)  # the one place where the steps of a matrix product's tile begin
_INT = _HERE.dtype


def dot(b: Bound) -> list[Call]:
    """Panels of columns by blocks of rows in parallel; stretches of memory where nothing is used twice."""
    k = kernels("dot")
    ta, tb = bool(b.params.get("ta")), bool(b.params.get("tb"))
    m, n = b.out()
    depth = b.shape(0)[0 if ta else 1]
    arrays = (*b.inputs, *b.outputs)
    if tb and m == 1:
        return [Call(k.columns, n, (*arrays, depth), b.work)]
    a_row, a_step = (1, m) if ta else (depth, 1)
    size = b.outputs[0].itemsize
    if not tb and (m == 1 or depth <= 2):
        strip = 4096 // size  # of a row: what is added to stays in the first-level cache
        return [Call(k.rows, m * -(-n // strip), (*arrays, n, depth, a_row, a_step, strip), b.work)]
    return [_matrices(b, m, n, depth, ta=ta, tb=tb)]


def _matrices(b: Bound, m: int, n: int, depth: int, *, ta: bool, tb: bool) -> Call:
    """A `(m, depth)` times B `(depth, n)`, as they lie in memory or transposed."""
    a_row, a_step = (1, m) if ta else (depth, 1)
    b_step, b_column = (1, depth) if tb else (n, 1)
    out: Any = b.outputs[0]
    size = out.itemsize
    width = 2 * (VECTOR_BYTES // size)
    panels = -(-n // width)
    blocks = -(-m // (BLOCK * TALL))
    if panels < 4 * b.threads and m >= 4 * b.threads * TALL:
        blocks = max(blocks, b.threads)
    rows = -(-m // (blocks * TALL)) * TALL
    if not tb and depth <= SHALLOW and out.nbytes > LARGE:
        rows = TALL
    units, rows = panels * -(-m // rows), min(m, rows)
    packs = panels >= 8 and (depth >= 128 or not ta)
    apart = b_column != 1 or rows > 8 * TALL
    # Where few rows leave memory to wait for, panels that are not brought together read the same pages of B in turn.
    stretch = DEPTH // size if apart or rows > 2 * TALL else PAGES
    if tb and rows <= 8 * TALL:
        stretch *= 4  # a panel's columns lie in memory as rows, and long ones come sooner
    left, right = Own((rows + TALL) * stretch if packs else 0, out.dtype), Own(stretch * width, out.dtype)
    sizes = (m, n, depth, a_row, a_step, b_step, b_column, rows, stretch, int(packs), int(apart))
    return Call(kernels("dot").dot, units, (*b.inputs, out, left, right, _HERE, *sizes), b.work)


# ---- Convolutions -------------------------------------------------------------------------------------------


def conv(b: Bound) -> list[Call]:
    """Winograd's algorithm where that does less; else one grid of output pixels."""
    if fewer := winograd.forward(b):
        return fewer
    grid = _forward_grid(b, b.shape(1)[:2], b.out())
    _, _, c, k = b.shape(1)
    if _depthwise(b, c, k):
        return [_depthwise_product(b, grid)]
    kg = k // _groups(b)
    steps = (k, 1, c * k, kg)  # a row of a panel is an input channel, a column an output channel
    return _products(b, [grid], c, kg, steps)


def conv_data(b: Bound) -> list[Call]:
    """The same; the grids are the phases of the strides, and the weights are packed with their channels turned."""
    if fewer := winograd.by_data(b):
        return fewer
    r, s, c, k = b.shape(1)
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    _, h, w, _ = b.out()
    cols = list(data_axes(w, s, sw, dw, left))
    grids = [Grid(row, col) for row in data_axes(h, r, sh, dh, top) for col in cols]
    if _depthwise(b, c, k):
        return [_depthwise_product(b, grid) for grid in grids]
    kg = k // _groups(b)
    return _products(b, grids, kg, c, (1, k, c * k, kg))  # the other way round


def _groups(b: Bound) -> int:
    return b.params.get("groups", 1)


def _depthwise(b: Bound, c: int, k: int) -> bool:
    return c == 1 and k == _groups(b) > 1


def _forward_grid(b: Bound, window: tuple[int, ...], y: tuple[int, ...]) -> Grid:
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    return Grid(forward_axis(y[1], window[0], sh, dh, top), forward_axis(y[2], window[1], sw, dw, left))


def _depthwise_product(b: Bound, grid: Grid) -> Call:
    """Rows of the grids of all images in parallel.  The taps of an axis are evenly spaced, in the source
    and the window.
    """
    axes: list[tuple[int, ...]] = []
    for axis in (grid.rows, grid.cols):
        offset, number = (axis.taps[1][i] - axis.taps[0][i] if len(axis.taps) > 1 else 1 for i in (0, 1))
        first = axis.taps[0][1] if axis.taps else 0
        axes.append((axis.count, axis.step, axis.lead, len(axis.taps), offset, first, number))
    args = (*b.inputs, *b.outputs, b.shape(0), *axes, _target(b, grid), b.shape(1)[1])
    return Call(kernels("depthwise").product, b.shape(0)[0] * grid.rows.count, args, b.work)


def _products(b: Bound, grids: list[Grid], rows: int, cols: int, steps: tuple[int, ...]) -> list[Call]:
    """The calls for grids that share the weights' taps.  Panels have `rows`, which are summed over, and
    `cols`.
    """
    wt = b.inputs[1]
    (out,) = b.outputs
    k = kernels("conv")
    groups, lanes = _groups(b), 2 * (VECTOR_BYTES // out.itemsize)
    panels = groups * -(-cols // lanes)
    of_tap = panels * rows * lanes
    window = b.shape(1)[1]
    packed = Borrow(sum(grid.taps for grid in grids) * of_tap, out.dtype)
    packs: list[Call] = []
    products: list[Call] = []
    at = 0
    for grid in grids:
        if not grid.taps:
            products.append(_nothing(b, grid))
            continue
        order = grid.order(window)
        args = (wt, order, packed, at, rows, cols, *steps, groups)
        packs.append(Call(k.pack, panels * grid.taps, args, grid.taps * of_tap * out.itemsize))
        products.append(_product(b, grid, packed, at, (groups, rows, cols, panels)))
        at += grid.taps * of_tap
    return packs + products


def _target(b: Bound, grid: Grid) -> tuple[int, ...]:
    _, height, width, channels = b.out()
    return height, width, channels, grid.rows.first, grid.rows.stride, grid.cols.first, grid.cols.stride


def _nothing(b: Bound, grid: Grid) -> Call:
    rows, cols, n = grid.rows.count, grid.cols.count, b.out()[0]
    args = (*b.outputs, rows, cols, _target(b, grid))
    return Call(kernels("conv").nothing, n * rows, args, n * rows * cols * b.out()[3] * b.outputs[0].itemsize)


def _source(b: Bound, grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """The sizes of the operand and of the grid as the kernels take them, and whether rows of it are copied."""
    source, rows, cols = b.shape(0), grid.rows, grid.cols
    padded = not (rows.inside(source[1]) and cols.inside(source[2]))
    sizes = (rows.count, rows.step, rows.lead, rows.reach, cols.count, cols.step, cols.lead, cols.extent)
    return source, (*sizes, int(padded)), padded


def _product(b: Bound, grid: Grid, packed: Borrow, at: int, sizes: tuple[int, int, int, int]) -> Call:
    groups, rows, cols, panels = sizes
    source, layout, padded = _source(b, grid)
    taps, run = grid.stretches(grid.cols.extent if padded else source[2], source[3], groups)
    per, shares = _blocks(b, grid, source, panels)
    units = -(-source[0] * grid.rows.count // per) * shares
    places = Own(per * grid.cols.count, _INT)  # of as many pixels
    own = (_around(b, grid, per, padded), places, places)
    more = (source, layout, _target(b, grid), (groups, rows, cols, run, at, per, shares))
    pixels = source[0] * grid.rows.count * grid.cols.count
    work = 2 * pixels * grid.taps * rows * cols * groups
    return Call(kernels("conv").product, units, (b.inputs[0], packed, b.outputs[0], taps, *own, *more), work)


def _around(b: Bound, grid: Grid, per: int, padded: bool) -> Own:
    """Memory for what `per` rows of output pixels see, if it is padded: they may be of several images."""
    rows = grid.rows
    images = min((per + rows.count - 2) // rows.count + 1, per)
    seen = (per * rows.step + images * rows.reach) * grid.cols.extent * b.shape(0)[3]
    return Own(seen if padded else 0, b.outputs[0].dtype)


def _blocks(b: Bound, grid: Grid, source: tuple[int, ...], panels: int) -> tuple[int, int]:
    """How many rows of output pixels are one block, and into how many shares its panels fall.

    What a block sees should stay in the second-level cache while all panels pass by, and a block should have pixels
    enough that reading a panel is little beside multiplying it.
    """
    total, width, size = source[0] * grid.rows.count, grid.cols.count, b.outputs[0].itemsize
    row = grid.rows.step * source[2] * source[3] * size
    per = max(1, -(-PIXELS // width), SEEN // row)
    blocks = -(-total // per)
    if b.threads == 1 or blocks >= 8 * b.threads:
        return min(per, total), 1
    blocks = -(-blocks // b.threads) * b.threads
    smaller = max(1, -(-total // blocks))
    if smaller * width >= PIXELS:
        return smaller, 1
    return min(per, total), min(panels, 4 * b.threads)


def conv_weights(b: Bound) -> list[Call]:
    """Panels of output channels by rows of the window in parallel; where they are few, also parts of the
    output rows, each into sums of its own, which are then added in their order.
    """
    if fewer := winograd.by_weights(b):
        return fewer
    _, _, c, kk = b.out()
    k = kernels("conv")
    out: Any = b.outputs[0]
    n, ho, wo, _ = b.shape(1)
    grid = _forward_grid(b, b.out()[:2], b.shape(1))
    groups = _groups(b)
    if _depthwise(b, c, kk):
        return _depthwise_weights(b, grid)
    if _pointwise(b, grid) and min(c, kk) >= WIDE:
        return [_matrices(b, c, kk, n * ho * wo, ta=True, tb=False)]
    source, layout, padded = _source(b, grid)
    taps, run = grid.stretches(grid.cols.extent if padded else source[2], source[3], groups)
    lanes = 2 * (VECTOR_BYTES // out.itemsize)
    units = groups * -(-(kk // groups) // lanes) * len(taps)
    parts = 1 if b.threads == 1 or b.work < WORTH or units >= 4 * b.threads else min(4 * b.threads, n * ho)
    joined = not padded and source[1:3] == (ho, wo) and grid.rows.step == grid.cols.step == 1
    few = min(max(1, MULTIPLIED // wo), n * ho)
    row = grid.rows.step * source[2] * source[3] * out.itemsize
    per = min(max(1, SEEN // (few * row)) * few, -(-n * ho // few) * few)
    own = (_around(b, grid, per, padded), Own(per, _INT), Own(few * wo * lanes, out.dtype))
    sizes = (groups, c, kk // groups, run, parts, per, few, int(joined))
    return _in_parts(b, k, parts, units, lambda sums: (*b.inputs, sums, taps, *own, source, layout, sizes))


def _pointwise(b: Bound, grid: Grid) -> bool:
    """Whether every output pixel sees the input pixel of its place, and all its channels."""
    n, ho, wo, _ = b.shape(1)
    same = b.shape(0)[:3] == (n, ho, wo) and len(grid.rows.taps) == len(grid.cols.taps) == 1
    return same and _groups(b) == 1 and grid.rows.step == grid.cols.step == 1


def _depthwise_weights(b: Bound, grid: Grid) -> list[Call]:
    """Parts of the output rows in parallel."""
    n, dilation = b.shape(0)[0], b.params.get("dilation", (1, 1))
    parts = 1 if b.threads == 1 or b.work < WORTH else min(4 * b.threads, n * grid.rows.count)
    axes = [
        (axis.count, axis.step, axis.lead, len(axis.taps), apart)
        for axis, apart in zip((grid.rows, grid.cols), dilation, strict=True)
    ]
    return _in_parts(
        b, kernels("depthwise"), parts, 1, lambda sums: (*b.inputs, sums, b.shape(0), *axes, parts)
    )


def _in_parts(b: Bound, k: Any, parts: int, units: int, args: Callable[[Any], tuple[Any, ...]]) -> list[Call]:
    """`by_weights` into the result, or into sums of `parts` parts and then their total."""
    out: Any = b.outputs[0]
    if parts == 1:
        return [Call(k.by_weights, units, args(out), b.work)]
    partial = Borrow(parts * out.size, out.dtype)
    total = Call(k.total, out.size, (partial, out, parts, out.size), parts * out.nbytes)
    return [Call(k.by_weights, parts * units, args(partial), b.work), total]
