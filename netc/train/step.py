"""The programs of training: one whole step, a gradient, an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from netc import ops
from netc.graph.model import Graph
from netc.ir.builder import Builder
from netc.ir.grad import gradients, one
from netc.ir.passes import CLEANING, simplify
from netc.ir.program import Program
from netc.layers.loss import mean
from netc.lower import at_batch, channels_last, emit
from netc.ops.primitive import Value
from netc.train.frugal import Recompute, made_lean
from netc.train.spec import TrainSpec
from netc.types import DType


def training_step(
    graph: Graph, spec: TrainSpec, batch: int, dtype: DType | None = None, again: Recompute | None = None
) -> Program:
    """Forward, backward and the optimiser's update of every parameter: outputs `loss` and each metric.

    `again` says what the backward pass computes again instead of keeping it.
    """
    return made_lean(whole_step(graph, spec, batch, dtype), again)


def whole_step(graph: Graph, spec: TrainSpec, batch: int, dtype: DType | None = None) -> Program:
    """`training_step` as the layers and the optimiser have it, before any pass."""
    b = Builder(training=True, dtype=dtype or graph.dtype)
    total = _objective(graph, spec, batch, b)
    params = [i for i in b.inputs.values() if i.role == "param"]
    for i, g in zip(params, gradients(b, total, one(b), [i.value for i in params]), strict=True):
        if g is not None:  # a parameter that the loss does not depend on stays as it is
            with b.at(i.name):
                spec.optimizer.update(b, i.name, i.value, g)
    return b.finish()


def value_and_grad(
    graph: Graph,
    spec: TrainSpec,
    batch: int,
    dtype: DType | None = None,
    again: Recompute | None = None,
    *,
    fused: bool = True,
) -> Program:
    """Forward and backward in training mode: outputs `loss` and, for each parameter p, `grad p`.

    Without `fused` each equation is still one layer's.
    """
    b = Builder(training=True, dtype=dtype or graph.dtype)
    total = _objective(graph, spec, batch, b)
    params = [i for i in b.inputs.values() if i.role == "param"]
    for i, g in zip(params, gradients(b, total, one(b), [i.value for i in params]), strict=True):
        b.outputs[f"grad {i.name}"] = (
            g if g is not None else b(ops.fill, shape=i.value.type.dims, value=0.0, dtype=b.dtype)
        )
    b.updates.clear()  # running statistics stay: asking for a gradient changes nothing
    return made_lean(b.finish(), again) if fused else simplify(b.finish(), CLEANING)


def evaluation(graph: Graph, spec: TrainSpec, batch: int, dtype: DType | None = None) -> Program:
    """Forward outside of training, as the layers have it, before any pass: outputs `loss` and each metric."""
    b = Builder(training=False, dtype=dtype or graph.dtype)
    _objective(graph, spec, batch, b)
    return b.finish()


def scoring(graph: Graph, spec: TrainSpec, logits: str, batch: int, dtype: DType | None = None) -> Program:
    """Each metric of logits that are given, and the `loss` where that looks at nothing else; before any pass."""
    b = Builder(training=False, dtype=dtype or graph.dtype)
    given = b.input(logits, at_batch(graph.node(logits).type, batch, b.dtype), "data")
    _judge(graph, spec, batch, b, {logits: given})
    return b.finish()


def _objective(graph: Graph, spec: TrainSpec, batch: int, b: Builder) -> Value:
    """Emits the net, its losses and metrics; the sum of the losses, which is the output `loss` too."""
    values = emit(graph, b, batch)
    total = _judge(graph, spec, batch, b, {name: values[node] for name, node in graph.tensors.items()})
    assert total is not None  # a spec has at least one loss, and all tensors are there
    return total


def _judge(graph: Graph, spec: TrainSpec, batch: int, b: Builder, known: Mapping[str, Value]) -> Value | None:
    """Emits the metrics of tensors that are known and, where all its terms are, the loss; returns that."""
    name, t = spec.target
    known = {**known, name: channels_last(b, b.input(name, at_batch(t, batch, b.dtype), "target"))}
    total: Value | None = None
    if all(operand in known for term in spec.losses for operand in term.operands):
        for term in spec.losses:
            with b.at(f"train {graph.name}.{term.name}"):
                value = term.layer.expand(b, *(known[operand] for operand in term.operands))
            total = value if total is None else b(ops.add, total, value)
            if len(spec.losses) > 1:
                b.outputs[term.name] = value
    if total is not None:
        b.outputs["loss"] = total
    for metric in spec.metrics:
        if all(operand in known for operand in metric.operands):
            with b.at(f"train {graph.name}.{metric.name}"):
                hit = b(ops.in_top, *(known[operand] for operand in metric.operands), k=metric.k)  # (N, 1)
                b.outputs[metric.name] = mean(b, hit)
    return total
