"""Tables as text at any width: the columns that matter least are left out first, then the widest is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netc.analyze.table import GAP, Line, cut

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Column", "Line", "print_lines", "span", "table"]


@dataclass(frozen=True, slots=True)
class Column:
    """`rank` is 0 for a column that stays; of the others the one of the largest rank goes first."""

    title: str
    right: bool = False
    rank: int = 0
    least: int = 0  # how narrow it may become before another goes; 0: it is not cut


def left_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """What `table` has no room for, in words; nothing where all columns fit."""
    shown, _ = _fitted(columns, rows, width)
    missing = [c.title for i, c in enumerate(columns) if i not in shown]
    return f"{', '.join(missing)}, for want of width" if missing else ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[Line]:
    """A line of headings and one for each row, none wider than `width`."""
    shown, widths = _fitted(columns, rows, width)
    titles = [cut(columns[i].title, widths[i]) for i in shown]

    def line(cells: Sequence[str]) -> str:
        fitted = [
            f"{cut(cell, widths[i]):>{widths[i]}}"
            if columns[i].right
            else f"{cut(cell, widths[i]):<{widths[i]}}"
            for i, cell in zip(shown, cells, strict=True)
        ]
        return (" " * GAP).join(fitted).rstrip()

    return [Line(line(titles), "dim"), *(Line(line([row[i] for i in shown])) for row in rows)]


def _fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[int], list[int]]:
    """The numbers of the columns that are shown, and the widths of all."""
    shown = list(range(len(columns)))
    widths = [max([len(c.title), *(len(r[i]) for r in rows)]) for i, c in enumerate(columns)]

    def over() -> int:
        return 0 if width is None else sum(widths[i] for i in shown) + GAP * (len(shown) - 1) - width

    while over() > 0:
        for i in shown:
            if columns[i].least:
                widths[i] -= max(min(over(), widths[i] - columns[i].least), 0)
        spare = [i for i in shown if columns[i].rank]
        if over() <= 0 or not spare:
            break
        shown.remove(max(spare, key=lambda i: columns[i].rank))
    widths[shown[0]] = max(widths[shown[0]] - max(over(), 0), 4)
    return shown, widths


def span(seconds: float) -> str:
    """A time in three digits.

    >>> span(0.0000123), span(0.00456), span(1.5), span(0)
    ('12.3 µs', '4.56 ms', '1.50 s', '0')
    """
    if seconds <= 0:
        return "0"
    units = (("s", 1.0), ("ms", 1e3), ("µs", 1e6))
    unit, factor = next((u for u in units if seconds * u[1] >= 0.9995), units[-1])
    value = seconds * factor
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def print_lines(console: Console, lines: Sequence[Line]) -> None:
    """Prints lines on a console of rich's, none of them wrapped."""
    from rich.text import Text

    whole = Text("\n").join(Text(line.text, line.style) for line in lines)
    console.print(whole, no_wrap=True, overflow="ignore", crop=False)
