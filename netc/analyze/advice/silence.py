"""`# allow W0201: reason`: advice that is not wanted at a place, and why."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netc.errors import Diagnostic, did_you_mean
from netc.syntax import ast

CODES: Final = frozenset(
    {"W0001", "W0002", "W0101", "W0102", "W0103", "W0104", "W0201", "W0202", "W0203", "W0204", "W0205"}
)
_ALLOW: Final = re.compile(r"#\s*allow\s+([WE]\d\w*(?:\s*,\s*[WE]\d\w*)*)\s*(?::\s*(.*?))?\s*$")


@dataclass(frozen=True, slots=True)
class _Allowed:
    """The codes of one comment, and the line it speaks of; `alone`, and so of the statement that begins there."""

    comment: ast.Comment
    codes: tuple[str, ...]
    line: int
    alone: bool


def silence(found: list[Diagnostic], file: ast.File) -> list[Diagnostic]:
    """What of the advice no comment allows.  W0001 where a comment gives no reason, W0002 where it allows nothing."""
    out: list[Diagnostic] = []
    allowed: list[_Allowed] = []
    for comment, codes, reason, line in _comments(file.comments):
        if reason:
            allowed.append(_Allowed(comment, codes, line, comment.alone))
        else:
            help = f"write it: # allow {', '.join(codes)}: reason"
            out.append(
                Diagnostic("W0001", "`allow` says why, and this one does not", comment.span, help=help)
            )
    at: dict[tuple[int, str], list[_Allowed]] = {}
    for a in allowed:
        for code in dict.fromkeys(a.codes):
            at.setdefault((a.line, code), []).append(a)
    used: set[tuple[ast.Comment, str]] = set()
    statements = sorted((s.span.line, s.span.end_line) for item in file.items for s in _body(item))
    for d in found:
        by = list(at.get((d.span.line, d.code), ()))
        first = _first_line(statements, d.span.line)
        if first < d.span.line:
            by += [a for a in at.get((first, d.code), ()) if a.alone]
        used |= {(a.comment, d.code) for a in by}
        if not by:
            out.append(d)
    for a in allowed:
        for code in a.codes:
            if (a.comment, code) not in used:
                near = "" if code in CODES else did_you_mean(code, CODES) or "`netc explain` lists all advice"
                what = "is an error, and only advice is allowed" if code.startswith("E") else "is no advice"
                message = f"there is no {code} here to allow" if code in CODES else f"{code} {what}"
                out.append(Diagnostic("W0002", message, a.comment.span, help=near or "take the comment away"))
    return out


def _body(item: ast.Item) -> Sequence[ast.NetStatement | ast.TrainStatement]:
    return item.body if isinstance(item, ast.Net | ast.Block | ast.Train) else ()


def _first_line(statements: Sequence[tuple[int, int]], line: int) -> int:
    """The first line of the statement that goes over this line, the line itself where none does."""
    at = bisect_right(statements, line, key=lambda s: s[0]) - 1
    return statements[at][0] if at >= 0 and statements[at][1] >= line else line


def _comments(comments: Iterable[ast.Comment]) -> Iterable[tuple[ast.Comment, tuple[str, ...], str, int]]:
    """Each `allow` with its codes, its reason and its line: its own, or the first below it and other comments."""
    all_of = list(comments)
    below: dict[int, int] = {}  # the first line without a comment of its own, by the lines above it
    for c in reversed(all_of):
        if c.alone:
            below[c.span.line] = below.get(c.span.line + 1, c.span.line + 1)
    for comment in all_of:
        if match := _ALLOW.match(comment.text):
            codes = tuple(code.strip() for code in match[1].split(","))
            line = comment.span.line
            yield comment, codes, match[2] or "", below.get(line, line)
