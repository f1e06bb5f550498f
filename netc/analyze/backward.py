"""What the backward pass of each layer costs, from the program that computes loss and gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from netc.ir.program import Program
from netc.ops.primitive import Value


def backward_flops(program: Program) -> Counter[str]:
    """FLOPs of the equations that only gradients need, by the path of their layer.

    `program` has an output `grad p` for every parameter p; what its other outputs need is forward.
    """
    forward = _needed(program, (v for name, v in program.outputs.items() if not name.startswith("grad ")))
    out: Counter[str] = Counter()
    for eq in program.equations:
        if forward.isdisjoint(eq.outputs):
            ins, outs = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
            out[eq.node] += eq.op.flops(ins, outs, dict(eq.params))
    return out


def _needed(program: Program, wanted: Iterable[Value]) -> set[Value]:
    """Every value that flows into one of those wanted, themselves included."""
    needed = set(wanted)
    for eq in reversed(program.equations):
        if not needed.isdisjoint(eq.outputs):
            needed.update(eq.inputs)
    return needed
