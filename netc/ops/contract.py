"""The contractions: matrix products, and the convolution trio (forward, by data, by weights).

    y[n, i, j, k] = Σ over r, s, c of  x[n, i·S + r·D − P, j·S + s·D − P, c] · w[r, s, c, k]

This is a cross-correlation, as networks compute it: the window is not flipped.  With `groups`, output channel k of
group g sees only the input channels of group g.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import Application, Emit, Primitive, Types, Value, elements, known, one_gradient
from netc.ops.windows import Padding, Pair, Sizes, reach, window_count
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")

# ---- dot: matrices, either of them transposed -------------------------------------------------------------


def _dot_type(a: TensorType, b: TensorType, ta: bool = False, tb: bool = False) -> Types:
    rows, inner = a.shape[::-1] if ta else a.shape
    inner_b, cols = b.shape[::-1] if tb else b.shape
    if inner != inner_b:
        raise TypeError(f"{a!r} and {b!r} do not meet: {inner} is not {inner_b}")
    return (TensorType((rows, cols), a.dtype),)


def _dot_meaning(a: Any, b: Any, ta: bool = False, tb: bool = False) -> Any:
    return (a.T if ta else a) @ (b.T if tb else b)


def _dot_macs(inputs: Types, outputs: Types, params: dict[str, Any]) -> int:
    inner = inputs[0].shape[0 if params.get("ta") else 1]
    return elements(outputs[0]) * (inner if isinstance(inner, int) else 1)


def _dot_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    assert not at.params.get("ta") and not at.params.get("tb")  # only the forward product is differentiated
    x, w = at.inputs
    g = one_gradient(gs)
    return b(dot, g, w, tb=True), b(dot, x, g, ta=True)


dot = Primitive(
    "dot",
    _dot_type,
    _dot_meaning,
    _dot_gradient,
    flops=lambda i, o, p: 2 * _dot_macs(i, o, p),
    macs=_dot_macs,
)

# ---- convolution ------------------------------------------------------------------------------------------


def _conv_type(
    x: TensorType, w: TensorType, stride: Pair, pad: Padding, dilation: Pair = (1, 1), groups: int = 1
) -> Types:
    n, h, width, c = x.shape
    r, s, c_group, k = map(known, w.shape)
    if known(c) != c_group * groups or k % groups:
        raise TypeError(f"{groups} groups do not divide {c} into {c_group}, or {k} outputs")
    out_h = window_count(h, reach(r, dilation[0]), stride[0], pad[0])
    out_w = window_count(width, reach(s, dilation[1]), stride[1], pad[1])
    return (TensorType((n, out_h, out_w, k), x.dtype),)


def taps(out: Pair, stride: Pair, dilation: Pair, r: int, s: int) -> tuple[slice, slice, slice, slice]:
    """What tap (r, s) of every window sees, as an index into the padded input `(N, H, W, C)`."""
    top, left = r * dilation[0], s * dilation[1]
    rows = slice(top, top + (out[0] - 1) * stride[0] + 1, stride[0])
    cols = slice(left, left + (out[1] - 1) * stride[1] + 1, stride[1])
    return slice(None), rows, cols, slice(None)


def padded(x: Any, pad: Padding, value: float = 0.0) -> Any:
    """`x` `(N, H, W, C)` with `pad` rows and columns of `value` around it."""
    return np.pad(x, ((0, 0), *pad, (0, 0)), constant_values=value)


def _conv_meaning(
    x: Any, w: Any, stride: Pair, pad: Padding, dilation: Pair = (1, 1), groups: int = 1
) -> Any:
    t = _conv_type(TensorType(x.shape), TensorType(w.shape), stride, pad, dilation, groups)[0]
    n, out_h, out_w, k = t.dims
    xp = padded(x, pad)  # (N, H + P, W + P, C)
    y = np.zeros((n, out_h, out_w, groups, k // groups), x.dtype)
    wg = w.reshape(*w.shape[:3], groups, k // groups)  # (R, S, C / G, G, K / G)
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            seen = xp[taps((out_h, out_w), stride, dilation, r, s)]
            seen = seen.reshape(n, out_h, out_w, groups, -1)  # (N, Ho, Wo, G, C / G)
            y += np.einsum("nijgc,cgk->nijgk", seen, wg[r, s], optimize=True)
    return y.reshape(n, out_h, out_w, k)


def _conv_macs(inputs: Types, outputs: Types, _params: dict[str, Any]) -> int:
    r, s, c_group, _ = map(known, inputs[1].shape)
    return elements(outputs[0]) * r * s * c_group


def _conv_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    x, w = at.inputs
    g = one_gradient(gs)
    size = tuple(map(known, x.type.shape[1:3]))
    window = tuple(map(known, w.type.shape[:2]))
    return b(conv_data, g, w, size=size, **at.params), b(conv_weights, x, g, window=window, **at.params)


conv = Primitive(
    "conv",
    _conv_type,
    _conv_meaning,
    _conv_gradient,
    flops=lambda i, o, p: 2 * _conv_macs(i, o, p),
    macs=_conv_macs,
)


def _conv_data_type(
    g: TensorType,
    w: TensorType,
    size: Sizes,
    stride: Pair,
    pad: Padding,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Types:
    return (TensorType((g.shape[0], *size, known(w.shape[2]) * groups), g.dtype),)


def _conv_data_meaning(
    g: Any, w: Any, size: Pair, stride: Pair, pad: Padding, dilation: Pair = (1, 1), groups: int = 1
) -> Any:
    n, out_h, out_w, k = g.shape
    (top, bottom), (left, right) = pad
    h, width = size
    xp = np.zeros((n, h + top + bottom, width + left + right, groups, w.shape[2]), g.dtype)
    gg = g.reshape(n, out_h, out_w, groups, k // groups)
    wg = w.reshape(*w.shape[:3], groups, k // groups)  # (R, S, C / G, G, K / G)
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            at = taps((out_h, out_w), stride, dilation, r, s)
            xp[at] += np.einsum("nijgk,cgk->nijgc", gg, wg[r, s], optimize=True)
    return np.ascontiguousarray(xp[:, top : top + h, left : left + width]).reshape(n, h, width, -1)


def _conv_data_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    """Of a transposed convolution: `conv` goes back, and the two operands of `conv_weights` change places."""
    x, w = at.inputs
    g = one_gradient(gs)
    params = {name: value for name, value in at.params.items() if name != "size"}
    window = tuple(map(known, w.type.shape[:2]))
    return b(conv, g, w, **params), b(conv_weights, g, x, window=window, **params)


def _conv_weights_type(
    x: TensorType,
    g: TensorType,
    window: Pair,
    stride: Pair,
    pad: Padding,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Types:
    return (TensorType((*window, known(x.shape[3]) // groups, g.shape[3]), x.dtype),)


def _conv_weights_meaning(
    x: Any, g: Any, window: Pair, stride: Pair, pad: Padding, dilation: Pair = (1, 1), groups: int = 1
) -> Any:
    n, out_h, out_w, k = g.shape
    xp = padded(x, pad)
    gg = g.reshape(n, out_h, out_w, groups, k // groups)
    out = np.empty((*window, x.shape[3] // groups, k), x.dtype)
    for r in range(window[0]):
        for s in range(window[1]):
            seen = xp[taps((out_h, out_w), stride, dilation, r, s)]
            seen = seen.reshape(n, out_h, out_w, groups, -1)
            out[r, s] = np.einsum("nijgc,nijgk->cgk", seen, gg, optimize=True).reshape(-1, k)
    return out


def _conv_data_macs(inputs: Types, _outputs: Types, _params: dict[str, Any]) -> int:
    r, s, c_group, _ = map(known, inputs[1].shape)
    return elements(inputs[0]) * r * s * c_group


def _conv_weights_macs(inputs: Types, outputs: Types, _params: dict[str, Any]) -> int:
    return elements(inputs[1]) * prod(map(known, outputs[0].shape[:3]))


#: The gradient of `conv` by its input of height and width `size`: each window gives back what it took.  Forward,
#: it is the transposed convolution.
conv_data = Primitive(
    "conv_data",
    _conv_data_type,
    _conv_data_meaning,
    _conv_data_gradient,
    flops=lambda i, o, p: 2 * _conv_data_macs(i, o, p),
    macs=_conv_data_macs,
)
#: The gradient of `conv` by its weights of height and width `window`.
conv_weights = Primitive(
    "conv_weights",
    _conv_weights_type,
    _conv_weights_meaning,
    flops=lambda i, o, p: 2 * _conv_weights_macs(i, o, p),
    macs=_conv_weights_macs,
)
