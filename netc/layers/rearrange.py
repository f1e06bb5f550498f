"""Layers that only move numbers: slice, shuffle, transpose, reshape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import integer, word
from netc.layers.base import (
    Layer,
    LayerError,
    Sight,
    Window,
    has_axes,
    layer,
    need_known,
    need_map,
    shown,
    that_divide,
)
from netc.layers.dense import Flatten
from netc.ops.primitive import Value
from netc.sizes import Size, lowest
from netc.types import N, TensorType

AXES = {2: "C", 3: "LC", 4: "HWC"}  # of a tensor of that rank, channels last, after N


@layer("slice")
@dataclass(frozen=True)
class Slice(Layer):
    """The part of one axis from `start` to before `stop`.

    Shape: the size of `axis` becomes stop − start; the others stay.
    Source: Ronneberger, Fischer and Brox, U-Net, 2015 (cropped maps).
    """

    integers = True
    axis: Literal["C", "H", "W", "L"] = word("C", "H", "W", "L")
    start: int = integer()
    stop: int | None = integer(at_least=1, default=None, default_text="the end")

    examples = (
        ("slice(C, 1, 3)", (TensorType((N, 4, 3, 5)),)),
        ("slice(H, 2)", (TensorType((N, 2, 5, 3)),)),
        ("slice(axis=W, start=0, stop=2)", (TensorType((N, 2, 3, 5)),)),
        ("slice(L, 1, 4)", (TensorType((N, 2, 5)),)),
        ("slice(C, 0, 2)", (TensorType((N, 5)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        names = AXES.get(x.type.rank, "")
        if self.axis not in names:
            message = f"`slice` along {self.axis} needs a tensor that has it, and gets {shown(x.type)}"
            raise LayerError("E0301", message, "axis", has_axes(names))
        axis = 1 + names.index(self.axis)
        size = x.type.shape[axis]
        stop = self._stop(size)
        if self.start == 0 and stop == size:
            return x
        return b(ops.cut, x, axis=axis, start=self.start, stop=stop)

    def _stop(self, size: Size) -> Size:
        stop = size if self.stop is None else self.stop
        if not self.start < lowest(stop) <= lowest(size):
            message = f"a slice from {self.start} to {stop} does not lie in the {size} of {self.axis}"
            if not isinstance(size, int):
                message += f", which can be as small as {lowest(size)}"
            raise LayerError("E0314", message, "stop" if self.start < lowest(stop) else "start")
        return stop

    def window(self, x: TensorType) -> Sight:
        starts = {"H": (self.start, 0), "W": (0, self.start), "L": (0, self.start)}.get(self.axis, (0, 0))
        return Window(1, 1, -starts[0]), Window(1, 1, -starts[1])


@layer("shuffle")
@dataclass(frozen=True)
class Shuffle(Layer):
    """Channels of `groups` groups dealt out in turn: the first of every group, then the second of every group.

    y[j·groups + g] = x[g·C / groups + j]

    Shape: unchanged.
    Source: Zhang et al., ShuffleNet, 2018.
    """

    integers = True
    groups: int = integer(at_least=1)

    examples = (
        ("shuffle(2)", (TensorType((N, 6, 3, 4)),)),
        ("shuffle(3)", (TensorType((N, 6, 5)),)),
        ("shuffle(2)", (TensorType((N, 4)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        *beside, c = x.type.shape
        c = need_known("shuffle", c)
        if c % self.groups:
            message = f"{self.groups} groups do not divide the {c} channels"
            raise LayerError("E0303", message, "groups", that_divide(c))
        if self.groups in (1, c):
            return x
        y = b(ops.reshape, x, shape=(*beside, self.groups, c // self.groups))
        return b(ops.reshape, b(ops.swap, y, axis=len(beside)), shape=x.type.shape)


@layer("transpose")
@dataclass(frozen=True)
class Transpose(Layer):
    """Rows become columns: y[c, i, j] = x[c, j, i].

    Shape: [N, C, H, W] → [N, C, W, H].
    Source: as `numpy.swapaxes` of the last two axes.
    """

    integers = True
    examples = (
        ("transpose", (TensorType((N, 3, 4, 5)),)),
        ("transpose", (TensorType((N, 1, 1, 5)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        need_map("transpose", x)
        return b(ops.swap, x, axis=1)

    def window(self, x: TensorType) -> Sight:
        return "turned"


@layer("reshape")
@dataclass(frozen=True)
class Reshape(Layer):
    """The same numbers in the same order, channel by channel and row by row, in another shape.

    Shape: [N, …] → [N, channels], [N, channels, height] or [N, channels, height, width], with as many numbers.
    Its receptive field is the whole input.
    Source: as `numpy.reshape` in the order channel, row, column.
    """

    integers = True
    channels: int = integer(at_least=1)
    height: int | None = integer(at_least=1, default=None, default_text="none")
    width: int | None = integer(at_least=1, default=None, default_text="none")

    examples = (
        ("reshape(4, 2, 3)", (TensorType((N, 24)),)),
        ("reshape(6, 10)", (TensorType((N, 3, 4, 5)),)),
        ("reshape(8)", (TensorType((N, 2, 4)),)),
        ("reshape(channels=2, height=3, width=4)", (TensorType((N, 4, 6)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if self.width is not None and self.height is None:
            raise LayerError("E0315", "`reshape` to maps needs a height beside the width", "width")
        space = [size for size in (self.height, self.width) if size is not None]
        row = Flatten().expand(b, x)  # (N, C·H·W), in the user's order
        n, count = row.type.shape
        pixels = prod(space)
        if self.channels * pixels != count:
            to = repr(TensorType((N, self.channels, *space)))
            message = (
                f"`reshape` of {shown(x.type)} to {to}: {count} numbers are not {self.channels * pixels}"
            )
            raise LayerError("E0315", message)
        if x.type.shape[1:] == (*space, self.channels):
            return x
        if pixels > 1 and self.channels > 1:
            row = b(ops.swap, b(ops.reshape, row, shape=(n, self.channels, pixels)))  # (N, H·W, C)
        return b(ops.reshape, row, shape=(n, *space, self.channels))

    def window(self, x: TensorType) -> Sight:
        wanted = (x.shape[0], self.channels, *(s for s in (self.height, self.width) if s is not None))
        return "point" if wanted == x.shape else "whole"
