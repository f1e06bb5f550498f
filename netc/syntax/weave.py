"""Puts comments and blank lines back between the rows that the formatter laid out.

A row has no span of its own: its tokens are found again in the source, in order, which also tells where signs
stand that no node of the tree remembers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netc.syntax import ast
from netc.syntax.scan import Token, scan

Position = tuple[int, int]  # line, column

# What the formatter may drop or add: parentheses and commas that say nothing.
_LOOSE = frozenset({"LPAR", "RPAR", "COMMA", "_NL"})


@dataclass(slots=True)
class Row:
    """A line of the output.  `begins` is set where blank lines of the source may stand above it."""

    indent: int
    text: str
    begins: bool = False
    opens: bool = False  # its item has a body, and stands apart
    closes: bool = False  # comments above it belong to what it closes
    ends_body: bool = False
    start: Position = (0, 0)
    end: Position = (0, 0)


@dataclass(slots=True)
class _Thing:
    """A row, or a comment on a line of its own."""

    text: str
    start: Position
    end: Position
    row: Row | None
    blank_above: bool = False


def weave(rows: list[Row], file: ast.File) -> str:
    """The text of the rows, with every comment of the file and at most one blank line where it had some."""
    _locate(rows, file)
    things = _merge(rows, file.comments)
    blank = [not line.strip() for line in file.text.split("\n")]
    for before, thing in pairwise(things):
        inside = thing.row is not None and (not thing.row.begins or thing.row.closes)
        after_opening = before.row is not None and before.row.text.endswith(("{", "[", "("))
        if not inside and not after_opening:
            thing.blank_above |= any(blank[before.end[0] : thing.start[0] - 1])
        if before.row is not None and before.row.ends_body:
            thing.blank_above = True
    for at, thing in enumerate(things):
        if thing.row is not None and thing.row.opens:
            _set_apart(things, at)
    return "".join(
        [f"{'' if i == 0 or not t.blank_above else chr(10)}{t.text}\n" for i, t in enumerate(things)]
    )


def _locate(rows: list[Row], file: ast.File) -> None:
    """Finds where each row's first and last token stand in the source."""
    source, _ = scan(file.text, file.path)
    at = 0
    for row in rows:
        found: list[Token] = []
        for token in scan(row.text, file.path)[0]:
            here = at
            while source[here].type in _LOOSE and source[here][:2] != token[:2]:
                here += 1
            if source[here][:2] == token[:2] and token.type != "$END":
                found.append(source[here])
                at = here + 1
        if found:
            row.start, row.end = found[0][2:], (found[-1].line, found[-1].end)


def _merge(rows: list[Row], comments: Sequence[ast.Comment]) -> list[_Thing]:
    """Rows and comments in the order of the source; a comment behind a row's last token stays behind it."""
    things: list[_Thing] = []
    waiting = deque(comments)
    starts = sorted(row.start for row in rows)
    first = rows[0] if rows else None  # row of the statement
    for row in rows:
        things += _taken(waiting, row.start, row)
        if row.begins:
            first = row
        inside = _taken(waiting, row.end, row)
        text = " " * row.indent + row.text
        if waiting and not waiting[0].alone and _is_last(row, starts, waiting[0]):
            comment = waiting.popleft()
            if first and first is not row and first.start[0] == comment.span.line and _allows(comment):
                _put_above(things, first, comment)
            else:
                text += "  " + comment.text
        things.append(_Thing(text, row.start, row.end, row))
        if row.begins and row.indent == 0:
            _put_above_doc(things, inside)
        else:
            things[-1:-1] = inside
    return things + _taken(waiting, None, None)


def _allows(comment: ast.Comment) -> bool:
    return comment.text.lstrip("# ").startswith("allow ")


def _put_above(things: list[_Thing], row: Row, comment: ast.Comment) -> None:
    """Puts a comment that stood behind a statement's one line above its rows, all of which it speaks of there."""
    at = next(i for i, thing in enumerate(things) if thing.row is row)
    things.insert(at, _Thing(" " * row.indent + comment.text, row.start, row.start, None))


def _put_above_doc(things: list[_Thing], inside: list[_Thing]) -> None:
    """Puts comments of an item, the last thing, above the `##` lines that document it, which stand next to it."""
    at = len(things) - 1
    line = things[at].start[0]
    while at and things[at - 1].start[0] == line - 1 and _is_doc(things[at - 1]):
        at, line = at - 1, line - 1
    for comment in inside:
        comment.start = comment.end = (line, 0)
        if _is_doc(comment):  # inside of the item it documented nothing, and above it would
            comment.text = "#" + comment.text.lstrip("#")
    things[at:at] = inside


def _is_doc(thing: _Thing) -> bool:
    return thing.row is None and thing.text.startswith("##")


def _is_last(row: Row, starts: list[Position], comment: ast.Comment) -> bool:
    """Whether a comment stands on a row's last line, and no other row begins between the two."""
    place = (comment.span.line, comment.span.col)
    at = bisect_right(starts, row.end)
    return place[0] == row.end[0] and (at == len(starts) or starts[at] >= place)


def _taken(waiting: deque[ast.Comment], until: Position | None, row: Row | None) -> list[_Thing]:
    """Takes the comments before a place, each on a line of its own."""
    out: list[_Thing] = []
    indent = row.indent + (2 if row.closes else 0) if row else 0
    while waiting and (until is None or (waiting[0].span.line, waiting[0].span.col) < until):
        c = waiting.popleft()
        start, end = (c.span.line, c.span.col), (c.span.line, c.span.end_col)
        if row is not None and start > row.start:
            start = end = row.start  # it stood inside the row
        out.append(_Thing(" " * indent + c.text, start, end, None))
    return out


def _set_apart(things: list[_Thing], at: int) -> None:
    """A blank line above an item with a body, or above the comments that lead to it."""
    while at and things[at - 1].row is None and not things[at].blank_above:
        at -= 1
    things[at].blank_above = True
