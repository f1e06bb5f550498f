"""What chains say: a block's call with its values, a layer's complaint at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netc.errors import Diagnostic, Note, Span
from netc.graph.evaluate import LayerValue, Namespace, TensorValue
from netc.graph.model import Node
from netc.layers import LayerError, said
from netc.layers.args import written as as_written
from netc.syntax import ast


def written(call: ast.Call, values: Mapping[str, Any]) -> str:
    """A block's call with its values put in: `Basic(128, stride=2)`."""
    names = iter(values)
    shown: list[str] = []
    for a in call.arguments:
        name = a.name or next(names)
        value = values[name]
        text = value.call.name if isinstance(value, LayerValue) else said(value)
        shown.append(f"{a.name}={text}" if a.name else text)
    return f"{call.name}({', '.join(shown)})" if shown else call.name


def reason(
    e: ast.Expr, operand: TensorValue, other: TensorValue, scope: Namespace, nodes: Sequence[Node]
) -> str:
    """Why an operand differs in height and width from the other: it is an earlier tensor, or what changed it since."""
    name = e.id if isinstance(e, ast.Name) else ""
    for known, value in scope.items():
        if known != name and isinstance(value, TensorValue) and value.node == operand.node:
            return f"this is `{known}`, unchanged"
    node = nodes[operand.node]
    while node.inputs:
        before = nodes[node.inputs[0]]
        if before.type.shape[2:] != node.type.shape[2:] and before.type.shape[2:] == other.type.shape[2:]:
            stride, place = getattr(node.layer, "stride", None), f"{node.span.line}:{node.span.col}"
            there = place if node.span.file == e.span.file else f"{node.span.file}:{place}"
            what = f"`{node.kind}`" if stride in (None, 1, (1, 1)) else f"stride {as_written(stride)}"
            return f"{what} at {there}"
        node = before
    return ""


def located(
    error: LayerError,
    operands: list[TensorValue],
    trace: tuple[str, ...],
    span: Span,
    call: ast.Call | None,
    places: tuple[Span, ...],
    reasons: Sequence[str] = (),
) -> Diagnostic:
    """A layer's complaint at its place: the operands of an operator, the argument to blame, or the whole call.

    `reasons` say of each operand of an operator why it has its shape.
    """
    if places:
        labels = [
            ": ".join(filter(None, (repr(o.type), why))) for o, why in zip(operands, reasons, strict=True)
        ]
        notes = tuple(Note(s, label) for s, label in zip(places[1:], labels[1:], strict=True))
        return Diagnostic(error.code, error.message, places[0], labels[0], notes, trace, error.help)
    at = span
    for argument in call.arguments if call else ():
        if argument.name == error.argument:
            at = argument.span
    shapes = " and ".join(repr(o.type) for o in operands)
    return Diagnostic(error.code, error.message, at, f"gets {shapes}", (), trace, error.help)
