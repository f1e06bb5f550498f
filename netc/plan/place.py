"""Where every value of a program lives, decided before anything runs.

Parameters, states and slots have buffers that stay; what is fed has buffers of its own; everything else
shares one arena.  A value is live from the equation that computes it to the last that reads it, and two
values that are never live together may have the same bytes.  A reshape is its operand's memory; a pointwise
result takes the place of an operand that nobody reads again; the new value of a parameter is written over the
old one where nobody reads that later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from netc.ir.program import Equation, Program
from netc.ops.epilogue import elementwise
from netc.ops.fused import pointwise
from netc.ops.primitive import Value
from netc.plan.pack import Buffer, live_peak, pack

Space = Literal["arena", "persistent", "fed"]
PERSISTENT: Final = ("param", "frozen", "state", "slot", "prepared")


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes in the arena, or the whole buffer of the input called `name`."""

    space: Space
    name: str  # empty in the arena
    offset: int  # bytes from the start of the arena, a multiple of 64
    nbytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Order, places and sizes.  All sizes are in bytes.

    `copies` are the updates `(old, new)` that could not be made in place and are copied when all equations
    have run, in this order.  `live_bytes` is the least that any arena could have, reached at the equation
    numbered `peak_at` (-1 where there is none).
    """

    order: tuple[int, ...]
    places: Mapping[Value, Place]
    copies: tuple[tuple[Value, Value], ...]
    arena_bytes: int
    persistent_bytes: int
    fed_bytes: int
    live_bytes: int
    peak_at: int

    @property
    def peak_bytes(self) -> int:
        """What is allocated to run the program."""
        return self.arena_bytes + self.persistent_bytes + self.fed_bytes


def plan(program: Program) -> Plan:
    """The plan of a program whose sizes are all known; a symbolic size is a TypeError."""
    uses = _Uses.of(program)
    homes, copies = _updates(program, uses)
    buffers, buffer_of = _buffers(program, uses, homes)
    offsets, arena_bytes = pack(buffers)
    places: dict[Value, Place] = {}
    sizes: dict[Space, int] = {"persistent": 0, "fed": 0}
    for i in program.inputs:
        space: Space = "persistent" if i.role in PERSISTENT else "fed"
        places[i.value] = Place(space, i.name, 0, i.value.type.nbytes)
        sizes[space] += i.value.type.nbytes
    for eq in program.equations:
        for out in eq.outputs:
            root = uses.root[out]
            if root in homes:
                places[out] = places[homes[root]]
            elif root in buffer_of:
                places[out] = Place("arena", "", offsets[buffer_of[root]], out.type.nbytes)
            else:  # a view of an input
                places[out] = places[root]
    live, peak_at = live_peak(buffers, len(program.equations))
    order = tuple(range(len(program.equations)))
    return Plan(order, places, copies, arena_bytes, sizes["persistent"], sizes["fed"], live, peak_at)


# ---- Who reads what, and when ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Uses:
    """`root` is the value whose memory a value is; `writer` and `last` count equations, by root."""

    root: dict[Value, Value]
    writer: dict[Value, int]
    last: dict[Value, int]

    @classmethod
    def of(cls, program: Program) -> _Uses:
        root = {i.value: i.value for i in program.inputs}
        writer: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for at, eq in enumerate(program.equations):
            for v in eq.inputs:
                last[root[v]] = at
            for out in eq.outputs:
                root[out] = root[eq.inputs[0]] if eq.op.view else out
                if not eq.op.view:
                    writer[out] = last[out] = at
        end = len(program.equations)  # results, and updates, are read when all equations have run
        for v in [*program.outputs.values(), *(new for _, new in program.updates)]:
            last[root[v]] = end
        return cls(root, writer, last)


def _in_place(eq: Equation, result: Value, old: Value, uses: _Uses) -> bool:
    """Whether `eq` may write `result` over the memory of `old`: it reads element i before it writes element
    i.
    """
    mine = [(i, v) for i, v in enumerate(eq.inputs) if uses.root[v] is uses.root[old]]
    return all(elementwise(eq.op, eq.params, i) and v.type == result.type for i, v in mine)


def _updates(program: Program, uses: _Uses) -> tuple[dict[Value, Value], tuple[tuple[Value, Value], ...]]:
    """The roots that are written straight into an input's buffer, and the updates left to copy."""
    homes: dict[Value, Value] = {}
    copies: list[tuple[Value, Value]] = []
    for old, new in program.updates:
        root = uses.root[new]
        if root is old:
            continue
        at = uses.writer.get(root)
        last = uses.last.get(old, -1)
        if at is None or root in homes:
            copies.append((old, new))
        elif last < at or (last == at and _in_place(program.equations[at], root, old, uses)):
            homes[root] = old
        else:
            copies.append((old, new))
    return homes, _copy_order(copies, uses)


def _copy_order(copies: list[tuple[Value, Value]], uses: _Uses) -> tuple[tuple[Value, Value], ...]:
    """Copies in an order in which no input is overwritten before it is copied elsewhere."""
    waiting, done = list(copies), list[tuple[Value, Value]]()
    while waiting:
        sources = {uses.root[new] for _, new in waiting}
        free = [c for c in waiting if c[0] not in sources]
        if not free:
            raise ValueError("the updates exchange the values of inputs, which no order of copies can do")
        done += free
        waiting = [c for c in waiting if c not in free]
    return tuple(done)


def _buffers(
    program: Program, uses: _Uses, homes: Mapping[Value, Value]
) -> tuple[list[Buffer], dict[Value, int]]:
    """The stretches of life that need bytes in the arena, and which of them holds each root."""
    buffers: list[Buffer] = []
    buffer_of: dict[Value, int] = {}
    for at, eq in enumerate(program.equations):
        taken: set[int] = set()
        for out in eq.outputs:
            if out in homes or eq.op.view:
                continue
            donor = _donor(eq, out, at, uses, buffer_of, taken)
            if donor is None:
                buffer_of[out] = len(buffers)
                buffers.append(Buffer(at, uses.last[out], out.type.nbytes))
            else:
                taken.add(donor)
                buffer_of[out] = donor
                b = buffers[donor]
                buffers[donor] = Buffer(b.start, uses.last[out], b.nbytes)
    return buffers, buffer_of


def _donor(
    eq: Equation, out: Value, at: int, uses: _Uses, buffer_of: Mapping[Value, int], taken: set[int]
) -> int | None:
    """The buffer of an operand of `out`'s shape that nobody reads after this equation."""
    if not pointwise(eq.op):
        return None
    for v in eq.inputs:
        root = uses.root[v]
        buffer = buffer_of.get(root)
        if buffer is None or uses.last[root] != at or buffer in taken or v.type != out.type:
            continue
        if _in_place(eq, out, v, uses):
            return buffer
    return None
