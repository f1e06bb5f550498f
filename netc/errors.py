"""What netc says when a file is wrong: a span, a diagnostic, and how a diagnostic is drawn.

A diagnostic stands alone: it has a code, one sentence, the place, the places that explain it, the expansion that
led there, and a fix where one is likely.  Drawing it needs the source text only to quote the lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import Final, Literal

MOST_TOLD: Final = 100  # mistakes of one run; a file that is no `.net` file at all has one on each line


COMMAND_LINE: Final = "<command line>"  # where a setting from outside has its place, one a line


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file.  Lines and columns count from 1; the end is exclusive.

    >>> Span("a.net", 2, 5, 2, 9)
    Span(file='a.net', line=2, col=5, end_line=2, end_col=9)
    """

    file: str
    line: int
    col: int
    end_line: int
    end_col: int

    def to(self, other: Span) -> Span:
        """The stretch from the start of this one to the end of `other`."""
        return Span(self.file, self.line, self.col, other.end_line, other.end_col)


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that explains a diagnostic."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake (code `E…`) or one piece of advice (code `W…`), at one place."""

    code: str
    message: str
    span: Span
    label: str = ""  # said under the caret
    notes: tuple[Note, ...] = ()
    trace: tuple[str, ...] = ()  # outermost first: ("ResNet34.c5", "turn 2 of for", "Basic(128, stride=2)")
    help: str = ""

    def __post_init__(self) -> None:
        """Shortens what it quotes, so that no name or string of a file makes a message that nobody reads."""
        for name in ("message", "label", "help"):
            object.__setattr__(self, name, short(getattr(self, name)))
        if any(len(step) > _SHORT for step in self.trace):
            object.__setattr__(self, "trace", tuple(middle(step, _LONGEST_STEP) for step in self.trace))

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code.startswith("W") else "error"


# ---- What of a file's text a message may hold ------------------------------------------------------------------

_SHORT: Final = 60  # characters that a message quotes of a name, a string or a formula
_LONGEST_STEP: Final = 120  # of an expansion trace
_LONGEST_PATH: Final = 240  # a path is told to its end, as far as that goes
_LONGEST: Final = 1000  # of all
_QUOTED: Final = re.compile(r'`([^`]*)`|"([^"]*)"')


def short(text: str) -> str:
    """A text in which what stands between quotes is cut to about 60 characters.

    >>> short(f"unknown tensor `{'a' * 90}b`")
    'unknown tensor `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaab`'
    """
    if len(text) <= _SHORT:
        return text
    return middle(_QUOTED.sub(_short_quote, text), _LONGEST)


def _short_quote(match: re.Match[str]) -> str:
    quoted = match.group()
    most = _LONGEST_PATH if "/" in quoted else _SHORT
    return quoted[0] + middle(quoted[1:-1], most) + quoted[-1]


def middle(text: str, most: int) -> str:
    """The text without its middle where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[len(text) - (most // 3 - 1) :]}"


def visible(text: str) -> str:
    """The text with what cannot be seen written out: a terminal would obey it, or show the rest in another order.

    >>> visible("a" + chr(27) + "[31m"), visible(chr(0x202E))
    ('a\\\\x1b[31m', '\\\\u202e')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class NetError(Exception):
    """A `.net` file that is wrong; `diagnostics` says where and why, `sources` quotes the files."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.sources: dict[str, str] = dict(sources or {})
        super().__init__(render_all(self.diagnostics, self.sources))


class WrongSetting(ValueError):
    """A variable of the environment that says what netc cannot do."""


class MissingDependency(Exception):
    """The environment lacks something; the text names it and says how to get it (exit code 3)."""


@dataclass(slots=True)
class Report:
    """Collects the diagnostics of one run, so that one mistake does not hide the next.

    A mistake at one place is told once, however often that place is expanded.  After MOST_TOLD errors the others are
    counted only, and the last thing told is how many they are.
    """

    items: list[Diagnostic] = field(default_factory=list[Diagnostic])
    errors: int = 0  # told ones
    untold: int = 0
    rest: Diagnostic | None = None  # how many are not told, at the place of the first of them
    _known: set[tuple[str, str, Span]] = field(default_factory=set[tuple[str, str, Span]])
    _nets: set[str] = field(default_factory=set[str])  # in whose expansion a mistake was found
    _lines: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # of mistakes, by file

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity == "error" and diagnostic.trace:
            self._nets.add(diagnostic.trace[0].partition(".")[0])
        key = diagnostic.code, diagnostic.message, diagnostic.span
        if key in self._known:  # a block expanded many times repeats its own mistakes
            return
        self._known.add(key)
        if diagnostic.severity == "warning":
            self.items.append(diagnostic)
            return
        insort(self._lines.setdefault(diagnostic.span.file, []), diagnostic.span.line)
        if diagnostic.code == UNTOLD:  # of a file that was read before
            self.rest = self.rest or diagnostic
        elif not self.full:
            self.errors += 1
            self.items.append(diagnostic)
        elif self.rest is None or self.untold:  # else another run has told what it did not tell
            self.untold += 1
            message = f"there are {plural(self.untold, 'more mistake')}, told when these are mended"
            self.rest = Diagnostic(UNTOLD, message, self.rest.span if self.rest else diagnostic.span)

    @property
    def full(self) -> bool:
        """Whether another error is counted only, so that nothing need be found out about it."""
        return self.errors >= MOST_TOLD or self.rest is not None

    @property
    def failed(self) -> bool:
        return self.errors > 0 or self.rest is not None

    def fails(self, net: str, span: Span) -> bool:
        """Whether some mistake lies in a net: in its lines, or in what it expands."""
        lines = self._lines.get(span.file, [])
        at = bisect_left(lines, span.line)
        return net in self._nets or (at < len(lines) and lines[at] <= span.end_line)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All in the order of their places, and last how many errors are not told."""
        told = sorted(self.items, key=lambda d: (d.span.file, d.span.line, d.span.col, d.code))
        return (*told, self.rest) if self.rest else tuple(told)


