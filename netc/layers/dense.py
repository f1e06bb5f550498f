"""Fully connected layers and what leads to them: dense, flatten."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import boolean, integer
from netc.layers.base import Layer, LayerError, Sight, layer, need_known, shown
from netc.ops.primitive import Value
from netc.types import N, TensorType


@layer("dense")
@dataclass(frozen=True)
class Dense(Layer):
    """Every output sees every input: y = W x + b.

    Shape: [N, C] → [N, out].  A feature map is flattened first.
    Weights: `weight` [out, C], `bias` [out].
    Source: Rosenblatt, 1958; Rumelhart, Hinton and Williams, 1986.
    """

    out: int = integer(at_least=1)
    bias: bool = boolean(default=True)

    examples = (
        ("dense(10)", (TensorType((N, 7)),)),
        ("dense(3, bias=false)", (TensorType((N, 1)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if x.type.rank != 2:
            raise LayerError(
                "E0301",
                f"`dense` needs [N, C], and gets {shown(x.type)}",
                help="put `flatten` (or `gap -> flatten`) before it",
            )
        c = need_known("dense", x.type.shape[1])
        weight = b.param("weight", (c, self.out), fan_in=c, fan_out=self.out, door=(1, 0))
        y = b(ops.dot, x, weight)  # (N, out)
        return b(ops.bias, y, b.constant_param("bias", (self.out,), 0.0)) if self.bias else y

    def window(self, x: TensorType) -> Sight:
        return "point"  # of a vector: `flatten` has seen to it that a map's field is the whole input


@layer("flatten")
@dataclass(frozen=True)
class Flatten(Layer):
    """A feature map as one vector, in the order channel, row, column.

    Shape: [N, C, H, W] → [N, C·H·W].  Its receptive field is the whole input, unless the map is one pixel.
    Source: Krizhevsky, Sutskever and Hinton, 2012; the order is PyTorch's.
    """

    integers = True
    examples = (("flatten", (TensorType((N, 3, 4, 5)),)), ("flatten", (TensorType((N, 6, 1, 1)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if x.type.rank == 2:
            return x
        n, *space, c = x.type.shape
        c, pixels = need_known("flatten", c), 1
        for size in space:
            if not isinstance(size, int):
                help = "put `gap` before it, or give the input's size by --input"
                raise LayerError("E0309", f"`flatten` needs known sizes, and gets {shown(x.type)}", help=help)
            pixels *= size
        if pixels > 1 and c > 1:  # channels lie last here, and come first in the vector
            x = b(ops.swap, b(ops.reshape, x, shape=(n, pixels, c)))  # (N, C, H·W)
        return b(ops.reshape, x, shape=(n, c * pixels))

    def window(self, x: TensorType) -> Sight:
        return "point" if all(size == 1 for size in x.shape[2:]) else "whole"
