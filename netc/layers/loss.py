"""Losses: what a train block minimises.  Each is the mean over the batch, a scalar."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import number
from netc.layers.base import Layer, LayerError, layer, shown
from netc.ops.primitive import Value
from netc.types import N, TensorType


@layer("softmax_xent")
@dataclass(frozen=True)
class SoftmaxXent(Layer):
    """Cross-entropy of a softmax with integer labels: the mean of −log softmax(logits)[label].

    Operands: [logits, label] with logits [N, C] and label int[N] in 0 … C − 1.  It takes logits: no `softmax` before.
    `weight` is its factor in the sum of several losses.
    Gradient: (softmax − one-hot) / N.
    """

    weight: float = number(low=0, high=float("inf"), default=1.0)

    operands = (2, 2)
    loss = True
    examples = (("softmax_xent", (TensorType((N, 5)), TensorType((N,), "int"))),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        logits, label = xs
        if logits.type.rank != 2:
            raise LayerError("E0601", f"`softmax_xent` needs logits [N, C], and gets {shown(logits.type)}")
        if label.type.rank != 1 or label.type.dtype != "int":
            raise LayerError("E0601", f"`softmax_xent` needs labels int[N], and gets {shown(label.type)}")
        losses = b.all(ops.softmax_xent, logits, label)[0]  # (N, 1)
        return mean(b, losses, self.weight)


@layer("mse")
@dataclass(frozen=True)
class MeanSquaredError(Layer):
    """The mean of (y − t)² over every element.

    Operands: [y, t] of equal shapes.  `weight` is its factor in the sum of several losses.
    Gradient: 2 (y − t) / count.
    """

    weight: float = number(low=0, high=float("inf"), default=1.0)

    operands = (2, 2)
    loss = True
    examples = (("mse", (TensorType((N, 4)), TensorType((N, 4)))),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        y, t = xs
        if y.type != t.type:
            raise LayerError(
                "E0601", f"`mse` needs equal types, and gets {shown(y.type)} and {shown(t.type)}"
            )
        d = b(ops.sub, y, t)
        return mean(b, b(ops.mul, d, d), self.weight)


def mean(b: Builder, x: Value, weight: float = 1.0) -> Value:
    """`weight` times the mean of all elements of `x`, a scalar.  A symbolic batch counts as one example."""
    count = 1
    for size in x.type.shape:
        count *= size if isinstance(size, int) else 1
    return b(ops.scale, b(ops.sum_to, x, shape=()), factor=weight / count)
