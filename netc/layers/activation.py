"""Activations: bent lines (relu and its kin), smooth ones, and those over the channels.  None changes a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import number, word
from netc.layers.base import Layer, layer, need_known
from netc.ops.primitive import Primitive, Value
from netc.types import N, TensorType

_ANY = (TensorType((N, 3, 4, 5)),)
_INF = float("inf")


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

    integers = True
    op = ops.relu
    examples = (("relu", _ANY),)


@layer("relu6")
@dataclass(frozen=True)
class Relu6(Layer):
    """min(max(x, 0), 6).

    Gradient: 1 where 0 < x < 6, else 0.
    Shape: unchanged.
    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010; MobileNet, 2017.
    """

    examples = (("relu6", _ANY),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(ops.clip, *xs, low=0.0, high=6.0)


@layer("leaky_relu")
@dataclass(frozen=True)
class LeakyRelu(Layer):
    """x where x > 0, else slope · x.

    Gradient: 1 where x > 0, else slope.
    Shape: unchanged.
    Source: Maas, Hannun and Ng, 2013.
    """

    slope: float = number(low=0, high=1, default=0.01)

    examples = (("leaky_relu", _ANY), ("leaky_relu(slope=0.2)", (TensorType((N, 6)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(ops.leaky, *xs, slope=self.slope)


@layer("prelu")
@dataclass(frozen=True)
class PRelu(Layer):
    """x where x > 0, else a · x, with a trained slope a for each channel that begins at `slope`.

    Gradient: by x, 1 where x > 0, else a; by a, the sum of g · min(x, 0).
    Shape: unchanged.  Weights: `weight` a [C].
    Source: He et al., Delving Deep into Rectifiers, 2015.
    """

    slope: float = number(low=0, high=_INF, default=0.25)

    examples = (("prelu", _ANY), ("prelu(slope=0.1)", (TensorType((N, 6)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        c = need_known("prelu", x.type.shape[-1])
        return b(ops.prelu, x, b.constant_param("weight", (c,), self.slope))


@layer("elu")
@dataclass(frozen=True)
class Elu(Layer):
    """x where x > 0, else α (eˣ − 1).

    Gradient: 1 where x > 0, else α eˣ.
    Shape: unchanged.
    Source: Clevert, Unterthiner and Hochreiter, 2016.
    """

    alpha: float = number(low=0, high=_INF, default=1.0)

    examples = (("elu", _ANY), ("elu(alpha=0.5)", (TensorType((N, 6)),)))

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(ops.elu, *xs, alpha=self.alpha)


@layer("selu")
@dataclass(frozen=True)
class Selu(Layer):
    """λ elu(x) with α = 1.6733 and λ = 1.0507: keeps mean 0 and variance 1 from layer to layer.

    Gradient: λ where x > 0, else λ α eˣ.
    Shape: unchanged.  Its weights want the rule of LeCun, variance 1 / fan_in.
    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """

    examples = (("selu", _ANY),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        # the two constants to the digits of the authors' own code
        y = b(ops.elu, *xs, alpha=1.6732632423543772848170429916717)
        return b(ops.scale, y, factor=1.0507009873554804934193349852946)


@layer("gelu")
@dataclass(frozen=True)
class Gelu(Layer):
    """x Φ(x), where Φ is the distribution function of the normal distribution.

    With `form=erf`, Φ(x) = ½ (1 + erf(x/√2)), which is exact.  With `form=tanh`,
    Φ(x) ≈ ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), which many trained nets were made with.
    Gradient: Φ(x) + x e^(−x²/2) / √(2π), or that of the approximation.
    Shape: unchanged.
    Source: Hendrycks and Gimpel, 2016.
    """

    form: Literal["erf", "tanh"] = word("erf", "tanh", default="erf")

    examples = (("gelu", _ANY), ("gelu(form=tanh)", _ANY))

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(ops.gelu if self.form == "erf" else ops.gelu_tanh, *xs)


@layer("silu")
@dataclass(frozen=True)
class Silu(_Activation):
    """x σ(x), which is also called swish.

    Gradient: σ + x σ (1 − σ).
    Shape: unchanged.
    Source: Elfwing, Uchibe and Doya, 2018; Ramachandran, Zoph and Le, 2017.
    """

    op = ops.silu
    examples = (("silu", _ANY),)


@layer("hardsigmoid")
@dataclass(frozen=True)
class HardSigmoid(Layer):
    """min(max(x + 3, 0), 6) / 6, three straight lines near a sigmoid.

    Gradient: 1/6 where −3 < x < 3, else 0.
    Shape: unchanged.
    Source: Courbariaux, Bengio and David, 2015; with these bounds Howard et al., MobileNetV3, 2019.
    """

    examples = (("hardsigmoid", _ANY),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        return _hard_gate(b, *xs)


@layer("hardswish")
@dataclass(frozen=True)
class HardSwish(Layer):
    """x · min(max(x + 3, 0), 6) / 6, near `silu` without an exponential.

    Gradient: 0 below −3, x/3 + 1/2 up to 3, 1 beyond.
    Shape: unchanged.
    Source: Howard et al., MobileNetV3, 2019.
    """

    examples = (("hardswish", _ANY),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        return b(ops.mul, *xs, _hard_gate(b, *xs))


def _hard_gate(b: Builder, x: Value) -> Value:
    clipped = b(ops.clip, b(ops.shift, x, offset=3.0), low=0.0, high=6.0)
    return b(ops.scale, clipped, factor=1 / 6)


@layer("sign")
@dataclass(frozen=True)
class Sign(_Activation):
    """−1, 0 or 1: the step of a perceptron.

    Gradient: 0 everywhere, so nothing before it is trained.
    Shape: unchanged.
    Source: Rosenblatt, 1958.
    """

    integers = True
    op = ops.sign
    examples = (("sign", _ANY),)


@layer("identity")
@dataclass(frozen=True)
class Identity(Layer):
    """x: what stands where a block's parameter asks for an activation, and none is wanted.

    Shape: unchanged.
    Source: He et al., Identity Mappings in Deep Residual Networks, 2016.
    """

    integers = True
    examples = (("identity", _ANY),)

    def expand(self, b: Builder, *xs: Value) -> Value:
        (x,) = xs
        return x


@layer("tanh")
@dataclass(frozen=True)
class Tanh(_Activation):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); gradient 1 − tanh² x.

    Shape: unchanged.
    Source: LeCun et al., Efficient BackProp, 1998.
    """

    op = ops.tanh
    examples = (("tanh", _ANY),)


@layer("sigmoid")
@dataclass(frozen=True)
class Sigmoid(_Activation):
    """σ(x) = 1 / (1 + e⁻ˣ); gradient σ (1 − σ), at most a quarter.

    Shape: unchanged.
    Source: Rumelhart, Hinton and Williams, 1986.
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


@layer("log_softmax")
@dataclass(frozen=True)
class LogSoftmax(_Activation):
    """x − log Σ eˣ over the channels: the logarithm of `softmax`, for the loss `nll`.

    Gradient: g − softmax · Σ g.
    Shape: unchanged.  `softmax_xent` of the logits is the same loss in one.
    Source: Bridle, 1990.
    """

    op = ops.log_softmax
    examples = (("log_softmax", (TensorType((N, 5)),)), ("log_softmax", _ANY))
