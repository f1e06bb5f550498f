"""What chains say: a block's call with its values, a layer's complaint at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netc.errors import Diagnostic, Note, Span, plural, short
from netc.graph.evaluate import Evaluator, Failed, LayerValue, Namespace, TensorValue
from netc.graph.model import Node
from netc.layers import Layer, LayerError, said
from netc.layers.args import written as as_written
from netc.syntax import ast


def written(call: ast.Call, values: Mapping[str, Any]) -> str:
    """A block's call with its values put in: `Basic(128, stride=2)`."""
    names = iter(values)
    shown: list[str] = []
    for a in call.arguments:
        name = a.name or next(names)
        value = values[name]
        text = value.call.name if isinstance(value, LayerValue) else short(said(value))
        shown.append(f"{a.name}={text}" if a.name else text)
    return f"{call.name}({', '.join(shown)})" if shown else call.name


def reasons(
    places: Sequence[ast.Expr], operands: Sequence[TensorValue], scope: Namespace, nodes: Sequence[Node]
) -> list[str]:
    """Why each of an operator's two operands has the shape that it has; nothing where a layer is called."""
    if not places:
        return []
    first, second = operands
    return [
        _reason(places[0], first, second, scope, nodes),
        _reason(places[1], second, first, scope, nodes),
    ]


def _reason(
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
        why = reasons or [""] * len(places)
        labels = [": ".join(filter(None, (repr(o.type), w))) for o, w in zip(operands, why, strict=True)]
        notes = tuple(Note(s, label) for s, label in zip(places[1:], labels[1:], strict=True))
        return Diagnostic(error.code, error.message, places[0], labels[0], notes, trace, error.help)
    at = span
    for argument in call.arguments if call else ():
        if argument.name == error.argument:
            at = argument.span
    shapes = " and ".join(repr(o.type) for o in operands)
    return Diagnostic(error.code, error.message, at, f"gets {shapes}", (), trace, error.help)


def other_count(statement: ast.Assign, come: int, at: Evaluator) -> Failed:
    """Another number of tensors comes out of a chain than names wait for them."""
    names = statement.names
    if len(names) == 1:
        message, help = f"`{names[0].id}` would be a list of tensors", "join them: -> concat, -> add"
        return at.fail("E0209", message, statement.chain.span, help=help)
    message = (
        f"{len(names)} names stand left of `=`, and {plural(come, 'tensor')} come{'s' if come == 1 else ''}"
    )
    help = "" if come > 1 else "one tensor: `split(n)` makes several, and blocks can"
    return at.fail("E0210", message, names[0].span.to(names[-1].span), help=help)


def check_operands(layer: Layer, come: int, span: Span, at: Evaluator) -> None:
    """A layer takes so many tensors, and another number comes."""
    least, most = layer.operands
    if least <= come <= (most or come):
        return
    takes = "one tensor" if most == 1 else f"{least} tensors" if most else f"{least} tensors or more"
    help = "join them: -> concat, -> add" if most == 1 else "list them: [a, b]"
    raise at.fail("E0307", f"`{layer.kind}` takes {takes}, and gets {come}", span, help=help)
