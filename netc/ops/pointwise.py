"""Pointwise primitives: one scalar body each, and broadcasting of a few plain kinds.

An operand has the result's shape, or is a vector over channels `(C,)`, a scalar `()`, or has sizes of 1 against
sizes in H and W, as a squeeze-and-excitation gate `(N, 1, 1, C)` has.  There is no other broadcasting.

Bodies are plain Python over scalars; a backend pastes their source into its own loops, so a body uses nothing but
its arguments, literals, `exp`, `log`, `log1p`, `erf`, `sqrt`, `tanh_of`, `abs`, `min` and `max`.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, log1p, sqrt
from math import tanh as tanh_of
from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import (
    Application,
    Cost,
    Emit,
    Primitive,
    Types,
    Value,
    each_output,
    no_cost,
    one_gradient,
)
from netc.ops.shape import sum_to
from netc.sizes import equal
from netc.types import Shape, TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _fits(operand: Shape, result: Shape) -> bool:
    if len(operand) in (0, 1) and len(operand) < len(result):
        return operand in ((), result[-1:])
    return len(operand) == len(result) and all(
        equal(a, b) or (a == 1 and 0 < i < len(result) - 1)
        for i, (a, b) in enumerate(zip(operand, result, strict=True))
    )


def pointwise_type(*operands: TensorType, **_params: Any) -> Types:
    """The type that all operands fit: of those of the highest rank, the larger size on each axis."""
    return _joined(operands)


@lru_cache(maxsize=4096)  # a net has thousands of equations and few types
def _joined(operands: Types) -> Types:
    rank = max(t.rank for t in operands)
    first, *others = (t for t in operands if t.rank == rank)
    shape = first.shape
    for t in others:
        shape = tuple(b if a == 1 else a for a, b in zip(shape, t.shape, strict=True))
    if not all(_fits(t.shape, shape) for t in operands):
        raise TypeError(f"the shapes {', '.join(map(repr, operands))} do not fit")
    return (TensorType(shape, first.dtype),)


def unbroadcast(b: Emit, g: Value, operand: Value) -> Value:
    """The gradient of an operand that was broadcast: summed over the places it was used."""
    return g if g.type.shape == operand.type.shape else b(sum_to, g, shape=operand.type.shape)


Backward = Callable[..., tuple["Value | None", ...]]  # (b, g, y, *operands, **params)


def scalar_op(
    name: str,
    body: Callable[..., Any],
    meaning: Callable[..., Any],
    back: Backward | None,
    flops: Cost = each_output,
) -> Primitive:
    """A pointwise primitive from its scalar body.

    `back(b, g, y, *operands, **params)` gives each operand's gradient, before it is summed where the
    operand was repeated.
    """

    def gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
        assert back is not None
        raw = back(b, one_gradient(gs), at.outputs[0], *at.inputs, **at.params)
        pairs = zip(raw, at.inputs, strict=True)
        return tuple(None if g is None else unbroadcast(b, g, x) for g, x in pairs)

    return Primitive(name, pointwise_type, meaning, gradient if back else None, flops=flops, body=body)


# ---- Arithmetic ------------------------------------------------------------------------------------------


def _add(x: float, y: float) -> float:
    return x + y


def _sub(x: float, y: float) -> float:
    return x - y


def _mul(x: float, y: float) -> float:
    return x * y


def _div(x: float, y: float) -> float:
    return x / y


def _neg(x: float) -> float:
    return -x


def _scale(x: float, factor: float) -> float:
    return x * factor


def _shift(x: float, offset: float) -> float:
    return x + offset


def _sqrt(x: float) -> float:
    return sqrt(x)


add = scalar_op("add", _add, lambda x, y: x + y, lambda b, g, _, x, y: (g, g))
#: `add` of a bias.  It costs nothing: a sum of n products that starts from the bias has n additions, where one that
#: starts from the first product has n − 1, and contractions count n for both.
bias = scalar_op("bias", _add, lambda x, y: x + y, lambda b, g, _, x, y: (g, g), no_cost)
sub = scalar_op("sub", _sub, lambda x, y: x - y, lambda b, g, _, x, y: (g, b(neg, g)))
mul = scalar_op("mul", _mul, lambda x, y: x * y, lambda b, g, _, x, y: (b(mul, g, y), b(mul, g, x)))
div = scalar_op(
    "div", _div, lambda x, y: x / y, lambda b, g, z, x, y: (b(div, g, y), b(neg, b(div, b(mul, g, z), y)))
)
neg = scalar_op("neg", _neg, lambda x: -x, lambda b, g, _, x: (b(neg, g),))
#: Multiplied by a number that the program knows.
scale = scalar_op(
    "scale",
    _scale,
    lambda x, factor: x * x.dtype.type(factor),
    lambda b, g, _, x, factor: (b(scale, g, factor=factor),),
)
#: A number that the program knows is added.
shift = scalar_op(
    "shift", _shift, lambda x, offset: x + x.dtype.type(offset), lambda b, g, _, x, offset: (g,)
)
# d√x/dx = 1 / 2√x
root = scalar_op(
    "sqrt", _sqrt, lambda x: np.sqrt(x), lambda b, g, y, x: (b(scale, b(div, g, y), factor=0.5),)
)

# ---- Activations, each with its derivative as a primitive of its own --------------------------------------


def _relu(x: float) -> float:
    return max(x, 0.0)


def _relu_grad(y: float, g: float) -> float:
    return g if y > 0.0 else 0.0 * g


def _tanh(x: float) -> float:
    return tanh_of(x)


def _tanh_grad(y: float, g: float) -> float:
    return g * (1.0 - y * y)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + exp(-x))


def _sigmoid_grad(y: float, g: float) -> float:
    return g * y * (1.0 - y)


def _softplus(x: float) -> float:
    # log(1 + eˣ) without overflow: the larger of x and 0, and what is left of the logarithm
    return max(x, 0.0) + log1p(exp(-abs(x)))


relu_grad = scalar_op("relu_grad", _relu_grad, lambda y, g: np.where(y > 0, g, 0 * g), None)
tanh_grad = scalar_op("tanh_grad", _tanh_grad, lambda y, g: g * (1 - y * y), None)
sigmoid_grad = scalar_op("sigmoid_grad", _sigmoid_grad, lambda y, g: g * y * (1 - y), None)


def _sigmoid_meaning(x: Any) -> Any:
    with np.errstate(over="ignore"):  # e^−x may be infinite, and 1 / ∞ is the right 0
        return 1 / (1 + np.exp(-x))


relu = scalar_op("relu", _relu, lambda x: np.maximum(x, 0), lambda b, g, y, x: (b(relu_grad, y, g),))
tanh = scalar_op("tanh", _tanh, lambda x: np.tanh(x), lambda b, g, y, x: (b(tanh_grad, y, g),))
sigmoid = scalar_op("sigmoid", _sigmoid, _sigmoid_meaning, lambda b, g, y, x: (b(sigmoid_grad, y, g),))
softplus = scalar_op(
    "softplus",
    _softplus,
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda b, g, y, x: (b(mul, g, b(sigmoid, x)),),
)
