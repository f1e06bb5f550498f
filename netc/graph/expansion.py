"""A layer's shape, weights and costs, read off the primitives it expands into."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from netc.graph.model import PLAIN, Expansion, Weight
from netc.ir.builder import Builder
from netc.ir.program import Input, Own, dims_of
from netc.layers.base import Layer, LayerError
from netc.ops.primitive import no_cost
from netc.sizes import Undecided
from netc.types import Shape, TensorType, logical, physical


@lru_cache(maxsize=4096)
def expansion(layer: Layer, types: tuple[TensorType, ...], own: Own = PLAIN) -> Expansion:
    """Expands a layer on tensors of logical `types`, at a symbolic batch.  Raises LayerError where they do not fit.

    `own` is what the layer says of its weights.

    A net repeats its layers, so the answer is kept: layers and types are values.
    """
    _check_types(layer, types)
    b = Builder(dtype=types[0].dtype if types[0].dtype != "int" else "f32")
    xs = [b.input(f"x{i}", TensorType(physical(t.shape), t.dtype), "data") for i, t in enumerate(types)]
    try:
        with b.at("", own=own):
            y = layer.expand(b, *xs)
    except Undecided as undecided:
        help = "say more of it in a `where` clause, or give the input's size by --input"
        raise LayerError("E0308", f"`{layer.kind}`: {undecided}", help=help) from None
    weights = tuple(
        Weight(i.name, i.outer_shape, i.value.type.size, i.role == "param", i.role == "frozen")
        for i in b.inputs.values()
        if i.role in ("param", "frozen", "state")
    )
    if own != PLAIN:
        _check_own(layer, own, [i for i in b.inputs.values() if i.role in ("param", "frozen")])
    t = TensorType(logical(y.type.shape), y.type.dtype)
    multiplies = any(eq.op.macs is not no_cost for eq in b.equations)
    return Expansion(t, weights, _cost(b, "macs"), _cost(b, "flops"), multiplies)


def _check_types(layer: Layer, types: tuple[TensorType, ...]) -> None:
    """Whole numbers flow into layers that keep them whole; a loss says itself what it takes."""
    if layer.loss:
        return
    if "int" in {t.dtype for t in types} and not layer.integers:
        first = next(t for t in types if t.dtype == "int")
        help = "write its input without `int`, or make vectors of the numbers: -> embedding(vocabulary, size)"
        message = f"`{layer.kind}` does not compute with whole numbers, and gets {first!r}"
        raise LayerError("E0301", message, help=help)
    if len({t.dtype for t in types}) > 1:
        shown = " and ".join(map(repr, types))
        raise LayerError("E0301", f"`{layer.kind}` joins tensors of one element type, and gets {shown}")


def _check_own(layer: Layer, own: Own, weights: list[Input]) -> None:
    """What a layer says of its weights must be true of weights that it has."""
    drawn = any(i.init and i.init.scheme != "constant" for i in weights)
    for argument, said, has in (
        ("frozen", own.frozen, bool(weights)),
        ("init", own.rule is not None, drawn),
        ("weight", own.weight is not None, any(i.name == "weight" for i in weights)),
    ):
        if said and not has:
            what = "weights that are drawn" if argument == "init" and weights else "weights"
            raise LayerError("E0402", f"`{layer.kind}` has no {what}, so `{argument}` says nothing", argument)
    if own.weight is not None and own.rule is not None:
        raise LayerError(
            "E0402", "weights that are given are not drawn: leave `init` or `weight` out", "init"
        )
    if own.weight is not None:
        wanted = next(i.outer_shape for i in weights if i.name == "weight")
        _check_given(layer, dims_of(own.weight), wanted)


def _check_given(layer: Layer, given: tuple[int, ...] | None, wanted: Shape) -> None:
    """Numbers fit that have the weights' shape; one window, where each filter sees one channel, stands for all."""
    if given is None:
        raise LayerError("E0403", "the rows of `weight` differ in length", "weight")
    alone = len(wanted) > 2 and wanted[1] == 1
    if given == wanted or (alone and given == wanted[2:]):
        return
    shown = f"{list(wanted)}" + (f", or {list(wanted[2:])} for all filters" if alone else "")
    help = ""
    if len(wanted) > 2 and given == wanted[2:]:
        help = "one window for every channel by itself is a depthwise convolution: groups=x.C"
    message = f"`weight` of `{layer.kind}` has the shape {shown} here, and {list(given)} is given"
    raise LayerError("E0403", message, "weight", help)


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
