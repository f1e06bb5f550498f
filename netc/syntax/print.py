"""Expressions, calls and types as text on one line; parentheses only where the grammar needs them."""

from __future__ import annotations

from collections.abc import Iterable

from netc.syntax import ast

# How tightly a form binds, as the grammar's rules are nested: `_expr` … `_atom`.
OR, AND, NOT, COMPARE, SUM, PRODUCT, NEGATIVE, FACTOR, ATOM = range(1, 10)
_BINARY = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT}


def expr_text(e: ast.Expr, least: int = OR) -> str:
    """The expression, in parentheses if it binds less tightly than `least`.

    >>> from netc.syntax.parse import parse
    >>> file, _ = parse("param a = ((2 + 3)) * ((4) * 5)", "a.net")
    >>> param = file.items[0]
    >>> isinstance(param, ast.Param) and param.parameter.default and expr_text(param.parameter.default)
    '(2 + 3) * (4 * 5)'
    """
    match e:
        case ast.Number():
            return e.text
        case ast.String():
            return f'"{e.value}"'
        case ast.Bool():
            return "true" if e.value else "false"
        case ast.Name():
            return e.id
        case ast.Attribute():
            return f"{expr_text(e.of, ATOM if not isinstance(e.of, ast.Attribute) else FACTOR)}.{e.name}"
        case ast.ListExpr():
            return f"[{_list(e.items)}]"
        case ast.TupleExpr():
            return f"({_list(e.items)}{',' if len(e.items) == 1 else ''})"
        case ast.Call():
            return call_text(e, "()")
        case ast.Unary() | ast.Binary() | ast.Compare():
            text, binds = _operation(e)
            return text if binds >= least else f"({text})"


def _operation(e: ast.Unary | ast.Binary | ast.Compare) -> tuple[str, int]:
    """The text, and how tightly it binds."""
    match e:
        case ast.Unary(op="not"):
            return f"not {expr_text(e.operand, NOT)}", NOT
        case ast.Unary():
            return f"-{expr_text(e.operand, FACTOR)}", NEGATIVE
        case ast.Compare():
            return f"{expr_text(e.left, SUM)} {e.op} {expr_text(e.right, SUM)}", COMPARE
        case ast.Binary():
            binds = _BINARY[e.op]
            return f"{expr_text(e.left, binds)} {e.op} {expr_text(e.right, binds + 1)}", binds


def _list(items: Iterable[ast.Expr]) -> str:
    return ", ".join([expr_text(item) for item in items])


def argument_text(a: ast.Argument) -> str:
    """`2`, `stride=2`"""
    return expr_text(a.value) if a.name is None else f"{a.name}={expr_text(a.value)}"


def call_text(c: ast.Call, empty: str = "") -> str:
    """A layer with its arguments; `empty` stands for no arguments."""
    if not c.arguments:
        return c.name + empty
    return f"{c.name}({', '.join([argument_text(a) for a in c.arguments])})"


def step_text(s: ast.Step) -> str:
    """A layer of a chain, with its label, its braces, its count."""
    match s:
        case ast.Call():
            return call_text(s)
        case ast.Labelled():
            return f"{s.label}: {call_text(s.call)}"
        case ast.Repeat():
            return f"{step_text(s.step)} * {expr_text(s.count, FACTOR)}"
        case ast.Loop():
            return f"for {loop_names(s)} in {expr_text(s.items)} {_braces(s.body)}"
        case ast.Branch():
            arms = [f"if {expr_text(condition)} {_braces(body)}" for condition, body in s.arms]
            return " else ".join([*arms, _braces(s.otherwise)] if s.otherwise else arms)


def loop_names(s: ast.Loop) -> str:
    """`(c, n)`, or `c`"""
    comma = "," if len(s.names) == 1 else ""
    return f"({', '.join(s.names)}{comma})" if s.unpacks else s.names[0]


def _braces(steps: tuple[ast.Step, ...]) -> str:
    return f"{{ {' -> '.join([step_text(s) for s in steps])} }}"


def idents_text(names: Iterable[ast.Ident]) -> str:
    """`p1, p3, p5`"""
    return ", ".join([n.id for n in names])


def type_text(t: ast.TypeExpr) -> str:
    """`[N, 3, 32, 32]`, `int[N]`"""
    return f"{t.dtype or ''}[{_list(t.sizes)}]"


def parameter_text(p: ast.Parameter) -> str:
    """`stride: int = 1`"""
    text = p.name.id if p.type is None else f"{p.name.id}: {p.type.id}"
    return text if p.default is None else f"{text} = {expr_text(p.default)}"
