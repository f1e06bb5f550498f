"""One call of one kernel: what it does, over how long an axis, and how much work that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, ClassVar, Final

import numpy as np

from netc.backends.cpu.emit import Kernel
from netc.ir.program import Equation
from netc.ops.primitive import Value
from netc.types import Math


@dataclass(frozen=True, slots=True)
class Call:
    """`kernel(lo, hi, *args)` for 0 <= lo < hi <= extent.  `work` counts operations or bytes, whichever is
    more.  What is `early` follows from weights that stay, and is done when these have changed.
    """

    kernel: Kernel
    extent: int
    args: tuple[Any, ...]
    work: int
    early: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Borrow:
    """Stands among the arguments of an equation's calls for `size` numbers of memory, its own while it runs.

    All equations of a program are lent the same memory (`lent`).
    """

    size: int
    dtype: Any

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def of(self, memory: Any, at: int) -> Any:
        """The array, from byte `at` of `memory` on."""
        return memory[at : at + self.nbytes].view(self.dtype)


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


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Stands among a call's arguments for another call that is taken along: it is done, bit by bit, for pixels of the
    result that are finished, while a cache has them (`follow.py`).

    Pixels lo..hi are its units lo · times / over .. hi · times / over.  `after` are calls that come behind both.  To a
    kernel it is a tuple of two numbers, which name nothing where there is no call.
    """

    call: Call | None = None
    times: int = 1
    over: int = 1
    after: tuple[Call, ...] = ()


ALONE: Final = Along()
DONE: Final = Along()  # nothing is taken along, for the kernel has done it


@dataclass(frozen=True, slots=True)
class Finish:
    """An epilogue that a register tile does before it writes its sums: a bias `(K,)`, then a residual if there is one,
    and bounds of what comes out.
    """

    bias: Any
    low: float
    high: float
    residual: Any = None

    @property
    def args(self) -> tuple[Any, ...]:
        """What a kernel takes: an empty bias where there is nothing to do."""
        one = self.bias.dtype.type
        return self.bias, one(self.low), one(self.high)


LEAST, MOST = (
    32,
    256,
)  # pixels that are summed by themselves: rounding grows with them, and work with their sums


def block_of(pixels: int) -> int:
    """Into blocks of how many a kernel's pixels fall that are summed along with it; 0 where they would be too small."""
    return max((n for n in range(LEAST, min(pixels, MOST) + 1) if pixels % n == 0), default=0)


@dataclass(frozen=True, slots=True)
class Bound:
    """An equation with the arrays of its operands and results, flat and contiguous.

    Where `math` is strict, sums of products are computed as they are defined, by no algorithm that rounds more.
    `stay` tells of each operand whether it is a weight that no run changes.  `epilogue` makes what is taken along by a
    kernel that finishes so many pixels at a time, or a multiple of them; there may be nothing that can be.  `finish` is
    the same epilogue where a tile can do it.
    """

    eq: Equation
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    threads: int
    math: Math = "fast"
    stay: tuple[bool, ...] = ()
    epilogue: Callable[[int], Along] | None = None
    finish: Finish | None = None

    @property
    def alone(self) -> Bound:
        """The equation without its epilogue."""
        return replace(self, epilogue=None, finish=None)

    @property
    def finish_args(self) -> tuple[Any, ...]:
        """What a kernel takes whose tiles can finish."""
        return (self.finish or Finish(self._nothing, 0, 0)).args

    @property
    def residual(self) -> Any:
        """What a kernel takes whose tiles can add one: an empty array where there is none."""
        return self._nothing if self.finish is None or self.finish.residual is None else self.finish.residual

    @property
    def _nothing(self) -> Any:
        return np.empty(0, self.outputs[0].dtype)

    def along(self, pixels: int) -> Along:
        """What a kernel takes along that finishes so many pixels at a time: those of all images, in their order."""
        return self.epilogue(pixels) if self.epilogue else ALONE

    @property
    def weights_stay(self) -> bool:
        """Whether the second operand does."""
        return self.stay[1:2] == (True,)

    def of_weights(self, size: int) -> Any:
        """Memory for so many numbers that an `early` call makes of the weights: it stays where they do."""
        dtype = self.outputs[0].dtype
        return lines_of(size * dtype.itemsize).view(dtype) if self.weights_stay else Borrow(size, dtype)

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
        return work_of(self.eq)


def work_of(eq: Equation) -> int:
    """FLOPs, or the bytes that go in and out where they are more."""
    types = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
    values: tuple[Value, ...] = (*eq.inputs, *eq.outputs)
    return max(eq.op.flops(*types, dict(eq.params)), sum(v.type.nbytes for v in values))


Lowering = Callable[[Bound], list[Call]]

LINE_BYTES: Final = 64  # of the cache


def lines(nbytes: int) -> int:
    """So many bytes as whole cache lines."""
    return -(-nbytes // LINE_BYTES) * LINE_BYTES


def lines_of(nbytes: int) -> Any:
    """So many bytes of memory, the first on a cache line: vectors that lie across two lines cost twice."""
    memory = np.empty(nbytes + LINE_BYTES, np.uint8)
    return memory[-memory.ctypes.data % LINE_BYTES :][:nbytes]


def lent(equations: Sequence[Sequence[Call]]) -> list[list[Call]]:
    """The calls of all equations with memory in the place of what they borrow."""
    borrowed = [
        dict.fromkeys(a for c in calls for a in _flat(c) if isinstance(a, Borrow)) for calls in equations
    ]
    sizes = [[lines(b.nbytes) for b in borrows] for borrows in borrowed]
    memory = lines_of(max(map(sum, sizes), default=0))
    arrays = {
        b: b.of(memory, at)
        for borrows, taken in zip(borrowed, sizes, strict=True)
        for b, at in zip(borrows, accumulate(taken, initial=0), strict=False)
    }
    return [[_given(c, arrays) for c in calls] for calls in equations]


def _flat(call: Call) -> list[Any]:
    """The arguments of a call and of the one that it takes along."""
    taken = (a.call for a in call.args if isinstance(a, Along))
    return [*call.args, *(a for other in taken if other for a in other.args)]


def _given(call: Call, arrays: Mapping[Borrow, Any]) -> Call:
    def argument(a: Any) -> Any:
        if isinstance(a, Along):
            return replace(a, call=a.call and _given(a.call, arrays))
        return arrays[a] if isinstance(a, Borrow) else a

    return replace(call, args=tuple(map(argument, call.args)))
