"""Large gradients of weights are computed last, when the activations are gone.

The gradient of a wide dense layer follows from two small matrices and may be as large as all activations together
(VGG-16: 392 of 860 MB).  In the order in which it is derived it is made while nearly all of them still wait for their
turn.  What it follows from waits instead; that costs memory as well, so a gradient is moved only where the most that is
live at once becomes less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from netc.ir.program import Equation, Program
from netc.ops.fused import pointwise
from netc.ops.primitive import Value

_LARGE: Final = 1 / 32  # of what is live: a gradient below that is not worth a look


def weights_late(program: Program) -> Program:
    """Moves gradients that only one update reads to the end, each before its update, where that lowers the peak.

    At the peak the largest of them that is there is moved, then at the next peak, until there is none or another peak
    is higher.  On the way it may stay as high: several gradients of one size are moved one after the other.
    """
    pairs = sorted(_pairs(program), key=lambda pair: -_size(pair[0]))
    if not pairs:
        return program
    needs = _needs(program)
    best = line = list(program.equations)
    peak, at = _peak(program, line, needs)
    lowest = peak
    while peak <= lowest:
        place = {id(eq): i for i, eq in enumerate(line)}
        there = (
            p for p in pairs if _size(p[0]) >= peak * _LARGE and place[id(p[0])] <= at <= place[id(p[1])]
        )
        pair = next(there, None)
        if pair is None:
            break
        pairs.remove(pair)
        line = [eq for eq in line if eq is not pair[0] and eq is not pair[1]] + list(pair)
        peak, at = _peak(program, line, needs)
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


@dataclass(frozen=True, slots=True)
class _Need:
    """Whose memory an equation reads, which it takes anew, and whether a result may be written over an operand."""

    reads: tuple[Value, ...]
    takes: tuple[Value, ...]
    inside: bool


def _needs(program: Program) -> dict[int, _Need]:
    """By the identity of the equation.  What updates an input is written over it, so it takes nothing."""
    root: dict[Value, Value] = {}
    for eq in program.equations:
        if eq.op.view:
            root[eq.outputs[0]] = root.get(eq.inputs[0], eq.inputs[0])
    updated = {root.get(new, new) for _, new in program.updates}
    return {
        id(eq): _Need(
            tuple(dict.fromkeys(root.get(v, v) for v in eq.inputs)),
            () if eq.op.view else tuple(out for out in eq.outputs if out not in updated),
            pointwise(eq.op),
        )
        for eq in program.equations
    } | {id(program): _Need(tuple(root.get(v, v) for v in program.outputs.values()), (), False)}


def _peak(program: Program, equations: Sequence[Equation], needs: Mapping[int, _Need]) -> tuple[int, int]:
    """The most bytes that are live at once in that order, and where."""
    last: dict[Value, int] = {}
    for at, eq in enumerate(equations):
        need = needs[id(eq)]
        for v in need.reads:
            last[v] = at
        for v in need.takes:
            last[v] = at
    last.update((v, len(equations)) for v in needs[id(program)].reads)
    made: set[Value] = set()
    change = [0] * (len(equations) + 2)
    for at, eq in enumerate(equations):
        need = needs[id(eq)]
        if not need.takes:
            continue
        over = [v.type for v in need.reads if v in made and last[v] == at] if need.inside else []
        for out in need.takes:
            size = out.type.nbytes
            within = out.type in over
            if within:
                over.remove(out.type)
            change[at + within] += size
            change[last[out] + 1] -= size
        made.update(need.takes)
    live = list(accumulate(change))
    most = max(live)
    return most, live.index(most)
