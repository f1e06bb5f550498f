"""The proof that a plan is right: the program, run on memory that holds names instead of numbers."""

from __future__ import annotations

from netc.ir.program import Equation, Program
from netc.ops.epilogue import elementwise
from netc.ops.primitive import Value
from netc.plan.place import Plan, Space


class BadPlan(Exception):
    """A plan that would let one value overwrite another; a mistake of netc, never of the user."""


class _Memory:
    """What every stretch of bytes holds: the value whose memory it is, by (low, high)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.root: dict[Value, Value] = {}
        self.held: dict[tuple[Space, str], dict[tuple[int, int], Value]] = {}

    def region(self, v: Value) -> tuple[dict[tuple[int, int], Value], tuple[int, int]]:
        p = self.plan.places[v]
        if p.offset % 64 or p.nbytes != v.type.nbytes:
            raise BadPlan(f"{v!r} has the place {p}")
        if p.space == "arena" and p.offset + p.nbytes > self.plan.arena_bytes:
            raise BadPlan(f"{v!r} ends behind the arena, at {p}")
        return self.held.setdefault((p.space, p.name), {}), (p.offset, p.offset + p.nbytes)

    def write(self, at: Value, value: Value) -> None:
        """`value` is written where `at` lives; what shares a byte with it is gone."""
        held, (low, high) = self.region(at)
        for span in [s for s in held if s[0] < high and low < s[1]]:
            del held[span]
        held[low, high] = self.root[value]

    def read(self, at: Value, value: Value, where: object) -> None:
        held, span = self.region(at)
        if held.get(span) is not self.root[value]:
            raise BadPlan(f"{value!r} is not there when it is read by {where}")


def check_plan(program: Program, plan: Plan) -> Plan:
    """Returns the plan if every read, of equations, outputs and updates, finds the value it wants."""
    memory = _Memory(plan)
    for i in program.inputs:
        memory.root[i.value] = i.value
        memory.write(i.value, i.value)
    for at in plan.order:
        _run(program.equations[at], memory)
    for name, v in program.outputs.items():
        memory.read(v, v, f"the output {name}")
    for old, new in plan.copies:
        memory.read(new, new, "an update")
        memory.write(old, new)
    for old, new in program.updates:
        memory.read(old, new, "the next run")
    return plan


def _run(eq: Equation, memory: _Memory) -> None:
    for v in eq.inputs:
        memory.read(v, v, eq)
    for out in eq.outputs:
        memory.root[out] = memory.root[eq.inputs[0]] if eq.op.view else out
        if not eq.op.view:
            _check_overlap(eq, out, memory.plan)
            memory.write(out, out)
    for out in eq.outputs:  # one result may not have overwritten another
        memory.read(out, out, eq)


def _check_overlap(eq: Equation, out: Value, plan: Plan) -> None:
    """A result may touch an operand's bytes only where both are the same elements of a pointwise equation."""
    mine = plan.places[out]
    for i, v in enumerate(eq.inputs):
        other = plan.places[v]
        same_space = (mine.space, mine.name) == (other.space, other.name)
        meet = mine.offset < other.offset + other.nbytes and other.offset < mine.offset + mine.nbytes
        if not (same_space and meet):
            continue
        if not (elementwise(eq.op, eq.params, i) and mine == other and v.type == out.type):
            raise BadPlan(f"{out!r} overwrites {v!r} while it is read, in {eq!r}")
