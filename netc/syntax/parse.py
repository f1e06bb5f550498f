"""Text to syntax tree, with every syntax error of the file in one run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

from netc.errors import Diagnostic, Report, Span
from netc.syntax import ast
from netc.syntax.build import Builder
from netc.syntax.lines import ITEMS, Line, Splitter
from netc.syntax.machine import MAX_DEPTH, Machine, TooDeep, Unexpected
from netc.syntax.scan import Token, read, scan, too_large, too_many, unseen
from netc.syntax.tables import tables
from netc.syntax.words import Context, Place, explain, misplaced_version, too_deep

__all__ = ["parse", "read"]

MAX_ITEMS = 5_000  # of one file

_BODIES: dict[str, Place] = {"NET": "net", "BLOCK": "block", "TRAIN": "train"}
# What a body's first line is taken for where it cannot be parsed, so that the body still can.
_HEADERS = {
    "NET": ("NET", "NAME", "LBRACE"),
    "BLOCK": ("BLOCK", "NAME", "COLON", "NAME", "_ARROW", "NAME", "LBRACE"),
    "TRAIN": ("TRAIN", "NAME", "LBRACE"),
}


def parse(text: str, path: str) -> tuple[ast.File, tuple[Diagnostic, ...]]:
    """The syntax tree of a file's text, and its syntax errors in the order of their places.

    A statement that does not parse stands in the tree as `Broken`.  Raises nothing.

    >>> file, errors = parse("net A {\\n  input x: [N, 3]\\n  y = x relu\\n  output y\\n}\\n", "a.net")
    >>> [(e.span.line, e.message) for e in errors]
    [(3, 'expected `->` before `relu`')]
    """
    large = too_large(text, path)
    if large:
        return ast.File(path, (), (), text), (large,)
    report = _Readable(unseen(text, path))
    tokens, comments = scan(text, path)
    lines = [] if too_many(tokens, path) else Splitter(tokens, path, report).lines()
    large = too_many(tokens, path) or _too_many_items(lines, path)
    if large:
        return ast.File(path, (), (), text), (large,)
    parser = _Parser(path, report)
    for line in lines:
        parser.line(line)
    items = _with_docs(parser.finish(), comments)
    _check_version(items, report)
    return ast.File(path, items, tuple(comments), text), report.sorted()


def _too_many_items(lines: list[Line], path: str) -> Diagnostic | None:
    firsts = [line.tokens[0] for line in lines if line.kind in ("open", "item")]
    items = [first for first in firsts if first.type in ITEMS]
    if len(items) <= MAX_ITEMS:
        return None
    message = f"this file has more than {MAX_ITEMS:,} nets, blocks and parameters, the most netc reads"
    return Diagnostic("E0802", message, items[MAX_ITEMS].span(path))


class _Readable(Report):
    """A report of a file in which some characters cannot be seen: that these fit nowhere is no second mistake."""

    def __init__(self, unseen: Iterable[Diagnostic]) -> None:
        super().__init__()
        self.lines = {d.span.line for d in unseen}
        for d in unseen:
            self.add(d)

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic.code != "E0108" or diagnostic.span.line not in self.lines:
            super().add(diagnostic)


class _Parser:
    """Feeds statements to the machine, and steps over those that do not parse."""

    def __init__(self, path: str, report: Report) -> None:
        self.path = path
        self.report = report
        self.machine = Machine(tables(), Builder(path, report))
        self.where: Place = "file"
        self.lost: list[Token] | None = None  # the tokens so far of an item whose first line did not parse
        self.unknown = False  # that item is of no known kind, so its body is not parsed
        self.broken: list[ast.Broken] = []  # for the items so lost, in order

    def line(self, line: Line) -> None:
        if self.lost is not None:
            self.lost += line.tokens
        if line.kind == "close":
            self._close(line)
        elif self.unknown:
            pass
        elif self._feed(line):
            if line.kind == "open":
                self.where = _BODIES[line.tokens[0].type]
        elif line.kind == "open":
            self._lose(line)
        else:
            self._feed_broken(self._as_broken(line.tokens))

    def finish(self) -> tuple[ast.Item, ...]:
        items = cast("tuple[ast.Item, ...]", self.machine.feed("$END", None, None))
        broken = iter(self.broken)
        return tuple(next(broken) if _is_lost(item) else item for item in items)

    def _feed(self, line: Line) -> bool:
        """Whether the statement parsed; if not, its mistake is told, and the machine is as it was before."""
        if line.deep:
            return False
        base = None
        for at, token in enumerate(line.tokens):
            try:
                if token.type == "BAD":  # the grammar has it only so that the lexer knows it
                    raise Unexpected
                self.machine.feed(token.type, token, None if token.type == "_NL" else _place(token))
            except Unexpected:
                if not line.reported:
                    self.report.add(self._explained(line, at))
            except TooDeep as deep:
                if not line.reported:
                    self.report.add(too_deep(Span(self.path, *deep.place), MAX_DEPTH))
            else:
                # What the first token reduced belongs to the statements before it.
                base = self.machine.height - 1 if base is None else base
                continue
            self.machine.truncate(self.machine.height if base is None else base)
            return False
        return True

    def _explained(self, line: Line, at: int) -> Diagnostic:
        if self.report.full:  # it is counted only
            return Diagnostic("E0101", "", line.tokens[at].span(self.path))
        return explain(Context(line.tokens, at, self.machine.accepts(), self.where, self.path))

    def _close(self, line: Line) -> None:
        brace, end = line.tokens
        if self.unknown:
            self._feed_broken(self._as_broken(self.lost or []))
        else:
            self.machine.feed("RBRACE", brace, _place(brace))
            self.machine.feed("_NL", end, None)
            if self.lost is not None:
                self.broken.append(self._as_broken(self.lost))
        self.where, self.lost, self.unknown = "file", None, False

    def _lose(self, line: Line) -> None:
        """Goes on after a first line that did not parse, so that the mistakes in the body are found too."""
        first = line.tokens[0]
        self.lost = list(line.tokens)
        self.unknown = first.type not in _HEADERS
        for kind in _HEADERS.get(first.type, ()):
            self.machine.feed(kind, Token(kind, "", first.line, first.col), _place(first))
        self.where = _BODIES.get(first.type, "file")

    def _feed_broken(self, broken: ast.Broken) -> None:
        span = broken.span
        self.machine.feed("BROKEN", broken, (span.line, span.col, span.end_line, span.end_col))
        self.machine.feed("_NL", None, None)

    def _as_broken(self, tokens: list[Token]) -> ast.Broken:
        names = frozenset(t.text for t in tokens if t.type == "NAME")
        return ast.Broken(names, _defined(tokens), tokens[0].span(self.path).to(tokens[-1].span(self.path)))


def _defined(tokens: Sequence[Token]) -> frozenset[str]:
    """The names that a line which did not parse seems to define: its first ones, and those before a colon."""
    if tokens[0].type in ("IF", "FOR"):  # statements stand in it
        return frozenset(
            t.text for t, after in pairwise(tokens) if t.type == "NAME" and after.type == "EQUAL"
        )
    names: set[str] = set()
    leading = True
    if tokens[0].text == "target":  # a word like others to the scanner
        tokens = tokens[1:] or tokens
    for token, after in pairwise((*tokens, tokens[-1])):
        if token.type == "NAME" and (leading or after.type == "COLON"):
            names.add(token.text)
        if token.type == "_ARROW" or (names and "COMMA" not in (token.type, after.type)):
            leading = False
    return frozenset(names)


def _place(token: Token) -> tuple[int, int, int, int]:
    return (token.line, token.col, token.line, token.end)


def _is_lost(item: ast.Item) -> bool:
    name = (
        item.name
        if isinstance(item, ast.Net | ast.Block)
        else item.net
        if isinstance(item, ast.Train)
        else None
    )
    return name is not None and not name.id


def _with_docs(items: tuple[ast.Item, ...], comments: list[ast.Comment]) -> tuple[ast.Item, ...]:
    """Gives each item the `##` lines between it and the item above it; where others part them, a paragraph ends."""
    docs = deque(c for c in comments if c.is_doc)
    out: list[ast.Item] = []
    for item in items:
        above: list[ast.Comment] = []
        while docs and docs[0].span.line < item.span.line:
            above.append(docs.popleft())
        out.append(_with_doc(item, above))
        while docs and docs[0].span.line < item.span.end_line:
            docs.popleft()  # it stands inside the item, and documents nothing
    return tuple(out)


def _with_doc(item: ast.Item, above: list[ast.Comment]) -> ast.Item:
    if isinstance(item, ast.Version | ast.Import | ast.Broken):
        return item
    lines: list[str] = []
    for i, c in enumerate(above):
        if i and above[i - 1].span.line != c.span.line - 1:
            lines.append("")
        lines.append(c.text[2:].strip())
    return replace(item, doc="\n".join(lines)) if lines else item


def _check_version(items: tuple[ast.Item, ...], report: Report) -> None:
    """`netc 1` is the first statement when present."""
    for item in items[1:]:
        if isinstance(item, ast.Version):
            report.add(misplaced_version(items[0].span, item.span))
