"""What netc says when a file is wrong: a span, a diagnostic, and how a diagnostic is drawn.

A diagnostic stands alone: it has a code, one sentence, the place, the places that explain it, the expansion that
led there, and a fix where one is likely.  Drawing it needs the source text only to quote the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal


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

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code.startswith("W") else "error"


class NetError(Exception):
    """A `.net` file that is wrong; `diagnostics` says where and why, `sources` quotes the files."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.sources: dict[str, str] = dict(sources or {})
        super().__init__(render_all(self.diagnostics, self.sources))


class MissingDependency(Exception):
    """The environment lacks something; the text names it and says how to get it (exit code 3)."""


@dataclass(slots=True)
class Report:
    """Collects the diagnostics of one run, so that one mistake does not hide the next."""

    items: list[Diagnostic] = field(default_factory=list[Diagnostic])

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.items:  # a block expanded many times repeats its own mistakes
            self.items.append(diagnostic)

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        return tuple(sorted(self.items, key=lambda d: (d.span.file, d.span.line, d.span.col, d.code)))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most like, if it is like any.  One letter is like nothing."""
    lowered = {k.lower(): k for k in known if len(k) > 1}
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
    marks = [(d.span, "^", d.label)] + [(n.span, "-", n.text) for n in d.notes if n.span.file == d.span.file]
    gutter = len(str(max(span.line for span, _, _ in marks)))
    out = [f"{d.severity}[{d.code}]: {d.message}"]
    out.append(f"{' ' * gutter}--> {d.span.file}:{d.span.line}:{d.span.col}")
    lines = source.split("\n") if source is not None else []
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
    return "\n".join(out)


def render_all(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> str:
    """Draws several diagnostics, a blank line between them; `sources` gives the text of each file."""
    return "\n\n".join(render(d, sources.get(d.span.file)) for d in diagnostics)


_WIDEST = 160  # a quoted line is cut to this many characters around its first mark


def _quote(number: int, text: str, marks: list[tuple[Span, str, str]], gutter: int) -> list[str]:
    """The line, and under it one row of carets a mark; several marks are drawn last to first, as rustc does."""
    shown = "".join(" " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    start = max(0, marks[0][0].col - 1 - _WIDEST // 2) if len(shown) > _WIDEST else 0
    cut = shown[start : start + _WIDEST].rstrip()
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
