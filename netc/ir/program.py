"""A program: a straight list of equations, each assigning new values once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from netc.ops.primitive import Primitive, Value
from netc.types import Shape

Role = Literal["data", "target", "scalar", "counter", "param", "frozen", "state", "slot", "prepared"]
Numbers = float | tuple["Numbers", ...]  # an array as one writes it


class Rule(Protocol):
    """How weights are drawn: `he`, `normal(0.01)`."""

    def draw(self, rng: Any, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Any:
        """A float32 array of that shape from a NumPy generator."""
        ...


@dataclass(frozen=True, slots=True)
class Init:
    """How a parameter begins: drawn by a rule that knows its fans, a constant, or given number by number.

    `fan_in` and `fan_out` count the inputs that one output sums and the outputs that one input reaches; without a
    `rule` of its own a weight has that of its net.  `numbers` are in the layout of files.
    """

    scheme: Literal["weight", "constant", "given"]
    value: float = 0.0
    fan_in: int = 0
    fan_out: int = 0
    rule: Rule | None = None
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What one layer says of its weights: that they are not trained, how they are drawn, or what they are."""

    frozen: bool = False
    rule: Rule | None = None
    weight: Numbers | None = None

    def describe(self) -> str:
        """As it is written; numbers are left out: `init=he, frozen=true`."""
        said = ["weight=…"] if self.weight is not None else []
        said += [f"init={self.rule}"] if self.rule else []
        return ", ".join([*said, "frozen=true"] if self.frozen else said)


def dims_of(numbers: Numbers) -> tuple[int, ...] | None:
    """The shape of nested numbers; None where rows differ in length."""
    if not isinstance(numbers, tuple):
        return ()
    shapes = {dims_of(item) for item in numbers}
    if len(shapes) != 1:
        return None
    inner = shapes.pop()
    return None if inner is None else (len(numbers), *inner)


@dataclass(frozen=True, slots=True)
class Input:
    """What a program is given.

    Parameters, trained and frozen, states (running statistics) and slots (an optimiser's memory) stay between runs, and
    so does what is `prepared` from weights and states by a program that runs when they change (`split_constant`);
    `data` and `target` come with each batch, a `scalar` (the learning rate) and the `counter` of random draws with each
    step.  `door` is the permutation from the inner layout to the one in files and in Python: axis i outside is
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

    def reading(self, now: Mapping[Value, Value]) -> Equation:
        """The equation with other values in the place of those that `now` knows."""
        if now.keys().isdisjoint(self.inputs):
            return self
        inputs = tuple(now.get(v, v) for v in self.inputs)
        return Equation(self.op, inputs, self.outputs, self.params, self.node)

    def __repr__(self) -> str:
        left = ", ".join(f"{v!r}: {v.type!r}" for v in self.outputs)
        args = [repr(v) for v in self.inputs] + [f"{k}={v!r}" for k, v in self.params.items()]
        return f"{left} = {self.op}({', '.join(args)})" + (f"  # {self.node}" if self.node else "")


def params_key(params: Mapping[str, Any]) -> str:
    """Parameters as a text that is the same only where they are."""
    return repr(sorted(params.items())) if params else ""


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
