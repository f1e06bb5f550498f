"""Large gradients of weights are computed last, when the activations are gone.

The gradient of a wide dense layer follows from two small matrices and may be as large as all activations together
(VGG-16: 392 of 860 MB).  In the order in which it is derived it is made while nearly all of them still wait for their
turn.  What it follows from waits instead; that costs memory as well, so a gradient is moved only where the most that is
live at once becomes less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

from netc.ir.program import Equation, Program
from netc.ops.fused import pointwise
from netc.ops.primitive import Value

_LARGE: Final = 1 / 64  # of what is live: a gradient below that is not worth a look


def weights_late(program: Program) -> Program:
    """Moves gradients that only one update reads to the end, each before its update, where that lowers the peak.

    At the peak the largest of them that is there is moved, then at the next peak, until there is none or another peak
    is higher.  On the way it may stay as high: several gradients of one size are moved one after the other.
    """
    best = line = list(program.equations)
    peak, at = _peak(program, line)
    lowest = peak
    pairs = sorted(_pairs(program), key=lambda pair: -_size(pair[0]))
    while peak <= lowest:
        place = {id(eq): i for i, eq in enumerate(line)}
        there = (
            p for p in pairs if place[id(p[0])] <= at <= place[id(p[1])] and _size(p[0]) >= peak * _LARGE
        )
        pair = next(there, None)
        if pair is None:
            break
        pairs.remove(pair)
        line = [eq for eq in line if eq is not pair[0] and eq is not pair[1]] + list(pair)
        peak, at = _peak(program, line)
        if peak < lowest:
            best, lowest = line, peak
    return replace(program, equations=tuple(best))


def _size(eq: Equation) -> int:
    return sum(v.type.nbytes for v in eq.outputs)


def _pairs(program: Program) -> list[tuple[Equation, Equation]]:
    """Equations whose one result only an update reads, and that update; neither needs what other updates replace."""
    readers = Counter(v for eq in program.equations for v in eq.inputs)
    readers.update(program.outputs.values())
    replaced = {old for old, _ in program.updates}
    new = {new for _, new in program.updates}
    updates = {
        v: eq
        for eq in program.equations
        if all(out in new and not readers[out] for out in eq.outputs)
        for v in eq.inputs
        if readers[v] == 1
    }
    roots: dict[Value, Value] = {}
    found: list[tuple[Equation, Equation]] = []
    for eq in program.equations:
        if eq.op.view:
            roots[eq.outputs[0]] = roots.get(eq.inputs[0], eq.inputs[0])
            continue
        alone = len(eq.outputs) == 1 and replaced.isdisjoint(roots.get(v, v) for v in eq.inputs)
        if alone and eq.outputs[0] in updates:
            found.append((eq, updates[eq.outputs[0]]))
    return found


def _peak(program: Program, equations: Sequence[Equation]) -> tuple[int, int]:
    """The most bytes that are live at once in that order, if what updates an input is written over it, and where."""
    root: dict[Value, Value] = {}
    last: dict[Value, int] = {}
    for at, eq in enumerate(equations):
        last.update((root.get(v, v), at) for v in eq.inputs)
        if eq.op.view:
            root[eq.outputs[0]] = root.get(eq.inputs[0], eq.inputs[0])
        else:
            last.update((out, at) for out in eq.outputs)
    last.update((root.get(v, v), len(equations)) for v in program.outputs.values())
    updated = {root.get(new, new) for _, new in program.updates}
    made: set[Value] = set()
    change = [0] * (len(equations) + 2)
    for at, eq in enumerate(equations):
        if eq.op.view:
            continue
        mine = {root.get(v, v): v.type for v in eq.inputs}
        over = [
            t for v, t in mine.items() if v in made and last[v] == at
        ]  # what a result may be written over
        new = [out for out in eq.outputs if out not in updated]
        for out in new:
            inside = pointwise(eq.op) and out.type in over
            if inside:
                over.remove(out.type)
            change[at + inside] += out.type.nbytes
            change[last[out] + 1] -= out.type.nbytes
        made.update(new)
    live = list(accumulate(change))
    return max(live), live.index(max(live))
