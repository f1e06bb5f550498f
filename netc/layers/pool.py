"""Pooling: maxpool, avgpool, gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Pad, boolean, padding, pair, word
from netc.layers.base import (
    Layer,
    LayerError,
    Sight,
    Window,
    layer,
    map_size,
    need_map,
    need_window,
    resolve_padding,
)
from netc.ops.primitive import Value
from netc.ops.windows import Padding, Pair, Sizes, reach, window_count
from netc.sizes import lowest
from netc.types import N, TensorType


def _pool_padding(
    kind: str, pad: Pad, size: Sizes, kernel: Pair, stride: Pair, dilation: Pair, ceil: bool
) -> Padding:
    """The padding in numbers, where every window sees at least one element of the input."""
    out = resolve_padding(pad, size, kernel, stride, dilation)
    need_window(kind, size, kernel, out, dilation)
    for i, k, s, d, sides in zip(size, kernel, stride, dilation, out, strict=True):
        if max(sides) >= reach(k, d):
            raise LayerError(
                "E0305",
                f"a padding of {max(sides)} leaves a window of {reach(k, d)} with nothing of the input in it",
                "pad",
                f"pad by less than {reach(k, d)}",
            )
        least = lowest(i)
        if _steps_over(least, s, d, sides[0], lowest(window_count(least, reach(k, d), s, sides, ceil))):
            raise LayerError(
                "E0305",
                f"a dilation of {d} lets a window step over its input of {least}, and see only padding",
                "dilation",
                f"take a dilation of at most {least}",
            )
    return out


def _steps_over(size: int, stride: int, dilation: int, pad: int, count: int) -> bool:
    """Whether one of `count` windows, which start at −pad, −pad + stride, …, has no tap inside the input.

    Of one that starts before the input, the first tap at or after 0 is its start modulo the dilation.  Those of the
    first `size + 1` starts repeat, or all differ, so that one is beyond the input.
    """
    starts = range(-pad, 0, stride)[: min(count, size + 1)]
    return dilation > size and any(start % dilation >= size for start in starts)


def _see(kernel: Pair, stride: Pair, pad: Padding, dilation: Pair) -> tuple[Window, Window]:
    first, second = (Window(k, s, p[0], d) for k, s, p, d in zip(kernel, stride, pad, dilation, strict=True))
    return first, second


@layer("maxpool")
@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest value of each window; padding counts as minus infinity.

    Shape: as `conv`, each channel for itself; with `round=ceil` the last window may hang over the end, if it
    starts inside the input or its leading padding.  The stride is the kernel unless told otherwise.
    Gradient: to the largest element, of equal ones to the first in reading order.
    Source: Ranzato et al., 2007; Scherer, Müller and Behnke, 2010.
    """

    kernel: Pair = pair()
    stride: Pair | None = pair(default=None, default_text="kernel")
    pad: Pad = padding()
    dilation: Pair = pair(default=(1, 1))
    round: Literal["floor", "ceil"] = word("floor", "ceil", default="floor")

    examples = (
        ("maxpool(2)", (TensorType((N, 2, 8, 7)),)),
        ("maxpool(3, stride=2, pad=1)", (TensorType((N, 3, 9, 8)),)),
        ("maxpool((3, 2), stride=2, dilation=2, round=ceil)", (TensorType((N, 2, 10, 9)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        h, w, _ = need_map("maxpool", x)
        stride = self.stride or self.kernel
        pad = _pool_padding(
            "maxpool", self.pad, (h, w), self.kernel, stride, self.dilation, self.round == "ceil"
        )
        return b(
            ops.maxpool,
            x,
            kernel=self.kernel,
            stride=stride,
            pad=pad,
            dilation=self.dilation,
            ceil=self.round == "ceil",
        )

    def window(self, x: TensorType) -> Sight:
        stride = self.stride or self.kernel
        pad = resolve_padding(self.pad, map_size(x), self.kernel, stride, self.dilation)
        return _see(self.kernel, stride, pad, self.dilation)


@layer("avgpool")
@dataclass(frozen=True)
class AvgPool(Layer):
    """The mean of each window.

    Shape: as `maxpool`.  Padding counts as zeros that are averaged in, unless `count_pad=false`; what hangs over
    the end with `round=ceil` never counts.
    Source: LeCun et al., 1998 (there with a trained scale and bias).
    """

    kernel: Pair = pair()
    stride: Pair | None = pair(default=None, default_text="kernel")
    pad: Pad = padding()
    round: Literal["floor", "ceil"] = word("floor", "ceil", default="floor")
    count_pad: bool = boolean(default=True)

    examples = (
        ("avgpool(2)", (TensorType((N, 2, 8, 7)),)),
        ("avgpool(3, stride=2, pad=1, count_pad=false)", (TensorType((N, 3, 9, 8)),)),
        ("avgpool((2, 3), stride=2, pad=(0, 1), round=ceil)", (TensorType((N, 2, 9, 8)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        h, w, _ = need_map("avgpool", x)
        stride = self.stride or self.kernel
        pad = _pool_padding("avgpool", self.pad, (h, w), self.kernel, stride, (1, 1), self.round == "ceil")
        return b(
            ops.avgpool,
            x,
            kernel=self.kernel,
            stride=stride,
            pad=pad,
            ceil=self.round == "ceil",
            count_pad=self.count_pad,
        )

    def window(self, x: TensorType) -> Sight:
        stride = self.stride or self.kernel
        pad = resolve_padding(self.pad, map_size(x), self.kernel, stride, (1, 1))
        return _see(self.kernel, stride, pad, (1, 1))


@layer("gap")
@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """The mean of each channel over the whole map.

    Shape: [N, C, H, W] → [N, C, 1, 1].  Its receptive field is the whole input.
    Source: Lin, Chen and Yan, Network in Network, 2013.
    """

    examples = (("gap", (TensorType((N, 3, 5, 4)),)),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        h, w, c = need_map("gap", x)
        total = b(ops.sum_to, x, shape=(x.type.shape[0], 1, 1, c))
        pixels = (
            h * w if isinstance(h, int) and isinstance(w, int) else 1
        )  # only typed while a size is symbolic
        return b(ops.scale, total, factor=1 / pixels)

    def window(self, x: TensorType) -> Sight:
        return "whole"
