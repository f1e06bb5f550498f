"""A contraction with what is done to its result at once: what the passes `epilogues` and `updates_along` make.

    y = conv(x, w);  z = fused(y, b; bias($0, $1); relu($2))

becomes one equation of two steps, of which a backend may do the second for the rows that it has just computed, while a
cache has them.  Steps name operands of the whole by number, and y by the number past the last.  Both keep their
meaning; whether y itself is a result as well is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from netc.ops.fused import Step, pointwise
from netc.ops.primitive import Primitive, Types
from netc.types import TensorType

STRIP: Final = 1 << 20  # bytes of a product that caches hold until an update has read them


def _types(step: Step, known: Types) -> tuple[Types, Types]:
    """Those of a step's operands and of its results."""
    operands = tuple(known[i] for i in step.args)
    return operands, step.op.type(*operands, **dict(step.params))


def _known(operands: Types, first: Step) -> Types:
    """The types of the operands and of the first step's result."""
    return (*operands, *_types(first, operands)[1])


def _type(*operands: TensorType, first: Step, then: Step, keeps: bool) -> Types:
    known = _known(operands, first)
    return (*known[len(operands) :][:keeps], *_types(then, known)[1])


def _meaning(*operands: Any, first: Step, then: Step, keeps: bool) -> Any:
    y = first.op.meaning(*(operands[i] for i in first.args), **dict(first.params))
    known = (*operands, y)
    found: Any = then.op.meaning(*(known[i] for i in then.args), **dict(then.params))
    if not keeps:
        return found
    return (y, *found) if isinstance(found, tuple) else (y, found)


def _flops(inputs: Types, _outputs: Types, params: dict[str, Any]) -> int:
    known = _known(inputs, params["first"])
    steps: tuple[Step, Step] = params["first"], params["then"]
    return sum(step.op.flops(*_types(step, known), dict(step.params)) for step in steps)


#: A contraction and its epilogue.  Made after differentiation, so it has no gradient.
with_epilogue = Primitive("with_epilogue", _type, _meaning, flops=_flops)

#: A matrix product and the pointwise update that alone reads it.  The product is never there as a whole: a backend may
#: make a strip of it, do the update there, and go on.
with_update = Primitive(
    "with_update", partial(_type, keeps=False), partial(_meaning, keeps=False), flops=_flops
)


def elementwise(op: Primitive, params: Mapping[str, Any], i: int) -> bool:
    """Whether element j of each result needs only element j of operand `i`, where this has the result's shape."""
    return i not in params["first"].args if op is with_update else pointwise(op)
