"""Activations: relu, tanh, sigmoid, softplus, softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netc import ops
from netc.ir.builder import Builder
from netc.layers.base import Layer, layer
from netc.ops.primitive import Primitive, Value
from netc.types import N, TensorType

_ANY = (TensorType((N, 3, 4, 5)),)


class _Activation(Layer):
    """An activation that is one primitive."""

    op: ClassVar[Primitive]

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(self.op, *xs)


@layer("relu")
@dataclass(frozen=True)
class Relu(_Activation):
    """max(x, 0); gradient 1 where x > 0, else 0.

    Shape: unchanged.
    Source: Nair and Hinton, 2010; Glorot, Bordes and Bengio, 2011.
    """

    op = ops.relu
    examples = (("relu", _ANY),)


@layer("tanh")
@dataclass(frozen=True)
class Tanh(_Activation):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); gradient 1 − tanh² x.

    Shape: unchanged.
    """

    op = ops.tanh
    examples = (("tanh", _ANY),)


@layer("sigmoid")
@dataclass(frozen=True)
class Sigmoid(_Activation):
    """σ(x) = 1 / (1 + e⁻ˣ); gradient σ (1 − σ), at most a quarter.

    Shape: unchanged.
    """

    op = ops.sigmoid
    examples = (("sigmoid", _ANY),)


@layer("softplus")
@dataclass(frozen=True)
class Softplus(_Activation):
    """log(1 + eˣ), a smooth relu; gradient σ(x).

    Shape: unchanged.
    Source: Dugas et al., 2001.
    """

    op = ops.softplus
    examples = (("softplus", _ANY),)


@layer("softmax")
@dataclass(frozen=True)
class Softmax(_Activation):
    """eˣ / Σ eˣ over the channels: positive, and one in sum.

    Shape: unchanged.  For training, give the logits to `softmax_xent` instead.
    Source: Bridle, 1990.
    """

    op = ops.softmax
    examples = (("softmax", (TensorType((N, 5)),)), ("softmax", _ANY))
