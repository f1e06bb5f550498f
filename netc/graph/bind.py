"""Arguments meet their parameters: those of a layer's dataclass, of a block, of a net."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from netc.errors import Note, Span, plural
from netc.graph.evaluate import POISON, Evaluator, Failed, LayerValue, hidden
from netc.graph.frame import Names
from netc.graph.hints import known_as, of_argument
from netc.ir.program import Numbers, Own
from netc.layers import LAYERS, ArgumentError, Layer, Word, said
from netc.layers.args import Argument
from netc.layers.initial import INITS, Initial
from netc.syntax import ast

TYPES: Final = ("int", "float", "bool", "str", "list", "layer")


def match(
    call: ast.Call, names: Sequence[str], at: Evaluator, what: str
) -> tuple[dict[str, ast.Argument], bool]:
    """Which argument goes to which name, positional ones first, in order; and whether all of them go somewhere."""
    out: dict[str, ast.Argument] = {}
    right = True
    for i, a in enumerate(call.arguments):
        try:
            name = _name_of(i, a, call, names, at, what)
            if name in out:
                first = Note(out[name].span, "given here first")
                raise at.fail("E0204", f"`{name}` of `{what}` is given twice", a.span, notes=(first,))
            out[name] = a
        except _Enough:
            return out, False
        except Failed:
            right = False
    return out, right


class _Enough(Failed):
    """What follows is wrong in the same way."""


def _name_of(i: int, a: ast.Argument, call: ast.Call, names: Sequence[str], at: Evaluator, what: str) -> str:
    """The name that an argument goes to; what fits none is told."""
    if a.name is not None:
        if a.name in names:
            return a.name
        near = at.near(a.name, names)
        if (
            isinstance(a.value, ast.Name | ast.Call)
            and _name(a.value) in LAYERS
            and _name(a.value) not in at.scope
        ):
            near = f"layers stand in a chain: {what}(…) -> {_name(a.value)}"
        listed = f"it takes {', '.join(names)}" if names else "it takes none"
        raise at.fail("E0203", f"`{what}` has no argument `{a.name}`", a.span, help=near or listed)
    e = a.value
    if isinstance(e, ast.Compare) and e.op == "==" and isinstance(e.left, ast.Name) and e.left.id in names:
        message = f"`{e.left.id} == …` compares, and gives `{what}` true or false"
        raise at.fail("E0203", message, a.span, help=f"write one `=`: {e.left.id}=…")
    if any(b.name for b in call.arguments[:i]):
        at.fail("E0206", "an argument without a name stands after one with a name", a.span)
        raise _Enough
    if i >= len(names):
        takes = f"takes {plural(len(names), 'argument')}" if names else "takes no arguments"
        message = f"`{what}` {takes}, and gets {len(call.arguments)}"
        at.fail("E0206", message, a.span, help=of_argument(what))
        raise _Enough
    return names[i]


def _name(e: ast.Name | ast.Call) -> str:
    return e.id if isinstance(e, ast.Name) else e.name


def bind_fields(call: ast.Call, arguments: Sequence[Argument], at: Evaluator) -> dict[str, Any]:
    """The values of a dataclass whose fields are arguments, from a call that names it."""
    given, right = match(call, [a.name for a in arguments], at, call.name)
    values: dict[str, Any] = {}
    failed = not right
    for argument in arguments:
        if argument.name not in given:
            if argument.required and right:  # else it may be what a wrong name meant
                missing = f"it takes {', '.join(_signature(a) for a in arguments)}"
                raise at.fail("E0205", f"`{call.name}` needs `{argument.name}`", call.span, help=missing)
            continue
        a = given[argument.name]
        try:
            values[argument.name] = argument.convert(_word_or_value(a.value, argument, at))
        except ArgumentError as error:
            message = f"`{argument.name}` of `{call.name}` {error.message}"
            at.fail("E0207", message, a.value.span, help=_meant(a.value, argument.words, at))
            failed = True
        except Failed:
            failed = True
    if failed:
        raise Failed
    return values


def _meant(e: ast.Expr, words: Sequence[str], at: Evaluator) -> str:
    """What may be meant by an argument that is wrong."""
    if isinstance(e, ast.String):
        return _unquoted(e.value) if e.value in words else ""
    if not isinstance(e, ast.Name):
        return ""
    return at.near(e.id, words if e.id in at.scope else (*words, *at.scope))


def _unquoted(word: str) -> str:
    return f"write it without quotes: {word}"


def _word_or_value(e: ast.Expr, argument: Argument, at: Evaluator) -> Any:
    """A bare name that nothing defines is a word where words are taken, and the argument says which ones.

    `axis=H` is the axis, where an input has a size H too, or a tensor is called so.
    """
    if isinstance(e, ast.Name) and argument.words and e.id not in at.scope:
        return Word(e.id)
    return at(e, argument.words)


def _signature(a: Argument) -> str:
    return a.name if a.required else f"{a.name}={a.default_text}"


def bind_layer(kind: str, call: ast.Call, at: Evaluator) -> Layer:
    """The layer that a call writes, without what it says of its weights, which `bind_own` reads."""
    cls = LAYERS[kind]
    own = {id(a) for a in _of_weights(kind, call)}
    if own:
        call = replace(call, arguments=tuple(a for a in call.arguments if id(a) not in own))
    return cls(**bind_fields(call, cls.arguments(), at))


OWN: Final = ("weight", "init", "frozen")  # what every layer with weights may say of them


def _of_weights(kind: str, call: ast.Call) -> list[ast.Argument]:
    """The arguments that speak of a layer's weights; a layer whose own argument has such a name means that one."""
    cls = LAYERS[kind]
    names = () if cls.loss else {*OWN} - {a.name for a in cls.arguments()}
    return [a for a in call.arguments if a.name in names]


