"""Which kernels do a convolution, forward, by data and by weights.  To put a faster kernel in, put it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from netc.backends.cpu import few, winograd
from netc.backends.cpu.call import ALONE, DONE, Borrow, Bound, Call, Own
from netc.backends.cpu.dot import Product, product
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.grids import Grid, data_axes, forward_axis
from netc.backends.cpu.target import VECTOR_BYTES
from netc.backends.cpu.threads import WORTH

SEEN = 256 << 10  # bytes that a block of output rows may see of the source, and write of the result
PIXELS = 196  # that it should have at least: many tiles, and little that is left over
WIDE = 128  # channels from which the weights' gradient of a 1×1 window is a matrix product, which packs its strips
MULTIPLIED = 224  # by weights: pixels whose gradients, a panel of them, stay in the first-level cache
_INT = np.dtype(np.int64)


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
        whole = b if len(grids) == 1 else b.alone
        return [_depthwise_product(whole, grid) for grid in grids]
    if spread := few.spread(b, grids):
        return spread
    kg = k // _groups(b)
    return _products(b, grids, kg, c, (1, k, c * k, kg))  # the other way round


def _groups(b: Bound) -> int:
    return b.params.get("groups", 1)


def _lanes(b: Bound) -> int:
    """Columns of a tile."""
    lanes: int = 2 * (VECTOR_BYTES // b.outputs[0].itemsize)
    return lanes


def _joins(b: Bound) -> bool:
    """Whether pixels may be taken together.  What one does not see is then times 0, which is no zero where it is not
    finite.
    """
    return _groups(b) == 1 and b.math == "fast"


def _depthwise(b: Bound, c: int, k: int) -> bool:
    return c == 1 and k == _groups(b) > 1


def _forward_grid(b: Bound, window: tuple[int, ...], y: tuple[int, ...]) -> Grid:
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    return Grid(forward_axis(y[1], window[0], sh, dh, top), forward_axis(y[2], window[1], sw, dw, left))


def _depthwise_product(b: Bound, grid: Grid) -> Call:
    """Blocks of rows of the grids of all images in parallel.  The taps of an axis are evenly spaced, in the source
    and the window.
    """
    axes: list[tuple[int, ...]] = []
    for axis in (grid.rows, grid.cols):
        offset, number = (axis.taps[1][i] - axis.taps[0][i] if len(axis.taps) > 1 else 1 for i in (0, 1))
        first = axis.taps[0][1] if axis.taps else 0
        axes.append((axis.count, axis.step, axis.lead, len(axis.taps), offset, first, number))
    b = replace(b, finish=None) if b.residual.size else b  # its tiles add none
    total, (_, _, width, channels) = b.shape(0)[0] * grid.rows.count, b.out()
    row = width * channels * b.outputs[0].itemsize
    per = max(1, min(PIXELS // width, SEEN // row, -(-total // (4 * b.threads))))
    sizes = (b.shape(0), *axes, _target(b, grid), (b.shape(1)[1], total, per))
    then = DONE if b.finish else b.along(per * width)
    args = (*b.inputs, *b.outputs, *b.finish_args, then, *sizes)
    return Call(kernels("depthwise").product, -(-total // per), args, b.work)


def _products(b: Bound, grids: list[Grid], rows: int, cols: int, steps: tuple[int, ...]) -> list[Call]:
    """The calls for grids that share the weights' taps.  Panels have `rows`, which are summed over, and
    `cols`.
    """
    groups, lanes = _groups(b), 2 * (VECTOR_BYTES // b.outputs[0].itemsize)
    taken = [
        (grid, few.together(grid, cols, lanes) if groups == 1 and b.math == "fast" else 1) for grid in grids
    ]
    sizes = [
        groups * -(-pixels * cols // lanes) * grid.together(pixels).taps * rows * lanes
        for grid, pixels in taken
    ]
    packed = b.of_weights(sum(sizes))
    packs: list[Call] = []
    products: list[Call] = []
    for (grid, pixels), size, at in zip(taken, sizes, accumulate(sizes, initial=0), strict=False):
        if not grid.taps:
            products.append(_nothing(b, grid))
            continue
        packs.append(_pack(b, grid, pixels, (packed, at, rows, cols, steps), size))
        panels = groups * -(-pixels * cols // lanes)
        whole = b if len(grids) == 1 else b.alone  # one of several grids finishes no row
        whole = whole if pixels == 1 else replace(whole, finish=None)
        products.append(
            _product(whole, grid.together(pixels), packed, at, (groups, rows, pixels * cols, panels))
        )
    return packs + products


def _pack(b: Bound, grid: Grid, pixels: int, panels: tuple[Any, ...], size: int) -> Call:
    """The weights as `size` numbers of panels `(memory, place in it, rows, cols, steps of the weights)`."""
    packed, at, rows, cols, steps = panels
    head = (b.inputs[1], grid.order(b.shape(1)[1]), packed, at, rows, cols)
    work = size * packed.dtype.itemsize
    if pixels > 1:
        window = (len(grid.cols.taps), pixels, grid.cols.step)
        return Call(
            kernels("few").pack, len(grid.rows.taps), (*head, steps[:3], window), work, b.weights_stay
        )
    units = size // (rows * _lanes(b))
    return Call(kernels("conv").pack, units, (*head, *steps, _groups(b)), work, b.weights_stay)


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
    last = (cols.count - 1) * cols.step - cols.short  # where the last pixel reads, and where it is written
    return source, (*sizes, int(padded), last, last * cols.stride // cols.step), padded


def _product(b: Bound, grid: Grid, packed: Any, at: int, sizes: tuple[int, int, int, int]) -> Call:
    groups, rows, cols, panels = sizes
    source, layout, padded = _source(b, grid)
    taps, run = grid.stretches(grid.cols.extent if padded else source[2], source[3], groups)
    per, shares = _blocks(b, grid, source, panels)
    units = -(-source[0] * grid.rows.count // per) * shares
    places = Own(per * grid.cols.count, _INT)  # of as many pixels
    own = (_around(b, grid, per, padded), places, places)
    then = DONE if b.finish else b.along(per * b.out()[2]) if shares == 1 else ALONE
    own = (*own, *b.finish_args, b.residual, then)
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

    What a block sees and writes should stay in the second-level cache while all panels pass by, and it should have
    pixels enough that reading a panel is little beside multiplying it.
    """
    total, width, size = source[0] * grid.rows.count, grid.cols.count, b.outputs[0].itemsize
    row = max(grid.rows.step * source[2] * source[3], width * b.out()[3]) * size
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
    _, _, c, k = b.out()
    grid = _forward_grid(b, b.out()[:2], b.shape(1))
    if _depthwise(b, c, k):
        return _depthwise_weights(b, grid)
    if min(c, k) >= WIDE and _pointwise(b, grid):
        return _by_pixels(b, grid)
    pixels = few.together_by_weights(grid, c, k, _lanes(b)) if _joins(b) else 1
    return _stretches(b, grid.together(pixels), pixels, grid.cols.step)


