"""Recomputation: the backward pass computes again what the forward pass had, and memory holds less in between.

A backward equation that reads a value of the forward pass which is not *kept* reads a copy, made of what is kept just
before the first such reader.  Which values are kept decides what is saved and what it costs:

* `cheap` keeps what contractions give, and what would take too many steps from there: norms, activations and pools are
  done twice (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016, section 3.1);
* `segments` keeps what crosses the borders of so many stretches of the forward pass, and all of the last of them, which
  goes back at once: nearly a whole forward pass is done twice (section 4).

Random draws are the same the second time: they follow from the number of the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from netc import ops
from netc.ir.builder import Builder
from netc.ir.program import Equation, Program
from netc.ops.primitive import Value

_MOVES: Final = (ops.swap, ops.concat, ops.cut, ops.uncut, ops.spread, ops.fill)
_CHEAP: Final = (*_MOVES, ops.batch_norm, ops.maxpool, ops.avgpool, ops.dropout_mask)


def forward_part(program: Program) -> list[bool]:
    """Whether each equation belongs to the forward pass.

    It does if the loss, a metric or the next value of a state depends on it; gradients, which may be outputs too,
    follow from dL/dL.
    """
    gradients = {i.value for i in program.inputs if i.name == "seed"}
    for eq in program.equations:
        if not gradients.isdisjoint(eq.inputs):
            gradients.update(eq.outputs)
    states = {i.value for i in program.by_role("state")}
    wanted = {v for v in program.outputs.values() if v not in gradients}
    wanted |= {new for old, new in program.updates if old in states}
    out: list[bool] = []
    for eq in reversed(program.equations):
        out.append(not wanted.isdisjoint(eq.outputs))
        if out[-1]:
            wanted.update(eq.inputs)
    return out[::-1]


def cheap(program: Program, steps: int) -> set[Value]:
    """What is kept where everything but contractions may be done again, at most so many steps in a row."""
    depth = {i.value: 0 for i in program.inputs}
    kept: set[Value] = set()
    for eq in _forward(program):
        far = max((depth[v] for v in eq.inputs), default=0) + (not eq.op.view)
        again = eq.op.view or ((eq.op.body is not None or eq.op in _CHEAP) and far <= steps)
        if not again:
            kept.update(eq.outputs)
        depth.update((v, far if again else 0) for v in eq.outputs)
    return kept


def segments(program: Program, count: int) -> set[Value]:
    """What is kept where the forward pass is cut into so many stretches of about the same bytes.

    Near each border the place is taken where the least has to be kept.
    """
    equations = list(_forward(program))
    made = [sum(v.type.nbytes for v in eq.outputs if not eq.op.view) for eq in equations]
    crossing = _crossing(equations)
    kept: set[Value] = set()
    last, so_far, border = 0, 0, sum(made) / count
    window: list[int] = []  # the places that the next border may take
    for at, nbytes in enumerate(made):
        so_far += nbytes
        if so_far >= border - 0.5 * sum(made) / count:
            window.append(at + 1)
        if so_far >= border + 0.25 * sum(made) / count and window:
            last = min(window, key=lambda place: sum(v.type.nbytes for v in crossing[place]))
            kept |= crossing[last]
            border += sum(made) / count
            window = []
    return kept | {v for eq in equations[last:] for v in eq.outputs}


def recompute(program: Program, kept: set[Value]) -> Program:
    """The program whose backward pass reads no value of the forward pass but inputs and those that are kept."""
    forward = forward_part(program)
    b = Builder.after(program)
    again = _Again(b, kept, [eq for eq, f in zip(program.equations, forward, strict=True) if f])
    for eq, is_forward in zip(program.equations, forward, strict=True):
        if is_forward:
            b.equations.append(eq)
        else:
            b.equations.append(replace(eq, inputs=tuple(again.value(v) for v in eq.inputs)))
    return replace(program, equations=tuple(b.equations))


def _forward(program: Program) -> Iterator[Equation]:
    return (eq for eq, f in zip(program.equations, forward_part(program), strict=True) if f)


def _crossing(equations: list[Equation]) -> list[set[Value]]:
    """For each place between equations what is computed before it and read behind it."""
    made = {v: at for at, eq in enumerate(equations) for v in eq.outputs}
    ends: dict[Value, int] = {}
    for at, eq in enumerate(equations):
        ends.update((v, at) for v in eq.inputs if v in made)
    out: list[set[Value]] = [set() for _ in range(len(equations) + 1)]
    for v, end in ends.items():
        for place in range(made[v] + 1, end + 1):
            out[place].add(v)
    return out


class _Again:
    """Emits copies of forward equations, each at most once, with all that they need and that is not kept."""

    def __init__(self, b: Builder, kept: set[Value], forward: list[Equation]) -> None:
        self._b, self._kept = b, kept
        self._maker = {v: eq for eq in forward for v in eq.outputs}
        self._copy: dict[Value, Value] = {}

    def value(self, v: Value) -> Value:
        """The value that stands for v behind the forward pass."""
        todo = [v]
        while todo:
            eq = self._maker.get(todo[-1])
            if eq is None or todo[-1] in self._kept or todo[-1] in self._copy:
                todo.pop()
                continue
            missing = [
                x for x in eq.inputs if x in self._maker and x not in self._kept and x not in self._copy
            ]
            if missing:
                todo += missing
                continue
            with self._b.at(eq.node):
                copies = self._b.all(eq.op, *(self._copy.get(x, x) for x in eq.inputs), **eq.params)
            # a result that is kept keeps its readers
            self._copy.update((x, c) for x, c in zip(eq.outputs, copies, strict=True) if x not in self._kept)
        return self._copy.get(v, v)
