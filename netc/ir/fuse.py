"""Fusion: pointwise equations of one shape that feed each other become one equation, and later one loop over
memory.

Equations are taken in order, and each pointwise one joins the groups that compute its operands.  The group
then stands where its last member stood, which is right as long as nobody outside has read what it computes:
the first such reader closes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from netc.ir.program import Equation, Program
from netc.ops.fused import Expression, Step, fused
from netc.ops.primitive import Value

MOST_MEMBERS: Final = (
    64  # equations of one loop: it stays in the instruction cache, and chains fuse in linear time
)
MOST_ARRAYS: Final = 12  # operands and results of one loop: more streams than a core's prefetcher follows


Readers = dict[Value, list[Equation | None]]  # None stands for the world outside the program


@dataclass(slots=True, eq=False)
class _Group:
    """Pointwise equations of one shape, in order; `closed` once somebody outside has read one of them."""

    members: list[Equation]
    place: int
    closed: bool = False

    def operands(self) -> list[Value]:
        """What the group reads and does not compute, each once."""
        own = {m.outputs[0] for m in self.members}
        return list(dict.fromkeys(v for m in self.members for v in m.inputs if v not in own))

    def results(self, readers: Readers) -> list[Value]:
        """What the group computes and somebody outside reads, or nobody does: no equation loses all its
        results.
        """
        inside = {id(m) for m in self.members}
        own = [m.outputs[0] for m in self.members]
        return [
            v for v in own if v not in readers or any(r is None or id(r) not in inside for r in readers[v])
        ]

    def arrays(self, readers: Readers) -> int:
        """How many operands and results it has, or a bound above that if that is within the limit."""
        bound = sum(len(m.inputs) + 1 for m in self.members)
        return bound if bound <= MOST_ARRAYS else len(self.operands()) + len(self.results(readers))


def fuse(program: Program) -> Program:
    """Joins pointwise equations; a value that is only used inside its group is never stored."""
    readers = _readers(program)
    line: list[Equation | _Group | None] = []
    group_of: dict[Value, _Group] = {}
    for eq in program.equations:
        group = _grow(eq, group_of, readers, len(line)) if eq.op.body is not None else None
        for v in eq.inputs:
            if v in group_of and (group is None or group_of[v].members[0] not in group.members):
                group_of[v].closed = True
        if group is None:
            line.append(eq)
            continue
        for m in group.members[:-1]:
            line[group_of[m.outputs[0]].place] = None
        group_of.update((m.outputs[0], group) for m in group.members)
        line.append(group)
    equations = tuple(_one(x, readers) if isinstance(x, _Group) else x for x in line if x is not None)
    return replace(program, equations=equations)


def _grow(eq: Equation, group_of: dict[Value, _Group], readers: Readers, place: int) -> _Group:
    """The group that `eq` makes with the open groups it reads, as many as stay within the limit."""
    group, joined = _Group([eq], place), list[_Group]()
    for v in eq.inputs:
        candidate = group_of.get(v)
        if candidate is None or candidate.closed or candidate in joined or v.type != eq.outputs[0].type:
            continue
        if len(candidate.members) + len(group.members) > MOST_MEMBERS:
            continue
        wider = _Group([*candidate.members, *group.members], place)
        if wider.arrays(readers) <= MOST_ARRAYS:
            joined.append(candidate)
            group = wider
    return group


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
    if len(group.members) == 1:
        return group.members[0]
    operands, results = group.operands(), group.results(readers)
    number = {v: i for i, v in enumerate(operands)}
    steps: list[Step] = []
    for m in group.members:
        number[m.outputs[0]] = len(number)
        steps.append(Step(m.op, tuple(number[v] for v in m.inputs), tuple(sorted(m.params.items()))))
    expression = Expression(tuple(steps), tuple(number[v] for v in results))
    return Equation(
        fused, tuple(operands), tuple(results), {"expression": expression}, group.members[-1].node
    )
