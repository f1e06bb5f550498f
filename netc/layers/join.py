"""Joins: several tensors into one.  `a + b`, `a - b` and `a * b` are written for add, sub and mul of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import word
from netc.layers.base import Layer, LayerError, layer, shown
from netc.ops.primitive import Primitive, Value
from netc.sizes import equal, floor_div
from netc.types import N, TensorType

_MAP = TensorType((N, 3, 4, 5))
_GATE = TensorType((N, 3, 1, 1))
MOST_STRIDE: Final = 32  # of a projection that is advised


class _Elementwise(Layer):
    """Element by element, from left to right; a size of 1 in H or W meets any size there."""

    integers = True
    op: ClassVar[Primitive]
    sign: ClassVar[str]
    operands = (2, None)

    def expand(self, b: Builder, *xs: Value) -> Value:
        out = xs[0]
        for x in xs[1:]:
            try:
                out = b(self.op, out, x)
            except TypeError:
                raise LayerError(
                    "E0306",
                    f"`{self.sign}` needs equal shapes, and gets {shown(out.type)} and {shown(x.type)}",
                    help=_mend(out.type, x.type),
                ) from None
        return out


def _mend(a: TensorType, b: TensorType) -> str:
    """The projection that would make two maps equal, where one would."""
    if a.rank != 4 or b.rank != 4:
        return ""
    (_, *space, c), (_, *other, c2) = a.shape, b.shape
    if all(map(equal, space, other)):
        return f"project one of them: -> conv({min(c, c2, key=str)}, 1)"
    for stride in range(2, MOST_STRIDE + 1):
        for large, small, channels in ((space, other, c2), (other, space, c)):
            if all(equal(floor_div(i + (stride - 1), stride), o) for i, o in zip(large, small, strict=True)):
                return f"project the larger: -> conv({channels}, 1, stride={stride})"
    if all(isinstance(size, int) for size in (*space, *other)):
        return ""
    return "make equal what flows in, or say more of the symbolic sizes in a `where` clause"


@layer("add")
@dataclass(frozen=True)
class Add(_Elementwise):
    """The sum of its tensors, as in a residual connection.

    Shape: that of its operands; a size of 1 in H or W is repeated.
    Source: He et al., 2015.
    """

    op, sign = ops.add, "+"
    examples = (("add", (_MAP, _MAP)), ("add", (_MAP, _GATE, _MAP)))


@layer("sub")
@dataclass(frozen=True)
class Sub(_Elementwise):
    """The first tensor minus the others.

    Shape: as `add`.
    Source: Chopra, Hadsell and LeCun, 2005 (the difference of two embeddings).
    """

    op, sign = ops.sub, "-"
    examples = (("sub", (_MAP, _MAP)), ("sub", (_GATE, _MAP)))


@layer("mul")
@dataclass(frozen=True)
class Mul(_Elementwise):
    """The product of its tensors, as a gate.

    Shape: as `add`; a gate [N, C, 1, 1] scales whole channels.
    Source: Hu, Shen and Sun, Squeeze-and-Excitation Networks, 2018.
    """

    op, sign = ops.mul, "*"
    examples = (("mul", (_MAP, _GATE)), ("mul", (_MAP, _MAP)))


@layer("concat")
@dataclass(frozen=True)
class Concat(Layer):
    """Its tensors one after the other along an axis.

    Shape: sizes along `axis` add up; all others are equal.
    Source: Szegedy et al., 2015 (channels).
    """

    integers = True
    axis: Literal["C", "H", "W"] = word("C", "H", "W", default="C")

    operands = (2, None)
    examples = (
        ("concat", (_MAP, TensorType((N, 2, 4, 5)))),
        ("concat(axis=H)", (_MAP, TensorType((N, 3, 2, 5)))),
        ("concat(axis=C)", (TensorType((N, 3)), TensorType((N, 4)), TensorType((N, 1)))),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        rank = xs[0].type.rank
        if self.axis != "C" and rank != 4:
            message = f"`concat` along {self.axis} needs feature maps, and gets {shown(xs[0].type)}"
            raise LayerError("E0301", message, help="join these by concat(axis=C)")
        axis = rank - 1 if self.axis == "C" else "NHW".index(self.axis)
        for x in xs[1:]:
            if x.type.rank != rank or any(
                a != o
                for i, (a, o) in enumerate(zip(x.type.shape, xs[0].type.shape, strict=True))
                if i != axis
            ):
                raise LayerError(
                    "E0306",
                    f"`concat` along {self.axis} needs equal sizes beside it, and gets {shown(xs[0].type)} "
                    f"and {shown(x.type)}",
                )
        return b(ops.concat, *xs, axis=axis)
