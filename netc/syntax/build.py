"""What each grammar rule becomes in the syntax tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from netc.errors import Diagnostic, Report, Span
from netc.syntax import ast
from netc.syntax.machine import Place
from netc.syntax.scan import Token

VERSION = 1  # of the language
MAX_INT = 2**63 - 1
MAX_DIGITS = 40

NUMBER = re.compile(r"(\d+(?:_\d+)*)(\.\d+(?:_\d+)*)?([eE][+-]?\d+)?([KMG])?", re.ASCII)
_FACTOR = {None: 1, "K": 10**3, "M": 10**6, "G": 10**9}

Children = list[Any]


class Builder:
    """Makes the syntax tree of one file, and tells of the numbers in it that are none."""

    def __init__(self, path: str, report: Report) -> None:
        self.path = path
        self.report = report

    def __call__(self, rule: str, children: Children, place: Place) -> object:
        return _RULES[rule](self, children, Span(self.path, *place))

    def ident(self, token: Token) -> ast.Ident:
        return ast.Ident(token.text, token.span(self.path))

    def idents(self, tokens: list[Token]) -> tuple[ast.Ident, ...]:
        return tuple(self.ident(t) for t in tokens)

    def number(self, token: Token) -> ast.Number:
        """The number as written, and its value.  One that is wrong is told of, and marked."""
        span = token.span(self.path)
        value, wrong = number_value(token.text, span)
        if wrong:
            self.report.add(wrong)
        return ast.Number(value, token.text, span, wrong is not None)

    def fold(self, children: Children, span: Span) -> ast.Expr:
        """`a + b - c`, from the left."""
        left: ast.Expr = children[0]
        for op, right in zip(children[1::2], children[2::2], strict=True):
            whole = span if right is children[-1] else span.to(right.span)
            left = ast.Binary(op.text, left, right, whole)
        return left

    def words(self, op: ast.BinaryOp, children: Children, span: Span) -> ast.Expr:
        """`a and b and c`, from the left."""
        left: ast.Expr = children[0]
        for right in children[1:]:
            left = ast.Binary(op, left, right, span if right is children[-1] else span.to(right.span))
        return left

    def prefix(self, children: Children, span: Span) -> ast.Expr:
        """`- - a`, `not not a`."""
        operand: ast.Expr = children[-1]
        for op in reversed(children[:-1]):
            operand = ast.Unary(op.text, operand, op.span(self.path).to(span))
        return operand

    def attribute(self, children: Children, span: Span) -> ast.Expr:
        of: ast.Expr = children[0]
        for name in children[1:]:
            of = ast.Attribute(of, name.text, span.to(name.span(self.path)))
        return of

    def call(self, children: Children, span: Span) -> ast.Call:
        name: Token = children[0]
        arguments = children[1] if len(children) > 1 and children[1] is not None else ()
        return ast.Call(name.text, arguments, span, name.span(self.path))

    def branch(self, children: Children, span: Span) -> ast.Branch:
        pairs = len(children) // 2
        arms = tuple((children[2 * i], children[2 * i + 1]) for i in range(pairs))
        return ast.Branch(arms, children[-1] if len(children) % 2 else (), span)

    def loop(self, children: Children, span: Span) -> ast.Loop:
        (names, unpacks), items, body = children
        return ast.Loop(names, unpacks, items, body, span)

    def setting(self, children: Children, span: Span) -> ast.Setting:
        key, name, chain, *more = children
        return ast.Setting(self.ident(key), self.ident(name) if name else None, chain, tuple(more), span)

    def target(self, children: Children, span: Span) -> ast.Target | ast.Broken:
        word, name, type_ = children
        if word.text != "target":
            message = f"`{word.text}` takes no type; only `target` does"
            label = "expected `target` here"
            self.report.add(
                Diagnostic("E0101", message, word.span(self.path), label, help="target label: int[N]")
            )
            return ast.Broken(frozenset({word.text, name.text}), frozenset({name.text}), span)
        return ast.Target(self.ident(name), type_, span)

    def version(self, children: Children, span: Span) -> ast.Version:
        number = self.number(children[0])
        if number.value != VERSION or not number.text.isdigit():
            message = (
                f"this file is in version {number.text} of the language; this netc reads version {VERSION}"
            )
            self.report.add(
                Diagnostic("E0116", message, number.span, help=f"write `netc {VERSION}`, or update netc")
            )
        return ast.Version(number, span)

    def parameter(self, children: Children, span: Span) -> ast.Parameter:
        name, type_, *default = children
        return ast.Parameter(
            self.ident(name), self.ident(type_) if type_ else None, default[0] if default else None, span
        )

    def net(self, children: Children, span: Span) -> ast.Net:
        name, *rest = children
        parameters = rest.pop(0) if rest and isinstance(rest[0], tuple) else ()
        return ast.Net(self.ident(name), parameters, tuple(rest), "", span)

    def block(self, children: Children, span: Span) -> ast.Block:
        name, *rest = children
        parameters = rest.pop(0) if len(rest) > 2 and isinstance(rest[2], tuple) else ()
        inputs, outputs, *body = rest
        return ast.Block(self.ident(name), parameters, inputs, outputs, tuple(body), "", span)

    def train(self, children: Children, span: Span) -> ast.Train:
        net, *body = children
        return ast.Train(self.ident(net) if net else None, tuple(body), "", span)


def number_value(text: str, span: Span) -> tuple[int | float, Diagnostic | None]:
    """The value of a number's text, or 1 and what is wrong with it.

    >>> place = Span("a.net", 1, 1, 1, 2)
    >>> [number_value(t, place)[0] for t in ("60_000", "1.5K", "5e-4", "2.0")]
    [60000, 1500, 0.0005, 2.0]
    """
    match = NUMBER.fullmatch(text)
    if match is None:
        shown = text if len(text) <= MAX_DIGITS else text[: MAX_DIGITS - 1] + "…"
        return 1, Diagnostic("E0106", f"`{shown}` is not a number", span, help=_number_help(text))
    _, fraction, exponent, suffix = match.groups()
    help_ = "" if exponent else f"the largest integer is {MAX_INT}"
    if len(text) > MAX_DIGITS:
        message = f"this number has more than {MAX_DIGITS} characters, the most netc reads"
        return 1, Diagnostic("E0805", message, span)
    plain = text.rstrip("KMG").replace("_", "")
    if float(plain) * _FACTOR[suffix] == float("inf"):
        return 1, Diagnostic("E0805", f"the number `{text}` is too large", span, help=help_)
    if exponent or (fraction and not suffix):
        return float(plain) * _FACTOR[suffix], None
    exact = Decimal(plain) * _FACTOR[suffix]
    if exact > MAX_INT:
        return 1, Diagnostic("E0805", f"the number `{text}` is too large", span, help=help_)
    return int(exact) if exact == exact.to_integral_value() else float(exact), None


def _number_help(text: str) -> str:
    if re.fullmatch(r"\d+(?:[xX]\d+)+", text):
        return f"write ({', '.join(re.split('[xX]', text))}) for sizes in each direction"
    if re.fullmatch(r"[\d_]+[kmgtbB]+", text):
        return "the suffixes are K (thousand), M (million) and G (billion)"
    if "_" in text:
        return "`_` stands between two digits"
    return "a name cannot start with a digit" if text[-1].isalpha() else ""


def _steps(_: Builder, children: Children, __: Span) -> object:
    return tuple(children)


def _given(_: Builder, children: Children, __: Span) -> object:
    return tuple(child for child in children if child is not None)


_RULES: dict[str, Callable[[Builder, Children, Span], object]] = {
    "file": _given,
    "version": Builder.version,
    "from_import": lambda b, c, s: ast.Import(_string(b, c[0]), c[1], s),
    "param": lambda b, c, s: ast.Param(c[0], "", s),
    "net": Builder.net,
    "block": Builder.block,
    "train": Builder.train,
    "parameters": _given,
    "parameter": Builder.parameter,
    "names": lambda b, c, s: b.idents(c),
    "input": lambda b, c, s: ast.Input(b.ident(c[0]), c[1], c[2] or (), s),
    "where": _steps,
    "type": lambda b, c, s: ast.TypeExpr(c[0].text if c[0] else None, _given(b, c[1:], s), s),  # type: ignore[arg-type]
    "shared": lambda b, c, s: ast.Shared(b.ident(c[0]), c[1], s),
    "assign": lambda b, c, s: ast.Assign(c[0], c[1], s),
    "output": lambda b, c, s: ast.Output(c[0], s),
    "expect": lambda b, c, s: ast.Expect(c[0], s),
    "broken": lambda b, c, s: c[0],
    "chain": lambda b, c, s: ast.Chain(c[0], tuple(c[1:]), s),
    "repeat": lambda b, c, s: ast.Repeat(c[0], c[1], s),
    "labelled": lambda b, c, s: ast.Labelled(c[0].text, c[1], s),
    "call": Builder.call,
    "called": Builder.call,
    "arguments": _given,
    "argument": lambda b, c, s: ast.Argument(c[0].text if c[0] else None, c[1], s),
    "branch": Builder.branch,
    "loop": Builder.loop,
    "pattern": lambda b, c, s: ((c[0].text,), False),
    "unpacking": lambda b, c, s: (tuple(t.text for t in c), True),
    "steps": _steps,
    "target": Builder.target,
    "setting": Builder.setting,
    "or_expr": lambda b, c, s: b.words("or", c, s),
    "and_expr": lambda b, c, s: b.words("and", c, s),
    "not_expr": Builder.prefix,
    "comparison": lambda b, c, s: ast.Compare(c[1].text, c[0], c[2], s),
    "sum": Builder.fold,
    "product": Builder.fold,
    "negative": Builder.prefix,
    "attribute": Builder.attribute,
    "number": lambda b, c, s: b.number(c[0]),
    "string": lambda b, c, s: _string(b, c[0]),
    "true": lambda b, c, s: ast.Bool(True, s),
    "false": lambda b, c, s: ast.Bool(False, s),
    "name": lambda b, c, s: ast.Name(c[0].text, s),
    "list": lambda b, c, s: ast.ListExpr(_given(b, c, s), s),  # type: ignore[arg-type]
    "tuple": lambda b, c, s: ast.TupleExpr(_given(b, c, s), s),  # type: ignore[arg-type]
}


def _string(b: Builder, token: Token) -> ast.String:
    return ast.String(token.text[1:-1], token.span(b.path))
