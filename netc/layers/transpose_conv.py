"""The transposed convolution, which enlarges."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import boolean, integer, pair, sides
from netc.layers.base import SIDES, Layer, LayerError, Rise, Sight, Window, layer, that_divide
from netc.layers.conv import with_bias
from netc.layers.line import along, as_before, as_map, sides_along, sizes_of
from netc.ops.primitive import Value
from netc.ops.windows import Padding, Pair, Sizes, reach
from netc.sizes import lowest
from netc.types import N, TensorType


@layer("conv_transpose")
@dataclass(frozen=True)
class ConvTranspose(Layer):
    """Every input pixel writes a window of `out` channels, `stride` apart; where windows overlap they add up.

    y[k, i·S + r·D − P, j·S + s·D − P] gets  w[c, k, r, s] · x[c, i, j]  from every c, i, j, r, s, and b[k]

    Shape: [N, C, H, W] → [N, out, (H − 1)·S − 2P + D(R − 1) + 1 + output_pad, likewise W]; [N, C, L] → [N, out,
    likewise L].
    It is the gradient of a `conv` by its input, so it undoes that convolution's change of size.
    Weights: `weight` [C, out / groups, R, S] ([C, out / groups, S] for [N, C, L]), `bias` [out].
    Source: Zeiler et al., Deconvolutional Networks, 2010; Dumoulin and Visin, 2016.
    """

    out: int = integer(at_least=1)
    kernel: Pair = pair()
    stride: Pair = pair(default=(1, 1))
    pad: Padding = sides(default=((0, 0), (0, 0)))
    output_pad: Pair = pair(at_least=0, default=(0, 0))
    dilation: Pair = pair(default=(1, 1))
    groups: int = integer(at_least=1, default=1)
    bias: bool = boolean(default=True)

    examples = (
        ("conv_transpose(3, 2, stride=2)", (TensorType((N, 4, 5, 3)),)),
        ("conv_transpose(4, 3, stride=2, pad=1, output_pad=1, groups=2)", (TensorType((N, 6, 4, 5)),)),
        ("conv_transpose(2, (3, 2), pad=(1, 0), dilation=2, bias=false)", (TensorType((N, 3, 5, 4)),)),
        ("conv_transpose(3, 4, stride=2, pad=1)", (TensorType((N, 2, 6)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        y, rank = as_map("conv_transpose", b, x), x.type.rank
        h, w, c = sizes_of("conv_transpose", y)
        for what, count in (("input channels", c), ("outputs", self.out)):
            if count % self.groups:
                message = f"{self.groups} groups do not divide the {count} {what}"
                raise LayerError("E0303", message, "groups", that_divide(c, self.out))
        stride, dilation = along(rank, "stride", self.stride), along(rank, "dilation", self.dilation)
        pad, size = sides_along(rank, "pad", self.pad), self._size((h, w), rank)
        weight = self._weight(b, rank, c)
        y = b(
            ops.conv_data, y, weight, size=size, stride=stride, pad=pad, dilation=dilation, groups=self.groups
        )  # (N, Ho, Wo, K)
        return as_before(b, with_bias(b, y) if self.bias else y, rank)

    def _weight(self, b: Builder, rank: int, c: int) -> Value:
        """Inside `(R, S, K / G, C)`, for what is `conv`'s output is the input here."""
        r, s = along(rank, "kernel", self.kernel)
        per = self.out // self.groups
        fans = {"fan_in": r * s * c // self.groups, "fan_out": r * s * per}
        if rank == 4:
            return b.param("weight", (r, s, per, c), door=(3, 2, 0, 1), **fans)
        weight = b.param("weight", (s, per, c), door=(2, 1, 0), **fans)
        return b(ops.reshape, weight, shape=(1, s, per, c))

    def _size(self, size: Sizes, rank: int) -> Sizes:
        extra = along(rank, "output_pad", self.output_pad, 0)
        stride, kernel = along(rank, "stride", self.stride), along(rank, "kernel", self.kernel)
        dilation = along(rank, "dilation", self.dilation)
        pad = sides_along(rank, "pad", self.pad)
        height, width = (
            (i - 1) * s - sum(p) + reach(k, d) + e
            for i, s, p, k, d, e in zip(size, stride, pad, kernel, dilation, extra, strict=True)
        )
        for side, out, s, e in zip(SIDES, (height, width), stride, extra, strict=True):
            if e >= s:
                message = f"an output padding of {e} in {side} is more than a stride of {s} leaves open"
                raise LayerError("E0313", message, "output_pad", f"take at most {s - 1}")
            if lowest(out) < 1:
                message = f"nothing is left of the {side} of `conv_transpose`: it would be {out}"
                raise LayerError("E0302", message, "pad", "pad by less")
        return height, width

    def window(self, x: TensorType) -> Sight:
        rank = x.rank
        ways = (
            along(rank, "kernel", self.kernel),
            along(rank, "stride", self.stride),
            sides_along(rank, "pad", self.pad),
            along(rank, "dilation", self.dilation),
        )
        first, second = (
            # input i writes to i·s − p … i·s − p + d(k − 1); where windows leave gaps, this is their hull
            Rise(s, p[0] + min(s - reach(k, d), 0), p[0], writes=Window(k, s, p[0], d))
            for k, s, p, d in zip(*ways, strict=True)
        )
        return first, second
