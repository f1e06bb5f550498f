"""Which kernels do the contractions.  To put a faster kernel in, put it here."""

from __future__ import annotations

from typing import Any

from netc.backends.cpu import winograd
from netc.backends.cpu.call import Borrow, Bound, Call
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.grids import Grid, data_axes, forward_axis
from netc.backends.cpu.threads import WORTH

SEEN = 256 << 10  # bytes of the source that a block of output rows may see
PIXELS = 196  # that it should have at least: many tiles, and little that is left over
MULTIPLIED = 224  # by weights: pixels whose gradients, a panel of them, stay in the first-level cache

Geometry = tuple[int, ...]


def dot(b: Bound) -> list[Call]:
    """Units of work are panels of columns by blocks of rows."""
    k = kernels("dot")
    ta, tb = bool(b.params.get("ta")), bool(b.params.get("tb"))
    m, n = b.out()
    depth = b.shape(0)[0 if ta else 1]
    a_row, a_step = (1, m) if ta else (depth, 1)
    b_step, b_column = (1, depth) if tb else (n, 1)
    width = 2 * (k.VECTOR_BYTES // b.outputs[0].itemsize)
    units = -(-n // width) * -(-m // k.ROWS)
    sizes = (m, n, depth, a_row, a_step, b_step, b_column)
    return [Call(k.dot, units, (*b.inputs, *b.outputs, *sizes), b.work)]


def geometry(b: Bound, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...]) -> Geometry:
    """The sizes that the convolution kernels take: x `(N, H, W, C)`, y `(N, Ho, Wo, K)`, w `(R, S, C/G, K)`,
    strides, leading padding, the padded image's height and width, dilation, groups.
    """
    n, h, width, c = x
    _, ho, wo, k = y
    (top, bottom), (left, right) = b.params["pad"]
    stride, dilation = b.params["stride"], b.params.get("dilation", (1, 1))
    hp, wp = h + top + bottom, width + left + right
    return n, h, width, c, ho, wo, k, *w[:2], *stride, top, left, hp, wp, *dilation, b.params.get("groups", 1)


def _depthwise(g: Geometry) -> bool:
    c, k, groups = g[3], g[6], g[17]
    return groups == c == k and groups > 1


def conv(b: Bound) -> list[Call]:
    """Winograd's algorithm where that does less; else one grid of output pixels, after the weights are packed."""
    if fewer := winograd.forward(b):
        return fewer
    g = geometry(b, b.shape(0), b.shape(1), b.out())
    if _depthwise(g):
        return [Call(kernels("depthwise").forward, g[0] * g[4], (*b.inputs, *b.outputs, g), b.work)]
    r, s, c, k = b.shape(1)
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    _, ho, wo, _ = b.out()
    grid = Grid(forward_axis(ho, r, sh, dh, top), forward_axis(wo, s, sw, dw, left))
    steps = (k, 1, c * k, k // g[17])  # a row of a panel is an input channel, a column an output channel
    return _products(b, [grid], c, k // g[17], steps)


def conv_data(b: Bound) -> list[Call]:
    """The same; the grids are the phases of the strides, and the weights are packed with their channels turned."""
    if fewer := winograd.by_data(b):
        return fewer
    g = geometry(b, b.out(), b.shape(1), b.shape(0))
    if _depthwise(g):
        return [Call(kernels("depthwise").by_data, g[0] * g[1], (*b.inputs, *b.outputs, g), b.work)]
    r, s, c, k = b.shape(1)
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    _, h, w, _ = b.out()
    cols = list(data_axes(w, s, sw, dw, left))
    grids = [Grid(row, col) for row in data_axes(h, r, sh, dh, top) for col in cols]
    steps = (1, k, c * k, k // g[17])
    return _products(b, grids, k // g[17], c, steps)


def _products(b: Bound, grids: list[Grid], rows: int, cols: int, steps: tuple[int, ...]) -> list[Call]:
    """The calls for grids that share the weights' taps.  Panels have `rows`, which are summed over, and `cols`."""
    x, wt = b.inputs
    (out,) = b.outputs
    k = kernels("conv")
    groups, lanes = b.params.get("groups", 1), 2 * (k.VECTOR_BYTES // out.itemsize)
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
    more = (source, layout, _target(b, grid), (groups, rows, cols, run, at, per, shares))
    pixels = source[0] * grid.rows.count * grid.cols.count
    work = 2 * pixels * grid.taps * rows * cols * groups
    return Call(kernels("conv").product, units, (b.inputs[0], packed, b.outputs[0], taps, *more), work)


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
    """Panels of output channels by rows of the window in parallel; where they are few, also parts of the output rows,
    each into sums of its own, which are then added in their order.
    """
    r, s, c, kk = b.out()
    g = geometry(b, b.shape(0), (r, s), b.shape(1))
    if _depthwise(g):
        return [Call(kernels("depthwise").by_weights, r * s, (*b.inputs, *b.outputs, g), b.work)]
    k = kernels("conv")
    out: Any = b.outputs[0]
    (top, _), (left, _) = b.params["pad"]
    (sh, sw), (dh, dw) = b.params["stride"], b.params.get("dilation", (1, 1))
    n, ho, wo, _ = b.shape(1)
    grid = Grid(forward_axis(ho, r, sh, dh, top), forward_axis(wo, s, sw, dw, left))
    source, layout, padded = _source(b, grid)
    groups = g[17]
    taps, run = grid.stretches(grid.cols.extent if padded else source[2], source[3], groups)
    lanes = 2 * (k.VECTOR_BYTES // out.itemsize)
    units = groups * -(-(kk // groups) // lanes) * len(taps)
    parts = 1 if b.threads == 1 or b.work < WORTH or units >= 4 * b.threads else min(4 * b.threads, n * ho)
    joined = not padded and sh == 1 and sw == 1 and source[1:3] == (ho, wo) and len(taps) == 1
    few = min(max(1, MULTIPLIED // wo), n * ho)
    row = sh * source[2] * source[3] * out.itemsize
    per = min(max(1, SEEN // (few * row)) * few, -(-n * ho // few) * few)
    sizes = (groups, c, kk // groups, run, parts, per, few, int(joined))
    if parts == 1:
        return [Call(k.by_weights, units, (*b.inputs, out, taps, source, layout, sizes), b.work)]
    partial = Borrow(parts * out.size, out.dtype)
    shares = Call(k.by_weights, parts * units, (*b.inputs, partial, taps, source, layout, sizes), b.work)
    return [shares, Call(k.total, out.size, (partial, out, parts, out.size), parts * out.nbytes)]
