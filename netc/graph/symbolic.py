"""Expressions over sizes that are not known: what can be decided for every value is, the rest is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from netc.sizes import Form, Size, TooMuch, Undecided, as_form, constant, equal, floor_div, sign, symbols
from netc.syntax import ast

if TYPE_CHECKING:
    from netc.graph.evaluate import Evaluator, Failed


_HELP: Final = "say more of it in a `where` clause, or give the input's size by --input"


def arithmetic(e: ast.Binary, a: Any, b: Any, at: Evaluator) -> Size:
    """`a op b` where one of them is symbolic and the other is a size too; division must be exact."""
    try:
        return _arithmetic(e, a, b, at)
    except TooMuch as much:
        raise at.fail("E0308", f"`{e.op}`: {much}", e.span, help=_HELP) from None


def _arithmetic(e: ast.Binary, a: Any, b: Any, at: Evaluator) -> Size:
    if not isinstance(a, Form | int) or not isinstance(b, Form | int):
        raise _refused(e, a, b, at)
    if e.op in "+-":
        return as_form(a) + b if e.op == "+" else as_form(a) - b
    if e.op == "*" and isinstance(a, int):
        return as_form(b) * a
    if e.op == "*" and isinstance(b, int):
        return as_form(a) * b
    if e.op in "/%" and isinstance(b, int) and b > 0:
        return _divided(e, a, b, at)
    raise _refused(e, a, b, at)


def _divided(e: ast.Binary, a: Size, b: int, at: Evaluator) -> Size:
    down = floor_div(a, b)
    try:
        rest = constant(as_form(a) - as_form(down) * b)
    except TooMuch:
        raise
    except Undecided:
        raise at.fail("E0308", f"the rest of {a} by {b} depends on its value", e.span, help=_HELP) from None
    if e.op == "%":
        return rest
    if rest:
        raise at.fail(
            "E0208", f"{a} / {b} is not whole", e.span, help="sizes are exact: mend one of the numbers"
        )
    return down


def _refused(e: ast.Binary, a: Any, b: Any, at: Evaluator) -> Failed:
    return at.fail("E0208", f"`{e.op}` of the sizes {a} and {b} has no closed form here", e.span)


def same(a: Any, b: Any, e: ast.Compare, at: Evaluator) -> bool:
    """Equality of values of the language: of sizes for every value of their symbols, of lists item by item."""
    try:
        return _same(a, b)
    except Undecided as undecided:
        raise at.fail("E0308", f"`{e.op}`: {undecided}", e.span, help=_HELP) from None


def _same(a: Any, b: Any) -> bool:
    if (
        isinstance(a, list | tuple)
        and isinstance(b, list | tuple)
        and isinstance(a, list) == isinstance(b, list)
    ):
        one, other = cast("Sequence[Any]", a), cast("Sequence[Any]", b)
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(a, Form) or isinstance(b, Form):
        return isinstance(a, Form | int) and isinstance(b, Form | int) and equal(a, b)
    return a == b


def ordered(op: str, a: Size, b: Size, e: ast.Compare, at: Evaluator) -> bool:
    """`a < b` and its kin, where one of them is symbolic; an error where it depends on the value."""
    try:
        low = {"<": as_form(b) - a - 1, "<=": as_form(b) - a, ">": as_form(a) - b - 1, ">=": as_form(a) - b}
        return sign(low[op]) > 0
    except TooMuch as much:
        raise at.fail("E0308", f"`{op}`: {much}", e.span, help=_HELP) from None
    except Undecided:
        names = " and ".join(sorted({s.name for s in symbols(a) | symbols(b)}))
        message = f"whether {a} {op} {b} depends on the value of {names}"
        raise at.fail("E0308", message, e.span, help=_HELP) from None
