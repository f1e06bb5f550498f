"""Pooling: the largest value of a window, or its mean.  Windows run over `(N, H, W, C)`, each channel for itself."""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.contract import padded, taps
from netc.ops.primitive import Application, Emit, Primitive, Types, Value, elements, known, one_gradient
from netc.ops.windows import Padding, Pair, reach, window_count
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _pool_type(
    x: TensorType,
    kernel: Pair,
    stride: Pair,
    pad: Padding,
    dilation: Pair = (1, 1),
    ceil: bool = False,
    **_: Any,
) -> Types:
    n, h, w, c = x.shape
    out_h = window_count(h, reach(kernel[0], dilation[0]), stride[0], pad[0], ceil)
    out_w = window_count(w, reach(kernel[1], dilation[1]), stride[1], pad[1], ceil)
    return (TensorType((n, out_h, out_w, c), x.dtype),)


def _pool_flops(_inputs: Types, outputs: Types, params: dict[str, Any]) -> int:
    return elements(outputs[0]) * params["kernel"][0] * params["kernel"][1]


def hang_over(size: Pair, out: Pair, kernel: Pair, stride: Pair, pad: Padding, dilation: Pair) -> Padding:
    """The padding that makes every window lie inside: with `ceil` the last may hang over the end."""
    need = tuple((o - 1) * s + reach(k, d) for o, s, k, d in zip(out, stride, kernel, dilation, strict=True))
    (top, bottom), (left, right) = pad
    return (top, max(bottom, need[0] - size[0] - top)), (left, max(right, need[1] - size[1] - left))


def _windows(x: Any, fill: float, **params: Any) -> tuple[Any, Padding]:
    """All taps of all windows: `(R·S, N, Ho, Wo, C)`, and the padding they were taken with."""
    kernel, stride, dilation = params["kernel"], params["stride"], params.get("dilation", (1, 1))
    _, out_h, out_w, _ = _pool_type(TensorType(x.shape), **params)[0].dims
    out = (out_h, out_w)
    wide = hang_over(x.shape[1:3], out, kernel, stride, params["pad"], dilation)
    xp = padded(x, wide, fill)
    seen = [xp[taps(out, stride, dilation, r, s)] for r in range(kernel[0]) for s in range(kernel[1])]
    return np.stack(seen), wide


