"""Normalisation inside one example: by groups of channels, by neighbouring channels, by length.

Each keeps what its gradient needs as a second result, as `softmax_xent` keeps its probabilities.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import Application, Cost, Emit, Primitive, Types, Value, elements
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _each(n: int) -> Cost:
    """So many operations for each element of the first operand."""
    return lambda inputs, _outputs, _params: n * elements(inputs[0])


def _of_first(gs: tuple[Value | None, ...]) -> Value:
    """The gradient of the first result; what is kept beside it is not differentiated."""
    g = gs[0]
    assert g is not None
    return g


# ---- To mean 0 and variance 1 by groups (Wu and He, 2018; Ba, Kiros and Hinton, 2016) ---------------------


def _standardise_type(x: TensorType, groups: int, eps: float, pixel: bool = False) -> Types:
    outer = x.shape[:-1] if pixel else x.shape[:1]
    return x, TensorType((*outer, groups), x.dtype)


def _grouped(x: Any, groups: int, pixel: bool) -> Any:
    """x as `(outer, rows, groups, channels of a group)`: statistics are over the second and the last."""
    outer = x.size // x.shape[-1] if pixel else x.shape[0]
    return x.reshape(outer, -1, groups, x.shape[-1] // groups)


def _standardise_meaning(x: Any, groups: int, eps: float, pixel: bool = False) -> Any:
    a = _grouped(x, groups, pixel)
    mean = a.mean(axis=(1, 3), keepdims=True, dtype=x.dtype)
    rstd = 1 / np.sqrt(a.var(axis=(1, 3), keepdims=True) + x.dtype.type(eps))
    outer = x.shape[:-1] if pixel else x.shape[:1]
    return ((a - mean) * rstd).reshape(x.shape), rstd.reshape(*outer, groups)


def _standardise_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    y, rstd = at.outputs
    groups, pixel = at.params["groups"], at.params.get("pixel", False)
    return (b(standardise_grad, y, rstd, _of_first(gs), groups=groups, pixel=pixel),)


def _standardise_grad_meaning(y: Any, rstd: Any, g: Any, groups: int, pixel: bool = False) -> Any:
    a, d = _grouped(y, groups, pixel), _grouped(g, groups, pixel)
    mean = d.mean(axis=(1, 3), keepdims=True, dtype=y.dtype)
    along = (d * a).mean(axis=(1, 3), keepdims=True, dtype=y.dtype)
    return (rstd.reshape(mean.shape) * (d - mean - a * along)).reshape(y.shape)


#: (x − μ) / √(σ² + ε) and 1 / √(σ² + ε), where μ and σ² are of each example and group of neighbouring channels; with
#: `pixel`, of each pixel too.
standardise = Primitive(
    "standardise", _standardise_type, _standardise_meaning, _standardise_gradient, flops=_each(6)
)
#: dx = (g − mean g − y · mean (g y)) / √(σ² + ε)
standardise_grad = Primitive(
    "standardise_grad",
    lambda y, rstd, g, groups, pixel=False: (y,),
    _standardise_grad_meaning,
    flops=_each(7),
)

# ---- By neighbouring channels (Krizhevsky, Sutskever and Hinton, 2012, section 3.3) -----------------------


def _around(x: Any, before: int, after: int) -> Any:
    """Σ of x over the channels c − before … c + after, as far as there are such."""
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])
    c = x.shape[-1]
    total = np.zeros_like(x)
    for d in range(before + after + 1):
        total += padded[..., d : d + c]
    return total


def _lrn_meaning(x: Any, size: int, alpha: float, beta: float, k: float) -> Any:
    s = k + alpha * _around(x * x, size // 2, (size - 1) // 2)
    return x * s**-beta, s


def _lrn_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    params = {name: at.params[name] for name in ("size", "alpha", "beta")}
    return (b(lrn_grad, at.inputs[0], at.outputs[1], _of_first(gs), **params),)


def _lrn_grad_meaning(x: Any, s: Any, g: Any, size: int, alpha: float, beta: float) -> Any:
    power = s**-beta
    # x of channel c is in the sums of c − after … c + before
    return g * power - 2 * alpha * beta * x * _around(g * x * power / s, (size - 1) // 2, size // 2)


def _window_flops(fixed: int) -> Cost:
    return lambda inputs, _outputs, params: (fixed + params["size"]) * elements(inputs[0])


#: y = x s^−β and s = k + α Σ x², summed over `size` neighbouring channels.
lrn = Primitive(
    "lrn", lambda x, size, alpha, beta, k: (x, x), _lrn_meaning, _lrn_gradient, flops=_window_flops(5)
)
#: dx = g s^−β − 2αβ x Σ g x s^(−β−1)
lrn_grad = Primitive(
    "lrn_grad",
    lambda x, s, g, size, alpha, beta: (x,),
    _lrn_grad_meaning,
    flops=_window_flops(8),
)

# ---- To length 1 ------------------------------------------------------------------------------------------


def _l2norm_meaning(x: Any, eps: float) -> Any:
    norm = np.sqrt((x * x).sum(axis=-1, keepdims=True, dtype=x.dtype))
    return x / np.maximum(norm, x.dtype.type(eps)), norm


def _l2norm_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(l2norm_grad, *at.outputs, _of_first(gs), **at.params),)


def _l2norm_grad_meaning(y: Any, norm: Any, g: Any, eps: float) -> Any:
    along = np.where(norm > eps, (g * y).sum(axis=-1, keepdims=True, dtype=y.dtype), 0)
    return (g - y * along) / np.maximum(norm, y.dtype.type(eps))


#: x / max(‖x‖, ε) over the channels, and ‖x‖.
l2norm = Primitive(
    "l2norm",
    lambda x, eps: (x, TensorType((*x.shape[:-1], 1), x.dtype)),
    _l2norm_meaning,
    _l2norm_gradient,
    flops=_each(3),
)
#: dx = (g − y Σ g y) / ‖x‖, and g / ε where ‖x‖ ≤ ε
l2norm_grad = Primitive("l2norm_grad", lambda y, norm, g, eps: (y,), _l2norm_grad_meaning, flops=_each(5))
