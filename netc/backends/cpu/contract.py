"""Which kernels do the contractions.  To put a faster kernel in, put it here."""

from __future__ import annotations

from typing import Any

from netc.backends.cpu import winograd
from netc.backends.cpu.call import Borrow, Bound, Call
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.threads import WORTH

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
    """Output rows of all images in parallel."""
    if fewer := winograd.forward(b):
        return fewer
    g = geometry(b, b.shape(0), b.shape(1), b.out())
    name = "depthwise" if _depthwise(g) else "conv"
    return [Call(kernels(name).forward, g[0] * g[4], (*b.inputs, *b.outputs, g), b.work)]


def conv_data(b: Bound) -> list[Call]:
    """Images in parallel; the weights are transposed first."""
    if fewer := winograd.by_data(b):
        return fewer
    g = geometry(b, b.out(), b.shape(1), b.shape(0))
    if _depthwise(g):
        return [Call(kernels("depthwise").by_data, g[0] * g[1], (*b.inputs, *b.outputs, g), b.work)]
    grad, weights = b.inputs
    turned = Borrow(weights.size, weights.dtype)
    k = kernels("conv")
    turn = Call(k.turn, g[6], (weights, turned, weights.size // g[6], g[6]), weights.nbytes)
    return [turn, Call(k.by_data, g[0], (grad, turned, *b.outputs, g), b.work)]


def conv_weights(b: Bound) -> list[Call]:
    """Shares of the images in parallel, each into sums of its own, which are then added in their order."""
    if fewer := winograd.by_weights(b):
        return fewer
    r, s = b.out()[:2]
    g = geometry(b, b.shape(0), (r, s), b.shape(1))
    if _depthwise(g):
        return [Call(kernels("depthwise").by_weights, r * s, (*b.inputs, *b.outputs, g), b.work)]
    k = kernels("conv")
    out: Any = b.outputs[0]
    parts = min(b.threads, g[0]) if b.work >= WORTH else 1
    if parts == 1:
        return [Call(k.by_weights, 1, (*b.inputs, out, 1, g), b.work)]
    partial = Borrow(parts * out.size, out.dtype)
    shares = Call(k.by_weights, parts, (*b.inputs, partial, parts, g), b.work)
    return [shares, Call(k.total, out.size, (partial, out, parts, out.size), parts * out.nbytes)]
