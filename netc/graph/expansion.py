"""A layer's shape, weights and costs, read off the primitives it expands into."""

from __future__ import annotations

from functools import lru_cache

from netc.graph.model import Expansion, Weight
from netc.ir.builder import Builder
from netc.layers.base import Layer
from netc.types import TensorType, logical, physical


@lru_cache(maxsize=4096)
def expansion(layer: Layer, types: tuple[TensorType, ...]) -> Expansion:
    """Expands a layer on tensors of logical `types`, at a symbolic batch.  Raises LayerError where they do not fit.

    A net repeats its layers, so the answer is kept: layers and types are values.
    """
    b = Builder(dtype=types[0].dtype if types[0].dtype != "int" else "f32")
    xs = [b.input(f"x{i}", TensorType(physical(t.shape), t.dtype), "data") for i, t in enumerate(types)]
    y = layer.expand(b, *xs)
    weights = tuple(
        Weight(i.name, i.outer_shape, i.value.type.size, i.role == "param")
        for i in b.inputs.values()
        if i.role in ("param", "state")
    )
    macs = flops = 0
    for eq in b.equations:
        ins, outs = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
        macs += eq.op.macs(ins, outs, dict(eq.params))
        flops += eq.op.flops(ins, outs, dict(eq.params))
    return Expansion(TensorType(logical(y.type.shape), y.type.dtype), weights, macs, flops)
