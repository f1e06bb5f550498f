"""What windows, moves and lookups are in PyTorch: (layer, inputs, weights by name, training) -> result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from netc.layers.base import resolve_padding

Tensor = torch.Tensor
Weights = dict[str, Tensor]
Oracle = Callable[[Any, list[Tensor], Weights, bool], Tensor]

BORDERS = {"zero": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def dims(x: Tensor) -> int:
    """1 for [N, C, L] and 2 for [N, C, H, W]."""
    return x.ndim - 2


def of(pair: Any, x: Tensor) -> Any:
    """The numbers of an argument that count for `x`."""
    return pair[-dims(x) :]


def by_dims(name: str, x: Tensor) -> Any:
    return getattr(F, f"{name}{dims(x)}d")


def by_axis(pad: Any, x: Tensor) -> Any:
    """The two ends of each axis: of two numbers a map has one an axis, and a line one an end."""
    if isinstance(pad, tuple) and isinstance(pad[0], int):
        return ((pad[0], pad[0]), (pad[1], pad[1])) if dims(x) == 2 else ((0, 0), pad)
    return pad


def sides(pad: Any, x: Tensor) -> tuple[int, ...]:
    """Padding in the order of `F.pad`: the last axis first."""
    return tuple(side for ends in reversed(of(by_axis(pad, x), x)) for side in ends)


def padding(layer: Any, x: Tensor, stride: Any) -> tuple[int, ...]:
    dilation = getattr(layer, "dilation", (1, 1))
    size = x.shape[2:] if dims(x) == 2 else (x.shape[2], x.shape[2])
    return sides(resolve_padding(by_axis(layer.pad, x), size, layer.kernel, stride, dilation), x)


def conv(layer: Any, x: list[Tensor], w: Weights, training: bool, name: str = "weight") -> Tensor:
    (x0,) = x
    groups = getattr(layer, "groups", x0.shape[1])  # depthwise where a layer does not say
    padded = F.pad(x0, padding(layer, x0, layer.stride), mode=BORDERS[layer.border])
    stride, dilation = of(layer.stride, x0), of(layer.dilation, x0)
    bias = w.get("bias") if name == "weight" else None
    return by_dims("conv", x0)(padded, w[name], bias, stride, 0, dilation, groups)


def separable(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    middle = conv(layer, x, w, training, "depthwise")
    return by_dims("conv", middle)(middle, w["weight"], w.get("bias"))


def conv_transpose(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    pads = of(by_axis(layer.pad, x0), x0)
    even = all(before == after for before, after in pads)
    f = by_dims("conv_transpose", x0)
    args = x0, w["weight"], w.get("bias"), of(layer.stride, x0)
    extra, dilation = of(layer.output_pad, x0), of(layer.dilation, x0)
    if even:
        return f(*args, [before for before, _ in pads], extra, layer.groups, dilation)
    whole = f(*args, 0, extra, layer.groups, dilation)
    return F.pad(whole, [-side for side in sides(layer.pad, x0)])


def pads_itself(layer: Any, pads: tuple[int, ...], x: Tensor) -> bool:
    """Whether PyTorch's pools have such a padding: equal on both sides, and at most half of the kernel."""
    kernel = tuple(reversed(of(layer.kernel, x)))
    return pads[::2] == pads[1::2] and all(2 * p <= k for p, k in zip(pads[::2], kernel, strict=True))


