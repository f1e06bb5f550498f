"""Normalisation over the batch (bn), inside one example (ln, gn, instance_norm, lrn, l2norm), and regularisation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import boolean, integer, number, word
from netc.layers.base import Layer, LayerError, layer, need_known, shown, that_divide
from netc.ops.primitive import Value
from netc.types import N, TensorType

_INF = float("inf")
_MAP = TensorType((N, 6, 4, 5))


def _eps(default: float) -> Any:
    """What keeps a square root from zero.  It is small: a number from 1 on is taken for one of channels."""
    no_channels = "; the number of channels is that of what flows in"
    return number(low=0, high=1, default=default, open_low=True, else_say=no_channels)


@layer("bn")
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation: each channel to mean 0 and variance 1, then scaled and shifted.

    y = γ (x − μ) / √(σ² + ε) + β.  In training μ and σ² are those of the batch, over N, H and W, and running means of
    them are kept: running ← (1 − momentum) · running + momentum · batch (with the unbiased variance).  Outside of
    training the running values are used.  With `scale=false` γ stays 1: a linear layer that follows scales as well.
    Shape: unchanged.  Weights: `weight` γ and `bias` β [C] where `affine`; state: `running_mean`, `running_var` [C].
    Source: Ioffe and Szegedy, 2015.
    """

    eps: float = _eps(1e-5)
    momentum: float = number(low=0, high=1, default=0.1)
    affine: bool = boolean(default=True)
    scale: bool = boolean(default=True)

    examples = (
        ("bn", (TensorType((N, 3, 4, 5)),)),
        ("bn(eps=1e-3, momentum=0.01)", (TensorType((N, 6)),)),
        ("bn(affine=false)", (TensorType((N, 2, 3, 3)),)),
        ("bn(scale=false)", (TensorType((N, 2, 3, 3)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        c = x.type.shape[-1]
        learned = {"weight": self.affine and self.scale, "bias": self.affine}
        gamma, beta = (
            b.constant_param(name, (c,), value)
            if learned[name]
            else b(ops.fill, shape=(c,), value=value, dtype=b.dtype)
            for name, value in (("weight", 1.0), ("bias", 0.0))
        )
        running_mean, running_var = b.state("running_mean", (c,), 0.0), b.state("running_var", (c,), 1.0)
        if not b.training:
            rstd = b(ops.div, gamma, b(ops.root, b(ops.shift, running_var, offset=self.eps)))  # (C,)
            offset = b(ops.sub, beta, b(ops.mul, running_mean, rstd))  # (C,)
            return b(ops.add, b(ops.mul, x, rstd), offset)
        mean, var = b.all(ops.moments, x)
        count = prod(x.type.dims[:-1])
        unbiased = b(ops.scale, var, factor=count / max(count - 1, 1))
        for old, new in ((running_mean, mean), (running_var, unbiased)):
            kept = b(ops.scale, old, factor=1 - self.momentum)
            b.update(old, b(ops.add, kept, b(ops.scale, new, factor=self.momentum)))
        return b(ops.batch_norm, x, gamma, beta, mean, var, eps=self.eps)


@layer("ln")
@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation: each example to mean 0 and variance 1, then scaled and shifted.

    y = γ (x − μ) / √(σ² + ε) + β.  With `over=CHW` μ and σ² are of a whole example, with `over=C` of each pixel, over
    its channels.  No running statistics: it computes the same in training and outside.
    `affine` says how many γ and β there are: `channel`, one for each channel (PyTorch's GroupNorm with one group);
    `feature`, one for each number that is averaged over (PyTorch's LayerNorm); `scalar`, one; or `none`.
    Shape: unchanged.  Weights: `weight` γ and `bias` β, each [C], [C, H, W] or [1].
    Source: Ba, Kiros and Hinton, 2016.
    """

    over: Literal["CHW", "C"] = word("CHW", "C", default="CHW")
    affine: Literal["channel", "feature", "scalar", "none"] = word(
        "channel", "feature", "scalar", "none", default="channel"
    )
    eps: float = _eps(1e-5)

    examples = (
        ("ln", (_MAP,)),
        ("ln(over=C)", (_MAP,)),
        ("ln(affine=feature)", (_MAP,)),
        ("ln(over=C, affine=feature)", (_MAP,)),
        ("ln(affine=scalar)", (_MAP,)),
        ("ln(affine=none, eps=0.1)", (TensorType((N, 6)),)),
        ("ln", (TensorType((N, 7)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        pixel = self.over == "C"
        y = b.all(ops.standardise, x, groups=1, eps=self.eps, pixel=pixel)[0]
        if self.affine == "none":
            return y
        if self.affine == "scalar":
            gamma, beta = (b(ops.reshape, v, shape=()) for v in _gamma_beta(b, (1,)))
            return b(ops.add, b(ops.mul, y, gamma), beta)
        if self.affine == "feature" and not pixel and x.type.rank > 2:
            return _by_feature(b, y)
        return _by_channel(b, y, need_known("ln", x.type.shape[-1]))


def _gamma_beta(b: Builder, shape: tuple[int, ...], door: tuple[int, ...] = ()) -> tuple[Value, Value]:
    """A scale that begins at 1 and a shift that begins at 0."""
    return b.constant_param("weight", shape, 1.0, door), b.constant_param("bias", shape, 0.0, door)


def _by_channel(b: Builder, y: Value, c: int) -> Value:
    gamma, beta = _gamma_beta(b, (c,))
    return b(ops.add, b(ops.mul, y, gamma), beta)


def _by_feature(b: Builder, y: Value) -> Value:
    """γ y + β with a γ and a β for every number of an example: as rows, against one vector."""
    space = tuple(need_known("ln", size) for size in y.type.shape[1:])  # (H, W, C)
    door = (len(space) - 1, *range(len(space) - 1))
    n, count = y.type.shape[0], prod(space)
    gamma, beta = (b(ops.reshape, v, shape=(count,)) for v in _gamma_beta(b, space, door))
    rows = b(ops.add, b(ops.mul, b(ops.reshape, y, shape=(n, count)), gamma), beta)  # (N, H·W·C)
    return b(ops.reshape, rows, shape=y.type.shape)


@layer("gn")
@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalisation: `groups` groups of neighbouring channels of each example, each to mean 0 and variance 1.

    y = γ (x − μ) / √(σ² + ε) + β, where μ and σ² are of one example and group, over its channels, H and W.  One group
    is `ln`, as many as channels is `instance_norm`.
    Shape: unchanged.  Weights: `weight` γ and `bias` β [C] where `affine`.
    Source: Wu and He, 2018.
    """

    groups: int = integer(at_least=1)
    eps: float = _eps(1e-5)
    affine: bool = boolean(default=True)

    examples = (
        ("gn(3)", (_MAP,)),
        ("gn(1)", (_MAP,)),
        ("gn(2, affine=false)", (TensorType((N, 8)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        c = need_known("gn", x.type.shape[-1])
        if c % self.groups:
            raise LayerError(
                "E0303",
                f"`groups={self.groups}` does not divide the {c} channels of `gn`",
                "groups",
                that_divide(c),
            )
        y = b.all(ops.standardise, x, groups=self.groups, eps=self.eps)[0]
        return _by_channel(b, y, c) if self.affine else y


@layer("instance_norm")
@dataclass(frozen=True)
class InstanceNorm(Layer):
    """Instance normalisation: each channel of each example to mean 0 and variance 1, over H and W.

    y = γ (x − μ) / √(σ² + ε) + β, the same in training and outside.  γ and β are left out unless `affine`, as in
    PyTorch.
    Shape: unchanged.  Weights: `weight` γ and `bias` β [C] where `affine`.
    Source: Ulyanov, Vedaldi and Lempitsky, 2016.
    """

    eps: float = _eps(1e-5)
    affine: bool = boolean(default=False)

    examples = (("instance_norm", (_MAP,)), ("instance_norm(affine=true)", (_MAP,)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if x.type.rank < 3:
            message = f"`instance_norm` averages over H and W, and gets {shown(x.type)}"
            raise LayerError("E0301", message, help="a vector is normalised by ln")
        c = need_known("instance_norm", x.type.shape[-1])
        y = b.all(ops.standardise, x, groups=c, eps=self.eps)[0]
        return _by_channel(b, y, c) if self.affine else y


@layer("lrn")
@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """Local response normalisation: each channel is divided by what its neighbours of the same pixel have.

    y = x / (k + α Σ x²)^β, summed over the `size` channels from c − ⌊size/2⌋ to c + ⌊(size − 1)/2⌋ that there are.
    This is the formula of AlexNet, and its k = 2.  PyTorch and Caffe divide α by `size` first, and their k is 1: their
    alpha=1e-4 is alpha=2e-5, k=1 here.
    Shape: unchanged.  No weights.
    Source: Krizhevsky, Sutskever and Hinton, 2012, section 3.3.
    """

    size: int = integer(at_least=1, default=5)
    alpha: float = number(low=0, high=_INF, default=1e-4)
    beta: float = number(low=0, high=_INF, default=0.75)
    k: float = number(low=0, high=_INF, default=2.0, open_low=True)

    examples = (
        ("lrn", (_MAP,)),
        ("lrn(size=3, alpha=0.5, beta=0.6, k=1)", (_MAP,)),
        ("lrn(4, alpha=0.3)", (TensorType((N, 9)),)),
        ("lrn(size=9)", (TensorType((N, 3, 2, 2)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b.all(ops.lrn, *xs, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)[0]


@layer("l2norm")
@dataclass(frozen=True)
class L2Norm(Layer):
    """x / max(‖x‖, ε) over the channels: a vector, or that of each pixel, to length 1.

    Gradient: (g − y Σ g y) / ‖x‖, and g / ε where ‖x‖ ≤ ε.
    Shape: unchanged.  No weights.
    Source: Liu, Rabinovich and Berg, ParseNet, 2015.
    """

    eps: float = number(low=0, high=_INF, default=1e-12, open_low=True)

    examples = (("l2norm", (TensorType((N, 7)),)), ("l2norm", (_MAP,)), ("l2norm(eps=2)", (_MAP,)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b.all(ops.l2norm, *xs, eps=self.eps)[0]


@layer("dropout")
@dataclass(frozen=True)
class Dropout(Layer):
    """In training each element is 0 with probability `p`, and the others are divided by 1 − p; else the identity.

    Shape: unchanged.
    Source: Srivastava et al., 2014.
    """

    p: float = number(low=0, high=1, default=0.5)

    examples = (("dropout(p=0.3)", (TensorType((N, 3, 4, 5)),)), ("dropout", (TensorType((N, 7)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if not b.training or self.p == 0:
            return x
        mask = b(
            ops.dropout_mask, b.counter(), shape=x.type.shape, p=self.p, stream=b.stream(), dtype=b.dtype
        )
        return b(ops.mul, x, mask)


@layer("drop_path")
@dataclass(frozen=True)
class DropPath(Layer):
    """Stochastic depth: in training a whole example is 0 with probability `p`, the others are divided by 1 − p.

    It stands at the end of a residual branch, before the sum, and leaves that branch out.  Outside of training it is
    the identity.
    Shape: unchanged.
    Source: Huang et al., Deep Networks with Stochastic Depth, 2016.
    """

    p: float = number(low=0, high=1, default=0.5)

    examples = (("drop_path(p=0.3)", (TensorType((N, 3, 4, 5)),)), ("drop_path", (TensorType((N, 7)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        if not b.training or self.p == 0:
            return x
        n, *space, c = x.type.shape
        ones = (1,) * len(space)
        stream = b.stream()
        mask = b(ops.dropout_mask, b.counter(), shape=(n, *ones, 1), p=self.p, stream=stream, dtype=b.dtype)
        return b(ops.mul, x, b(ops.spread, mask, shape=(n, *ones, c)))
