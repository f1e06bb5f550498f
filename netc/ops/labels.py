"""Primitives that integer labels choose by, and vectors that a program knows."""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import Application, Emit, Primitive, Types, Value, known, no_cost, one_gradient
from netc.types import NUMPY_NAME, DType, TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _pick_type(x: TensorType, label: TensorType) -> Types:
    if label.shape != x.shape[:-1] or label.dtype != "int":
        raise TypeError(f"{label!r} does not choose a channel of each pixel of {x!r}")
    return (TensorType((*x.shape[:-1], 1), x.dtype),)


def _pick_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    x, label = at.inputs
    return b(unpick, label, one_gradient(gs), size=known(x.type.shape[-1])), None


def _unpick_meaning(label: Any, g: Any, size: int) -> Any:
    return np.where(np.arange(size) == label[..., None], g, g.dtype.type(0))


#: The channel that the label names: `(N, …, C)` and int `(N, …)` to `(N, …, 1)`.
pick = Primitive(
    "pick",
    _pick_type,
    lambda x, label: np.take_along_axis(x, label[..., None], axis=-1),
    _pick_gradient,
    flops=no_cost,
)
#: The transpose of `pick`: the number at the channel that the label names, zeros beside it.
unpick = Primitive(
    "unpick",
    lambda label, g, size: (TensorType((*g.shape[:-1], size), g.dtype),),
    _unpick_meaning,
    flops=no_cost,
)


def _vector_type(values: tuple[float, ...], dtype: DType = "f32") -> Types:
    return (TensorType((len(values),), dtype),)


def _vector_meaning(values: tuple[float, ...], dtype: DType = "f32") -> Any:
    return np.array(values, NUMPY_NAME[dtype])


#: A vector of known values.
vector = Primitive("vector", _vector_type, _vector_meaning, flops=no_cost)