def bind_own(kind: str, call: ast.Call, at: Evaluator) -> Own:
    """What a call says of the layer's weights: `frozen=true`, `init=he`, `weight=[[1, 0, -1], …]`."""
    given: dict[str, Any] = {}
    for a in _of_weights(kind, call):
        name = str(a.name)
        if name in given:
            raise at.fail("E0204", f"`{name}` of `{kind}` is given twice", a.span)
        if name == "init":
            given[name] = bind_rule(a.value, at)
        else:
            value: Any = at(a.value)
            given[name] = _truth(kind, value, a, at) if name == "frozen" else _numbers(kind, value, a, at)
    return Own(given.get("frozen", False), given.get("init"), given.get("weight"))


def _truth(kind: str, value: Any, a: ast.Argument, at: Evaluator) -> bool:
    if not isinstance(value, bool):
        raise at.fail("E0207", f"`frozen` of `{kind}` takes true or false, not {said(value)}", a.value.span)
    return value


def _numbers(kind: str, value: Any, a: ast.Argument, at: Evaluator) -> Numbers:
    """Nested lists of numbers as tuples."""

    def one(item: Any) -> Numbers:
        if isinstance(item, list):
            return tuple(one(i) for i in cast("list[Any]", item))
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise at.fail(
                "E0207", f"`weight` of `{kind}` is a list of numbers, and {said(item)} is none", a.value.span
            )
        return float(item)

    at.spend(
        getattr(value, "held", 0) // 8, a.value
    )  # they are copied, and compared with those of other layers
    if not isinstance(value, list):
        help = "write rows as lists: [[1, 0, -1], [2, 0, -2], [1, 0, -1]]"
        message = f"`weight` of `{kind}` takes a list of numbers, not {said(value)}"
        raise at.fail("E0207", message, a.value.span, help=help)
    return one(value)