def _stretches(b: Bound, grid: Grid, pixels: int, step: int) -> list[Call]:
    """Stretches of the window's rows, of a grid whose pixels are so many together that look `step` apart."""
    n, ho, wo = b.shape(1)[0], b.shape(1)[1], grid.cols.count
    out, groups, lanes = b.outputs[0], _groups(b), _lanes(b)
    c, k = b.out()[2], b.out()[3] * pixels
    source, layout, padded = _source(b, grid)
    taps, run = grid.stretches(grid.cols.extent if padded else source[2], source[3], groups)
    units = groups * -(-(k // groups) // lanes) * len(taps)
    parts = 1 if b.threads == 1 or b.work < WORTH or units >= 4 * b.threads else min(4 * b.threads, n * ho)
    joined = not padded and source[1:3] == (ho, wo) and grid.rows.step == grid.cols.step == 1
    at_once = min(max(1, MULTIPLIED // wo), n * ho)
    row = grid.rows.step * source[2] * source[3] * out.itemsize
    per = min(max(1, SEEN // (at_once * row)) * at_once, -(-n * ho // at_once) * at_once)
    own = (_around(b, grid, per, padded), Own(per, _INT), Own(at_once * wo * lanes, out.dtype))
    sizes = (groups, c, k // groups, run, parts, per, at_once, int(joined))

    def args(sums: Any) -> tuple[Any, ...]:
        return (*b.inputs, sums, taps, *own, source, layout, sizes)

    if pixels == 1:
        return _in_parts(b, kernels("conv"), parts, units, args)
    partial = Borrow(parts * len(taps) * run * k, out.dtype)
    into = (partial, out, b.out(), parts, pixels, step)
    return [
        Call(kernels("conv").by_weights, parts * units, args(partial), b.work),
        Call(kernels("few").parted, b.out()[0], into, partial.nbytes),
    ]


def _pointwise(b: Bound, grid: Grid) -> bool:
    """Whether every output pixel sees one input pixel, and all its channels."""
    h, w = b.shape(0)[1:3]
    return grid.taps == _groups(b) == 1 and grid.rows.inside(h) and grid.cols.inside(w)


def _by_pixels(b: Bound, grid: Grid) -> list[Call]:
    """A product of matrices of pixels; those that are seen are brought together first, unless all are."""
    (n, h, w, c), (_, ho, wo, k) = b.shape(0), b.shape(1)
    if (h, w) == (ho, wo):
        return [product(b, Product(b.inputs[0], b.inputs[1], c, k, n * ho * wo, ta=True))]
    seen = Borrow(n * ho * wo * c, b.outputs[0].dtype)
    steps = (grid.rows.step, grid.rows.lead, grid.cols.step, grid.cols.lead)
    picked = Call(
        kernels("conv").picked, n * ho, (b.inputs[0], seen, b.shape(0), (ho, wo), steps), seen.nbytes
    )
    return [picked, product(b, Product(seen, b.inputs[1], c, k, n * ho * wo, ta=True))]


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
