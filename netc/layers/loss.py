"""Losses: what a train block minimises.  Each is a mean, a scalar, times its `weight` in the sum of several losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Numbers, number, numbers
from netc.layers.base import Layer, LayerError, layer, need_known, shown
from netc.ops.primitive import Primitive, Value
from netc.types import N, TensorType

_INF = float("inf")
_LABELLED = (TensorType((N, 5)), TensorType((N,), "int"))
_ROWS = (TensorType((N, 4)), TensorType((N, 4)))
_MAPS = (TensorType((N, 2, 3, 4)), TensorType((N, 2, 3, 4)))


def _weight() -> Any:
    return number(low=0, high=_INF, default=1.0)


# ---- Of integer labels ------------------------------------------------------------------------------------


@layer("softmax_xent")
@dataclass(frozen=True)
class SoftmaxXent(Layer):
    """Cross-entropy of a softmax with integer labels: the mean of −log softmax(logits)[label].

    Operands: [logits, label] with logits [N, C] and label int[N] in 0 … C − 1, or one label a pixel, [N, C, H, W] and
    int[N, H, W].  It takes logits: no `softmax` before.
    With `smoothing` ε, the label counts 1 − ε and every class ε / C.  With `class_weights`, one number a class, what
    an example counts is multiplied by w[label] (and what smoothing adds by w of each class), and the mean is that sum
    divided by the sum of w[label].  Both as in PyTorch.
    Gradient: (softmax − one-hot) / N.
    Source: Bridle, 1990; smoothing: Szegedy et al., Rethinking the Inception Architecture, 2016.
    """

    weight: float = _weight()
    smoothing: float = number(low=0, high=1, default=0.0)
    class_weights: Numbers = numbers(what="a list of one number for each class", default_text="all 1")

    operands = (2, 2)
    loss = True
    examples = (
        ("softmax_xent", _LABELLED),
        ("softmax_xent(smoothing=0.1)", _LABELLED),
        ("softmax_xent(weight=0.3, smoothing=0.2, class_weights=[1, 0.5, 2, 3, 0.1])", _LABELLED),
        ("softmax_xent", (TensorType((N, 5, 3, 4)), TensorType((N, 3, 4), "int"))),
        (
            "softmax_xent(class_weights=[1, 0.5, 2, 3, 0])",
            (TensorType((N, 5, 3, 4)), TensorType((N, 3, 4), "int")),
        ),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        logits, label = _labelled("softmax_xent", "logits", b, *xs)
        classes = need_known("softmax_xent", logits.type.shape[-1])
        if self.class_weights and len(self.class_weights) != classes:
            message = f"`softmax_xent` has {len(self.class_weights)} class weights for {classes} classes"
            raise LayerError("E0601", message, "class_weights")
        if not self.smoothing and not self.class_weights:
            return mean(b, b.all(ops.softmax_xent, logits, label)[0], self.weight)  # of (N, …, 1)
        weighted = b(ops.log_softmax, logits)  # (N, …, C)
        w = (
            b(ops.vector, values=tuple(self.class_weights), dtype=b.dtype) if self.class_weights else None
        )  # (C,)
        if w:
            weighted = b(ops.mul, weighted, w)
        losses = b(ops.scale, b(ops.pick, weighted, label), factor=self.smoothing - 1)  # (N, …, 1)
        if self.smoothing:
            every = b(ops.sum_to, weighted, shape=losses.type.shape)
            losses = b(ops.add, losses, b(ops.scale, every, factor=-self.smoothing / classes))
        if not w:
            return mean(b, losses, self.weight)
        shares = b(ops.pick, b(ops.spread, w, shape=logits.type.shape), label)  # (N, …, 1)
        total = b(ops.div, b(ops.sum_to, losses, shape=()), b(ops.sum_to, shares, shape=()))
        return b(ops.scale, total, factor=self.weight)


def _labelled(kind: str, what: str, b: Builder, x: Value, label: Value) -> tuple[Value, Value]:
    """What a label chooses from and the labels, both with their pixels in the order (H, W)."""
    if label.type.dtype != "int" or label.type.rank not in (1, 3):
        wanted = "int[N, H, W]" if x.type.rank == 4 else "int[N]"
        raise LayerError("E0601", f"`{kind}` needs labels {wanted}, and gets {shown(label.type)}")
    if x.type.dtype == "int" or x.type.rank != label.type.rank + 1:
        wanted = "[N, C]" if label.type.rank == 1 else "[N, C, H, W]"
        raise LayerError("E0601", f"`{kind}` needs {what} {wanted}, and gets {shown(x.type)}")
    if label.type.rank == 3:
        label = b(ops.swap, label)  # what is [N, H, W] outside has its second axis last inside
    if label.type.shape != x.type.shape[:-1]:
        sizes = f"{shown(x.type)} has not the pixels of int[{', '.join(map(str, label.type.shape))}]"
        raise LayerError("E0601", f"`{kind}` needs a label for each pixel: {sizes}")
    return x, label


@layer("nll")
@dataclass(frozen=True)
class NegativeLogLikelihood(Layer):
    """The mean of −x[label], where x holds the logarithms of probabilities, as `log_softmax` makes them.

    Operands: [x, label] with x [N, C] and label int[N] in 0 … C − 1, or [N, C, H, W] and int[N, H, W].
    Gradient: −1 / N at the label, else 0.
    Source: Bridle, 1990.
    """

    weight: float = _weight()

    operands = (2, 2)
    loss = True
    examples = (
        ("nll", _LABELLED),
        ("nll(weight=0.5)", (TensorType((N, 5, 2, 3)), TensorType((N, 2, 3), "int"))),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        x, label = _labelled("nll", "log-probabilities", b, *xs)
        return mean(b, b(ops.pick, x, label), -self.weight)


@layer("hinge")
@dataclass(frozen=True)
class Hinge(Layer):
    """The mean of Σ max(0, margin − x[label] + x[j]) / C over the classes j that are not the label.

    This is the multi-class hinge of Weston and Watkins, as PyTorch's MultiMarginLoss has it: every class that comes too
    near counts, not the nearest alone (Crammer and Singer).
    Operands: [scores, label] with scores [N, C] and label int[N] in 0 … C − 1, or [N, C, H, W] and int[N, H, W].
    Gradient: 1 / NC for each class that counts, and minus their sum at the label.
    Source: Weston and Watkins, 1999.
    """

    margin: float = number(low=0, high=_INF, default=1.0)
    weight: float = _weight()

    operands = (2, 2)
    loss = True
    examples = (
        ("hinge", _LABELLED),
        ("hinge(margin=0.5, weight=2)", (TensorType((N, 5, 2, 3)), TensorType((N, 2, 3), "int"))),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        x, label = _labelled("hinge", "scores", b, *xs)
        classes = need_known("hinge", x.type.shape[-1])
        mine = b(ops.spread, b(ops.pick, x, label), shape=x.type.shape)  # (N, …, C)
        over = b(ops.relu, b(ops.shift, b(ops.sub, x, mine), offset=self.margin))
        # the label itself is `margin` over, and does not count
        return b(ops.shift, mean(b, over, self.weight), offset=-self.weight * self.margin / classes)


#: Losses whose second operand is a class for each row of the first.
LABELLED: Final = (SoftmaxXent, NegativeLogLikelihood, Hinge)


# ---- Of two tensors of one type ---------------------------------------------------------------------------


def _alike(kind: str, y: Value, t: Value) -> None:
    if y.type != t.type or y.type.dtype == "int":
        message = f"`{kind}` needs equal types, and gets {shown(y.type)} and {shown(t.type)}"
        if y.type == t.type:
            message = f"`{kind}` needs numbers that are not whole, and gets {shown(y.type)}"
        raise LayerError("E0601", message)


class _Pointwise(Layer):
    """The mean of what one primitive makes of two tensors of one type."""

    op: Primitive
    weight: float

    def expand(self, b: Builder, *xs: Value) -> Value:
        _alike(self.kind, *xs)
        return mean(b, b(self.op, *xs), self.weight)


@layer("bce")
@dataclass(frozen=True)
class BinaryCrossEntropy(_Pointwise):
    """The mean of −t log p − (1 − t) log(1 − p) over every element, of probabilities p and t.

    A logarithm counts −100 at least, so that a sure mistake costs a finite amount.
    Operands: [p, t] of equal shapes, both in 0 … 1.
    Gradient: (p − t) / (p (1 − p)) / count.  After a `sigmoid`, give what is before it to `bce_logits` instead.
    Source: Bishop, Pattern Recognition and Machine Learning, 2006, section 5.2; the bound is PyTorch's.
    """

    weight: float = _weight()

    op = ops.bce
    operands = (2, 2)
    loss = True
    examples = (("bce", _ROWS), ("bce(weight=0.5)", _MAPS))


@layer("bce_logits")
@dataclass(frozen=True)
class BinaryCrossEntropyOfLogits(_Pointwise):
    """The mean of −t log σ(x) − (1 − t) log(1 − σ(x)), computed as max(x, 0) − x t + log(1 + e^−|x|).

    Operands: [x, t] of equal shapes, t in 0 … 1.  It takes logits: no `sigmoid` before.
    Gradient: (σ(x) − t) / count.
    Source: Bishop, 2006, section 5.2, in the form that does not overflow.
    """

    weight: float = _weight()

    op = ops.bce_logits
    operands = (2, 2)
    loss = True
    examples = (("bce_logits", _ROWS), ("bce_logits(weight=0.5)", _MAPS))


@layer("mse")
@dataclass(frozen=True)
class MeanSquaredError(Layer):
    """The mean of (y − t)² over every element.

    Operands: [y, t] of equal shapes.
    Gradient: 2 (y − t) / count.
    Source: Bishop, 2006, section 5.2.
    """

    weight: float = _weight()

    operands = (2, 2)
    loss = True
    examples = (("mse", _ROWS),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        _alike("mse", *xs)
        d = b(ops.sub, *xs)
        return mean(b, b(ops.mul, d, d), self.weight)


@layer("mae")
@dataclass(frozen=True)
class MeanAbsoluteError(Layer):
    """The mean of |y − t| over every element.

    Operands: [y, t] of equal shapes.
    Gradient: sign(y − t) / count.
    Source: Koenker and Bassett, Regression Quantiles, 1978 (the median).
    """

    weight: float = _weight()

    operands = (2, 2)
    loss = True
    examples = (("mae", _ROWS), ("mae(weight=0.5)", _MAPS))

    def expand(self, b: Builder, *xs: Value) -> Value:
        _alike("mae", *xs)
        return mean(b, b(ops.absolute, b(ops.sub, *xs)), self.weight)


@layer("huber")
@dataclass(frozen=True)
class Huber(Layer):
    """The mean of ½ d² where |d| ≤ δ, else δ (|d| − δ/2), with d = y − t: a square near 0, a line beyond.

    Operands: [y, t] of equal shapes.
    Gradient: d clipped to −δ … δ, / count.
    Source: Huber, 1964.
    """

    delta: float = number(low=0, high=_INF, default=1.0, open_low=True)
    weight: float = _weight()

    operands = (2, 2)
    loss = True
    examples = (("huber", _ROWS), ("huber(delta=0.7, weight=2)", _MAPS))

    def expand(self, b: Builder, *xs: Value) -> Value:
        _alike("huber", *xs)
        d = b(ops.sub, *xs)
        # with c = d clipped, both cases are c (d − c/2)
        c = b(ops.clip, d, low=-self.delta, high=self.delta)
        return mean(b, b(ops.mul, c, b(ops.sub, d, b(ops.scale, c, factor=0.5))), self.weight)


def mean(b: Builder, x: Value, weight: float = 1.0) -> Value:
    """`weight` times the mean of all elements of `x`, a scalar.  A symbolic batch counts as one example."""
    count = 1
    for size in x.type.shape:
        count *= size if isinstance(size, int) else 1
    return b(ops.scale, b(ops.sum_to, x, shape=()), factor=weight / count)
