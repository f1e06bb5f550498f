"""Convolution."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Pad, boolean, integer, padding, pair
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
from netc.ops.windows import Padding, Pair, Sizes
from netc.types import N, TensorType


@layer("conv")
@dataclass(frozen=True)
class Conv(Layer):
    """Convolution of a feature map with `out` learned filters, as networks compute it (no flip).

    y[k, i, j] = b[k] + Σ over c, r, s of  w[k, c, r, s] · x[c, i·S + r·D − P, j·S + s·D − P]

    Shape: [N, C, H, W] → [N, out, ⌊(H + 2P − D(R − 1) − 1) / S⌋ + 1, likewise W].  With `groups` each of that many
    groups of outputs sees its own group of inputs; `groups=x.C` is a depthwise convolution.
    Weights: `weight` [out, C / groups, R, S], `bias` [out].
    Source: LeCun et al., 1998; sizes: Dumoulin and Visin, 2016.
    """

    out: int = integer(at_least=1)
    kernel: Pair = pair()
    stride: Pair = pair(default=(1, 1))
    pad: Pad = padding()
    dilation: Pair = pair(default=(1, 1))
    groups: int = integer(at_least=1, default=1)
    bias: bool = boolean(default=True)

    examples = (
        ("conv(6, 5, pad=2)", (TensorType((N, 1, 28, 28)),)),
        ("conv(4, (3, 5), stride=(2, 1), pad=((0, 1), (2, 1)))", (TensorType((N, 3, 9, 11)),)),
        ("conv(8, 3, pad=same, stride=2, groups=2, bias=false)", (TensorType((N, 4, 7, 6)),)),
        ("conv(6, 3, pad=half, dilation=2, groups=3)", (TensorType((N, 3, 8, 8)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        h, w, c = need_map("conv", x)
        for what, count in (("input channels", c), ("outputs", self.out)):
            if count % self.groups:
                raise LayerError("E0303", f"{self.groups} groups do not divide the {count} {what}", "groups")
        pad = self._padding((h, w))
        need_window("conv", (h, w), self.kernel, pad, self.dilation)
        r, s = self.kernel
        fan_in = r * s * c // self.groups
        fan_out = r * s * self.out // self.groups
        weight = b.param(
            "weight", (r, s, c // self.groups, self.out), fan_in=fan_in, fan_out=fan_out, door=(3, 2, 0, 1)
        )
        y = b(
            ops.conv, x, weight, stride=self.stride, pad=pad, dilation=self.dilation, groups=self.groups
        )  # (N, Ho, Wo, K)
        return b(ops.bias, y, b.constant_param("bias", (self.out,), 0.0)) if self.bias else y

    def window(self, x: TensorType) -> Sight:
        pad = self._padding(map_size(x))
        first, second = (
            Window(k, s, p[0], d)
            for k, s, p, d in zip(self.kernel, self.stride, pad, self.dilation, strict=True)
        )
        return first, second

    def _padding(self, size: Sizes) -> Padding:
        return resolve_padding(self.pad, size, self.kernel, self.stride, self.dilation)
