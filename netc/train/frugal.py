"""Less memory for more time: which values of the forward pass a training step keeps, chosen by planning."""

from __future__ import annotations

from typing import Final, Literal

from netc.ir.passes import CLEANING, IMPROVING, simplify
from netc.ir.program import Program
from netc.ir.recompute import cheap, recompute, segments
from netc.plan import plan

Recompute = Literal["cheap", "all"]
STEPS: Final = (2, 3, 4, 6, 8)  # how many in a row may be done again
SEGMENTS: Final = (2, 3, 4, 6, 8, 12, 16, 24)


def lean(program: Program, how: Recompute) -> Program:
    """The step with what is to be computed again, of all ways that are tried the one with the smallest arena.

    `cheap` does no contraction twice, `all` nearly the whole forward pass.  `program` has been through `CLEANING`; the
    result must not go there again, or what is computed twice would be shared.  One that would only grow stays as it is.
    """
    kept = [cheap(program, steps) for steps in STEPS]
    if how == "all":
        kept += [segments(program, count) for count in SEGMENTS]
    tried = [program, *(recompute(program, values) for values in kept)]
    return min(tried, key=lambda p: plan(simplify(p, IMPROVING)).arena_bytes)


def made_lean(program: Program, how: Recompute | None) -> Program:
    """All passes over a step, recomputation among them if it is asked for."""
    if how is None:
        return simplify(program)
    return simplify(lean(simplify(program, CLEANING), how), IMPROVING)
