"""`expect` lines: claims about a net that `netc check` proves."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

from netc.analyze.facts import Facts
from netc.analyze.receptive import Field
from netc.errors import Diagnostic, Report
from netc.graph.evaluate import Evaluator, Failed, TensorValue, compare
from netc.graph.model import Graph
from netc.graph.names import calls, walk
from netc.layers import said
from netc.sizes import Form, symbolic, symbols
from netc.syntax import ast
from netc.types import N, Size


@dataclass(frozen=True)
class FieldFact:
    """A receptive field in an expression: equal to its size, with `.stride`, `.pad` and `.local`."""

    field: Field

    def __str__(self) -> str:
        return "a receptive field"

    @property
    def parts(self) -> dict[str, Any]:
        f = self.field
        return {
            "size": _square(f.size),
            "stride": _square(f.stride),
            "pad": _square(f.pad),
            "local": _square(f.local),
        }


MOST_ITEMS: Final = 8  # of a list that a message shows
TOTALS: Final = ("params", "macs", "flops", "depth", "memory")


class Square(int):
    """Height and width that agree: equal to the one number, and to the pair."""


def _square(sides: tuple[int | Fraction, ...] | None) -> Any:
    """One number where height and width agree, or for a length; `whole` where it is the whole input."""
    if sides is None:
        return "whole"
    first, *others = sides
    if any(side != first for side in others):
        return sides
    return Square(first) if others and isinstance(first, int) else first


def prove(net: ast.Net, graph: Graph, facts: Facts, report: Report) -> None:
    """Holds every `expect` of a net against its facts; E0701 where one fails, with what was found."""
    scope: dict[str, Any] = {"N": N, **graph.settings}
    scope.update({name: TensorValue(node, graph.nodes[node].type) for name, node in graph.tensors.items()})
    for symbol in {s for n in graph.inputs for size in n.type.shape for s in symbols(size)}:
        scope.setdefault(symbol.name, symbolic(symbol))
    for name, node in _labelled(graph).items():  # a label says what comes out of its layer or block
        scope.setdefault(name, TensorValue(node, graph.nodes[node].type))
    claims = [s.claim for s in net.body if isinstance(s, ast.Expect)]
    for total in TOTALS:  # only what is asked for is computed; the others are known by name
        asked = any(total in _names(claim) for claim in claims)
        if not isinstance(scope.get(total), TensorValue):  # a parameter of that name is no fact of the net
            scope[total] = getattr(facts, total) if asked else None
    unknown = frozenset(total for total in TOTALS if scope[total] is None)
    at = Evaluator(report, scope, (), {"rf": _rf(facts), "shape": _shape}, _paths(graph))
    for statement in net.body:
        if isinstance(statement, ast.Expect):
            try:
                _prove(statement, at, unknown)
            except Failed:
                continue


def look_into(net: ast.Net, graph: Graph, report: Report) -> None:
    """Tells of names in the `expect` lines of a net that nothing has, where mistakes leave nothing to prove.

    `conv2` may be a name that a layer would have, had it been made.
    """
    known = {"N", *TOTALS, *graph.settings, *graph.tensors, *_labelled(graph), *graph.lost}
    known |= {s.name for n in graph.inputs for size in n.type.shape for s in symbols(size)}
    at = Evaluator(report, dict.fromkeys(known))
    made = {c.name.lower() for s in net.body if isinstance(s, ast.Assign) for c in calls(s.chain.steps)}
    for statement in net.body:
        for e in walk(statement.claim) if isinstance(statement, ast.Expect) else ():
            if isinstance(e, ast.Name) and e.id not in known and e.id.rstrip("0123456789") not in made:
                at.fail("E0201", f"unknown name `{e.id}`", e.span, help=at.near(e.id, known))


def _labelled(graph: Graph) -> dict[str, int]:
    """The layers and blocks of the net itself, by their names."""
    found = {n.name: n.id for n in graph.nodes if not n.scopes}
    return found | {name: node for name, node in graph.blocks.items() if "." not in name}


def _paths(graph: Graph) -> Callable[[str], TensorValue | None]:
    """`b1.conv2` is what comes out of that layer."""

    def find(path: str) -> TensorValue | None:
        node = graph.find(path)
        return None if node is None else TensorValue(node, graph.nodes[node].type)

    return find


def _prove(statement: ast.Expect, at: Evaluator, unknown: AbstractSet[str]) -> None:
    """Holds one claim against the net; `unknown` are the totals that a symbolic size decides."""
    claim = statement.claim
    if not isinstance(claim, ast.Compare):
        help = "write `expect params == 61_706`"
        raise at.fail("E0702", "an `expect` compares a fact with a value", claim.span, help=help)
    for total in sorted(_names(claim) & unknown):
        help = "leave the claim out, or write an input whose sizes are numbers"
        raise at.fail("E0308", f"`{total}` depends on a symbolic size", claim.span, help=help)
    left, right = _alike(_plain(at(claim.left)), _plain(at(claim.right)))
    if not compare(claim.op, left, right, claim, at):
        found = f"{_text(claim.left)} is {_figure(left)}"
        message = f"expected {_text(claim.left)} {claim.op} {_figure(right)}, and {found}"
        lists = isinstance(left, list) and isinstance(right, tuple)
        help = "a shape is a list: write it in [ ]" if lists else ""
        at.report.add(Diagnostic("E0701", message, claim.span, found, help=help))


def _names(e: ast.Expr) -> set[str]:
    """The bare names in a claim."""
    match e:
        case ast.Name():
            return {e.id}
        case ast.Compare() | ast.Binary():
            return _names(e.left) | _names(e.right)
        case ast.Unary():
            return _names(e.operand)
        case _:
            return set()


def _plain(value: Any) -> Any:
    return value.parts["size"] if isinstance(value, FieldFact) else value


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """A square and a pair as two pairs."""
    if isinstance(left, Square) and isinstance(right, tuple):
        return (left, left), cast("Any", right)
    if isinstance(right, Square) and isinstance(left, tuple):
        return cast("Any", left), (right, right)
    return left, right


def _text(e: ast.Expr) -> str:
    match e:
        case ast.Name(name, _):
            return name
        case ast.Call(name, arguments, _, _):
            return f"{name}({', '.join(_text(a.value) for a in arguments)})"
        case ast.Attribute(of, name, _):
            return f"{_text(of)}.{name}"
        case ast.Number(_, text, _):
            return text
        case ast.Binary(op, left, right, _):
            return f"{_text(left)} {op} {_text(right)}"
        case ast.Unary(op, operand, _):
            return f"{op}{_text(operand)}"
        case _:
            return "the value"


def _figure(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", "_")
    if isinstance(value, list):
        items = cast("list[Any]", value)
        more = [f"… {len(items) - MOST_ITEMS:,} more"] if len(items) > MOST_ITEMS else []
        return f"[{', '.join([*(_item(i) for i in items[:MOST_ITEMS]), *more])}]"
    if value == "whole":
        return "the whole input"
    return said(value)


def _item(value: Any) -> str:
    return str(value) if isinstance(value, int | Form) else said(value)


def _tensor(at: Evaluator, e: ast.Call) -> TensorValue:
    if len(e.arguments) != 1 or e.arguments[0].name:
        raise at.fail("E0206", f"`{e.name}` takes one tensor", e.span)
    value = at(e.arguments[0].value)
    if not isinstance(value, TensorValue):
        raise at.fail("E0207", f"`{e.name}` takes a tensor, not {said(value)}", e.arguments[0].span)
    return value


def _rf(facts: Facts) -> Callable[[Evaluator, ast.Call], FieldFact]:
    def rf(at: Evaluator, e: ast.Call) -> FieldFact:
        field = facts.fields[_tensor(at, e).node]
        if field is None:
            message = "no feature map flows into this tensor, so it has no receptive field"
            raise at.fail("E0702", message, e.span)
        return FieldFact(field)

    return rf


def _shape(at: Evaluator, e: ast.Call) -> list[Size]:
    return list(_tensor(at, e).type.shape)
