"""Batch normalisation, softmax and its cross-entropy: primitives fat enough to earn a gradient of their own."""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import Application, Emit, Primitive, Types, Value, elements, one_gradient
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")

# ---- Batch normalisation (Ioffe and Szegedy, 2015, algorithm 1) -------------------------------------------


def _moments_type(x: TensorType) -> Types:
    vector = TensorType(x.shape[-1:], x.dtype)
    return vector, vector


def _moments_meaning(x: Any) -> Any:
    axes = tuple(range(x.ndim - 1))
    return x.mean(axis=axes, dtype=x.dtype), x.var(axis=axes, dtype=x.dtype)


#: Mean and (biased) variance of each channel over everything else: two vectors `(C,)`.  Not differentiated by itself.
moments = Primitive("moments", _moments_type, _moments_meaning, flops=lambda i, _o, _p: 4 * elements(i[0]))


def _batch_norm_type(
    x: TensorType, gamma: TensorType, beta: TensorType, mean: TensorType, var: TensorType, eps: float
) -> Types:
    return (x,)


def _batch_norm_meaning(x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float) -> Any:
    return (x - mean) * (gamma / np.sqrt(var + x.dtype.type(eps))) + beta


def _batch_norm_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    x, gamma, _, mean, var = at.inputs
    dx, dgamma, dbeta = b.all(batch_norm_grad, x, gamma, mean, var, one_gradient(gs), **at.params)
    return dx, dgamma, dbeta, None, None


def _batch_norm_grad_type(
    x: TensorType, gamma: TensorType, mean: TensorType, var: TensorType, g: TensorType, eps: float
) -> Types:
    return x, gamma, gamma


def _batch_norm_grad_meaning(x: Any, gamma: Any, mean: Any, var: Any, g: Any, eps: float) -> Any:
    axes = tuple(range(x.ndim - 1))
    share = x.dtype.type(1 / prod(x.shape[:-1]))
    std = np.sqrt(var + x.dtype.type(eps))  # (C,)
    dbeta = g.sum(axis=axes, dtype=x.dtype)
    dgamma = (g * (x - mean)).sum(axis=axes, dtype=x.dtype) / std
    dx = (g - dbeta * share - (x - mean) * (dgamma / std * share)) * (gamma / std)
    return dx, dgamma, dbeta


#: y = γ (x − mean) / √(var + ε) + β, where mean and var are the moments of x itself: its gradient knows that.
batch_norm = Primitive(
    "batch_norm",
    _batch_norm_type,
    _batch_norm_meaning,
    _batch_norm_gradient,
    flops=lambda i, _o, _p: 4 * elements(i[0]),
)
#: dγ = Σ g x̂, dβ = Σ g, dx = γ/σ (g − (dβ + x̂ dγ) / M) over the M = N·H·W elements of a channel.
batch_norm_grad = Primitive(
    "batch_norm_grad",
    _batch_norm_grad_type,
    _batch_norm_grad_meaning,
    flops=lambda i, _o, _p: 9 * elements(i[0]),
)

# ---- Softmax over channels --------------------------------------------------------------------------------


def _softmax_meaning(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _softmax_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(softmax_grad, at.outputs[0], one_gradient(gs)),)


softmax = Primitive(
    "softmax", lambda x: (x,), _softmax_meaning, _softmax_gradient, flops=lambda i, _o, _p: 5 * elements(i[0])
)
#: dx = y (g − Σ g y)
softmax_grad = Primitive(
    "softmax_grad",
    lambda y, g: (y,),
    lambda y, g: y * (g - (g * y).sum(axis=-1, keepdims=True)),
    flops=lambda i, _o, _p: 4 * elements(i[0]),
)


def _log_softmax_meaning(x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _log_softmax_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(log_softmax_grad, at.outputs[0], one_gradient(gs)),)


#: x − log Σ eˣ
log_softmax = Primitive(
    "log_softmax",
    lambda x: (x,),
    _log_softmax_meaning,
    _log_softmax_gradient,
    flops=lambda i, _o, _p: 5 * elements(i[0]),
)
#: dx = g − e^y Σ g
log_softmax_grad = Primitive(
    "log_softmax_grad",
    lambda y, g: (y,),
    lambda y, g: g - np.exp(y) * g.sum(axis=-1, keepdims=True),
    flops=lambda i, _o, _p: 4 * elements(i[0]),
)

# ---- Cross-entropy of a softmax with integer labels -------------------------------------------------------


def _xent_type(logits: TensorType, label: TensorType) -> Types:
    if label.shape != logits.shape[:-1]:
        raise TypeError(f"{label!r} has not one label for each pixel of {logits!r}")
    return TensorType((*logits.shape[:-1], 1), logits.dtype), logits


def _xent_meaning(logits: Any, label: Any) -> Any:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    picked = np.take_along_axis(shifted, label[..., None], axis=-1)
    return np.log(total) - picked, np.exp(shifted) / total


def _xent_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    g = gs[0]  # the second result, the probabilities, is kept for this rule and not differentiated
    assert g is not None
    return b(softmax_xent_grad, at.outputs[1], at.inputs[1], g), None


def _xent_grad_meaning(p: Any, label: Any, g: Any) -> Any:
    onehot = np.arange(p.shape[-1]) == label[..., None]
    return (p - onehot.astype(p.dtype)) * g


#: −log softmax(logits)[label] of each example, or of each of its pixels, `(N, …, 1)`, and the softmax `(N, …, C)`
#: that the gradient wants.
softmax_xent = Primitive(
    "softmax_xent", _xent_type, _xent_meaning, _xent_gradient, flops=lambda i, _o, _p: 5 * elements(i[0])
)
#: (softmax − one-hot) g
softmax_xent_grad = Primitive(
    "softmax_xent_grad",
    lambda p, label, g: (p,),
    _xent_grad_meaning,
    flops=lambda i, _o, _p: 2 * elements(i[0]),
)


def _in_top_type(logits: TensorType, label: TensorType, k: int) -> Types:
    return (TensorType((logits.shape[0], 1), logits.dtype),)


def _in_top_meaning(logits: Any, label: Any, k: int) -> Any:
    mine = np.take_along_axis(logits, label[:, None], axis=1)
    classes = np.arange(logits.shape[1])
    ahead = (logits > mine) | (
        (logits == mine) & (classes < label[:, None])
    )  # of equal logits the first wins
    return (ahead.sum(axis=1, keepdims=True) < k).astype(logits.dtype)


#: 1 where the label is among the k largest logits, else 0; of equal logits the first class wins.
in_top = Primitive("in_top", _in_top_type, _in_top_meaning, flops=lambda i, _o, _p: elements(i[0]))