def maxpool(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    stride = layer.stride or layer.kernel
    dilation = of(getattr(layer, "dilation", (1, 1)), x0)
    pads, f = padding(layer, x0, stride), by_dims("max_pool", x0)
    kernel, stride = of(layer.kernel, x0), of(stride, x0)
    if pads_itself(layer, pads, x0):
        return f(x0, kernel, stride, pads[::2][::-1], dilation, layer.round == "ceil")
    assert layer.round == "floor"  # padding by hand would change where the last window may start
    return f(F.pad(x0, pads, value=float("-inf")), kernel, stride, 0, dilation)


def avgpool(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    stride = layer.stride or layer.kernel
    counted = getattr(layer, "count_pad", True)
    pads, f = padding(layer, x0, stride), by_dims("avg_pool", x0)
    kernel, stride = of(layer.kernel, x0), of(stride, x0)
    if pads_itself(layer, pads, x0):
        return f(x0, kernel, stride, pads[::2][::-1], layer.round == "ceil", counted)
    assert layer.round == "floor"
    mean = f(F.pad(x0, pads), kernel, stride)
    inside = f(F.pad(torch.ones_like(x0), pads), kernel, stride)
    return mean if counted else mean / inside


def pool(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    match layer.stat:
        case "max":
            return maxpool(layer, x, w, training)
        case "min":
            return -maxpool(layer, [-x0], w, training)
        case "mean":
            return avgpool(layer, x, w, training)
        case _:
            return norms(layer, x0)


def norms(layer: Any, x: Tensor) -> Tensor:
    """√(Σ x²) of windows: a depthwise convolution of squares with ones; at the end, room for `round=ceil`."""
    stride = layer.stride or layer.kernel
    pads = padding(layer, x, stride)
    kernel, stride = of(layer.kernel, x), of(stride, x)
    squares = x * x
    if layer.round == "ceil":
        out = maxpool(layer, [x], {}, False).shape[2:]  # how many windows there are
        pads = tuple(
            side
            for i in reversed(range(dims(x)))
            for side in (
                pads[2 * (dims(x) - 1 - i)],
                (out[i] - 1) * stride[i] + kernel[i] - x.shape[2 + i] - pads[2 * (dims(x) - 1 - i)],
            )
        )
    ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
    return by_dims("conv", x)(F.pad(squares, pads), ones, None, stride, 0, 1, x.shape[1]).sqrt()


def upsample(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    factor = tuple(float(f) for f in of(layer.factor, x0))
    if layer.mode == "nearest":
        return F.interpolate(x0, scale_factor=factor, mode="nearest")
    mode = "bilinear" if dims(x0) == 2 else "linear"
    return F.interpolate(x0, scale_factor=factor, mode=mode, align_corners=False)


def pad(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return F.pad(x[0], sides(layer.sides, x[0]), mode=BORDERS[layer.border])


def adaptive(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return by_dims("adaptive_avg_pool", x[0])(x[0], of(layer.size, x[0]))


def cut(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    axis = {"C": 1, "H": 2, "L": 2, "W": 3}[layer.axis]
    stop = x[0].shape[axis] if layer.stop is None else layer.stop
    return x[0].narrow(axis, layer.start, stop - layer.start)


def reshape(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return x[0].reshape(len(x[0]), *(s for s in (layer.channels, layer.height, layer.width) if s is not None))


def shuffle(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    parts = x[0].unflatten(1, (layer.groups, -1))  # F.channel_shuffle has no gradient
    return parts.transpose(1, 2).flatten(1, 2)


def embedding(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    rows = F.embedding(x[0], w["weight"])
    return rows.movedim(-1, 1)


def globally(f: Callable[..., Tensor]) -> Oracle:
    return lambda layer, x, w, training: f(x[0], tuple(range(2, x[0].ndim)), keepdim=True)


WINDOWS: dict[str, Oracle] = {
    "conv": conv,
    "depthwise": conv,
    "separable": separable,
    "conv_transpose": conv_transpose,
    "maxpool": maxpool,
    "avgpool": avgpool,
    "pool": pool,
    "gap": globally(torch.mean),
    "gmp": globally(torch.amax),
    "adaptive_avgpool": adaptive,
    "upsample": upsample,
    "pad": pad,
    "slice": cut,
    "shuffle": shuffle,
    "transpose": lambda layer, x, w, training: x[0].transpose(2, 3),
    "reshape": reshape,
    "embedding": embedding,
}
