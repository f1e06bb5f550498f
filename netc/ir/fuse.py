"""Fusion: pointwise equations of one shape that feed each other become one equation, and later one loop over memory.

Equations are taken in order, and each pointwise one joins the groups that compute its operands.  So does a sum over all
axes but the channels, which a loop takes along of what it computes, and also of what it reads.  The group then stands
where its last member stood, which is right as long as nobody outside has read what it computes: the first such reader
closes it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from netc.ir.program import Equation, Program
from netc.ops.fused import Expression, Step, fused
from netc.ops.primitive import Value
from netc.ops.shape import sum_to
from netc.types import TensorType

MOST_MEMBERS: Final = 64  # of one loop: it stays in the instruction cache, and chains fuse in linear time
MOST_ARRAYS: Final = 12  # whole operands and results of a loop: more streams than a core's prefetcher follows

Reads = Counter[Value]  # how often a value is read, as a result or an update too


@dataclass(slots=True, eq=False)
class _Group:
    """Pointwise equations of one shape, in order, and sums of what they read and compute.

    `bound` counts operands and results of every member, so it has no more arrays than that.  `closed` once somebody
    outside has read one of them.
    """

    members: list[Equation]
    sums: list[Equation]
    bound: int
    place: int = 0
    closed: bool = False

    @property
    def type(self) -> TensorType:
        return self.members[0].outputs[0].type

    def fits(self, reads: Reads) -> bool:
        if len(self.members) + len(self.sums) > MOST_MEMBERS:
            return False
        return self.bound <= MOST_ARRAYS or self.arrays(reads) <= MOST_ARRAYS

    def border(self, reads: Reads) -> tuple[list[Value], list[Value]]:
        """What the group reads and does not compute, each once, and what it computes for others.

        That is what somebody outside reads, or nobody at all: no equation loses all its results.
        """
        own = {m.outputs[0]: 0 for m in self.members}  # how often the group itself reads it
        operands: dict[Value, None] = {}
        for m in (*self.members, *self.sums):
            for v in m.inputs:
                if v in own:
                    own[v] += 1
                else:
                    operands[v] = None
        return list(operands), [v for v, inside in own.items() if not inside or reads[v] > inside]

    def arrays(self, reads: Reads) -> int:
        """How many operands and results of its shape it has."""
        operands, results = self.border(reads)
        whole = self.type
        return sum([v.type == whole for v in operands + results])


def fuse(program: Program) -> Program:
    """Joins pointwise equations and sums; a value that is only used inside its group is never stored."""
    reads = Counter([v for eq in program.equations for v in eq.inputs])
    reads.update([*program.outputs.values(), *(new for _, new in program.updates)])
    return _Fusion(reads).run(program)


@dataclass(slots=True)
class _Fusion:
    """The pass on its way: the equations so far, each value's group, and the last group that reads a value."""

    reads: Reads
    line: list[Equation | _Group | None] = field(default_factory=list[Equation | _Group | None])
    group_of: dict[Value, _Group] = field(default_factory=dict[Value, _Group])
    reading: dict[Value, _Group] = field(default_factory=dict[Value, _Group])

    def run(self, program: Program) -> Program:
        for eq in program.equations:
            group = self._grown(eq)
            for v in eq.inputs:
                maker = self.group_of.get(v)
                if maker is group:
                    continue
                if maker is not None:
                    maker.closed = True
                if group is not None:
                    self.reading[v] = group
            if group is None:
                self.line.append(eq)
        equations = [_one(x, self.reads) if isinstance(x, _Group) else x for x in self.line if x is not None]
        return replace(program, equations=tuple(equations))

    def _grown(self, eq: Equation) -> _Group | None:
        """The group that `eq` is now in, in its place; None where it stays alone."""
        if eq.op.body is not None:
            group, gone = self._pointwise(eq)
        elif eq.op is sum_to and eq.outputs[0].type.shape == eq.inputs[0].type.shape[-1:]:
            group, gone = self._sum(eq)
        else:
            return None
        if group is None:
            return None
        for old in gone:
            self.line[old.place] = None
            if old is not group:
                self.group_of.update((m.outputs[0], group) for m in (*old.members, *old.sums))
                self.reading.update((v, group) for v in old.border(self.reads)[0])
        group.place = len(self.line)
        self.line.append(group)
        self.group_of[eq.outputs[0]] = group
        return group

    def _pointwise(self, eq: Equation) -> tuple[_Group, list[_Group]]:
        """`eq` with the open groups that it reads, as many as stay within the limits; the first of them grows."""
        whole = eq.outputs[0].type
        grown, joined = _Group([eq], [], len(eq.inputs) + 1), list[_Group]()
        for v in eq.inputs:
            other = self.group_of.get(v)
            if other is None or other.closed or other in joined or other.type != whole:
                continue
            wider = _Group(other.members + grown.members, other.sums + grown.sums, other.bound + grown.bound)
            if wider.fits(self.reads):
                joined.append(other)
                grown = wider
        if not joined:
            return grown, joined
        group = joined[0]
        group.members, group.sums, group.bound = grown.members, grown.sums, grown.bound
        return group, joined

    def _sum(self, eq: Equation) -> tuple[_Group | None, list[_Group]]:
        """The group that computes what `eq` sums, or else one that reads it, with the sum."""
        (x,) = eq.inputs
        other = self.group_of.get(x) or self.reading.get(x)
        if other is None or other.closed or other.type != x.type or x.type.rank < 2:
            return None, []
        if not _Group(other.members, [*other.sums, eq], other.bound).fits(self.reads):
            return None, []
        other.sums.append(eq)
        return other, [other]


def _one(group: _Group, reads: Reads) -> Equation:
    """The group as one equation.  Its `node` is that of its last member, whose result it is for."""
    if len(group.members) + len(group.sums) == 1:
        return group.members[0]
    operands, results = group.border(reads)
    number = {v: i for i, v in enumerate(operands)}
    steps: list[Step] = []
    for m in group.members:
        params = tuple(sorted(m.params.items())) if m.params else ()
        steps.append(Step(m.op, tuple([number[v] for v in m.inputs]), params))
        number[m.outputs[0]] = len(number)
    sums = [eq.outputs[0] for eq in group.sums]
    summed = tuple([number[eq.inputs[0]] for eq in group.sums])
    expression = Expression(tuple(steps), tuple([number[v] for v in results]), summed)
    outputs = (*results, *sums)
    return Equation(fused, tuple(operands), outputs, {"expression": expression}, group.members[-1].node)
