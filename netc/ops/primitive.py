"""What a primitive is: a name with its rules attached.

A program is a straight list of equations over about thirty primitives.  Each primitive states, side by side,

* its *type*: the types of its results from the types of its operands,
* its *meaning* in NumPy, which defines it and which every other backend is compared with,
* its *gradient*: equations that turn the gradients of its results into those of its operands,
* its *cost* in floating-point operations, and in multiplications by weights where it has such,
* and, where it is pointwise, one scalar *body* that every backend wraps in its own loops.

Arrays are channels-last throughout: `(N, H, W, C)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from netc.sizes import Size, Undecided
from netc.types import N, TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One tensor of a program, assigned once.  Two values are equal only if they are the same one."""

    id: int
    type: TensorType

    def __repr__(self) -> str:
        return f"%{self.id}"


class Emit(Protocol):
    """Appends equations to a program under construction: `b(ops.conv, x, w, stride=(1, 1))` is its one result."""

    def __call__(self, op: Primitive, /, *inputs: Value, **params: Any) -> Value: ...

    def all(self, op: Primitive, /, *inputs: Value, **params: Any) -> tuple[Value, ...]:
        """All results of a primitive that has several."""
        ...


@dataclass(frozen=True, slots=True)
class Application:
    """A primitive applied: what a gradient rule may look at."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    params: dict[str, Any]


Types = tuple[TensorType, ...]
TypeRule = Callable[..., Types]  # (*operand types, **params)
Meaning = Callable[..., Any]  # (*operand arrays, **params) -> an array, or a tuple of them
Gradient = Callable[[Emit, Application, tuple["Value | None", ...]], tuple["Value | None", ...]]
Cost = Callable[[Types, Types, dict[str, Any]], int]  # (operand types, result types, params)


def no_cost(_inputs: Types, _outputs: Types, _params: dict[str, Any]) -> int:
    """Moves numbers and computes none."""
    return 0


def each_output(_inputs: Types, outputs: Types, _params: dict[str, Any]) -> int:
    """One operation for each element of the first result."""
    return elements(outputs[0])


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One operation of a program, with its rules.  `gradient` is None where nothing differentiable goes in."""

    name: str
    type: TypeRule
    meaning: Meaning
    gradient: Gradient | None = None
    flops: Cost = each_output
    macs: Cost = no_cost
    body: Callable[..., Any] | None = None  # scalars in, one scalar out: the primitive is pointwise
    view: bool = False  # the result is the operand's memory under another shape

    def __repr__(self) -> str:
        return self.name


def elements(t: TensorType) -> int:
    """How many elements, a symbolic batch counted as one example.  Raises Undecided for any other symbol."""
    out = 1
    for size in t.shape:
        if isinstance(size, int):
            out *= size
        elif size != N:
            raise Undecided(f"how many elements {t!r} has depends on {size}")
    return out


def known(size: Size) -> int:
    """A size that the rule needs as a number."""
    if not isinstance(size, int):
        raise TypeError(f"the size {size} is not known here")
    return size


def one_gradient(gradients: tuple[Value | None, ...]) -> Value:
    """The gradient of the only result; rules are asked only where there is one."""
    (g,) = gradients
    assert g is not None
    return g
