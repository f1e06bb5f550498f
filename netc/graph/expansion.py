"""A layer's shape, weights and costs, read off the primitives it expands into."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from netc.graph.model import Expansion, Weight
from netc.ir.builder import Builder
from netc.layers.base import Layer, LayerError
from netc.ops.primitive import no_cost
from netc.sizes import Undecided
from netc.types import TensorType, logical, physical


@lru_cache(maxsize=4096)
def expansion(layer: Layer, types: tuple[TensorType, ...]) -> Expansion:
    """Expands a layer on tensors of logical `types`, at a symbolic batch.  Raises LayerError where they do not fit.

    A net repeats its layers, so the answer is kept: layers and types are values.
    """
    b = Builder(dtype=types[0].dtype if types[0].dtype != "int" else "f32")
    xs = [b.input(f"x{i}", TensorType(physical(t.shape), t.dtype), "data") for i, t in enumerate(types)]
    try:
        y = layer.expand(b, *xs)
    except Undecided as undecided:
        help = "say more of it in a `where` clause, or give the input's size by --input"
        raise LayerError("E0308", f"`{layer.kind}`: {undecided}", help=help) from None
    weights = tuple(
        Weight(i.name, i.outer_shape, i.value.type.size, i.role == "param")
        for i in b.inputs.values()
        if i.role in ("param", "state")
    )
    t = TensorType(logical(y.type.shape), y.type.dtype)
    multiplies = any(eq.op.macs is not no_cost for eq in b.equations)
    return Expansion(t, weights, _cost(b, "macs"), _cost(b, "flops"), multiplies)


def _cost(b: Builder, what: Literal["macs", "flops"]) -> int | None:
    """What all equations cost together; None where that depends on a symbolic size."""
    total = 0
    for eq in b.equations:
        cost = eq.op.macs if what == "macs" else eq.op.flops
        try:
            total += cost(
                tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs), dict(eq.params)
            )
        except Undecided:
            return None
    return total
