"""Where the formatter breaks a statement into lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from netc.errors import Span
from netc.syntax import ast
from netc.syntax.print import FACTOR, argument_text, expr_text, loop_names, parameter_text, step_text
from netc.syntax.weave import Row

WIDTH = 100
INDENT = 2
_T = TypeVar("_T")
_LAST_ARROW = 16  # column up to which the arrows of a broken chain stand under its first


@dataclass(frozen=True, slots=True)
class _Part:
    """Something between commas: its text on one line, and how it is laid out."""

    text: str
    span: Span
    lay_out: Callable[[], None]


class Layout:
    """Rows of one statement, written from left to right."""

    def __init__(self, indent: int) -> None:
        self.rows = [Row(indent, "", begins=True)]

    @property
    def row(self) -> Row:
        return self.rows[-1]

    @property
    def room(self) -> int:
        """Columns left on this line."""
        return WIDTH - self.row.indent - len(self.row.text)

    def write(self, text: str) -> None:
        self.row.text += text

    def line(self, indent: int, text: str = "", closes: bool = False) -> None:
        """Begins a new line."""
        self.rows.append(Row(indent, text, closes=closes))

    def chain(self, chain: ast.Chain, tail: str = "") -> None:
        """A source and its layers; `tail` follows the last."""
        steps = chain.steps
        flat = "".join([expr_text(chain.source), *[f" -> {step_text(s)}" for s in steps], tail])
        groups = _groups(steps, chain.source.span.end_line)
        breaks = len(groups) > 1 or _is_broken(chain.source) or any(_is_long(s) for s in steps)
        if not breaks and len(flat) <= self.room:
            self.write(flat)
            return
        if steps and not breaks:
            groups = [[], list(steps)]
        indent, height = self.row.indent, len(self.rows)
        self.expr(chain.source)
        arrow = self.row.indent + len(self.row.text) + 1
        follows = bool(groups[0]) and len(self.rows) == height and arrow <= _LAST_ARROW
        below = arrow if follows else indent + INDENT
        self._steps(groups[0], below, " -> ")
        for group in groups[1:]:
            self.line(below, "-> ")
            self._steps(group, below, "")
        self.write(tail)

    def _steps(self, steps: Sequence[ast.Step], below: int, lead: str) -> None:
        """Layers on one line, and on more where they do not fit."""
        for step in steps:
            first = _first_line(step)
            if len(lead) + len(first) > self.room and lead:
                self.line(below, "-> ")
            else:
                self.write(lead)
            self.step(step)
            lead = " -> "

    def step(self, step: ast.Step) -> None:
        """A layer of a chain."""
        text = step_text(step)
        if not _is_long(step) and len(text) <= self.room:
            self.write(text)
            return
        match step:
            case ast.Call():
                self.call(step)
            case ast.Labelled():
                self.write(f"{step.label}: ")
                self.call(step.call)
            case ast.Repeat():
                self.step(step.step)
                self.write(f" * {expr_text(step.count, FACTOR)}")
            case ast.Loop():
                self.write(f"for {loop_names(step)} in ")
                self.expr(step.items)
                self._braces(step.body)
            case ast.Branch():
                for i, (condition, body) in enumerate(step.arms):
                    self.write(f"{' else ' if i else ''}if {expr_text(condition)}")
                    self._braces(body)
                if step.otherwise:
                    self.write(" else")
                    self._braces(step.otherwise)

    def _braces(self, body: Sequence[ast.Step]) -> None:
        indent = self.row.indent
        self.write(" {")
        for i, group in enumerate(_groups(body, body[0].span.line)):
            self.line(indent + (2 * INDENT if i else INDENT), "-> " if i else "")
            self._steps(group, indent + 2 * INDENT, "")
        self.line(indent, "}", closes=True)

    def call(self, call: ast.Call) -> None:
        """A layer with its arguments."""
        parts = [_Part(argument_text(a), a.span, _later(self._argument, a)) for a in call.arguments]
        self.write(call.name)
        if parts:
            self._brackets("(", parts, ")", call.span)

    def _argument(self, a: ast.Argument) -> None:
        if a.name is not None:
            self.write(f"{a.name}=")
        self.expr(a.value)

    def expr(self, e: ast.Expr) -> None:
        """An expression; only brackets are broken."""
        text = expr_text(e)
        if not _is_broken(e) and len(text) <= self.room:
            self.write(text)
        elif isinstance(e, ast.Call) and e.arguments:
            self.call(e)
        elif isinstance(e, ast.ListExpr | ast.TupleExpr) and e.items:
            opening, closing = "[]" if isinstance(e, ast.ListExpr) else "()"
            parts = [_Part(expr_text(i), i.span, _later(self.expr, i)) for i in e.items]
            single = isinstance(e, ast.TupleExpr) and len(parts) == 1
            self._brackets(opening, parts, closing, e.span, "," if single else "")
        else:
            self.write(text)

    def parameters(self, parameters: Sequence[ast.Parameter], name: ast.Ident) -> None:
        """`(c: int, stride: int = 1)` behind a name, or nothing."""
        if parameters:
            parts = [_Part(parameter_text(p), p.span, _later(self.parameter, p)) for p in parameters]
            self._brackets("(", parts, ")", name.span)

    def parameter(self, p: ast.Parameter) -> None:
        """`stride: int = 1`"""
        if p.default is None:
            self.write(parameter_text(p))
        else:
            self.write(parameter_text(p).removesuffix(expr_text(p.default)))
            self.expr(p.default)

    def _brackets(
        self, opening: str, parts: Sequence[_Part], closing: str, span: Span, comma: str = ""
    ) -> None:
        """Parts between brackets: broken where the writer broke them, or where they do not fit."""
        by_writer = parts[0].span.line > span.line
        flat = ", ".join([p.text for p in parts]) + comma
        self.write(opening)
        if not by_writer and len(flat) + len(closing) <= self.room:
            for i, part in enumerate(parts):
                self.write(", " if i else "")
                part.lay_out()
            self.write(comma + closing)
            return
        indent = self.row.indent
        for i, part in enumerate(parts):
            own = i == 0 or (by_writer and part.span.line > parts[i - 1].span.end_line)
            if own or len(part.text) + 2 > self.room:
                self.line(indent + INDENT)
            else:
                self.write(" ")
            part.lay_out()
            self.write(",")
        self.line(indent, closing, closes=True)


def _later(f: Callable[[_T], None], value: _T) -> Callable[[], None]:
    return lambda: f(value)


def _groups(steps: Sequence[ast.Step], line: int) -> list[list[ast.Step]]:
    """The layers by the writer's lines; the first, which may be empty, stands on the source's line."""
    groups: list[list[ast.Step]] = [[]]
    for step in steps:
        if step.span.line > line:
            groups.append([])
        groups[-1].append(step)
        line = step.span.end_line
    return groups


def _is_broken(e: ast.Expr) -> bool:
    """Whether the writer broke a bracket behind its opening."""
    match e:
        case ast.ListExpr() | ast.TupleExpr():
            inner: Sequence[ast.Expr] = e.items
        case ast.Call():
            inner = [a.value for a in e.arguments]
        case _:
            return False
    return bool(inner) and (inner[0].span.line > e.span.line or any(_is_broken(i) for i in inner))


def _is_long(step: ast.Step) -> bool:
    """Whether the layer takes more than one line."""
    match step:
        case ast.Call():
            return _is_broken(step)
        case ast.Labelled():
            return _is_broken(step.call)
        case ast.Repeat():
            return _is_long(step.step)
        case ast.Loop() | ast.Branch():
            return step.span.line != step.span.end_line


def _first_line(step: ast.Step) -> str:
    """What of the layer stands on its first line, at least."""
    if not _is_long(step):
        return step_text(step)
    match step:
        case ast.Call():
            return f"{step.name}("
        case ast.Labelled():
            return f"{step.label}: {step.call.name}("
        case ast.Repeat():
            return _first_line(step.step)
        case ast.Loop():
            return f"for {loop_names(step)} in ["
        case ast.Branch():
            return f"if {expr_text(step.arms[0][0])} {{"