UNTOLD: Final = "E0807"
_COMPARED: Final = 200  # names that a wrong one is compared with
_COMPARED_LETTERS: Final = 2000  # of them all; comparing two names takes as long as one is, times the other


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most like, if it is like any.  One letter is like nothing.

    Of very many known names, only some that begin alike and are about as long are looked at.
    """
    if len(name) > _SHORT:
        return None
    names = list(known)
    if len(names) > _COMPARED:
        begins, size = name[:1], len(name)
        alike = (k for k in names if k[:1] == begins and abs(len(k) - size) <= 2)
        names = list(islice(alike, min(_COMPARED, _COMPARED_LETTERS // size + 1)))
    lowered = {k.lower(): k for k in names if len(k) > 1}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion sentence, or nothing where no known name is near.

    >>> did_you_mean("desne", ["dense", "conv"])
    'did you mean `dense`?'
    """
    near = nearest(name, known)
    return f"did you mean `{near}`?" if near else ""


def plural(count: int, noun: str) -> str:
    """The count with its noun.

    >>> plural(1, "error"), plural(2, "error")
    ('1 error', '2 errors')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def render(d: Diagnostic, source: str | None) -> str:
    """Draws one diagnostic as text: the sentence, the quoted lines with carets, the trace, the help."""
    return _render(d, source.split("\n") if source is not None else [])


def _render(d: Diagnostic, lines: Sequence[str]) -> str:
    marks = [(d.span, "^", d.label)] + [(n.span, "-", n.text) for n in d.notes if n.span.file == d.span.file]
    gutter = len(str(max(span.line for span, _, _ in marks)))
    out = [f"{d.severity}[{d.code}]: {d.message}"]
    out.append(f"{' ' * gutter}--> {d.span.file}:{d.span.line}:{d.span.col}")
    by_line: dict[int, list[tuple[Span, str, str]]] = {}
    for mark in sorted(marks, key=lambda m: (m[0].line, m[0].col)):
        by_line.setdefault(mark[0].line, []).append(mark)
    for number, on_line in by_line.items():
        if number <= len(lines):
            out += _quote(number, lines[number - 1].rstrip("\r"), on_line, gutter)
    out += [
        f"{' ' * gutter} = note: {n.text} ({n.span.file}:{n.span.line}:{n.span.col})"
        for n in d.notes
        if n.span.file != d.span.file
    ]
    if d.trace:
        out.append(f"{' ' * gutter} = in: {', '.join(d.trace)}")
    if d.help:
        out.append(f"{' ' * gutter} = help: {d.help}")
    return "\n".join(map(visible, out))


def render_all(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> str:
    """Draws several diagnostics, a blank line between them; `sources` gives the text of each file."""
    lines: dict[str, list[str]] = {}
    drawn: list[str] = []
    for d in diagnostics:
        file = d.span.file
        if file not in lines:
            lines[file] = sources[file].split("\n") if file in sources else []
        drawn.append(_render(d, lines[file]))
    return "\n\n".join(drawn)


_WIDEST = 160  # a quoted line is cut to this many characters around its first mark


def _quote(number: int, text: str, marks: list[tuple[Span, str, str]], gutter: int) -> list[str]:
    """The line, and under it one row of carets a mark; several marks are drawn last to first, as rustc does."""
    start = max(0, marks[0][0].col - 1 - _WIDEST // 2) if len(text) > _WIDEST else 0
    part = text[start : start + _WIDEST]  # before anything else: a file may be one long line
    seen = (" " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in part)
    cut = "".join(seen).rstrip()
    out = [f"{number:>{gutter}} | {cut}"]
    rows: list[tuple[int, int, str, str]] = []
    for span, sign, label in marks:
        col = min(span.col - 1 - start, len(cut))
        end = span.end_col - 1 - start if span.end_line == span.line else len(cut)
        rows.append((col, max(1, min(end, len(cut)) - col), sign, label))
    blank = " " * gutter + " | "
    carets = list(" " * max(col + width for col, width, _, _ in rows))
    for col, width, sign, _ in sorted(rows, key=lambda r: r[2] == "^"):  # the primary mark is drawn on top
        carets[col : col + width] = sign * width
    last = rows[-1]
    out.append((blank + "".join(carets) + (f" {last[3]}" if last[3] else "")).rstrip())
    for i in range(len(rows) - 2, -1, -1):
        col, _, _, label = rows[i]
        if not label:
            continue
        bars = [rows[j][0] for j in range(i) if rows[j][3]]
        lead = "".join("|" if c in bars else " " for c in range(col))
        out.append(blank + lead + "|")
        out.append(blank + lead + label)
    return out
