"""Fusion: pointwise equations of one shape that feed each other become one equation, and later one loop over memory.

Equations are taken in order, and each pointwise one joins the groups that compute its operands.  So does a sum over all
axes but the channels, which a loop takes along of what it computes, and also of what it reads.  The group then stands
where its last member stood, which is right as long as nobody outside has read what it computes: the first such reader
closes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from netc.ir.program import Equation, Program
from netc.ops.fused import Expression, Step, fused
from netc.ops.primitive import Value
from netc.ops.shape import sum_to
from netc.types import TensorType

MOST_MEMBERS: Final = 64  # of one loop: it stays in the instruction cache, and chains fuse in linear time
MOST_ARRAYS: Final = 12  # whole operands and results of a loop: more streams than a core's prefetcher follows


Readers = dict[Value, list[Equation | None]]  # None stands for the world outside the program


@dataclass(slots=True, eq=False)
class _Group:
    """Pointwise equations of one shape, in order, and sums of what they read and compute.

    `closed` once somebody outside has read one of them.
    """

    members: list[Equation]
    place: int
    sums: list[Equation] = field(default_factory=list[Equation])
    closed: bool = False

    @property
    def equations(self) -> list[Equation]:
        return [*self.members, *self.sums]

    @property
    def type(self) -> TensorType:
        return self.members[0].outputs[0].type

    def fits(self, readers: Readers) -> bool:
        return len(self.members) + len(self.sums) <= MOST_MEMBERS and self.arrays(readers) <= MOST_ARRAYS

    def operands(self) -> list[Value]:
        """What the group reads and does not compute, each once."""
        own = {m.outputs[0] for m in self.members}
        return list(dict.fromkeys(v for m in self.equations for v in m.inputs if v not in own))

    def results(self, readers: Readers) -> list[Value]:
        """What the members compute and somebody outside reads, or nobody does: no equation loses all its results."""
        inside = {id(m) for m in self.equations}
        own = [m.outputs[0] for m in self.members]
        return [
            v for v in own if v not in readers or any(r is None or id(r) not in inside for r in readers[v])
        ]

    def arrays(self, readers: Readers) -> int:
        """How many operands and results of its shape it has, or a bound above that if that is within the limit."""
        bound = sum(len(m.inputs) + 1 for m in self.members)
        if bound <= MOST_ARRAYS:
            return bound
        return sum(v.type == self.type for v in [*self.operands(), *self.results(readers)])


def fuse(program: Program) -> Program:
    """Joins pointwise equations and sums; a value that is only used inside its group is never stored."""
    return _Fusion(_readers(program)).run(program)


@dataclass(slots=True)
class _Fusion:
    """The pass on its way: the equations so far, each value's group, and the last group that reads a value."""

    readers: Readers
    line: list[Equation | _Group | None] = field(default_factory=list[Equation | _Group | None])
    group_of: dict[Value, _Group] = field(default_factory=dict[Value, _Group])
    reading: dict[Value, _Group] = field(default_factory=dict[Value, _Group])

    def run(self, program: Program) -> Program:
        for eq in program.equations:
            group = self._grown(eq)
            for v in eq.inputs:
                if v in self.group_of and self.group_of[v] is not group:
                    self.group_of[v].closed = True
            if group is None:
                self.line.append(eq)
        equations = tuple(
            _one(x, self.readers) if isinstance(x, _Group) else x for x in self.line if x is not None
        )
        return replace(program, equations=equations)

    def _grown(self, eq: Equation) -> _Group | None:
        """The group that `eq` is now in, in its place; None where it stays alone."""
        if eq.op.body is not None:
            group, gone = self._pointwise(eq)
        elif eq.op is sum_to and eq.outputs[0].type.shape == eq.inputs[0].type.shape[-1:]:
            group, gone = self._sum(eq)
        else:
            group, gone = None, []
        if group is None:
            return None
        for old in gone:
            self.line[old.place] = None
            if old is not group:
                self.group_of.update((m.outputs[0], group) for m in old.equations)
                self.reading.update((v, group) for v in old.operands())
        group.place = len(self.line)
        self.line.append(group)
        self.group_of[eq.outputs[0]] = group
        self.reading.update((v, group) for v in eq.inputs if self.group_of.get(v) is not group)
        return group

    def _pointwise(self, eq: Equation) -> tuple[_Group, list[_Group]]:
        """`eq` with the open groups that it reads, as many as stay within the limits; the first of them grows."""
        members, sums, joined = [eq], list[Equation](), list[_Group]()
        for v in eq.inputs:
            other = self.group_of.get(v)
            if other is None or other.closed or other in joined or other.type != eq.outputs[0].type:
                continue
            wider = _Group([*other.members, *members], 0, [*other.sums, *sums])
            if wider.fits(self.readers):
                joined.append(other)
                members, sums = wider.members, wider.sums
        group = joined[0] if joined else _Group(members, 0)
        group.members, group.sums = members, sums
        return group, joined

    def _sum(self, eq: Equation) -> tuple[_Group | None, list[_Group]]:
        """The group that computes what `eq` sums, or else one that reads it, with the sum."""
        (x,) = eq.inputs
        other = self.group_of.get(x) or self.reading.get(x)
        if other is None or other.closed or other.type != x.type or x.type.rank < 2:
            return None, []
        if not _Group(other.members, 0, [*other.sums, eq]).fits(self.readers):
            return None, []
        other.sums.append(eq)
        return other, [other]


def _readers(program: Program) -> Readers:
    """Who reads each value."""
    readers: Readers = {}
    for eq in program.equations:
        for v in eq.inputs:
            readers.setdefault(v, []).append(eq)
    for v in [*program.outputs.values(), *(new for _, new in program.updates)]:
        readers.setdefault(v, []).append(None)
    return readers


def _one(group: _Group, readers: Readers) -> Equation:
    """The group as one equation.  Its `node` is that of its last member, whose result it is for."""
    if len(group.equations) == 1:
        return group.members[0]
    operands, results = group.operands(), group.results(readers)
    number = {v: i for i, v in enumerate(operands)}
    steps: list[Step] = []
    for m in group.members:
        number[m.outputs[0]] = len(number)
        steps.append(Step(m.op, tuple(number[v] for v in m.inputs), tuple(sorted(m.params.items()))))
    sums = [eq.outputs[0] for eq in group.sums]
    summed = tuple(number[eq.inputs[0]] for eq in group.sums)
    expression = Expression(tuple(steps), tuple(number[v] for v in results), summed)
    return Equation(
        fused, tuple(operands), (*results, *sums), {"expression": expression}, group.members[-1].node
    )
