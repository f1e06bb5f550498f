"""Large gradients of weights are computed last, when the activations are gone.

The gradient of a wide dense layer follows from two small matrices and may be as large as all activations together
(VGG-16: 392 of 860 MB).  In the order in which it is derived it is made while nearly all of them still wait for their
turn.  What it follows from waits instead; that costs memory as well, so a gradient is moved only where the most that is
live at once becomes less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final, NamedTuple

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
    line = _Line(program, room=2 * len(pairs))
    best = dict(line.place)
    peak, at = line.peak()
    lowest = peak
    while peak <= lowest:
        there = (
            (g, update)
            for g, update in pairs
            if _size(g) >= peak * _LARGE and line.place[id(g)] <= at <= line.place[id(update)]
        )
        pair = next(there, None)
        if pair is None:
            break
        pairs.remove(pair)
        line.put_last(pair)
        peak, at = line.peak()
        if peak < lowest:
            best, lowest = dict(line.place), peak
    return replace(program, equations=tuple(sorted(program.equations, key=lambda eq: best[id(eq)])))


def _size(eq: Equation) -> int:
    return sum(v.type.nbytes for v in eq.outputs)


def _pairs(program: Program) -> list[tuple[Equation, Equation]]:
    """Equations whose one result only an update reads, and that update; neither needs what other updates replace."""
    readers = Counter([v for eq in program.equations for v in eq.inputs])
    readers.update(program.outputs.values())
    replaced = {old for old, _ in program.updates}
    new = {new for _, new in program.updates}
    updates = {
        v: eq
        for eq in program.equations
        if new.issuperset(eq.outputs) and readers.keys().isdisjoint(eq.outputs)
        for v in eq.inputs
        if readers[v] == 1
    }
    root = _roots(program)
    return [
        (eq, updates[eq.outputs[0]])
        for eq in program.equations
        if len(eq.outputs) == 1
        and eq.outputs[0] in updates
        and not eq.op.view
        and replaced.isdisjoint([root.get(v, v) for v in eq.inputs])
    ]


class _Need(NamedTuple):
    """Of what equations take: whose memory one reads, what it takes anew, and which of `reads` it may write over."""

    reads: Sequence[Value] = ()
    takes: Sequence[Value] = ()
    donors: Sequence[Value] = ()


class _Line:
    """Equations at their places, and how much is live at each.  What is moved behind all leaves its place empty.

    `place` is by the identity of an equation, and the results of the program are read at the last place of all.
    """

    def __init__(self, program: Program, room: int) -> None:
        self._needs = _needs(program)
        self._free = len(self._needs)
        self._needs += [_Need()] * (room + 1)
        self.place = {id(eq): at for at, eq in enumerate(program.equations)}
        self._taker: dict[Value, int] = {}  # the place of the equation that takes it
        self._last: dict[Value, int] = {}  # the place of the last that reads it
        for at, (reads, takes, _) in enumerate(self._needs):
            for v in reads:
                self._last[v] = at
            for v in takes:
                self._last[v] = self._taker[v] = at
        root = _roots(program)
        self._last.update((root.get(v, v), len(self._needs) - 1) for v in program.outputs.values())
        self._change = [0] * (len(self._needs) + 1)
        self._count(range(self._free), 1)

    def _count(self, places: Iterable[int], sign: int) -> None:
        """Adds what equations take, from where to where it is live, or takes that back."""
        last, change = self._last, self._change
        for at in places:
            _, takes, donors = self._needs[at]
            over = [v.type for v in donors if last[v] == at]
            for out in takes:
                size = sign * out.type.nbytes
                within = out.type in over
                if within:
                    over.remove(out.type)
                change[at + within] += size
                change[last[out] + 1] -= size

    def put_last(self, equations: Sequence[Equation]) -> None:
        """Moves equations behind all others; only what they read is live for longer."""
        moves = [(self.place[id(eq)], self._free + i) for i, eq in enumerate(equations)]
        read = [v for old, _ in moves for v in self._needs[old].reads]
        touched = {at for move in moves for at in move}
        touched |= {self._taker[v] for v in read} | {self._last[v] for v in read}
        self._count(touched, -1)
        for eq, (old, new) in zip(equations, moves, strict=True):
            self._needs[old], self._needs[new] = _Need(), self._needs[old]
            self.place[id(eq)] = new
            reads, takes, _ = self._needs[new]
            self._taker.update(dict.fromkeys(takes, new))
            self._last.update((v, max(self._last[v], new)) for v in (*reads, *takes))
        self._free += len(moves)
        self._count(touched, 1)

    def peak(self) -> tuple[int, int]:
        """The most bytes that are live at once, and where."""
        live = list(accumulate(self._change))
        most = max(live)
        return most, live.index(most)


def _roots(program: Program) -> dict[Value, Value]:
    """Whose memory each view is."""
    root: dict[Value, Value] = {}
    for eq in program.equations:
        if eq.op.view:
            root[eq.outputs[0]] = root.get(eq.inputs[0], eq.inputs[0])
    return root


def _needs(program: Program) -> list[_Need]:
    """Of each equation.  What updates an input is written over it, so it takes nothing."""
    root = _roots(program)
    updated = {root.get(new, new) for _, new in program.updates}
    taken: set[Value] = set()
    needs: list[_Need] = []
    for eq in program.equations:
        reads = [v for x in eq.inputs if (v := root.get(x, x)) in taken]
        takes = [] if eq.op.view else [v for v in eq.outputs if v not in updated]
        donors: list[Value] = []
        if reads and takes and pointwise(eq.op):
            types = [v.type for v in takes]
            donors = [v for v in dict.fromkeys(reads) if v.type in types]
        needs.append(_Need(reads, takes, donors))
        taken.update(takes)
    return needs
