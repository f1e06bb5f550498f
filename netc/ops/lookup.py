"""Rows of a table by their numbers."""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import (
    Application,
    Emit,
    Primitive,
    Types,
    Value,
    elements,
    known,
    no_cost,
    one_gradient,
)
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")


def _lookup_type(rows: TensorType, ids: TensorType) -> Types:
    return (TensorType((*ids.shape, rows.shape[1]), rows.dtype),)


def _lookup_meaning(rows: Any, ids: Any) -> Any:
    inside = (ids >= 0) & (ids < len(rows))
    out = rows[np.where(inside, ids, 0)]  # (…, C)
    out[~inside] = np.nan
    return out


def _lookup_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    rows, ids = at.inputs
    return b(lookup_grad, ids, one_gradient(gs), count=known(rows.type.shape[0])), None


def _lookup_grad_meaning(ids: Any, g: Any, count: int) -> Any:
    inside = (ids >= 0) & (ids < count)
    out = np.zeros((count, g.shape[-1]), g.dtype)
    np.add.at(out, ids[inside], g[inside])
    return out


#: Row `ids[…]` of `rows` `(count, C)` at each place; a number that names no row gives NaN, which no loss hides.
lookup = Primitive("lookup", _lookup_type, _lookup_meaning, _lookup_gradient, flops=no_cost)
#: The sum of the gradients that each row got.
lookup_grad = Primitive(
    "lookup_grad",
    lambda ids, g, count: (TensorType((count, g.shape[-1]), g.dtype),),
    _lookup_grad_meaning,
    flops=lambda inputs, _outputs, _params: elements(inputs[1]),
)
