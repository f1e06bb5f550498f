"""What every program must satisfy; run after each pass."""

from __future__ import annotations

from netc.ir.program import Program
from netc.ops.primitive import Value


class IllFormed(Exception):
    """A program that breaks a rule; a mistake of netc, never of the user."""


def check(program: Program) -> Program:
    """Returns the program if values are defined before use and once, types are right, and updates fit."""
    known: set[Value] = {i.value for i in program.inputs}
    if len(known) != len(program.inputs) or len({i.name for i in program.inputs}) != len(program.inputs):
        raise IllFormed("two inputs are the same")
    for eq in program.equations:
        if not known.issuperset(eq.inputs):
            raise IllFormed(f"a value is used before it is computed, in {eq!r}")
        types = eq.op.type(*[v.type for v in eq.inputs], **eq.params)
        if types != tuple([v.type for v in eq.outputs]):
            raise IllFormed(f"{eq!r} has the types {types}")
        if not known.isdisjoint(eq.outputs):
            raise IllFormed(f"assigned twice: {eq!r}")
        known.update(eq.outputs)
    for name, v in program.outputs.items():
        if v not in known:
            raise IllFormed(f"the output {name} is never computed")
    for old, new in program.updates:
        if new not in known or old.type != new.type:
            raise IllFormed(f"{old!r} cannot become {new!r}")
    return program
