"""What equations cost, whatever runs them: operations, and the bytes that they read and write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netc.ir.program import Equation


@dataclass(frozen=True, slots=True)
class Cost:
    """Floating-point operations, and bytes of operands and results, each operand of an equation counted once.

    A cache may spare memory some of these bytes; that a value is read at all is what fusing saves.
    """

    equations: int = 0
    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.equations + other.equations, self.flops + other.flops, self.bytes + other.bytes)


def cost(eq: Equation) -> Cost:
    """What one equation costs; a view costs nothing."""
    if eq.op.view:
        return Cost()
    types = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
    moved = sum(v.type.nbytes for v in {*eq.inputs, *eq.outputs})
    return Cost(1, eq.op.flops(*types, dict(eq.params)), moved)


def total_cost(equations: Iterable[Equation]) -> Cost:
    """The sum over equations."""
    out = Cost()
    for eq in equations:
        out += cost(eq)
    return out
