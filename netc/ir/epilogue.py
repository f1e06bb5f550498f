"""Epilogues: a loop that reads what a convolution computes is done with it, while a cache still has each part of it.

A bias, a folded norm, an activation and a residual are such a loop, and so are the moments of a batch norm, and going
back the gradient of an activation with the sums that a norm or a bias takes from it.  The gradient of a large dense
layer is a product that only the optimiser reads; both are done in strips.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from netc import ops
from netc.ir.program import Equation, Program
from netc.ops.epilogue import STRIP, with_epilogue, with_update
from netc.ops.fused import Step, pointwise
from netc.ops.primitive import Primitive, Value

_FIRST: Final = (ops.conv, ops.conv_data)
_TALL: Final = 64  # rows of a product of which the least strip, one register tile's, is a small part


def epilogues(program: Program) -> Program:
    """Joins each convolution with the first loop over its result, if all else that this reads is there by then."""
    place = {v: at for at, eq in enumerate(program.equations) for v in eq.outputs}
    reads = Counter([v for eq in program.equations for v in eq.inputs])
    reads.update([*program.outputs.values(), *(new for _, new in program.updates)])
    reader: dict[Value, Equation] = {}
    for eq in program.equations:
        for v in eq.inputs:
            reader.setdefault(v, eq)
    updated = {new for _, new in program.updates}
    line: list[Equation] = []
    gone: set[int] = set()
    for at, eq in enumerate(program.equations):
        if id(eq) in gone:
            continue
        then = reader.get(eq.outputs[0]) if eq.op in _FIRST else None
        if then and updated.isdisjoint(then.outputs) and _may_follow(eq, at, then, place):
            gone.add(id(then))
            y = eq.outputs[0]
            # The moments' results have no room for y.
            keeps = then.op is ops.moments or reads[y] > then.inputs.count(y)
            line.append(_joined(with_epilogue, eq, then, keeps=keeps))
        else:
            line.append(eq)
    return replace(program, equations=tuple(line))


def _may_follow(eq: Equation, at: int, then: Equation, place: dict[Value, int]) -> bool:
    """Whether `then` is a loop over the result of `eq`, row by row, that could stand right behind it."""
    (y,) = eq.outputs
    if then.op is ops.moments:
        return True
    if then.op is not ops.fused and then.op.body is None:
        return False
    known = all(place.get(v, -1) < at for v in then.inputs if v is not y)
    return known and then.outputs[0].type == y.type


def updates_along(program: Program) -> Program:
    """Joins the gradient of each large dense layer with the update that alone reads it, where that stands."""
    updated = {new for _, new in program.updates}
    reads = Counter([v for eq in program.equations for v in eq.inputs])
    reads.update(program.outputs.values())
    made = {
        eq.outputs[0]: eq for eq in program.equations if eq.op is ops.dot and dict(eq.params) == {"ta": True}
    }
    line: list[Equation] = []
    for eq in program.equations:
        alone = (v for v in eq.inputs if v in made and reads[v] == eq.inputs.count(v))
        y = next((v for v in alone if v.type.nbytes > STRIP and v.type.dims[0] >= _TALL), None)
        if y and updated.issuperset(eq.outputs) and pointwise(eq.op):
            line.remove(made[y])
            line.append(_joined(with_update, made[y], eq))
        else:
            line.append(eq)
    return replace(program, equations=tuple(line))


def _joined(op: Primitive, eq: Equation, then: Equation, **params: Any) -> Equation:
    """Both as one equation.  Its node is that of the contraction, which takes most of the time."""
    (y,) = eq.outputs
    others = tuple(dict.fromkeys(v for v in (*eq.inputs, *then.inputs) if v is not y))
    number = {v: i for i, v in enumerate((*others, y))}
    first, second = (
        Step(e.op, tuple(number[v] for v in e.inputs), tuple(sorted(e.params.items())) if e.params else ())
        for e in (eq, then)
    )
    outputs = (*((y,) if params.get("keeps") else ()), *then.outputs)
    return Equation(op, others, outputs, {"first": first, "then": second, **params}, eq.node)
