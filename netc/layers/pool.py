"""Pooling: maxpool, avgpool, pool, gap, gmp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Pad, boolean, padding, pair, word
from netc.layers.base import Layer, LayerError, Sight, layer, map_size, need_window, resolve_padding
from netc.layers.conv import Frame
from netc.layers.line import along, as_before, as_map, pad_along, sizes_of
from netc.ops.pool import hang_over
from netc.ops.primitive import Value
from netc.ops.windows import Pair, Sizes, reach, window_count
from netc.sizes import lowest
from netc.types import N, TensorType


def _need_seen(kind: str, size: Sizes, f: Frame, ceil: bool) -> None:
    """Every window fits, and sees at least one element of the input."""
    over = (f.stride[0] - 1, f.stride[1] - 1) if ceil else (0, 0)
    need_window(kind, size, f.kernel, f.pad, f.dilation, over)
    for i, k, s, d, sides in zip(size, f.kernel, f.stride, f.dilation, f.pad, strict=True):
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


def _steps_over(size: int, stride: int, dilation: int, pad: int, count: int) -> bool:
    """Whether one of `count` windows, which start at −pad, −pad + stride, …, has no tap inside the input.

    Of one that starts before the input, the first tap at or after 0 is its start modulo the dilation.  Those of the
    first `size + 1` starts repeat, or all differ, so that one is beyond the input.
    """
    starts = range(-pad, 0, stride)[: min(count, size + 1)]
    return dilation > size and any(start % dilation >= size for start in starts)


class Pooling(Layer):
    """What the pools share: windows that stride by their kernel unless told otherwise.  Fields are the subclasses'."""

    kernel: Pair
    stride: Pair | None
    pad: Pad
    round: Literal["floor", "ceil"]

    @property
    def apart(self) -> Pair:
        """How far apart the taps of a window are."""
        return 1, 1

    def frame(self, size: Sizes, rank: int) -> Frame:
        """The windows in numbers, for a map of that rank and size."""
        kernel = along(rank, "kernel", self.kernel)
        stride = kernel if self.stride is None else along(rank, "stride", self.stride)
        dilation = along(rank, "dilation", self.apart)
        pad = resolve_padding(pad_along(rank, "pad", self.pad), size, kernel, stride, dilation)
        return Frame(kernel, stride, pad, dilation)

    def framed(self, x: Value, rank: int) -> dict[str, Any]:
        """The parameters of a pooling primitive, where every window sees an element of the map."""
        h, w, _ = sizes_of(self.kind, x)
        f, ceil = self.frame((h, w), rank), self.round == "ceil"
        _need_seen(self.kind, (h, w), f, ceil)
        return {"kernel": f.kernel, "stride": f.stride, "pad": f.pad, "ceil": ceil}

    def window(self, x: TensorType) -> Sight:
        return self.frame(map_size(x), x.rank).sight()


@layer("maxpool")
@dataclass(frozen=True)
class MaxPool(Pooling):
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
        ("maxpool(2)", (TensorType((N, 2, 8, 6)),)),
        ("maxpool(2)", (TensorType((N, 2, 8, 7)),)),
        ("maxpool(3, stride=2, pad=1)", (TensorType((N, 3, 9, 8)),)),
        ("maxpool((3, 2), stride=2, dilation=2, round=ceil)", (TensorType((N, 2, 10, 9)),)),
        ("maxpool(3, stride=2, pad=1)", (TensorType((N, 3, 9)),)),
        ("maxpool(2, round=ceil)", (TensorType((N, 2, 1, 5)),)),
    )

    @property
    def apart(self) -> Pair:
        return self.dilation

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("maxpool", b, x), x.type.rank
        dilation = along(rank, "dilation", self.dilation)
        return as_before(b, b(ops.maxpool, y, dilation=dilation, **self.framed(y, rank)), rank)


