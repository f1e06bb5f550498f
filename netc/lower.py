"""From a graph to the equations that compute it, at a batch of known size.

Tensors come in and go out as the user sees them, `(N, C, H, W)`; in between the channels lie last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from netc import ops
from netc.graph.model import Graph
from netc.ir.builder import Builder
from netc.ir.constant import split_constant
from netc.ir.fold import FOLDING
from netc.ir.passes import IMPROVING, simplify
from netc.ir.program import Program
from netc.ops.primitive import Value
from netc.types import DType, TensorType, physical


def at_batch(t: TensorType, batch: int, dtype: DType) -> TensorType:
    """The type with the batch put in, and with the program's own float type."""
    return TensorType((batch, *t.shape[1:]), "int" if t.dtype == "int" else dtype)


def channels_last(b: Builder, x: Value) -> Value:
    """`(N, C, H, W)` to `(N, H, W, C)`."""
    if x.type.rank < 3:
        return x
    n, c, *_ = x.type.dims
    inner = cast("tuple[int, ...]", physical(x.type.shape))
    pixels = x.type.size // (n * c)
    if c > 1 and pixels > 1:
        x = b(ops.swap, b(ops.reshape, x, shape=(n, c, pixels)))
    return b(ops.reshape, x, shape=inner)


def channels_second(b: Builder, x: Value) -> Value:
    """`(N, H, W, C)` to `(N, C, H, W)`."""
    if x.type.rank < 3:
        return x
    n, *space, c = x.type.dims
    pixels = x.type.size // (n * c)
    if c > 1 and pixels > 1:
        x = b(ops.swap, b(ops.reshape, x, shape=(n, pixels, c)))
    return b(ops.reshape, x, shape=(n, c, *space))


def emit(graph: Graph, b: Builder, batch: int) -> list[Value]:
    """Emits every layer; the channels-last value of each node."""
    values: list[Value] = []
    for node in graph.nodes:
        owner = f"{graph.name}.{node.owner}" if node.owner else ""
        with b.at(f"{graph.name}.{node.path}", owner, node.own):
            if node.layer is None:
                t = at_batch(node.type, batch, b.dtype)
                values.append(channels_last(b, b.input(node.name, t, "data")))
            else:
                values.append(node.layer.expand(b, *(values[i] for i in node.inputs)))
    return values


def inference(
    graph: Graph, batch: int, *, tensors: Iterable[str] = (), dtype: DType | None = None
) -> Program:
    """The forward program: the net's outputs, and further `tensors` of it, each named, as `(N, C, H, W)`.

    Without a `dtype` it computes in the float type of the net's inputs.
    """
    return simplify(forward(graph, batch, tensors=tensors, dtype=dtype))


def forward(graph: Graph, batch: int, *, tensors: Iterable[str] = (), dtype: DType | None = None) -> Program:
    """`inference` as the layers have it, before any pass."""
    b = Builder(training=False, dtype=dtype or graph.dtype)
    values = emit(graph, b, batch)
    wanted = dict(graph.outputs) | {t: graph.tensors[t] for t in tensors}
    for name, node in wanted.items():
        b.outputs[name] = channels_second(b, values[node])
    return b.finish()


def folded(program: Program) -> tuple[Program, Program]:
    """A forward program as two, for weights that stay: `prepare`, to be run when they change, and what is left.

    Norms are folded into the weights before them.
    """
    prepare, infer = split_constant(simplify(program, FOLDING))
    return simplify(prepare, IMPROVING), simplify(infer, IMPROVING)
