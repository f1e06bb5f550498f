"""Makes a program, one equation at a time.

The builder is the only mutable thing on the way down.  A layer's `expand` gets one and emits primitives through it:

    w = b.param("weight", (5, 5, 1, 6), fan_in=25, fan_out=150, door=(3, 2, 0, 1))
    y = b(ops.conv, x, w, stride=(1, 1), pad=((0, 0), (0, 0)))
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from typing import Any

from netc.ir.program import Equation, Init, Input, Own, Program, Role
from netc.ops.primitive import Primitive, Value
from netc.types import DType, Shape, TensorType


class Builder:
    """Appends equations and declares inputs.  `training` is what dropout and batch normalisation look at."""

    def __init__(self, *, training: bool = False, dtype: DType = "f32") -> None:
        self._training = training
        self.dtype: DType = dtype
        self.inputs: dict[str, Input] = {}
        self.equations: list[Equation] = []
        self.outputs: dict[str, Value] = {}
        self.updates: dict[Value, Value] = {}
        self.node: str = ""
        self.owner: str = ""
        self.own = Own()
        self._origin: dict[Value, Value] = {}  # of a state's next value: the state
        self._ids = count()
        self._streams = count()

    @property
    def training(self) -> bool:
        """Whether this step trains.  A frozen layer computes as it does outside of training, with what it has kept."""
        return self._training and not self.own.frozen

    @classmethod
    def after(cls, program: Program) -> Builder:
        """One whose values are numbered after those of a program, for a pass that adds equations to it."""
        b = cls()
        used = [i.value.id for i in program.inputs] + [v.id for eq in program.equations for v in eq.outputs]
        b._ids = count(max(used, default=-1) + 1)
        return b

    # ---- equations ----------------------------------------------------------------------------------------

    def __call__(self, op: Primitive, /, *inputs: Value, **params: Any) -> Value:
        (out,) = self._emit(op, inputs, params)
        return out

    def all(self, op: Primitive, /, *inputs: Value, **params: Any) -> tuple[Value, ...]:
        return self._emit(op, inputs, params)

    def _emit(self, op: Primitive, inputs: tuple[Value, ...], params: dict[str, Any]) -> tuple[Value, ...]:
        types = op.type(*[v.type for v in inputs], **params)
        outputs = tuple([Value(next(self._ids), t) for t in types])
        self.equations.append(Equation(op, inputs, outputs, params, self.node))
        return outputs

    def value(self, t: TensorType) -> Value:
        return Value(next(self._ids), t)

    # ---- inputs -------------------------------------------------------------------------------------------

    def input(
        self,
        name: str,
        t: TensorType,
        role: Role,
        init: Init | None = None,
        door: tuple[int, ...] = (),
    ) -> Value:
        """Declares an input, or returns the one of this name: a layer used twice has one set of weights."""
        if name in self.inputs:
            return self.inputs[name].value
        self.inputs[name] = Input(name, self.value(t), role, init, door)
        return self.inputs[name].value

    def param(
        self, name: str, shape: Shape, *, fan_in: int, fan_out: int, door: tuple[int, ...] = ()
    ) -> Value:
        """A weight of the layer being expanded, drawn by the layer's own rule or that of the net."""
        return self._weight(name, shape, Init("weight", 0.0, fan_in, fan_out, self.own.rule), door)

    def constant_param(self, name: str, shape: Shape, value: float, door: tuple[int, ...] = ()) -> Value:
        """A trained vector that starts at one value: a bias at 0, a scale at 1."""
        return self._weight(name, shape, Init("constant", value), door)

    def _weight(self, name: str, shape: Shape, init: Init, door: tuple[int, ...]) -> Value:
        if name == "weight" and self.own.weight is not None:
            init = Init("given", numbers=self.own.weight)
        role: Role = "frozen" if self.own.frozen else "param"
        return self.input(self._path(name), TensorType(shape, self.dtype), role, init, door)

    def state(self, name: str, shape: Shape, value: float) -> Value:
        """What a layer remembers from step to step without being trained: running statistics.

        A layer that is used a second time in a step goes on from what the first use has left.
        """
        t = TensorType(shape, self.dtype)
        kept = self.input(self._path(name), t, "state", Init("constant", value))
        last = self.updates.get(kept, kept)
        self._origin[last] = kept
        return last

    def slot(self, name: str, of: Value) -> Value:
        """What an optimiser remembers of the parameter `of`; it starts at 0."""
        return self.input(name, of.type, "slot", Init("constant"))

    def scalar(self, name: str) -> Value:
        return self.input(name, TensorType((), self.dtype), "scalar")

    def counter(self) -> Value:
        """The number of the step, from which all random draws follow."""
        return self.input("step", TensorType((), "int"), "counter")

    def stream(self) -> int:
        """A number of its own for each random draw of a step."""
        return next(self._streams)

    def update(self, old: Value, new: Value) -> None:
        """`old` has the value `new` when the next run begins."""
        self.updates[self._origin.get(old, old)] = new

    # ---- the rest -----------------------------------------------------------------------------------------

    @contextmanager
    def at(self, node: str, owner: str = "", own: Own | None = None) -> Generator[None]:
        """Equations emitted inside came from this layer; its weights are found under `owner`, if they are another's."""
        before: tuple[str, str, Own] = (self.node, self.owner, self.own)
        self.node, self.owner, self.own = node, owner or node, own or Own()
        try:
            yield
        finally:
            self.node, self.owner, self.own = before

    def _path(self, name: str) -> str:
        return f"{self.owner}.{name}" if self.owner else name

    def finish(self) -> Program:
        return Program(
            tuple(self.inputs.values()),
            tuple(self.equations),
            dict(self.outputs),
            tuple(self.updates.items()),
        )
