"""Primitives that move numbers: views, copies, joins, sums over axes and their transposes."""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from math import prod
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
from netc.sizes import Size, at_least, equal, lowest
from netc.types import NUMPY_NAME, DType, Shape, TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")

# ---- Another shape for the same memory --------------------------------------------------------------------


def _reshape_type(x: TensorType, shape: Shape) -> Types:
    out = TensorType(shape, x.dtype)
    (pixels, open_out), (before, open_before) = _factors(out), _factors(x)
    same = pixels == before if open_out == open_before else elements(out) == elements(x)
    if not same:
        raise TypeError(f"{x!r} cannot be seen as {out!r}")
    return (out,)


def _factors(t: TensorType) -> tuple[int, list[str]]:
    """The product of the known sizes, and the symbolic ones that it is multiplied with."""
    return prod(s for s in t.shape if isinstance(s, int)), sorted(
        str(s) for s in t.shape if not isinstance(s, int)
    )


def _reshape_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(reshape, one_gradient(gs), shape=at.inputs[0].type.shape),)


reshape = Primitive(
    "reshape",
    _reshape_type,
    lambda x, shape: x.reshape(shape),
    _reshape_gradient,
    flops=no_cost,
    view=True,
)

# ---- swap: (B, P, Q, …) to (B, Q, P, …) -------------------------------------------------------------------


def _swap_type(x: TensorType, axis: int = 1) -> Types:
    shape = list(x.shape)
    shape[axis], shape[axis + 1] = shape[axis + 1], shape[axis]
    return (TensorType(tuple(shape), x.dtype),)


#: Exchanges an axis with the next: what NCHW at the door and NHWC inside take, `flatten`, `shuffle`, `transpose`.
swap = Primitive(
    "swap",
    _swap_type,
    lambda x, axis=1: np.ascontiguousarray(np.swapaxes(x, axis, axis + 1)),
    lambda b, at, gs: (b(swap, one_gradient(gs), **at.params),),
    flops=no_cost,
)

# ---- concat and cut ---------------------------------------------------------------------------------------


def _concat_type(*xs: TensorType, axis: int) -> Types:
    first = xs[0].shape
    for x in xs[1:]:
        beside = [i for i in range(len(first)) if i != axis]
        if len(x.shape) != len(first) or not all(equal(x.shape[i], first[i]) for i in beside):
            raise TypeError(f"{x!r} and {xs[0]!r} differ beside axis {axis}")
    total: Size = 0
    for x in xs:
        total = total + x.shape[axis]
    return (TensorType((*first[:axis], total, *first[axis + 1 :]), xs[0].dtype),)


def _concat_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    g, axis, start = one_gradient(gs), at.params["axis"], 0
    out: list[Value] = []
    for x in at.inputs:
        stop = start + known(x.type.shape[axis])
        out.append(b(cut, g, axis=axis, start=start, stop=stop))
        start = stop
    return tuple(out)


def _cut_type(x: TensorType, axis: int, start: int, stop: Size) -> Types:
    if not 0 <= start < lowest(stop) or not at_least(x.shape[axis] - stop, 0):
        raise TypeError(f"{start}..{stop} is not inside axis {axis} of {x!r}")
    return (TensorType((*x.shape[:axis], stop - start, *x.shape[axis + 1 :]), x.dtype),)


def _cut_meaning(x: Any, axis: int, start: int, stop: int) -> Any:
    index = (slice(None),) * axis + (slice(start, stop),)
    return np.ascontiguousarray(x[index])


def _cut_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    size = known(at.inputs[0].type.shape[at.params["axis"]])
    return (b(uncut, one_gradient(gs), size=size, **at.params),)


def _uncut_type(g: TensorType, axis: int, start: int, stop: int, size: int) -> Types:
    return (TensorType((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype),)


def _uncut_meaning(g: Any, axis: int, start: int, stop: int, size: int) -> Any:
    out = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
    out[(slice(None),) * axis + (slice(start, stop),)] = g
    return out


concat = Primitive(
    "concat",
    _concat_type,
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    _concat_gradient,
    flops=no_cost,
)
#: The stretch `start..stop` of one axis.
cut = Primitive("cut", _cut_type, _cut_meaning, _cut_gradient, flops=no_cost)
#: The transpose of `cut`: the stretch in its place, zeros around it.
uncut = Primitive("uncut", _uncut_type, _uncut_meaning, flops=no_cost)

# ---- sum_to and spread: each the transpose of the other ---------------------------------------------------


def summed_axes(whole: Shape, part: Shape) -> tuple[int, ...]:
    """The axes of `whole` that a tensor of shape `part` does not have, or has at size 1.

    >>> summed_axes((8, 4, 4, 6), (6,)), summed_axes((8, 4, 4, 6), (8, 1, 1, 6)), summed_axes((8, 10), (8, 1))
    ((0, 1, 2), (1, 2), (1,))
    """
    if len(part) == len(whole):
        return tuple(i for i, (a, b) in enumerate(zip(whole, part, strict=True)) if a != b)
    return tuple(range(len(whole) - len(part)))


def _sum_to_type(x: TensorType, shape: Shape) -> Types:
    return (TensorType(shape, x.dtype),)


def _sum_to_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(spread, one_gradient(gs), shape=at.inputs[0].type.shape),)


def _spread_meaning(x: Any, shape: tuple[int, ...]) -> Any:
    axes = summed_axes(shape, x.shape)
    kept = tuple(1 if i in axes else size for i, size in enumerate(shape))
    return np.ascontiguousarray(np.broadcast_to(x.reshape(kept), shape))


def _spread_gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    return (b(sum_to, one_gradient(gs), shape=at.inputs[0].type.shape),)


#: Sums away the axes that `shape` lacks or has at size 1: `(N, H, W, C)` to `(N, 1, 1, C)`, `(C,)` or `()`.
sum_to = Primitive(
    "sum_to",
    _sum_to_type,
    lambda x, shape: x.sum(axis=summed_axes(x.shape, shape), dtype=x.dtype).reshape(shape),
    _sum_to_gradient,
    flops=lambda inputs, _outputs, _params: elements(inputs[0]),
)
#: Repeats along the axes that the operand lacks or has at size 1.
spread = Primitive("spread", _sum_to_type, _spread_meaning, _spread_gradient, flops=no_cost)

# ---- fill -------------------------------------------------------------------------------------------------


def _fill_type(shape: Shape, value: float, dtype: DType = "f32") -> Types:
    return (TensorType(shape, dtype),)


def _fill_meaning(shape: tuple[int, ...], value: float, dtype: DType = "f32") -> Any:
    return np.full(shape, value, NUMPY_NAME[dtype])


#: A tensor of one known value.
fill = Primitive(
    "fill",
    _fill_type,
    _fill_meaning,
    lambda b, at, gs: (),
    flops=no_cost,
)
