"""Named passes: pure functions from program to program, in an order; what comes out is checked.

A new pass is a function of its own file and a name in the list below, and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from netc.ir.check import check
from netc.ir.epilogue import epilogues, updates_along
from netc.ir.fuse import fuse
from netc.ir.norms import open_norms
from netc.ir.pools import places_kept
from netc.ir.program import Equation, Program, params_key
from netc.ops.primitive import Primitive, Value

Pass = Callable[[Program], Program]


def drop_unused(program: Program) -> Program:
    """Removes equations whose results nobody reads."""
    read: set[Value] = set(program.outputs.values()) | {new for _, new in program.updates}
    kept: list[Equation] = []
    for eq in reversed(program.equations):
        if not read.isdisjoint(eq.outputs):
            read.update(eq.inputs)
            kept.append(eq)
    return replace(program, equations=tuple(reversed(kept)))


def share_equal(program: Program) -> Program:
    """Computes once what is computed twice from the same values."""
    seen: dict[tuple[Primitive, tuple[Value, ...], str], tuple[Value, ...]] = {}
    now: dict[Value, Value] = {}
    kept: list[Equation] = []
    for eq in program.equations:
        eq = eq.reading(now)
        key: tuple[Primitive, tuple[Value, ...], str] = (eq.op, eq.inputs, params_key(eq.params))
        if key in seen:
            now.update(zip(eq.outputs, seen[key], strict=True))
        else:
            seen[key] = eq.outputs
            kept.append(eq)
    return Program(
        program.inputs,
        tuple(kept),
        {name: now.get(v, v) for name, v in program.outputs.items()},
        tuple((old, now.get(new, new)) for old, new in program.updates),
    )


def update_early(program: Program) -> Program:
    """Moves what only updates to where its operands are known and nobody after it reads the old values.

    A gradient then lives no longer than until its parameter has moved, and not until the end of the backward pass.
    """
    olds = {new: old for old, new in program.updates}
    read = {v for eq in program.equations for v in eq.inputs}.union(program.outputs.values())
    root: dict[Value, Value] = {}  # of a view: whose memory it is
    known: dict[Value, int] = {}  # the equation that computes it
    last: dict[Value, int] = {}  # the last equation that reads a value's memory and stays where it is
    moved: list[int] = []
    for at, eq in enumerate(program.equations):
        for out in eq.outputs:
            known[out] = at
        if eq.op.view:
            root[eq.outputs[0]] = root.get(eq.inputs[0], eq.inputs[0])
        if read.isdisjoint(eq.outputs) and olds.keys() >= set(eq.outputs):
            moved.append(at)
            continue
        for v in eq.inputs:
            last[root.get(v, v)] = at
    line = [(at, 0, eq) for at, eq in enumerate(program.equations)]
    for at in moved:
        eq = program.equations[at]
        needs = [known.get(v, -1) for v in eq.inputs] + [last.get(olds[out], -1) for out in eq.outputs]
        line[at] = (max(needs), 1, eq)  # behind the one that it waits for
    return replace(program, equations=tuple(eq for *_, eq in sorted(line, key=lambda place: place[:2])))


#: What comes first; what a program computes twice on purpose (`recompute`) is put in behind these.
CLEANING: Final[tuple[Pass, ...]] = (share_equal, drop_unused)
IMPROVING: Final[tuple[Pass, ...]] = (
    places_kept, open_norms, drop_unused, fuse, update_early, updates_along, epilogues
)  # fmt: skip
PASSES: Final[tuple[Pass, ...]] = (*CLEANING, *IMPROVING)


def simplify(program: Program, passes: tuple[Pass, ...] = PASSES) -> Program:
    """Runs the passes in order, and checks what comes out.  The tests run, and so check, each pass by itself."""
    for step in passes:
        program = step(program)
    return check(program)
