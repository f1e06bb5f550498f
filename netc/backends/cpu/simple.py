"""Which kernels do what is neither a contraction nor pointwise: pools, sums, norms, softmax, moves, masks."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netc.backends.cpu.blocks import ROWS, STRIP, TURNED
from netc.backends.cpu.call import ALONE, Along, Borrow, Bound, Call, Own, block_of
from netc.backends.cpu.emit import Kernel, kernels
from netc.ops.pool import window_sizes
from netc.ops.shape import summed_axes

# ---- Pools ------------------------------------------------------------------------------------------------


def _pool_sizes(b: Bound, x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    p = b.params
    top, left = p["pad"][0][0], p["pad"][1][0]
    dilation = p.get("dilation", (1, 1))
    return (*x, *y[1:3], *p["kernel"], *p["stride"], top, left, *dilation)


_NOWHERE = np.empty(0, np.uint8)  # no places


def maxpool(b: Bound) -> list[Call]:
    """Output rows of all images in parallel."""
    return [_largest(b, kernels("pool").largest, _NOWHERE)]


def maxpool_placed(b: Bound) -> list[Call]:
    """As `maxpool`."""
    return [_largest(b, kernels("pool").largest_placed, b.outputs[1])]


def _largest(b: Bound, kernel: Kernel, places: Any) -> Call:
    n, ho = b.out()[:2]
    g = _pool_sizes(b, b.shape(0), b.out())
    return Call(kernel, n * ho, (b.inputs[0], b.outputs[0], places, g), b.work)


def maxpool_grad(b: Bound) -> list[Call]:
    """Images in parallel: windows overlap, images do not."""
    g = _pool_sizes(b, b.shape(0), b.shape(1))
    (x, grad), (dx,) = b.inputs, b.outputs
    return [Call(kernels("pool").largest_grad, g[0], (x, _NOWHERE, grad, dx, g), b.work)]


def unpool(b: Bound) -> list[Call]:
    """As `maxpool_grad`."""
    g = _pool_sizes(b, b.out(), b.shape(0))
    (places, grad), (dx,) = b.inputs, b.outputs
    return [Call(kernels("pool").unpool, g[0], (dx[:0], places, grad, dx, g), b.work)]


def _shares(b: Bound, x: tuple[int, ...], y: tuple[int, ...]) -> Any:
    """The weight of each number of a window: `(Ho · Wo,)`."""
    p = b.params
    counted = p.get("count_pad", True)
    rows, cols = (
        window_sizes(x[i + 1], y[i + 1], p["kernel"][i], p["stride"][i], p["pad"][i], counted) for i in (0, 1)
    )
    return (1 / np.outer(rows, cols)).reshape(-1).astype(b.outputs[0].dtype)


def avgpool(b: Bound) -> list[Call]:
    """Output rows of all images in parallel."""
    x, y = b.shape(0), b.out()
    args = (*b.inputs, _shares(b, x, y), *b.outputs, _pool_sizes(b, x, y))
    return [Call(kernels("pool").mean, y[0] * y[1], args, b.work)]


def avgpool_grad(b: Bound) -> list[Call]:
    """Images in parallel."""
    x, y = b.out(), b.shape(0)
    args = (*b.inputs, _shares(b, x, y), *b.outputs, _pool_sizes(b, x, y))
    return [Call(kernels("pool").mean_grad, x[0], args, b.work)]


# ---- Sums and repeats ------------------------------------------------------------------------------------


def _three_axes(whole: tuple[int, ...], part: tuple[int, ...]) -> tuple[int, int, int]:
    """`whole` as `(outer, summed, inner)`; the axes that `part` lacks must lie together."""
    axes = [i for i in summed_axes(whole, part) if whole[i] > 1]
    if not axes:
        return prod(whole), 1, 1
    first, last = axes[0], axes[-1]
    if any(size > 1 and i not in axes for i, size in enumerate(whole[: last + 1]) if i >= first):
        raise ValueError(f"the CPU backend sums neighbouring axes only, not {whole} to {part}")
    return prod(whole[:first]), prod(whole[first : last + 1]), prod(whole[last + 1 :])


def sum_to(b: Bound) -> list[Call]:
    """Sums over outer, middle or last axes."""
    outer, rows, inner = _three_axes(b.shape(0), b.out())
    k = kernels("reduce")
    if inner == 1:
        return [Call(k.last, outer, (*b.inputs, *b.outputs, rows), b.work)]
    strips = -(-inner // STRIP)
    sums = Own(STRIP, b.outputs[0].dtype)
    return [Call(k.middle, outer * strips, (*b.inputs, *b.outputs, sums, rows, inner), b.work)]


def spread(b: Bound) -> list[Call]:
    """Repeats along outer, middle or last axes."""
    outer, rows, inner = _three_axes(b.out(), b.shape(0))
    k = kernels("move")
    if inner == 1:
        return [Call(k.spread_last, outer, (*b.inputs, *b.outputs, rows), b.work)]
    return [Call(k.spread, outer * rows, (*b.inputs, *b.outputs, rows, inner), b.work)]


# ---- Norms and softmax -----------------------------------------------------------------------------------


def _eps(b: Bound) -> Any:
    return b.outputs[0].dtype.type(b.params["eps"])


def _rows(shape: tuple[int, ...]) -> tuple[int, int]:
    return prod(shape[:-1]), shape[-1]


def moments(b: Bound) -> list[Call]:
    """Blocks of rows in parallel, of a size that follows from the shape alone; then their moments become one."""
    rows, _ = _rows(b.shape(0))
    return list(_moments(b, min(max(-(-rows // 32), 16), ROWS)))


def moments_along(b: Bound, pixels: int) -> Along:
    """The same, block by block behind a kernel that finishes so many pixels at a time."""
    block = block_of(pixels)
    if not block:
        return ALONE
    blocks, whole = _moments(b, block)
    return Along(blocks, 1, block, (whole,))


def _moments(b: Bound, block: int) -> tuple[Call, Call]:
    rows, c = _rows(b.shape(0))
    k = kernels("reduce")
    parts = -(-rows // block)
    partial = Borrow(parts * 2 * c, b.outputs[0].dtype)
    blocks = Call(k.moments, parts, (*b.inputs, partial, rows, block, c), b.work)
    return blocks, Call(k.whole_moments, c, (partial, *b.outputs, rows, block, c), 2 * partial.nbytes)


def batch_norm(b: Bound) -> list[Call]:
    """Rows in parallel."""
    rows, c = _rows(b.shape(0))
    scale = Own(c, b.outputs[0].dtype)
    return [Call(kernels("reduce").batch_norm, rows, (*b.inputs, *b.outputs, scale, _eps(b), c), b.work)]


def batch_norm_grad(b: Bound) -> list[Call]:
    """The two sums first, then the data's gradient that needs them."""
    rows, c = _rows(b.shape(0))
    k = kernels("reduce")
    x, gamma, mean, var, g = b.inputs
    dx, dgamma, dbeta = b.outputs
    strip, own, sizes = Own(STRIP, g.dtype), Own(c, g.dtype), (_eps(b), rows, c)
    for_sums = (x, mean, var, g, dgamma, dbeta, strip, strip, *sizes)
    for_data = (x, gamma, mean, var, g, dx, dgamma, dbeta, own, own, own, *sizes)
    return [
        Call(k.batch_norm_sums, -(-c // STRIP), for_sums, b.work),
        Call(k.batch_norm_data, rows, for_data, b.work),
    ]


def _by_rows(name: str, b: Bound, *more: int) -> list[Call]:
    rows, c = _rows(b.shape(0))
    return [Call(getattr(kernels("softmax"), name), rows, (*b.inputs, *b.outputs, c, *more), b.work)]


def softmax(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows("softmax", b)


def softmax_grad(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows("softmax_grad", b)


def softmax_xent(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows("xent", b)


def softmax_xent_grad(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows("xent_grad", b)


def in_top(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows("in_top", b, b.params["k"])


# ---- Moves -----------------------------------------------------------------------------------------------


def swap(b: Bound) -> list[Call]:
    """Strips of the exchanged axis in parallel, or its rows where stretches are exchanged."""
    shape, axis = b.shape(0), b.params.get("axis", 1)
    batch, (p, q), inner = prod(shape[:axis]), shape[axis : axis + 2], prod(shape[axis + 2 :])
    k = kernels("move")
    if inner > 1:
        return [Call(k.swap_rows, batch * q, (*b.inputs, *b.outputs, p, q, inner), b.work)]
    return [Call(k.swap, batch * -(-q // TURNED), (*b.inputs, *b.outputs, p, q), b.work)]


def concat(b: Bound) -> list[Call]:
    """One call for each operand."""
    axis, whole = b.params["axis"], b.out()
    rows, row = prod(whole[:axis]), prod(whole[axis:])
    calls: list[Call] = []
    start = 0
    for i, x in enumerate(b.inputs):
        width = prod(b.shape(i)[axis:])
        args = (x, *b.outputs, width, 0, row, start, width)
        calls.append(Call(kernels("move").stretch, rows, args, 2 * x.nbytes))
        start += width
    return calls


def cut(b: Bound) -> list[Call]:
    """A stretch of each row."""
    axis, whole = b.params["axis"], b.shape(0)
    rows, row, width = prod(whole[:axis]), prod(whole[axis:]), prod(b.out()[axis:])
    start = b.params["start"] * prod(whole[axis + 1 :])
    return [Call(kernels("move").stretch, rows, (*b.inputs, *b.outputs, row, start, width, 0, width), b.work)]


def uncut(b: Bound) -> list[Call]:
    """Each row in its place, zeros around it."""
    axis, whole = b.params["axis"], b.out()
    rows, row, width = prod(whole[:axis]), prod(whole[axis:]), prod(b.shape(0)[axis:])
    start = b.params["start"] * prod(whole[axis + 1 :])
    return [Call(kernels("move").place, rows, (*b.inputs, *b.outputs, width, start, row), b.work)]


def fill(b: Bound) -> list[Call]:
    """Each number by itself."""
    out = b.outputs[0]
    return [Call(kernels("move").constant, out.size, (out, out.dtype.type(b.params["value"])), b.work)]


def dropout_mask(b: Bound) -> list[Call]:
    """Each number by itself."""
    p, out = b.params["p"], b.outputs[0]
    kept = out.dtype.type(1 / (1 - p))
    args = (*b.inputs, out, b.params["stream"], round(p * 2**24), kept)
    return [Call(kernels("move").dropout_mask, out.size, args, 10 * out.size)]