@layer("avgpool")
@dataclass(frozen=True)
class AvgPool(Pooling):
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
        ("avgpool(2)", (TensorType((N, 2, 8, 6)),)),
        ("avgpool(2)", (TensorType((N, 2, 8, 7)),)),
        ("avgpool(3, stride=2, pad=1, count_pad=false)", (TensorType((N, 3, 9, 8)),)),
        ("avgpool((2, 3), stride=2, pad=(0, 1), round=ceil)", (TensorType((N, 2, 9, 8)),)),
        ("avgpool(2)", (TensorType((N, 2, 7)),)),
        ("avgpool(3, round=ceil)", (TensorType((N, 2, 1, 5)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("avgpool", b, x), x.type.rank
        return as_before(b, b(ops.avgpool, y, count_pad=self.count_pad, **self.framed(y, rank)), rank)


@layer("pool")
@dataclass(frozen=True)
class Pool(Pooling):
    """One statistic of each window: its largest or smallest value, its mean, or its l2 norm √(Σ x²).

    Shape: as `maxpool`.  Padding counts as nothing: minus infinity for `max`, infinity for `min`, zeros that `mean`
    counts and `l2` adds.
    Source: Gulcehre et al., Learned-Norm Pooling, 2014 (l2); the others as `maxpool` and `avgpool`.
    """

    kernel: Pair = pair()
    stat: Literal["min", "l2", "max", "mean"] = word("min", "l2", "max", "mean")
    stride: Pair | None = pair(default=None, default_text="kernel")
    pad: Pad = padding()
    round: Literal["floor", "ceil"] = word("floor", "ceil", default="floor")

    examples = (
        ("pool(2, min)", (TensorType((N, 2, 8, 6)),)),
        ("pool(2, min)", (TensorType((N, 2, 8, 7)),)),
        ("pool(3, stat=l2, stride=2, pad=1)", (TensorType((N, 3, 9, 8)),)),
        ("pool((3, 2), l2, stride=2, round=ceil)", (TensorType((N, 2, 6, 7)),)),
        ("pool(2, mean)", (TensorType((N, 2, 6, 4)),)),
        ("pool(3, max, stride=1, pad=half)", (TensorType((N, 2, 6)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("pool", b, x), x.type.rank
        windows = self.framed(y, rank)
        match self.stat:
            case "max":
                y = b(ops.maxpool, y, **windows)
            case "min":
                y = b(ops.neg, b(ops.maxpool, b(ops.neg, y), **windows))
            case "mean":
                y = b(ops.avgpool, y, **windows)
            case "l2":
                y = _norms(b, y, windows)
        return as_before(b, y, rank)


_TINY = (
    1e-24  # under the root: nothing beside any number, but it keeps the gradient of a norm of zeros finite
)


def _norms(b: Builder, x: Value, windows: dict[str, Any]) -> Value:
    """√(Σ x²) of each window, from the mean of its squares."""
    size, (r, s) = x.type.shape[1:3], windows["kernel"]
    if windows["ceil"] and all(isinstance(i, int) for i in size):
        # zeros where the last window hangs over, so that every mean is over a whole window
        (out,) = ops.maxpool.type(x.type, **windows)
        (h, w), (ho, wo) = x.type.dims_after(1)[:2], out.dims_after(1)[:2]
        wide = hang_over((h, w), (ho, wo), (r, s), windows["stride"], windows["pad"], (1, 1))
        windows = windows | {"pad": wide, "ceil": False}
    means = b(ops.avgpool, b(ops.mul, x, x), count_pad=True, **windows)
    return b(ops.root, b(ops.shift, b(ops.scale, means, factor=float(r * s)), offset=_TINY))


def _pixels(x: Value) -> int:
    """How many a map has; 1 while a size is symbolic, where maps are only typed."""
    _, h, w, _ = x.type.shape
    return h * w if isinstance(h, int) and isinstance(w, int) else 1


@layer("gap")
@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """The mean of each channel over the whole map.

    Shape: [N, C, H, W] → [N, C, 1, 1]; [N, C, L] → [N, C, 1].  Its receptive field is the whole input.
    Source: Lin, Chen and Yan, Network in Network, 2013.
    """

    examples = (("gap", (TensorType((N, 3, 5, 4)),)), ("gap", (TensorType((N, 3, 5)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y = as_map("gap", b, x)
        total = b(ops.sum_to, y, shape=(y.type.shape[0], 1, 1, y.type.shape[3]))
        return as_before(b, b(ops.scale, total, factor=1 / _pixels(y)), x.type.rank)

    def window(self, x: TensorType) -> Sight:
        return "whole"


@layer("gmp")
@dataclass(frozen=True)
class GlobalMaxPool(Layer):
    """The largest value of each channel over the whole map.

    Shape: [N, C, H, W] → [N, C, 1, 1]; [N, C, L] → [N, C, 1].  Its receptive field is the whole input.
    Gradient: to the largest element, of equal ones to the first in reading order.
    Source: Oquab et al., Is Object Localization for Free?, 2015.
    """

    examples = (("gmp", (TensorType((N, 3, 5, 4)),)), ("gmp", (TensorType((N, 3, 5)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y = as_map("gmp", b, x)
        n, h, w, c = y.type.shape
        if not (isinstance(h, int) and isinstance(w, int)):
            y = b(ops.sum_to, y, shape=(n, 1, 1, c))  # only typed while a size is symbolic
        else:
            y = b(ops.maxpool, y, kernel=(h, w), stride=(1, 1), pad=((0, 0), (0, 0)))
        return as_before(b, y, x.type.rank)

    def window(self, x: TensorType) -> Sight:
        return "whole"
