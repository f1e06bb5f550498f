"""A program: a straight list of equations, each assigning new values once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from netc.ops.primitive import Primitive, Value
from netc.types import Shape

Role = Literal["data", "target", "scalar", "counter", "param", "state", "slot"]


@dataclass(frozen=True, slots=True)
class Init:
    """How a parameter is drawn: by a scheme that knows its fans, or a constant.

    `fan_in` and `fan_out` count the inputs that one output sums and the outputs that one input reaches.
    """

    scheme: Literal["weight", "constant"]
    value: float = 0.0
    fan_in: int = 0
    fan_out: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """What a program is given.

    Parameters, states (running statistics) and slots (an optimiser's memory) stay between runs; `data` and `target`
    come with each batch, a `scalar` (the learning rate) and the `counter` of random draws with each step.
    `door` is the permutation from the inner layout to the one in files and in Python: axis i outside is
    `door[i]` inside.
    """

    name: str
    value: Value
    role: Role
    init: Init | None = None
    door: tuple[int, ...] = ()

    @property
    def outer_shape(self) -> Shape:
        """The shape as files and Python see it."""
        shape = self.value.type.shape
        return tuple(shape[i] for i in self.door) if self.door else shape


@dataclass(frozen=True, slots=True)
class Equation:
    """`outputs = op(inputs, params)`; `node` is the path of the layer it came from, so a fault points at a line."""

    op: Primitive
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    params: Mapping[str, Any]
    node: str = ""

    def __repr__(self) -> str:
        left = ", ".join(f"{v!r}: {v.type!r}" for v in self.outputs)
        args = [repr(v) for v in self.inputs] + [f"{k}={v!r}" for k, v in self.params.items()]
        return f"{left} = {self.op}({', '.join(args)})" + (f"  # {self.node}" if self.node else "")


@dataclass(frozen=True, slots=True)
class Program:
    """Inputs, equations in an order that runs, named results, and which input each new value replaces.

    `updates` pairs an input that stays (a parameter, a state, a slot) with the value it has after the run.
    """

    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    outputs: Mapping[str, Value]
    updates: tuple[tuple[Value, Value], ...] = ()

    def __str__(self) -> str:
        lines = [f"{i.role} {i.name} = {i.value!r}: {i.value.type!r}" for i in self.inputs]
        lines += [repr(e) for e in self.equations]
        lines += [f"output {name} = {v!r}" for name, v in self.outputs.items()]
        lines += [f"update {old!r} := {new!r}" for old, new in self.updates]
        return "\n".join(lines)

    def by_role(self, *roles: Role) -> tuple[Input, ...]:
        return tuple(i for i in self.inputs if i.role in roles)
