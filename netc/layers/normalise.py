"""Normalisation and regularisation: bn, dropout."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import boolean, number
from netc.layers.base import Layer, layer
from netc.ops.primitive import Value
from netc.types import N, TensorType


@layer("bn")
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation: each channel to mean 0 and variance 1, then scaled and shifted.

    y = γ (x − μ) / √(σ² + ε) + β.  In training μ and σ² are those of the batch, over N, H and W, and running means of
    them are kept: running ← (1 − momentum) · running + momentum · batch (with the unbiased variance).  Outside of
    training the running values are used.
    Shape: unchanged.  Weights: `weight` γ and `bias` β [C] where `affine`; state: `running_mean`, `running_var` [C].
    Source: Ioffe and Szegedy, 2015.
    """

    eps: float = number(low=0, high=float("inf"), default=1e-5, open_low=True)
    momentum: float = number(low=0, high=1, default=0.1)
    affine: bool = boolean(default=True)

    examples = (
        ("bn", (TensorType((N, 3, 4, 5)),)),
        ("bn(eps=1e-3, momentum=0.01)", (TensorType((N, 6)),)),
        ("bn(affine=false)", (TensorType((N, 2, 3, 3)),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        c = x.type.shape[-1]
        if self.affine:
            gamma, beta = b.constant_param("weight", (c,), 1.0), b.constant_param("bias", (c,), 0.0)
        else:
            gamma = b(ops.fill, shape=(c,), value=1.0, dtype=b.dtype)
            beta = b(ops.fill, shape=(c,), value=0.0, dtype=b.dtype)
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
