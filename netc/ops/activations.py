"""The pointwise primitives of the less common activations and losses, each with its derivative as one of its own.

What a derivative needs is the operand alone, so nothing but that is kept for the backward pass.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from math import erf, exp, log, log1p
from math import tanh as tanh_of
from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.pointwise import mul, neg, relu, scalar_op, scale, shift, sub
from netc.ops.primitive import Cost, elements

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _each(n: int) -> Cost:
    """So many operations for each element."""
    return lambda _inputs, outputs, _params: n * elements(outputs[0])


# ---- Bounds and slopes ------------------------------------------------------------------------------------


def _clip(x: float, low: float, high: float) -> float:
    return low if x < low else (high if x > high else x)  # noqa: FURB136 - NaN passes


def _clip_grad(x: float, g: float, low: float, high: float) -> float:
    return g if low < x < high else 0.0 * g


def _leaky(x: float, slope: float) -> float:
    return x if x > 0.0 else x * slope


def _leaky_grad(x: float, g: float, slope: float) -> float:
    return g if x > 0.0 else g * slope


def _prelu(x: float, a: float) -> float:
    return x if x > 0.0 else x * a


def _prelu_grad(x: float, a: float, g: float) -> float:
    return g if x > 0.0 else g * a


def _sign(x: float) -> float:
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)


def _abs(x: float) -> float:
    return abs(x)


clip_grad = scalar_op(
    "clip_grad", _clip_grad, lambda x, g, low, high: np.where((low < x) & (x < high), g, 0 * g), None
)
leaky_grad = scalar_op("leaky_grad", _leaky_grad, lambda x, g, slope: np.where(x > 0, g, g * slope), None)
prelu_grad = scalar_op("prelu_grad", _prelu_grad, lambda x, a, g: np.where(x > 0, g, g * a), None)

#: min(max(x, low), high); the gradient passes strictly between the two.
clip = scalar_op(
    "clip",
    _clip,
    lambda x, low, high: np.clip(x, low, high),
    lambda b, g, _, x, low, high: (b(clip_grad, x, g, low=low, high=high),),
    _each(2),
)
#: x where x > 0, else slope · x, of a slope that the program knows.
leaky = scalar_op(
    "leaky",
    _leaky,
    lambda x, slope: np.where(x > 0, x, x * slope),
    lambda b, g, _, x, slope: (b(leaky_grad, x, g, slope=slope),),
)
#: x where x > 0, else a · x, of a trained slope a.  dy/da = min(x, 0) = −relu(−x)
prelu = scalar_op(
    "prelu",
    _prelu,
    lambda x, a: np.where(x > 0, x, x * a),
    lambda b, g, _, x, a: (b(prelu_grad, x, a, g), b(neg, b(mul, g, b(relu, b(neg, x))))),
)
#: −1, 0 or 1.  Its derivative is 0 wherever it has one.
sign = scalar_op("sign", _sign, lambda x: np.sign(x), lambda b, g, _, x: (b(scale, g, factor=0.0),))
absolute = scalar_op("abs", _abs, lambda x: np.abs(x), lambda b, g, _, x: (b(mul, g, b(sign, x)),))

# ---- Smooth ones ------------------------------------------------------------------------------------------


def _elu(x: float, alpha: float) -> float:
    t = tanh_of(0.5 * x)  # eˣ − 1 = 2t / (1 − t), without the cancellation near 0
    return x if x > 0.0 else alpha * (2.0 * t / (1.0 - t))


def _elu_grad(x: float, g: float, alpha: float) -> float:
    return g if x > 0.0 else g * alpha * exp(x)


def _gelu(x: float) -> float:
    return 0.5 * x * (1.0 + erf(x * 0.7071067811865476))


def _gelu_grad(x: float, g: float) -> float:
    below = 0.5 + 0.5 * erf(x * 0.7071067811865476)  # Φ(x); its derivative is e^(−x²/2) / √2π
    return g * (below + x * 0.3989422804014327 * exp(-0.5 * x * x))


def _gelu_tanh(x: float) -> float:
    return 0.5 * x * (1.0 + tanh_of(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def _gelu_tanh_grad(x: float, g: float) -> float:
    t = tanh_of(0.7978845608028654 * (x + 0.044715 * x * x * x))
    inner = 0.7978845608028654 * (1.0 + 0.134145 * x * x)
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)


def _silu(x: float) -> float:
    return x / (1.0 + exp(-x))


def _silu_grad(x: float, g: float) -> float:
    s = 1.0 / (1.0 + exp(-x))
    return g * (s + x * s * (1.0 - s))


def _erf_meaning(x: Any) -> Any:
    return np.asarray(np.frompyfunc(erf, 1, 1)(x), x.dtype)  # NumPy has none of its own


def _gelu_grad_meaning(x: Any, g: Any) -> Any:
    below = 0.5 + 0.5 * _erf_meaning(x * 0.5**0.5)
    return g * (below + x * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi).astype(x.dtype))


_ROOT = (2 / 3.141592653589793) ** 0.5


def _gelu_tanh_grad_meaning(x: Any, g: Any) -> Any:
    t = np.tanh(_ROOT * (x + 0.044715 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _ROOT * (1 + 3 * 0.044715 * x * x))


def _silu_grad_meaning(x: Any, g: Any) -> Any:
    with np.errstate(over="ignore"):  # e^−x may be infinite, and 1 / ∞ is the right 0
        s = 1 / (1 + np.exp(-x))
    return g * (s + x * s * (1 - s))


def _silu_meaning(x: Any) -> Any:
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


elu_grad = scalar_op(
    "elu_grad",
    _elu_grad,
    lambda x, g, alpha: np.where(x > 0, g, g * alpha * np.exp(np.minimum(x, 0))),
    None,
    _each(3),
)
gelu_grad = scalar_op("gelu_grad", _gelu_grad, _gelu_grad_meaning, None, _each(10))
gelu_tanh_grad = scalar_op("gelu_tanh_grad", _gelu_tanh_grad, _gelu_tanh_grad_meaning, None, _each(18))
silu_grad = scalar_op("silu_grad", _silu_grad, _silu_grad_meaning, None, _each(7))

#: x where x > 0, else α (eˣ − 1).
elu = scalar_op(
    "elu",
    _elu,
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    lambda b, g, _, x, alpha: (b(elu_grad, x, g, alpha=alpha),),
    _each(3),
)
#: x Φ(x), where Φ is the distribution function of the normal distribution.
gelu = scalar_op(
    "gelu",
    _gelu,
    lambda x: 0.5 * x * (1 + _erf_meaning(x * 0.5**0.5)),
    lambda b, g, _, x: (b(gelu_grad, x, g),),
    _each(5),
)
#: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), which is near x Φ(x).
gelu_tanh = scalar_op(
    "gelu_tanh",
    _gelu_tanh,
    lambda x: 0.5 * x * (1 + np.tanh(_ROOT * (x + 0.044715 * x**3))),
    lambda b, g, _, x: (b(gelu_tanh_grad, x, g),),
    _each(9),
)
#: x σ(x)
silu = scalar_op("silu", _silu, _silu_meaning, lambda b, g, _, x: (b(silu_grad, x, g),), _each(4))

# ---- Binary cross-entropy ---------------------------------------------------------------------------------


def _bce(p: float, t: float) -> float:
    # a logarithm is −100 at least, so that a sure mistake costs a finite amount
    return (t - 1.0) * max(log1p(-p), -100.0) - t * max(log(p), -100.0)


def _bce_grad(p: float, t: float, g: float) -> float:
    return g * (p - t) / max(p * (1.0 - p), 1e-12)


def _bce_logits(x: float, t: float) -> float:
    # −t log σ(x) − (1 − t) log σ(−x), with log σ(x) = min(x, 0) − log(1 + e^−|x|)
    return max(x, 0.0) - x * t + log1p(exp(-abs(x)))


def _bce_logits_grad(x: float, t: float, g: float) -> float:
    return g * (1.0 / (1.0 + exp(-x)) - t)


def _bce_meaning(p: Any, t: Any) -> Any:
    with np.errstate(divide="ignore"):
        return (t - 1) * np.maximum(np.log1p(-p), -100) - t * np.maximum(np.log(p), -100)


def _bce_logits_grad_meaning(x: Any, t: Any, g: Any) -> Any:
    with np.errstate(over="ignore"):
        return g * (1 / (1 + np.exp(-x)) - t)


bce_grad = scalar_op(
    "bce_grad",
    _bce_grad,
    lambda p, t, g: g * (p - t) / np.maximum(p * (1 - p), 1e-12),
    None,
    _each(5),
)
bce_logits_grad = scalar_op("bce_logits_grad", _bce_logits_grad, _bce_logits_grad_meaning, None, _each(6))
#: −t log p − (1 − t) log(1 − p).  It is linear in t, so its derivative by t is its difference from t to t + 1.
bce = scalar_op(
    "bce",
    _bce,
    _bce_meaning,
    lambda b, g, y, p, t: (
        b(bce_grad, p, t, g),
        b(mul, g, b(sub, b(bce, p, b(shift, t, offset=1.0)), y)),
    ),
    _each(9),
)
#: The same of p = σ(x), from x.
bce_logits = scalar_op(
    "bce_logits",
    _bce_logits,
    lambda x, t: np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x))),
    lambda b, g, _, x, t: (b(bce_logits_grad, x, t, g), b(neg, b(mul, g, x))),
    _each(7),
)
