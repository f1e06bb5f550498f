"""Largest values remember where they were found, so that what they were chosen from need not wait for the gradient.

    y = relu(…);  p = maxpool(y)                                  p, places = maxpool_placed(y)
    d = maxpool_grad(y, dp);  dx = relu_grad(y, d)      becomes   dx = unpool(places, relu_grad(p, dp))
    db = sum_to(dx)                                               db = sum_to(relu_grad(p, dp))

A place is a byte, a quarter of a number and, with windows of 2 × 2, a sixteenth of what lay below it.  An activation's
gradient follows from its result, and where the gradient of a window goes the result is that of the window; so it is
taken of the few before they go to their places.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import Final

from netc import ops
from netc.ir.builder import Builder
from netc.ir.program import Equation, Program, params_key
from netc.ops.primitive import Value
from netc.types import TensorType

_OF_RESULTS: Final = (ops.relu_grad, ops.tanh_grad, ops.sigmoid_grad)
_TAPS: Final = 256  # as many as a byte tells apart


def places_kept(program: Program) -> Program:
    """Every `maxpool` whose gradient is asked for keeps places, and its gradient goes by them."""
    pairs = _pairs(program)
    if not pairs:
        return program
    b = Builder.after(program)
    places = {p: b.value(TensorType(p.type.shape, "byte")) for p in pairs.values()}
    behind = _activations(program, pairs)
    gone = {id(eq) for eq in behind.values()}
    small: dict[Value, Value] = {}  # what goes to its places, by what comes of it
    for eq in program.equations:
        out = eq.outputs[0]
        if eq.op is ops.maxpool and out in places:
            b.equations.append(replace(eq, op=ops.maxpool_placed, outputs=(out, places[out])))
        elif out in pairs:
            p, g = pairs[out], eq.inputs[1]
            if then := behind.get(out):
                with b.at(then.node):
                    out, g = then.outputs[0], b(then.op, p, g)
            small[out] = g
            params = {"size": eq.inputs[0].type.dims[1:3], **eq.params}
            b.equations.append(Equation(ops.unpool, (places[p], g), (out,), params, eq.node))
        elif eq.op is ops.sum_to and eq.params["shape"] == eq.inputs[0].type.shape[-1:]:
            b.equations.append(eq.reading(small))
        elif id(eq) not in gone:
            b.equations.append(eq)
    return replace(program, equations=tuple(b.equations))


def _pairs(program: Program) -> dict[Value, Value]:
    """The result of each `maxpool_grad`, and that of the `maxpool` before it that it goes back through."""
    pools: dict[tuple[Value, str], Value] = {}  # so far: what is computed again is pooled again, too
    pairs: dict[Value, Value] = {}
    for eq in program.equations:
        if eq.op in (ops.maxpool, ops.maxpool_grad) and 1 < prod(eq.params["kernel"]) <= _TAPS:
            key = eq.inputs[0], params_key(eq.params)
            if eq.op is ops.maxpool:
                pools[key] = eq.outputs[0]
            elif key in pools:
                pairs[eq.outputs[0]] = pools[key]
    return pairs


def _activations(program: Program, pairs: dict[Value, Value]) -> dict[Value, Equation]:
    """The gradient of the activation below each pool, where it alone reads that of the pool."""
    reads = Counter([v for eq in program.equations for v in eq.inputs])
    reads.update([*program.outputs.values(), *(new for _, new in program.updates)])
    pooled = {eq.outputs[0]: eq.inputs[0] for eq in program.equations if eq.op is ops.maxpool_grad}
    return {
        eq.inputs[1]: eq
        for eq in program.equations
        if eq.op in _OF_RESULTS
        and eq.inputs[1] in pairs
        and reads[eq.inputs[1]] == 1
        and eq.inputs[0] is pooled[eq.inputs[1]]
    }
