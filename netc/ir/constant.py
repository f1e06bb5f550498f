"""Partial evaluation: what follows from weights and states alone is computed when they change, not at each run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Final

from netc.ir.builder import Builder
from netc.ir.passes import share_equal
from netc.ir.program import Equation, Input, Program, params_key
from netc.ops.primitive import Value

KEPT: Final = ("param", "frozen", "state")


def constants(program: Program) -> set[Value]:
    """The weights and states that a run leaves as they are, and every value that follows from them alone."""
    replaced = {old for old, _ in program.updates}
    known = {i.value for i in program.inputs if i.role in KEPT and i.value not in replaced}
    for eq in program.equations:
        if known.issuperset(eq.inputs):
            known.update(eq.outputs)
    return known


def split_constant(program: Program) -> tuple[Program, Program]:
    """A program as two: `prepare` computes from weights and states what `infer` then has as persistent inputs.

    `prepare` has no outputs: it updates its inputs of the role `prepared`, which `infer` reads under the same names.  A
    name tells how its value is computed, so what two programs over the same weights both prepare has one name.
    """
    program = share_equal(program)
    known = constants(program)
    given = _given(program)
    kept = [eq for eq in program.equations if known.issuperset(eq.outputs)]
    early = [eq for eq in kept if not given.issuperset(eq.outputs)]
    done = {v for eq in early for v in eq.outputs}
    late = [eq for eq in program.equations if not done.issuperset(eq.outputs)]
    read = {v for eq in late for v in eq.inputs} | set(program.outputs.values())
    read |= {new for _, new in program.updates}
    crossing = [v for eq in early for v in eq.outputs if v in read]
    names = _names(program, kept)
    b = Builder.after(program)
    for v in crossing:
        b.update(b.input(names[v], v.type, "prepared"), v)
    sources = [i for i in program.inputs if i.value in known]
    prepare = Program((*sources, *b.inputs.values()), tuple(kept), {}, tuple(b.updates.items()))
    prepared = [Input(names[v], v, "prepared") for v in crossing]
    infer = Program((*program.inputs, *prepared), tuple(late), program.outputs, program.updates)
    return _only_read(prepare), _only_read(infer)


def _given(program: Program) -> set[Value]:
    """Inputs, and inputs under other shapes, which cost nothing and stay where they are read."""
    given = {i.value for i in program.inputs}
    for eq in program.equations:
        if eq.op.view and eq.inputs[0] in given:
            given.update(eq.outputs)
    return given


def _names(program: Program, kept: Iterable[Equation]) -> dict[Value, str]:
    """For each value that is computed from weights the layer it is for, and a hash of the expression that it is."""
    key = {i.value: i.name for i in program.inputs}
    names: dict[Value, str] = {}
    for eq in kept:
        operands = "\0".join([key[v] for v in eq.inputs])
        for at, out in enumerate(eq.outputs):
            text = f"{eq.op}\0{params_key(eq.params)}\0{operands}\0{out.type}\0{at}"
            key[out] = sha256(text.encode()).hexdigest()[:32]
            names[out] = f"{eq.node} {key[out]}"
    return names


def _only_read(program: Program) -> Program:
    """Without the weights and states that nobody reads; what is fed is fed all the same."""
    read = {v for eq in program.equations for v in eq.inputs} | set(program.outputs.values())
    read |= {v for pair in program.updates for v in pair}
    return replace(program, inputs=tuple(i for i in program.inputs if i.role not in KEPT or i.value in read))
