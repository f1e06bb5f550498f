"""One call of one kernel: what it does, over how long an axis, and how much work that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from netc.backends.cpu.emit import Kernel
from netc.ir.program import Equation
from netc.ops.primitive import Value
from netc.types import Math


@dataclass(frozen=True, slots=True)
class Call:
    """`kernel(lo, hi, *args)` for 0 <= lo < hi <= extent.  `work` counts operations or bytes, whichever is
    more.
    """

    kernel: Kernel
    extent: int
    args: tuple[Any, ...]
    work: int


@dataclass(frozen=True, slots=True)
class Borrow:
    """Stands among a call's arguments for `size` numbers of memory, the equation's own while it runs.

    All equations of a program are lent the same memory.  One equation borrows one array.
    """

    size: int
    dtype: Any

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def of(self, memory: Any) -> Any:
        """The array, at the start of `memory` (bytes)."""
        return memory[: self.nbytes].view(self.dtype)


@dataclass(frozen=True, slots=True)
class Own:
    """Stands among a call's arguments for `size` numbers of memory that each thread has for itself while it does the
    call.  Nobody says what is in it, and nothing stays there.

    A call may have several; each begins on a cache line of its own.  Kernels ask for no memory themselves.
    """

    size: int
    dtype: Any
    ndim: ClassVar[int] = 1  # to a kernel it is an array like others

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Bound:
    """An equation with the arrays of its operands and results, flat and contiguous.

    Where `math` is strict, sums of products are computed as they are defined, by no algorithm that rounds more.
    """

    eq: Equation
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    threads: int
    math: Math = "fast"

    @property
    def params(self) -> Mapping[str, Any]:
        return self.eq.params

    def shape(self, i: int) -> tuple[int, ...]:
        """The shape of operand i."""
        return self.eq.inputs[i].type.dims

    def out(self, i: int = 0) -> tuple[int, ...]:
        """The shape of result i."""
        return self.eq.outputs[i].type.dims

    @property
    def work(self) -> int:
        """FLOPs, or the bytes that go in and out where they are more."""
        eq = self.eq
        types = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
        values: tuple[Value, ...] = (*eq.inputs, *eq.outputs)
        return max(eq.op.flops(*types, dict(eq.params)), sum(v.type.nbytes for v in values))


Lowering = Callable[[Bound], list[Call]]