def _give_back(shares: Any, size: Pair, kernel: Pair, stride: Pair, wide: Padding, dilation: Pair) -> Any:
    """The transpose of `_windows`: shares `(R·S, N, Ho, Wo, C)` added up at the inputs they came from."""
    (top, bottom), (left, right) = wide
    _, n, out_h, out_w, c = shares.shape
    xp = np.zeros((n, size[0] + top + bottom, size[1] + left + right, c), shares.dtype)
    for i, share in enumerate(shares):
        xp[taps((out_h, out_w), stride, dilation, i // kernel[1], i % kernel[1])] += share
    return np.ascontiguousarray(xp[:, top : top + size[0], left : left + size[1]])


# ---- Max -------------------------------------------------------------------------------------------------


def _max_meaning(x: Any, **params: Any) -> Any:
    return _windows(x, -np.inf, **params)[0].max(axis=0)


def _max_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(maxpool_grad, at.inputs[0], one_gradient(gs), **at.params),)


def _places(x: Any, **params: Any) -> tuple[Any, Any]:
    """The largest values, and which tap each is: of equal ones, or of NaN, the first that is no padding."""
    seen, _ = _windows(x, -np.inf, **params)
    inside, _ = _windows(np.ones_like(x), 0, **params)
    best = seen.max(axis=0)
    return best, (((seen == best) | np.isnan(seen)) & (inside > 0)).argmax(axis=0)


def _max_grad_meaning(x: Any, g: Any, **params: Any) -> Any:
    return _unpool_meaning(_places(x, **params)[1], g, x.shape[1:3], **params)


def _placed_type(x: TensorType, **params: Any) -> Types:
    (y,) = _pool_type(x, **params)
    return y, TensorType(y.shape, "byte")


def _placed_meaning(x: Any, **params: Any) -> Any:
    best, places = _places(x, **params)
    return best, places.astype(np.uint8)


def _unpool_type(places: TensorType, g: TensorType, size: Pair, **_params: Any) -> Types:
    return (TensorType((g.shape[0], *size, g.shape[3]), g.dtype),)


def _unpool_meaning(
    places: Any,
    g: Any,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    pad: Padding,
    dilation: Pair = (1, 1),
    ceil: bool = False,
) -> Any:
    del ceil  # the number of windows is the gradient's own
    wide = hang_over(size, g.shape[1:3], kernel, stride, pad, dilation)
    shares = np.where(np.arange(kernel[0] * kernel[1])[:, None, None, None, None] == places, g, 0)
    return _give_back(shares.astype(g.dtype), size, kernel, stride, wide, dilation)


maxpool = Primitive("maxpool", _pool_type, _max_meaning, _max_gradient, flops=_pool_flops)
#: The gradient goes to the largest value of each window; of equal ones to the first in reading order.
maxpool_grad = Primitive("maxpool_grad", lambda x, g, **params: (x,), _max_grad_meaning)
#: The largest values, and which of a window's taps each is, in reading order: at most 256 can be told apart.
maxpool_placed = Primitive("maxpool_placed", _placed_type, _placed_meaning, flops=_pool_flops)
#: `maxpool_grad` by the places, without the values.
unpool = Primitive("unpool", _unpool_type, _unpool_meaning)

# ---- Mean -------------------------------------------------------------------------------------------------


def window_sizes(size: int, out: int, kernel: int, stride: int, pad: Pair, count_pad: bool) -> list[int]:
    """How many elements each window of one axis is divided by.

    Padding counts where `count_pad`, but never what hangs over its end.

    >>> window_sizes(3, 2, 2, 2, (0, 0), True), window_sizes(4, 3, 2, 2, (1, 1), False)
    ([2, 1], [1, 2, 1])
    """
    low, high = (-pad[0], size + pad[1]) if count_pad else (0, size)
    starts = [i * stride - pad[0] for i in range(out)]
    return [min(start + kernel, high) - max(start, low) for start in starts]


def _divisors(size: Pair, out: Pair, kernel: Pair, stride: Pair, pad: Padding, count_pad: bool) -> Any:
    rows = window_sizes(size[0], out[0], kernel[0], stride[0], pad[0], count_pad)
    cols = window_sizes(size[1], out[1], kernel[1], stride[1], pad[1], count_pad)
    return np.outer(rows, cols)[None, :, :, None]  # (1, Ho, Wo, 1)


def _mean_meaning(x: Any, count_pad: bool = True, **params: Any) -> Any:
    seen, _ = _windows(x, 0, **params)
    sizes = x.shape[1:3], seen.shape[2:4], params["kernel"], params["stride"], params["pad"]
    return seen.sum(axis=0, dtype=x.dtype) / _divisors(*sizes, count_pad).astype(x.dtype)


def _mean_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    size = tuple(map(known, at.inputs[0].type.shape[1:3]))
    return (b(avgpool_grad, one_gradient(gs), size=size, **at.params),)


def _mean_grad_type(g: TensorType, size: Pair, **_params: Any) -> Types:
    return (TensorType((g.shape[0], *size, g.shape[3]), g.dtype),)


def _mean_grad_meaning(
    g: Any, size: Pair, kernel: Pair, stride: Pair, pad: Padding, ceil: bool = False, count_pad: bool = True
) -> Any:
    del ceil  # the number of windows is the gradient's own
    out = g.shape[1:3]
    wide = hang_over(size, out, kernel, stride, pad, (1, 1))
    share = g / _divisors(size, out, kernel, stride, pad, count_pad).astype(g.dtype)
    shares = np.broadcast_to(share, (kernel[0] * kernel[1], *g.shape))
    return _give_back(shares, size, kernel, stride, wide, (1, 1))


avgpool = Primitive("avgpool", _pool_type, _mean_meaning, _mean_gradient, flops=_pool_flops)
#: Each window's gradient in equal shares to its elements.
avgpool_grad = Primitive("avgpool_grad", _mean_grad_type, _mean_grad_meaning)
