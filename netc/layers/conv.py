"""Convolutions: of all channels, of each channel by itself, and the two in a row."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Pad, boolean, integer, padding, pair, word
from netc.layers.base import (
    Layer,
    LayerError,
    Sight,
    Window,
    layer,
    map_size,
    need_window,
    resolve_padding,
    that_divide,
)
from netc.layers.line import along, as_before, as_map, bordered, need_border, pad_along, sizes_of
from netc.ops.primitive import Value
from netc.ops.sampling import Mode
from netc.ops.windows import Padding, Pair, Sizes
from netc.types import N, TensorType

BORDERS = ("zero", "reflect", "replicate", "circular")


@dataclass(frozen=True, slots=True)
class Frame:
    """Where windows stand on a map; on a line, a map of height 1, across it they are 1."""

    kernel: Pair
    stride: Pair
    pad: Padding
    dilation: Pair

    def sight(self) -> tuple[Window, Window]:
        first, second = (
            Window(k, s, p[0], d)
            for k, s, p, d in zip(self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )
        return first, second


class Convolving(Layer):
    """What the convolutions share: windows, a border, and the weights of one window.  Fields are the subclasses'."""

    kernel: Pair
    stride: Pair
    pad: Pad
    dilation: Pair
    border: Mode

    def window(self, x: TensorType) -> Sight:
        return self.frame(map_size(x), x.rank).sight()

    def frame(self, size: Sizes, rank: int) -> Frame:
        """The windows in numbers, for a map of that rank and size."""
        kernel, stride = along(rank, "kernel", self.kernel), along(rank, "stride", self.stride)
        dilation = along(rank, "dilation", self.dilation)
        pad = resolve_padding(pad_along(rank, "pad", self.pad), size, kernel, stride, dilation)
        return Frame(kernel, stride, pad, dilation)

    def convolve(self, b: Builder, x: Value, rank: int, name: str, out: int, groups: int) -> Value:
        """The map convolved with weights of its own, (out, C / groups, R, S) or (out, C / groups, S) outside."""
        h, w, c = sizes_of(self.kind, x)
        f = self.frame((h, w), rank)
        need_window(self.kind, (h, w), f.kernel, f.pad, f.dilation)
        pad = f.pad
        if self.border != "zero":
            need_border(self.border, (h, w), pad, "pad")
            x, pad = bordered(b, x, pad, self.border), ((0, 0), (0, 0))
        weight = window_weights(b, rank, name, f.kernel, c // groups, out, groups)
        return b(ops.conv, x, weight, stride=f.stride, pad=pad, dilation=f.dilation, groups=groups)


def window_weights(
    b: Builder, rank: int, name: str, kernel: Pair, channels: int, out: int, groups: int
) -> Value:
    """Weights `(R, S, C / G, K)`: outside (K, C / G, R, S), or (K, C / G, S) for lines, as PyTorch has them."""
    r, s = kernel
    fans = {"fan_in": r * s * channels, "fan_out": r * s * out // groups}
    if rank == 4:
        return b.param(name, (r, s, channels, out), door=(3, 2, 0, 1), **fans)
    weight = b.param(name, (s, channels, out), door=(2, 1, 0), **fans)
    return b(ops.reshape, weight, shape=(1, s, channels, out))


def with_bias(b: Builder, y: Value) -> Value:
    """A trained number for each channel added."""
    c = y.type.shape[-1]
    return b(ops.bias, y, b.constant_param("bias", (c,), 0.0))


@layer("conv")
@dataclass(frozen=True)
class Conv(Convolving):
    """Convolution of a map with `out` learned filters, as networks compute it (no flip).

    y[k, i, j] = b[k] + Σ over c, r, s of  w[k, c, r, s] · x[c, i·S + r·D − P, j·S + s·D − P]

    Shape: [N, C, H, W] → [N, out, ⌊(H + 2P − D(R − 1) − 1) / S⌋ + 1, likewise W]; [N, C, L] → [N, out, likewise L].
    With `groups` each of that many groups of outputs sees its own group of inputs.  `border` is what stands in the
    padding: zeros, the map mirrored at its last pixel, its last pixel again, or the map from its other side.
    Weights: `weight` [out, C / groups, R, S] ([out, C / groups, S] for [N, C, L]), `bias` [out].
    Source: LeCun et al., 1998; sizes: Dumoulin and Visin, 2016.
    """

    out: int = integer(at_least=1)
    kernel: Pair = pair()
    stride: Pair = pair(default=(1, 1))
    pad: Pad = padding()
    dilation: Pair = pair(default=(1, 1))
    groups: int = integer(at_least=1, default=1)
    bias: bool = boolean(default=True)
    border: Mode = word(*BORDERS, default="zero")

    examples = (
        ("conv(6, 5, pad=2)", (TensorType((N, 1, 28, 28)),)),
        ("conv(4, (3, 5), stride=(2, 1), pad=((0, 1), (2, 1)))", (TensorType((N, 3, 9, 11)),)),
        ("conv(8, 3, pad=same, stride=2, groups=2, bias=false)", (TensorType((N, 4, 7, 6)),)),
        ("conv(6, 3, pad=half, dilation=2, groups=3)", (TensorType((N, 3, 8, 8)),)),
        ("conv(3, 5, pad=half, border=reflect)", (TensorType((N, 2, 6, 7)),)),
        ("conv(3, 3, pad=(2, 1), stride=2, border=circular)", (TensorType((N, 2, 6, 7)),)),
        ("conv(4, 3, pad=1, border=replicate)", (TensorType((N, 2, 9)),)),
        ("conv(6, 4, stride=2, pad=same, groups=2)", (TensorType((N, 4, 9)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y = as_map("conv", b, x)
        c = sizes_of("conv", y)[2]
        for what, count in (("input channels", c), ("outputs", self.out)):
            if count % self.groups:
                message = f"{self.groups} groups do not divide the {count} {what}"
                raise LayerError("E0303", message, "groups", that_divide(c, self.out))
        y = self.convolve(b, y, x.type.rank, "weight", self.out, self.groups)
        return as_before(b, with_bias(b, y) if self.bias else y, x.type.rank)


@layer("depthwise")
@dataclass(frozen=True)
class Depthwise(Convolving):
    """Convolution of each channel by itself, with `multiplier` filters for each.

    y[c·m + k, i, j] = b[c·m + k] + Σ over r, s of  w[c·m + k, r, s] · x[c, i·S + r·D − P, j·S + s·D − P]

    Shape: as `conv` with `out=x.C * multiplier, groups=x.C`, which it is.
    Weights: `weight` [C · multiplier, 1, R, S], `bias` [C · multiplier].
    Source: Sifre and Mallat, 2014; Howard et al., MobileNets, 2017.
    """

    kernel: Pair = pair()
    stride: Pair = pair(default=(1, 1))
    pad: Pad = padding()
    dilation: Pair = pair(default=(1, 1))
    multiplier: int = integer(at_least=1, default=1)
    bias: bool = boolean(default=True)
    border: Mode = word(*BORDERS, default="zero")

    examples = (
        ("depthwise(3, pad=1)", (TensorType((N, 6, 7, 5)),)),
        ("depthwise((3, 2), stride=2, multiplier=2, bias=false)", (TensorType((N, 3, 8, 7)),)),
        ("depthwise(3, dilation=2, pad=half, border=replicate)", (TensorType((N, 3, 9)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y = as_map("depthwise", b, x)
        c = sizes_of("depthwise", y)[2]
        y = self.convolve(b, y, x.type.rank, "weight", c * self.multiplier, c)
        return as_before(b, with_bias(b, y) if self.bias else y, x.type.rank)


@layer("separable")
@dataclass(frozen=True)
class Separable(Convolving):
    """A depthwise convolution, then one with 1×1 windows that mixes the channels; nothing between them.

    Shape: as `conv`.
    Weights: `depthwise` [C · multiplier, 1, R, S], `weight` [out, C · multiplier, 1, 1], `bias` [out].
    Source: Chollet, Xception, 2017.  Where a norm or an activation stands between the two, write `depthwise` and
    `conv(out, 1)`.
    """

    out: int = integer(at_least=1)
    kernel: Pair = pair()
    stride: Pair = pair(default=(1, 1))
    pad: Pad = padding()
    dilation: Pair = pair(default=(1, 1))
    multiplier: int = integer(at_least=1, default=1)
    bias: bool = boolean(default=True)
    border: Mode = word(*BORDERS, default="zero")

    examples = (
        ("separable(5, 3, pad=1)", (TensorType((N, 4, 7, 6)),)),
        ("separable(4, (2, 3), stride=2, multiplier=2, bias=false)", (TensorType((N, 3, 8, 7)),)),
        ("separable(4, 3, pad=1, border=reflect)", (TensorType((N, 3, 8)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("separable", b, x), x.type.rank
        c = sizes_of("separable", y)[2]
        y = self.convolve(b, y, rank, "depthwise", c * self.multiplier, c)
        weight = window_weights(b, rank, "weight", (1, 1), c * self.multiplier, self.out, 1)
        y = b(ops.conv, y, weight, stride=(1, 1), pad=((0, 0), (0, 0)))  # (N, Ho, Wo, out)
        return as_before(b, with_bias(b, y) if self.bias else y, rank)
