"""Numbers of words as vectors."""

from __future__ import annotations

from dataclasses import dataclass

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import integer
from netc.layers.base import Layer, LayerError, layer, shown
from netc.ops.primitive import Value
from netc.types import N, TensorType


@layer("embedding")
@dataclass(frozen=True)
class Embedding(Layer):
    """A trained vector for each of the numbers 0 to vocabulary − 1; any other number gives NaN.

    Shape: int[N] → [N, size]; int[N, L] → [N, size, L].
    Weights: `weight` [vocabulary, size].  A number switches one row on, so the fan-in of a weight is 1.
    Source: Bengio et al., A Neural Probabilistic Language Model, 2003.
    """

    integers = True
    vocabulary: int = integer(at_least=1)
    size: int = integer(at_least=1)

    examples = (
        ("embedding(7, 3)", (TensorType((N,), "int"),)),
        ("embedding(9, 4)", (TensorType((N, 6), "int"),)),
    )

    def expand(self, b: Builder, *xs: Value) -> Value:
        (ids,) = xs
        if ids.type.dtype != "int" or ids.type.rank > 2:
            message = f"`embedding` needs whole numbers int[N] or int[N, L], and gets {shown(ids.type)}"
            raise LayerError("E0301", message, help="write the input as int[N] or int[N, L]")
        rows = b.param("weight", (self.vocabulary, self.size), fan_in=1, fan_out=self.size)
        return b(ops.lookup, rows, ids)  # (N, C) or (N, L, C)
