"""Reverse-mode differentiation, as a transform of the program.

Walking the equations backwards, each primitive's rule turns the gradients of its results into those of its
operands; where a value is used more than once its gradients add up.  The backward equations are appended to the
same program, so one step (forward, backward, optimiser) is one list that is fused and planned as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from netc import ops
from netc.ir.builder import Builder
from netc.ops.primitive import Application, Value
from netc.types import TensorType


def gradients(b: Builder, loss: Value, seed: Value, wanted: Sequence[Value]) -> list[Value | None]:
    """Appends the backward equations to `b`; the gradient of the scalar `loss` by each wanted value.

    `seed` is dL/dL, a scalar value of 1 (or the factor to scale all gradients by).  None where the loss does not
    depend on a value.  Only what a wanted value needs is computed.
    """
    needed = _depends_on(b, wanted)
    so_far: dict[Value, Value] = {loss: seed}
    for eq in reversed(b.equations[:]):
        gs = tuple([so_far.get(out) for out in eq.outputs])
        if needed.isdisjoint(eq.inputs) or all(g is None for g in gs):
            continue
        if eq.op.gradient is None:
            raise TypeError(f"{eq.op} has no gradient, and the loss depends on what it computes ({eq.node})")
        with b.at(eq.node):
            back = eq.op.gradient(b, Application(eq.inputs, eq.outputs, dict(eq.params)), gs)
            for operand, g in zip(eq.inputs, back, strict=True):
                if g is None or operand not in needed:
                    continue
                so_far[operand] = b(ops.add, so_far[operand], g) if operand in so_far else g
    return [so_far.get(v) for v in wanted]


def _depends_on(b: Builder, wanted: Sequence[Value]) -> set[Value]:
    """Every value that some wanted value flows into."""
    reached = set(wanted)
    for eq in b.equations:
        if not reached.isdisjoint(eq.inputs):
            reached.update(eq.outputs)
    return reached


def one(b: Builder) -> Value:
    """The scalar input `seed`: dL/dL, which the runtime sets to 1."""
    return b.input("seed", TensorType((), b.dtype), "scalar")