def bind_rule(e: ast.Expr, at: Evaluator) -> Initial:
    """The rule that `he` or `normal(0.01)` writes."""
    call = ast.Call(e.id, (), e.span, e.span) if isinstance(e, ast.Name) else e
    if not isinstance(call, ast.Call) or call.name not in INITS:
        near = at.near(call.name, INITS) if isinstance(call, ast.Call) else ""
        raise at.fail("E0207", f"`init` takes {', '.join(INITS)}", e.span, help=near)
    cls = INITS[call.name]
    return cls(**bind_fields(call, cls.arguments(), at))


def bind_parameters(
    call: ast.Call, parameters: Sequence[ast.Parameter], at: Evaluator, inside: Names, what: str
) -> dict[str, Any]:
    """The values of a block's parameters; defaults are evaluated in `inside`, the scope the block was written in."""
    given, right = match(call, [p.name.id for p in parameters], at, what)
    values = ChainMap[str, Any]({}, inside)
    out: dict[str, Any] = {}
    for p in parameters:
        name = p.name.id
        try:
            if name in given:
                a = given[name]
                value = typed(p, layer_or_value(p, a.value, at), a.value, at)
            elif p.default is not None:
                where = Evaluator(at.report, values, at.trace)
                value = typed(p, layer_or_value(p, p.default, where), p.default, at)
            elif right:
                missing = f"it takes {', '.join(q.name.id for q in parameters)}"
                raise at.fail("E0205", f"`{what}` needs `{name}`", call.span, help=missing)
            else:  # it may be what a wrong name meant
                raise Failed
            out[name] = values[name] = value
        except Failed:
            right, values[name] = False, POISON
    if not right:
        raise Failed
    return out


def layer_or_value(p: ast.Parameter, e: ast.Expr, at: Evaluator) -> Any:
    """A parameter of type `layer` takes a layer's name bare."""
    if p.type and p.type.id == "layer" and isinstance(e, ast.Name):
        if e.id in LAYERS and (e.id not in at.scope or hidden(e.id, LAYERS, at.scope)):
            return LayerValue(ast.Call(e.id, (), e.span, e.span))
        if e.id not in at.scope:
            raise at.fail(
                "E0202",
                f"unknown layer `{e.id}`",
                e.span,
                help=known_as(e.id, LAYERS) or at.near(e.id, LAYERS),
            )
    return at(e)


@dataclass(frozen=True, slots=True)
class Outside:
    """A setting from outside (`--set classes=10`): its name and its value, each with its place there."""

    name: ast.Ident
    value: Any
    span: Span  # of the value


def from_outside(p: ast.Parameter, given: Outside, at: Evaluator) -> Any:
    """The value that a parameter takes from outside.  A word there is a text, or the layer of that name."""
    e = ast.Name(str(given.value), given.span)
    named = p.type is not None and p.type.id == "layer" and isinstance(given.value, str)
    return typed(p, layer_or_value(p, e, at) if named else given.value, e, at)


def typed(p: ast.Parameter, value: Any, e: ast.Expr, at: Evaluator) -> Any:
    """The value, if the parameter's type takes it; an int goes where a float may."""
    kind = p.type.id if p.type else None
    if kind is None:
        return value
    if kind not in TYPES:
        assert p.type
        near = at.near(kind, TYPES) or f"a type is {', '.join(TYPES)}"
        raise at.fail("E0201", f"unknown type `{kind}`", p.type.span, help=near)
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "list": isinstance(value, list),
        "layer": isinstance(value, LayerValue),
    }[kind]
    if not fits:
        help = _unquoted(value) if kind == "layer" and isinstance(value, str) and value in LAYERS else ""
        raise at.fail("E0207", f"`{p.name.id}` takes {article(kind)}, not {said(value)}", e.span, help=help)
    return float(value) if kind == "float" else value


def article(kind: str) -> str:
    """`an int`, `a float`."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def read_setting(text: str) -> Any:
    """A value given on the command line (`--set classes=10`): a number, true, false, or a word."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
