"""What chains say: a block's call with its values, a layer's complaint at its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netc.errors import Diagnostic, Note, Span, short
from netc.graph.evaluate import LayerValue, TensorValue
from netc.layers import LayerError, said
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


def located(
    error: LayerError,
    operands: list[TensorValue],
    trace: tuple[str, ...],
    span: Span,
    call: ast.Call | None,
    places: tuple[Span, ...],
) -> Diagnostic:
    """A layer's complaint at its place: the operands of an operator, the argument to blame, or the whole call."""
    if places:
        labels = [repr(o.type) for o in operands]
        notes = tuple(Note(s, label) for s, label in zip(places[1:], labels[1:], strict=True))
        return Diagnostic(error.code, error.message, places[0], labels[0], notes, trace, error.help)
    at = span
    for argument in call.arguments if call else ():
        if argument.name == error.argument:
            at = argument.span
    shapes = " and ".join(repr(o.type) for o in operands)
    return Diagnostic(error.code, error.message, at, f"gets {shapes}", (), trace, error.help)
