"""Layers that change the size of a map without weights: upsample, pad, adaptive_avgpool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Sides, pair, sides, word
from netc.layers.base import Layer, LayerError, Rise, Seen, Sight, Window, layer, map_size, shown
from netc.layers.conv import BORDERS
from netc.layers.line import along, as_before, as_map, bordered, need_border, sides_along, sizes_of
from netc.ops.primitive import Value
from netc.ops.sampling import Interpolate, Mode, Repeat, Stretches
from netc.ops.windows import Pair
from netc.sizes import Size
from netc.types import N, TensorType


@layer("upsample")
@dataclass(frozen=True)
class Upsample(Layer):
    """Each pixel `factor` times in height and width, or what lies between the centres of the nearest pixels.

    nearest: y[c, i, j] = x[c, ⌊i / f⌋, ⌊j / f⌋]
    bilinear: output i stands at (i + 1/2) / f − 1/2 of the input, and mixes its two neighbours by their distance.

    Shape: [N, C, H, W] → [N, C, f·H, f·W]; [N, C, L] → [N, C, f·L].
    Source: Odena, Dumoulin and Olah, Deconvolution and Checkerboard Artifacts, Distill 2016.
    """

    integers = True
    factor: Pair = pair()
    mode: Literal["nearest", "bilinear"] = word("nearest", "bilinear", default="nearest")

    examples = (
        ("upsample(2)", (TensorType((N, 3, 4, 5)),)),
        ("upsample((1, 3))", (TensorType((N, 2, 4, 3)),)),
        ("upsample(2, mode=bilinear)", (TensorType((N, 3, 4, 5)),)),
        ("upsample((3, 2), mode=bilinear)", (TensorType((N, 2, 1, 4)),)),
        ("upsample(2)", (TensorType((N, 3, 5)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if x.type.dtype == "int" and self.mode == "bilinear":
            message = f"`upsample` cannot mix whole numbers, and gets {shown(x.type)}"
            raise LayerError("E0301", message, "mode", "mode=nearest repeats them")
        y, rank = as_map("upsample", b, x), x.type.rank
        rule = Repeat if self.mode == "nearest" else Interpolate
        for axis in (2, 1):  # the width first: then rows are whole
            factor = along(rank, "factor", self.factor)[axis - 1]
            if factor > 1:
                y = b(ops.resample, y, axis=axis, by=rule(factor))
        return as_before(b, y, rank)

    def window(self, x: TensorType) -> Sight:
        around = 0 if self.mode == "nearest" else 1
        first, second = (
            Rise(f, -(f // 2) * around, f // 2 * around) for f in along(x.rank, "factor", self.factor)
        )
        return first, second


@layer("pad")
@dataclass(frozen=True)
class PadBorder(Layer):
    """The map with a border around it: zeros, the map mirrored at its last pixel, its last pixel, or its other side.

    Shape: [N, C, H, W] → [N, C, H + top + bottom, W + left + right]; [N, C, L] → [N, C, L + left + right].
    Along a length `pad((2, 0))` pads the beginning alone, and of a map two numbers are height and width.
    The argument `pad` of layers with windows: `netc explain window`.
    Source: Dumoulin and Visin, 2016, section 2 (zeros).
    """

    integers = True
    sides: Sides = sides()
    border: Mode = word(*BORDERS, default="zero")

    examples = (
        ("pad(1)", (TensorType((N, 3, 4, 5)),)),
        ("pad(((0, 2), (1, 0)), border=reflect)", (TensorType((N, 2, 3, 4)),)),
        ("pad((1, 2), border=replicate)", (TensorType((N, 2, 3, 4)),)),
        ("pad(2, border=circular)", (TensorType((N, 2, 6)),)),
        ("pad((2, 0))", (TensorType((N, 2, 6)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("pad", b, x), x.type.rank
        h, w, _ = sizes_of("pad", y)
        pad = sides_along(rank, "sides", self.sides)
        need_border(self.border, (h, w), pad, "sides")
        return as_before(b, bordered(b, y, pad, self.border), rank)

    def window(self, x: TensorType) -> Sight:
        first, second = (Window(1, 1, before) for before, _ in sides_along(x.rank, "sides", self.sides))
        return first, second


@layer("adaptive_avgpool")
@dataclass(frozen=True)
class AdaptiveAvgPool(Layer):
    """Means over windows that cover the map, as many as asked for and as equal as can be.

    y[c, i, j] is the mean of rows ⌊i·H / h⌋ to before ⌈(i + 1)·H / h⌉, and of such columns.

    Shape: [N, C, H, W] → [N, C, h, w]; [N, C, L] → [N, C, size].
    Source: He et al., Spatial Pyramid Pooling, 2014; the ends are PyTorch's.
    """

    size: Pair = pair()

    examples = (
        ("adaptive_avgpool(3)", (TensorType((N, 2, 7, 6)),)),
        ("adaptive_avgpool((1, 5))", (TensorType((N, 3, 4, 3)),)),
        ("adaptive_avgpool(4)", (TensorType((N, 2, 9)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("adaptive_avgpool", b, x), x.type.rank
        for axis in (1, 2):  # the height first: whole rows are added
            count = along(rank, "size", self.size)[axis - 1]
            if y.type.shape[axis] != count:
                y = b(ops.resample, y, axis=axis, by=Stretches(count))
        return as_before(b, y, rank)

    def window(self, x: TensorType) -> Sight:
        sight: list[Seen] = []
        for size, count in zip(map_size(x), along(x.rank, "size", self.size), strict=True):
            seen = _stretch(size, count)
            if seen is None:
                return "whole"  # which part depends on a symbolic size
            sight.append(seen)
        return sight[0], sight[1]


def _stretch(size: Size, count: int) -> Seen | None:
    """⌊u·size / count⌋ to before ⌈(u + 1)·size / count⌉."""
    if not isinstance(size, int):
        return None
    if size % count == 0:
        return Window(size // count, size // count)
    return Rise(count, 0, size - 1, size)
