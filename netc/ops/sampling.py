"""Resampling: along one axis, each output is a weighted sum of a few inputs.

    y[…, i, …] = Σ over the taps (j, w) of i of  w · x[…, j, …]

Which taps, a rule says: borders, enlargement by repeated or by interpolated pixels, means over uneven stretches.  All
of them are this one primitive; its gradient is the same with the table of taps turned around.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Any, Literal, Protocol

from netc._lazy import lazy_module
from netc.ops.primitive import (
    Application,
    Emit,
    Primitive,
    Types,
    Value,
    elements,
    known,
    one_gradient,
)
from netc.sizes import Size
from netc.types import TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")

Taps = list[tuple[int, float]]  # (input, weight)
Mode = Literal["zero", "reflect", "replicate", "circular"]


class Rule(Protocol):
    """How an axis is resampled.  Rules are frozen dataclasses."""

    @property
    def moves(self) -> bool:
        """Whether every output is one input or zero, so that nothing is computed."""
        ...

    def size(self, of: Size) -> Size:
        """How many outputs there are."""
        ...

    def taps(self, i: int, size: int) -> Taps:
        """What output `i` sees of an axis of a known size."""
        ...

    def taps_together(self, size: int) -> int:
        """How many taps all outputs have, without going through them: sizes of a file can be huge."""
        ...


@dataclass(frozen=True)
class Border:
    """`before` and `after` more: zeros, or what a mirror at the last pixel, the last pixel or the other side shows."""

    before: int
    after: int
    mode: Mode
    moves = True

    def size(self, of: Size) -> Size:
        return of + (self.before + self.after)

    def taps(self, i: int, size: int) -> Taps:
        at = i - self.before
        if 0 <= at < size:
            return [(at, 1.0)]
        match self.mode:
            case "zero":
                return []
            case "reflect":
                return [(-at if at < 0 else 2 * (size - 1) - at, 1.0)]
            case "replicate":
                return [(0 if at < 0 else size - 1, 1.0)]
            case "circular":
                return [(at % size, 1.0)]

    def taps_together(self, size: int) -> int:
        return size + (0 if self.mode == "zero" else self.before + self.after)


@dataclass(frozen=True)
class Repeat:
    """Every pixel `factor` times."""

    factor: int
    moves = True

    def size(self, of: Size) -> Size:
        return of * self.factor

    def taps(self, i: int, size: int) -> Taps:
        del size
        return [(i // self.factor, 1.0)]

    def taps_together(self, size: int) -> int:
        return size * self.factor


@dataclass(frozen=True)
class Interpolate:
    """`factor` times as many pixels, between the centres of two neighbours; beyond the last centre its own value."""

    factor: int
    moves = False

    def size(self, of: Size) -> Size:
        return of * self.factor

    def taps(self, i: int, size: int) -> Taps:
        # the centre of output i is at (i + 1/2) / factor − 1/2, here in units of 1 / (2 · factor)
        left, part = divmod(2 * i + 1 - self.factor, 2 * self.factor)
        share = part / (2 * self.factor)
        if left < 0:
            return [(0, 1.0)]
        if part == 0 or left + 1 >= size:
            return [(left, 1.0)]
        return [(left, 1 - share), (left + 1, share)]

    def taps_together(self, size: int) -> int:
        outputs, f = size * self.factor, self.factor
        alone = 2 * (f // 2) + (size if f % 2 else 0)  # beyond the outer centres, and on a centre
        return 2 * outputs - alone


@dataclass(frozen=True)
class Stretches:
    """Means over `count` stretches: the i-th from ⌊i · size / count⌋ to before ⌈(i + 1) · size / count⌉."""

    count: int
    moves = False

    def size(self, of: Size) -> Size:
        del of
        return self.count

    def taps(self, i: int, size: int) -> Taps:
        first, end = i * size // self.count, -(-(i + 1) * size // self.count)
        return [(j, 1 / (end - first)) for j in range(first, end)]

    def taps_together(self, size: int) -> int:
        return size + self.count - gcd(size, self.count)  # two stretches share a pixel that an end cuts


@dataclass(frozen=True, eq=False)
class Table:
    """The taps of all outputs: those of output i lie at `starts[i] … starts[i + 1]` of `inputs` and `weights`."""

    starts: Any  # (count + 1,) int64
    inputs: Any  # (taps,) int64
    weights: Any  # (taps,) float64

    @property
    def count(self) -> int:
        return len(self.starts) - 1


@lru_cache(maxsize=256)
def table(by: Rule, size: int, *, turned: bool = False) -> Table:
    """A rule's taps on an axis of `size`; `turned`, which outputs each input goes to."""
    count = known(by.size(size))
    taps = [(i, j, w) for i in range(count) for j, w in by.taps(i, size)]
    if turned:
        taps, count = sorted((j, i, w) for i, j, w in taps), size
    starts = np.searchsorted([i for i, _, _ in taps], np.arange(count + 1))
    inputs, weights = [j for _, j, _ in taps], [w for _, _, w in taps]
    return Table(starts.astype(np.int64), np.array(inputs, np.int64), np.array(weights, np.float64))


def _weighted(x: Any, axis: int, t: Table) -> Any:
    """The sums, tap by tap, in the order of the table."""
    x = np.moveaxis(x, axis, 0)
    out = np.zeros((t.count, *x.shape[1:]), x.dtype)
    lengths = np.diff(t.starts)
    for tap in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > tap)
        at = t.starts[rows] + tap
        weights = t.weights[at].astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
        part = weights * x[t.inputs[at]]
        out[rows] = part if tap == 0 else out[rows] + part
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


def _type(x: TensorType, axis: int, by: Rule) -> Types:
    return (TensorType((*x.shape[:axis], by.size(x.shape[axis]), *x.shape[axis + 1 :]), x.dtype),)


def _gradient(b: Emit, at: Application, gs: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    size = known(at.inputs[0].type.shape[at.params["axis"]])
    return (b(resample_grad, one_gradient(gs), size=size, **at.params),)


def _flops(inputs: Types, outputs: Types, params: dict[str, Any]) -> int:
    """A product for each tap, and sums between them."""
    by: Rule = params["by"]
    if by.moves:
        return 0
    elements(inputs[0])  # Undecided where a size is symbolic
    size, count = (known(t.shape[params["axis"]]) for t in (inputs[0], outputs[0]))
    return elements(outputs[0]) // count * (2 * by.taps_together(size) - count)


def _grad_type(g: TensorType, axis: int, by: Rule, size: int) -> Types:
    del by
    return (TensorType((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype),)


def _grad_flops(inputs: Types, _outputs: Types, params: dict[str, Any]) -> int:
    by, size = params["by"], params["size"]
    taps = by.taps_together(size)
    products = 0 if by.moves else taps
    return elements(inputs[0]) // known(inputs[0].shape[params["axis"]]) * (products + max(taps - size, 0))


resample = Primitive(
    "resample",
    _type,
    lambda x, axis, by: _weighted(x, axis, table(by, x.shape[axis])),
    _gradient,
    flops=_flops,
)
#: Each gradient goes to the inputs that its output saw, times their weights.
resample_grad = Primitive(
    "resample_grad",
    _grad_type,
    lambda g, axis, by, size: _weighted(g, axis, table(by, size, turned=True)),
    flops=_grad_flops,
)
