"""A contraction with what is done to its result at once: what the pass `epilogues` makes.

    y = conv(x, w);  z = fused(y, b; bias($0, $1); relu($2))

becomes one equation, of which a backend may do the second part for the rows that it has just computed, while a cache
has them.  Both parts keep their meaning; whether y itself is a result as well is a parameter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from netc.ops.fused import Params
from netc.ops.primitive import Primitive, Types
from netc.types import TensorType


class Part(NamedTuple):
    """A primitive applied to operands of the whole, by number; the number past the last is the first part's result."""

    op: Primitive
    args: tuple[int, ...]
    params: Params = ()

    def __repr__(self) -> str:
        args = [f"${i}" for i in self.args] + [f"{name}={value!r}" for name, value in self.params]
        return f"{self.op}({', '.join(args)})"

    def types(self, known: Types) -> tuple[Types, Types]:
        """Those of its operands and of its results."""
        operands = tuple(known[i] for i in self.args)
        return operands, self.op.type(*operands, **dict(self.params))


def _known(operands: Types, first: Part) -> Types:
    """The types of the operands and of the first part's result."""
    return (*operands, *first.types(operands)[1])


def _type(*operands: TensorType, first: Part, then: Part, keeps: bool) -> Types:
    known = _known(operands, first)
    return (*known[len(operands) :][:keeps], *then.types(known)[1])


def _meaning(*operands: Any, first: Part, then: Part, keeps: bool) -> Any:
    y = first.op.meaning(*(operands[i] for i in first.args), **dict(first.params))
    known = (*operands, y)
    found: Any = then.op.meaning(*(known[i] for i in then.args), **dict(then.params))
    if not keeps:
        return found
    return (y, *found) if isinstance(found, tuple) else (y, found)


def _flops(inputs: Types, _outputs: Types, params: dict[str, Any]) -> int:
    known = _known(inputs, params["first"])
    parts: tuple[Part, Part] = params["first"], params["then"]
    return sum(part.op.flops(*part.types(known), dict(part.params)) for part in parts)


#: A contraction and its epilogue.  Made after differentiation, so it has no gradient.
with_epilogue = Primitive("with_epilogue", _type, _meaning, flops=_flops)
