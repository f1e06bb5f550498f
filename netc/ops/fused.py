"""Several pointwise primitives in one: what the pass `fuse` makes, so that a chain costs one loop over
memory.

The parameter is a small expression: steps in an order that runs, each a pointwise primitive applied to
operands and earlier steps, all of one shape.  A number below the count of operands names an operand, the
others name steps:

    v' = μ v + g;  w' = w − η v'        operands (v, μ, g, w, η)
    Expression(((mul, (0, 1)), (add, (5, 2)), (mul, (6, 4)), (sub, (3, 7))), results=(6, 8))

What the loop reads or computes it may sum as well, for each channel over all other axes: a bias takes its gradient
where the activation's gradient is made.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from netc.ops.primitive import Primitive, Types, elements
from netc.types import TensorType

Params = tuple[tuple[str, Any], ...]


class Step(NamedTuple):
    """One primitive applied to operands by number: a pointwise one in an expression, or one of two with an epilogue."""

    op: Primitive
    args: tuple[int, ...]
    params: Params = ()

    def __repr__(self) -> str:
        args = [f"${i}" for i in self.args] + [f"{name}={value!r}" for name, value in self.params]
        return f"{self.op}({', '.join(args)})"


class Expression(NamedTuple):
    """Steps, and which of them (counted after the operands) are results.

    `sums` are the operands and steps of which the sum `(C,)` over all axes but the last is a result, behind the others.
    """

    steps: tuple[Step, ...]
    results: tuple[int, ...]
    sums: tuple[int, ...] = ()

    def __repr__(self) -> str:
        results = ", ".join([*(f"${i}" for i in self.results), *(f"Σ ${i}" for i in self.sums)])
        return f"{'; '.join(map(repr, self.steps))} → {results}"


def pointwise(op: Primitive) -> bool:
    """Whether element i of each result needs only element i of the operands that have the result's shape.

    Sums are written when all operands have been read, so they may take the place of one too.
    """
    return op.body is not None or op is fused


def _step_types(operands: Types, expression: Expression) -> Types:
    known: list[TensorType] = list(operands)
    for step in expression.steps:
        known += step.op.type(*(known[i] for i in step.args), **dict(step.params))
    return tuple(known)


def _fused_type(*operands: TensorType, expression: Expression) -> Types:
    whole = whole_type(operands, expression)
    sums = TensorType(whole.shape[-1:], whole.dtype)
    return (*(whole for _ in expression.results), *(sums for _ in expression.sums))


@lru_cache(maxsize=1024)  # equal blocks of a net have equal expressions
def whole_type(operands: Types, expression: Expression) -> TensorType:
    """The one type of all steps, and of what is summed."""
    known = _step_types(operands, expression)
    whole, *others = [*known[len(operands) :], *(known[i] for i in expression.sums)]
    if any(t != whole for t in others):
        raise TypeError(f"the steps of {expression!r} have not all one type")
    return whole


def _fused_meaning(*operands: Any, expression: Expression) -> Any:
    known = list(operands)
    for step in expression.steps:
        known.append(step.op.meaning(*(known[i] for i in step.args), **dict(step.params)))
    sums = (known[i].sum(axis=tuple(range(known[i].ndim - 1)), dtype=known[i].dtype) for i in expression.sums)
    results: tuple[Any, ...] = (*(known[i] for i in expression.results), *sums)
    return results if len(results) != 1 else results[0]


def _fused_flops(inputs: Types, _outputs: Types, params: dict[str, Any]) -> int:
    expression: Expression = params["expression"]
    known = _step_types(inputs, expression)
    total = sum(elements(known[i]) for i in expression.sums)
    for step, t in zip(expression.steps, known[len(inputs) :], strict=True):
        total += step.op.flops(tuple(known[i] for i in step.args), (t,), dict(step.params))
    return total


#: An expression of pointwise primitives, computed in one loop.  Made after differentiation, so it has no
#: gradient.
fused = Primitive("fused", _fused_type, _fused_meaning, flops=_fused_flops)
