"""Expressions: exact integers, floats, booleans, strings, lists; sizes of tensors; layers as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, TypeVar, cast

from netc import budget
from netc.errors import Diagnostic, Note, Report, Span, did_you_mean
from netc.graph.names import dotted
from netc.graph.symbolic import arithmetic, ordered, same
from netc.layers import LAYERS, Word, said
from netc.sizes import Form, Size, floor_div
from netc.syntax import ast
from netc.syntax.lines import MAX_LIST
from netc.types import TensorType

MAX_INT: Final = 2**63 - 1
MAX_HELD: Final = 100_000  # values in a list and in the lists in it
MAX_DEEP: Final = 64
AXES: Final = {4: "NCHW", 3: "NCL", 2: "NC", 1: "N"}


class Failed(Exception):
    """Evaluation cannot go on; the diagnostic is reported already."""


class _Poison:
    """The value of a name whose definition is wrong: using it is no second mistake."""


POISON: Final = _Poison()


@dataclass(frozen=True, slots=True)
class TensorValue:
    """A tensor in an expression: the node that computes it."""

    node: int
    type: TensorType

    def __str__(self) -> str:
        return f"the tensor {self.type!r}"


@dataclass(frozen=True, slots=True)
class LayerValue:
    """A layer given as an argument: `act=relu`, or the call `act=leaky_relu(0.1)`."""

    call: ast.Call

    def __str__(self) -> str:
        return f"the layer `{self.call.name}`"


class ListValue(list[Any]):
    """A list of the language.  `held` counts what is in it and in the lists in it, `deep` how they nest."""

    __slots__ = ("deep", "held")

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.held, self.deep = _measured(self)


class TupleValue(tuple[Any, ...]):
    """A tuple of the language, counted in the same way."""

    held: int
    deep: int

    def __new__(cls, items: Iterable[Any]) -> TupleValue:
        made = super().__new__(cls, items)
        made.held, made.deep = _measured(made)
        return made


def _measured(items: Sequence[Any]) -> tuple[int, int]:
    inner = [i for i in items if isinstance(i, ListValue | TupleValue)]
    return len(items) + sum(i.held for i in inner), 1 + max((i.deep for i in inner), default=0)


def hidden(name: str, words: Iterable[str], scope: Namespace) -> bool:
    """Whether a word is meant where a tensor or a symbolic size has its name, for neither is ever an argument."""
    return name in words and isinstance(scope.get(name), TensorValue | Form)


Namespace = Mapping[str, Any]
Held = TypeVar("Held", ListValue, TupleValue)
Facts = Mapping[str, Callable[["Evaluator", ast.Call], Any]]


class Evaluator:
    """Evaluates expressions in a scope, reporting what is wrong with them.

    `facts` are functions that only some places know: `rf(t)` in an `expect`; `paths` finds layers there by where they
    stand: `b1.conv2`.
    """

    def __init__(
        self,
        report: Report,
        scope: Namespace,
        trace: tuple[str, ...] = (),
        facts: Facts | None = None,
        paths: Callable[[str], TensorValue | None] | None = None,
    ):
        self.report = report
        self.scope = scope
        self.trace = trace
        self.facts: Facts = facts or {}
        self.paths = paths

    def fail(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: str = "",
        notes: tuple[Note, ...] = (),
    ) -> Failed:
        """Reports, and gives the exception to raise."""
        self.report.add(Diagnostic(code, message, span, label, notes, self.trace, help))
        return Failed()

    def near(self, name: str, *known: Iterable[str]) -> str:
        """A suggestion, if the mistake is one that will be told."""
        return "" if self.report.full else did_you_mean(name, [k for names in known for k in names])

    # ---- names --------------------------------------------------------------------------------------------

    def lookup(self, name: str, span: Span, what: str = "name", also: Iterable[str] = ()) -> Any:
        if name not in self.scope:
            help = self.near(name, self.scope, also)
            raise self.fail("E0201", f"unknown {what} `{name}`", span, help=help)
        value = self.scope[name]
        if value is POISON:
            raise Failed
        return value

    # ---- expressions --------------------------------------------------------------------------------------

    def __call__(self, e: ast.Expr, words: tuple[str, ...] = ()) -> Any:
        """The value of `e`; a bare name among `words` stands for itself unless the scope has a value of that name."""
        match e:
            case ast.Number(wrong=True):
                raise Failed
            case ast.Number() | ast.String() | ast.Bool():
                return e.value
            case ast.Name(name, span):
                if name in words and (name not in self.scope or hidden(name, words, self.scope)):
                    return Word(name)
                return self.lookup(name, span, also=words)
            case ast.ListExpr(items):
                return self._held(ListValue(self(item, words) for item in items), e)
            case ast.TupleExpr(items):
                return self._held(TupleValue(self(item, words) for item in items), e)
            case ast.Attribute():
                return self._attribute(e)
            case ast.Unary(op, operand, _):
                return self._unary(op, self(operand), e)
            case ast.Binary():
                return self._binary(e)
            case ast.Compare():
                return compare(e.op, self(e.left, words), self(e.right, words), e, self)
            case ast.Call():
                return self._call(e)

    def _held(self, value: Held, e: ast.Expr) -> Held:
        """A list or tuple within the limits: parameters can nest what no text could."""
        if value.deep > MAX_DEEP:
            raise self.fail("E0806", f"lists stand in one another more than {MAX_DEEP} deep", e.span)
        if value.held > MAX_HELD:
            message = f"this holds {value.held:,} values, and at most {MAX_HELD:,} may stand in one another"
            raise self.fail("E0820", message, e.span)
        self.spend(len(value) // budget.ITEMS, e)
        return value

    def spend(self, units: int, e: ast.Expr) -> None:
        """Takes what an expression costs from what the file may cost."""
        if units and not budget.spend(units):
            if not self.report.full and budget.first():
                self.fail("E0820", "the expressions of this file take too long to evaluate", e.span)
            raise Failed

    def _attribute(self, e: ast.Attribute) -> Any:
        if self.paths and (path := dotted(e)) and (inner := self.paths(path)):
            return inner
        value = self(e.of)
        if isinstance(value, TensorValue):
            axes = AXES[value.type.rank]
            if e.name not in axes:
                raise self.fail(
                    "E0201",
                    f"a tensor {value.type!r} has no size `{e.name}`",
                    e.span,
                    help=f"it has {', '.join(axes)}",
                )
            if e.name == "N":
                raise self.fail("E0208", "the batch size N is not known while a net is compiled", e.span)
            return value.type.shape[axes.index(e.name)]
        parts: dict[str, Any] = getattr(value, "parts", {})  # a fact, such as a receptive field
        if e.name in parts:
            return parts[e.name]
        help = f"it has .{', .'.join(parts)}" if parts else ""
        raise self.fail("E0208", f"{said(value)} has no `.{e.name}`", e.span, help=help)

    def _unary(self, op: str, value: Any, e: ast.Unary) -> Any:
        if op == "not":
            return not self._truth(value, e.operand)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail("E0208", f"`-` needs a number, not {said(value)}", e.span)
        return -value

    def _truth(self, value: Any, e: ast.Expr) -> bool:
        if not isinstance(value, bool):
            raise self.fail("E0208", f"a condition must be true or false, not {said(value)}", e.span)
        return value

    def condition(self, e: ast.Expr) -> bool:
        return self._truth(self(e), e)

    def _binary(self, e: ast.Binary) -> Any:
        if e.op in ("and", "or"):
            left = self._truth(self(e.left), e.left)
            if left == (e.op == "or"):
                return left
            return self._truth(self(e.right), e.right)
        self.spend(1, e)
        a: Any = self(e.left)
        b: Any = self(e.right)
        if e.op == "+" and _both_lists(a, b):
            if len(a) + len(b) > MAX_LIST:
                message = f"a list of {len(a) + len(b):,} is longer than the limit of {MAX_LIST:,}"
                raise self.fail("E0820", message, e.span)
            return self._held(ListValue([*a, *b]), e)
        if isinstance(a, Form) or isinstance(b, Form):
            return arithmetic(e, a, b, self)
        for value, side in ((a, e.left), (b, e.right)):
            if not _is_number(value):
                raise self.fail("E0208", f"`{e.op}` needs numbers, not {said(value)}", side.span)
        return self._arithmetic(e, a, b)

    def _arithmetic(self, e: ast.Binary, a: float, b: float) -> Any:
        if e.op in "/%" and b == 0:
            raise self.fail("E0208", f"division of {said(a)} by zero", e.span)
        whole = isinstance(a, int) and isinstance(b, int)
        if e.op == "/" and whole:
            if a % b:
                raise self.fail(
                    "E0208",
                    f"{a} / {b} is not whole",
                    e.span,
                    help="sizes are exact: mend one of the numbers",
                )
            return a // b
        results: dict[str, Callable[[], Any]] = {
            "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "%": lambda: a % b,
        }  # fmt: skip
        value = results[e.op]()
        if (whole and abs(value) > MAX_INT) or not isfinite(value):
            raise self.fail("E0805", f"the result of `{e.op}` is beyond 2^63", e.span)
        return value

    def _call(self, e: ast.Call) -> Any:
        if e.name in self.facts:
            return self.facts[e.name](self, e)
        if e.name in ("floor", "ceil"):
            return self._rounded(e)
        if e.name in _FUNCTIONS:
            if any(a.name for a in e.arguments):
                raise self.fail("E0203", f"`{e.name}` takes no named arguments", e.span)
            return _FUNCTIONS[e.name](self, e, [self(a.value) for a in e.arguments])
        if e.name in LAYERS:
            return LayerValue(e)
        help = self.near(e.name, self.facts, ("floor", "ceil"), _FUNCTIONS, LAYERS)
        raise self.fail("E0201", f"unknown function `{e.name}`", e.name_span, help=help)

    def _rounded(self, e: ast.Call) -> Size:
        """`floor(a / b)` and `ceil(a / b)` of a size or an int and an int: the division need not come out even."""
        match e.arguments:
            case (ast.Argument(None, ast.Binary("/", left, right)),):
                a: Any = self(left)
                b: Any = self(right)
            case _:
                help = f"write {e.name}(x.H / 2)"
                raise self.fail("E0207", f"`{e.name}` takes one division", e.span, help=help)
        for value, side in ((a, left), (b, right)):
            if isinstance(value, bool) or not isinstance(value, int | Form if side is left else int):
                raise self.fail("E0207", f"`{e.name}` divides ints, not {said(value)}", side.span)
        if b <= 0:
            raise self.fail("E0208", f"`{e.name}` divides by a positive int, not {b}", right.span)
        return floor_div(a if e.name == "floor" else a + (b - 1), b)


def _both_lists(a: Any, b: Any) -> bool:
    return isinstance(a, list) and isinstance(b, list)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(op: str, a: Any, b: Any, e: ast.Compare, at: Evaluator) -> bool:
    """`a op b`, which for an order must be numbers."""
    if op in ("==", "!="):
        at.spend(1 + 2 * getattr(a, "held", 0) // budget.ITEMS, e)
        return same(a, b, e, at) == (op == "==")
    if isinstance(a, Form) or isinstance(b, Form):
        return ordered(op, a, b, e, at)
    for value, side in ((a, e.left), (b, e.right)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise at.fail("E0208", f"`{op}` needs numbers, not {said(value)}", side.span)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


# ---- Functions that every expression knows ---------------------------------------------------------------


def _ints(at: Evaluator, e: ast.Call, values: list[Any]) -> list[int]:
    for value, a in zip(values, e.arguments, strict=True):
        if isinstance(value, bool) or not isinstance(value, int):
            raise at.fail("E0207", f"`{e.name}` takes ints, not {said(value)}", a.span)
    return values


def _range(at: Evaluator, e: ast.Call, values: list[Any]) -> list[int]:
    ints = _ints(at, e, values)
    if len(ints) not in (1, 2):
        raise at.fail("E0206", f"`range` takes one or two ints, not {len(ints)}", e.span)
    numbers = range(*ints)
    if len(numbers) > MAX_LIST:
        raise at.fail(
            "E0820", f"a range of {len(numbers):,} is longer than the limit of {MAX_LIST:,}", e.span
        )
    at.spend(len(numbers) // budget.ITEMS, e)
    return ListValue(numbers)


def _extreme(pick: Callable[[list[int]], int]) -> Callable[[Evaluator, ast.Call, list[Any]], int]:
    def run(at: Evaluator, e: ast.Call, values: list[Any]) -> int:
        if not values:
            raise at.fail("E0206", f"`{e.name}` needs at least one int", e.span)
        return pick(_ints(at, e, values))

    return run


def _len(at: Evaluator, e: ast.Call, values: list[Any]) -> int:
    if len(values) != 1 or not isinstance(values[0], list):
        raise at.fail("E0207", "`len` takes one list", e.span)
    return len(cast("list[Any]", values[0]))


_FUNCTIONS: Final[dict[str, Callable[[Evaluator, ast.Call, list[Any]], Any]]] = {
    "range": _range, "min": _extreme(min), "max": _extreme(max), "len": _len,
}  # fmt: skip
