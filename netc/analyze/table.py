"""The report as a table for people, at any width: what does not fit is first rounded, then left out.

Rich gives it its looks on a terminal; which columns stand there, and how long a cell is, is decided here, so that no
line ever wraps, and so that a report into a pipe does without rich, which takes longer than the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from netc.analyze.figures import UNKNOWN, exact, pair, short, size, times
from netc.analyze.receptive import Field, fields, space
from netc.analyze.report import NetReport, totals
from netc.analyze.rows import Row, rows
from netc.errors import plural
from netc.graph.model import total
from netc.sizes import symbols

if TYPE_CHECKING:
    from rich.console import Console

GAP: Final = 2  # blanks between columns
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    cell: Callable[[Row], str]
    right: bool = False
    tail: Callable[[Row], str] = lambda _: ""  # the end of a cell, which is never cut

    def text(self, row: Row, width: int | None = None) -> str:
        """The cell, in at most `width` characters."""
        head, tail = self.cell(row), self.tail(row)
        return head + tail if width is None else cut(head, max(width - len(tail), 1)) + tail


def _name(r: Row) -> str:
    return _INDENT * r.level + r.name


def _exact(count: int | None) -> str:
    return "" if count == 0 else exact(count)


def _short(count: int | None) -> str:
    return "" if count == 0 else short(count)


def _seen(field: Field | None) -> str:
    """The size of a field; `whole` where it is the whole input, with the local size beside it where there is one."""
    if field is None:
        return ""
    mark = "" if field.aligned else "*"
    if not field.whole:
        return pair(field.size) + mark
    return f"whole ({pair(field.local)}{mark})" if field.local else "whole"


NAME: Final = Column("name", _name)
LAYER: Final = Column("layer", lambda r: r.layer, tail=lambda r: f" ×{r.times}" if r.times > 1 else "")
SHAPE: Final = Column("output", lambda r: r.type, right=True)
PARAMS: Final = Column("parameters", lambda r: _exact(r.params), right=True)
PARAMS_SHORT: Final = Column("params", lambda r: _short(r.params), right=True)
MACS: Final = Column("MACs", lambda r: _exact(r.macs), right=True)
MACS_SHORT: Final = Column("MACs", lambda r: _short(r.macs), right=True)
BACKWARD: Final = Column("backward FLOPs", lambda r: _exact(r.backward), right=True)
BACKWARD_SHORT: Final = Column("back", lambda r: _short(r.backward), right=True)
FIELD: Final = Column("field", lambda r: _seen(r.field), right=True)
STRIDE: Final = Column("stride", lambda r: pair(r.field.stride) if r.field else "", right=True)
STRIDE_SHORT: Final = Column("S", STRIDE.cell, right=True)
PAD: Final = Column("pad", lambda r: pair(r.field.pad) if r.field else "", right=True)
PAD_SHORT: Final = Column("P", PAD.cell, right=True)
MEMORY: Final = Column("memory", lambda r: size(r.bytes), right=True)

# From all there is to say to the least; the number is how narrow the column of layers may become.
_CHOICES: Final[tuple[tuple[tuple[Column, ...], int], ...]] = (
    ((NAME, LAYER, SHAPE, PARAMS, MACS, FIELD, STRIDE, PAD, MEMORY), 36),
    ((NAME, LAYER, SHAPE, PARAMS, MACS_SHORT, FIELD, STRIDE_SHORT, PAD_SHORT, MEMORY), 30),
    ((NAME, LAYER, SHAPE, PARAMS_SHORT, MACS_SHORT, FIELD, STRIDE_SHORT, PAD_SHORT, MEMORY), 24),
    ((NAME, LAYER, SHAPE, PARAMS_SHORT, MACS_SHORT, FIELD, STRIDE_SHORT, PAD_SHORT), 18),
    ((NAME, LAYER, SHAPE, PARAMS_SHORT, MACS_SHORT, FIELD), 14),
    ((NAME, LAYER, SHAPE, PARAMS_SHORT, FIELD), 10),
    ((NAME, SHAPE, PARAMS_SHORT, FIELD), 0),
    ((NAME, PARAMS_SHORT), 0),
)


_SHORT_OF: Final = {
    PARAMS_SHORT: PARAMS, MACS_SHORT: MACS, BACKWARD_SHORT: BACKWARD, STRIDE_SHORT: STRIDE, PAD_SHORT: PAD
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns with their widths, in characters."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[Column, int]]:
        return list(zip(self.columns, self.widths, strict=True))


def layout(found: Sequence[Row], width: int | None, *, backward: bool = False) -> Layout:
    """The fullest choice of columns that fits `width`; all of them where the width is not limited."""
    for columns, least in _CHOICES:
        if backward:
            columns = tuple(c for column in columns for c in _with_backward(column))
        widths = [max([len(c.title), *(len(c.text(r)) for r in found)]) for c in columns]
        over = 0 if width is None else sum(widths) + GAP * (len(columns) - 1) - width
        if over <= 0:
            return Layout(columns, tuple(widths))
        if LAYER in columns and widths[1] - over >= least:
            widths[1] -= over
            return Layout(columns, tuple(widths))
    columns = _CHOICES[-1][0]
    numbers = max([len(PARAMS_SHORT.title), *(len(PARAMS_SHORT.text(r)) for r in found)])
    return Layout(columns, (max((width or 0) - GAP - numbers, 4), numbers))


def left_out(plan: Layout, *, backward: bool = False) -> list[str]:
    """The titles of the columns that a layout has no room for, not even in short."""
    kept = {_SHORT_OF.get(c, c) for c in plan.columns}
    every = (c for column in _CHOICES[0][0] for c in (_with_backward(column) if backward else (column,)))
    return [c.title for c in every if c not in kept]


def _with_backward(column: Column) -> tuple[Column, ...]:
    """Beside MACs stand the FLOPs of the backward pass, as exact as they."""
    return {MACS: (MACS, BACKWARD), MACS_SHORT: (MACS_SHORT, BACKWARD_SHORT)}.get(column, (column,))


def cut(text: str, width: int) -> str:
    """The text, or its beginning with `…` for the rest.

    >>> cut("conv(64, 7, stride=2)", 10)
    'conv(64, …'
    """
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, and how rich shows it on a terminal."""

    text: str
    style: str = ""


def lines(report: NetReport, *, depth: int | None = None, width: int | None = None) -> list[Line]:
    """A net's name, its layers, its totals.

    `depth` is how many levels of blocks are opened; `width` is that of the terminal, None where there is none.
    """
    found = rows(report, depth)
    plan = layout(found, width, backward=report.backward is not None)
    out = [Line(cut(report.graph.name, width) if width else report.graph.name, "bold")]
    out += [Line(line, "italic") for line in _doc(report.graph.doc, width)]
    out += [Line(""), Line(_joined(plan, [cut(c.title, w) for c, w in plan.pairs]), "dim")]
    for row in found:
        cells = [column.text(row, wide) for column, wide in plan.pairs]
        out.append(Line(_joined(plan, cells), "bold" if row.is_block else ""))
    return [*out, Line(""), *(Line(line) for line in footer(report, plan, found, width))]


def _joined(plan: Layout, cells: Sequence[str]) -> str:
    aligned = [
        f"{cell:>{wide}}" if column.right else f"{cell:<{wide}}"
        for (column, wide), cell in zip(plan.pairs, cells, strict=True)
    ]
    return (" " * GAP).join(aligned).rstrip()


def _doc(doc: str, width: int | None) -> list[str]:
    """The doc comment as it was written, or its paragraphs in lines of at most `width`."""
    if width is None:
        return doc.splitlines()
    return [
        line for part in re.split(r"\n\s*\n", doc) for line in ("", *wrap(" ".join(part.split()), width))
    ][1:]


# ---- Totals ---------------------------------------------------------------------------------------------------------


def footer(report: NetReport, plan: Layout, found: Sequence[Row], width: int | None) -> list[str]:
    """The totals, one line each, wrapped to the width under their own beginnings."""
    lines = _totals(report)
    missing = ", ".join(left_out(plan, backward=report.backward is not None))
    behind = [("left out", f"{missing}, for want of width")] if missing else []
    lead = max(len(name) for name, _ in lines) + GAP
    out: list[str] = []
    if width is not None and width < 2 * lead:
        return [part for name, text in [*lines, *behind] for part in wrap(f"{name}: {text}", max(width, 8))]
    for name, text in [*lines, *(("", key) for key in _key(report, plan, found)), *behind]:
        parts = [text] if width is None else wrap(text, width - lead)
        out += [f"{name if i == 0 else '':<{lead}}{part}" for i, part in enumerate(parts)]
    return out


def totals_text(report: NetReport, above: Mapping[str, str]) -> str:
    """The totals alone, below further lines of a name and a text each."""
    told = [*above.items(), *_totals(report)]
    lead = max(len(name) for name, _ in told) + GAP
    return "\n".join(f"{name:<{lead}}{text}" for name, text in told)


def _totals(report: NetReport) -> list[tuple[str, str]]:
    t, f, m = totals(report), report.facts, report.memory
    state = f", and {f.state:,} numbers of state" if f.state else ""
    examples = "" if report.batch == 1 else "s"
    return [
        ("parameters", f"{f.params:,}: {t['trained']:,} trained, {t['frozen']:,} frozen{state}"),
        ("MACs", f"{exact(f.macs)} an example, counting multiplications by weights"),
        ("FLOPs", f"{exact(f.flops)} an example, counting everything; one MAC is two FLOPs"),
        (
            "memory",
            f"{size(m.infer)} to run and {size(m.train)} to train, weights included, kernels' scratch not, "
            f"at a batch of {report.batch:,} example{examples}{assumed_text(report)}"
            if m
            else f"{UNKNOWN} to run and {UNKNOWN} to train"
            if report.symbols
            else "not known while the net has mistakes",
        ),
        *(
            [("depth", f"{plural(f.depth, 'layer')} with weights one after another")]
            if report.graph.outputs
            else []
        ),
        *_backward(report),
        *_last_map(report),
        *([("sizes", symbolic_text(report))] if report.symbols else []),
    ]


def assumed_text(report: NetReport) -> str:
    """What trains a net without a train block, for memory depends on it."""
    return f"; without a train block, by {report.assumed}" if report.assumed and report.memory else ""


def symbolic_text(report: NetReport) -> str:
    """Which sizes are not known, and what tells them."""
    names = " and ".join(report.symbols)
    known = [f"{UNKNOWN} depends on {names}"]
    open_yet, told = set(report.symbols), list[str]()
    for image in report.graph.inputs:  # a name is filled in everywhere
        own = {s.name for size in image.type.shape[1:] for s in symbols(size)}
        if own & open_yet:
            open_yet -= own
            name = f"{image.name}=" if len(report.graph.inputs) > 1 else ""
            told.append(f"--input {name}{'x'.join(map(str, image.type.shape[1:]))}")
    known.append(f"{' '.join(told)}, in numbers, fills it in")
    return ": ".join(known)


def _backward(report: NetReport) -> list[tuple[str, str]]:
    if report.backward is None:
        return []
    back, flops = total(report.backward.values()), report.facts.flops
    times = f", {back / flops:.1f} times the forward pass" if back is not None and flops else ""
    return [("backward", f"{exact(back)} FLOPs an example for all gradients, the loss's too{times}")]


def _last_map(report: NetReport) -> list[tuple[str, str]]:
    """What a pixel of the last feature map sees, against the input."""
    node = report.facts.last_map
    field = report.facts.fields[node.id] if node else None
    if node is None or field is None or field.local is None:
        return []
    local = field.local
    moves = f"`{node.path}`, stride {pair(field.stride)}, padding {pair(field.pad)}"
    seen = [n for n in report.graph.inputs if len(space(n.type)) == len(local)]
    if len(seen) > 1:
        seen = [n for n in seen if fields(report.graph, n)[node.id]]
    sizes = {space(n.type) for n in seen}
    if len(sizes) != 1:  # `--rf` tells each
        return [("field", f"{times(local)}: {moves}")] if seen else []
    (of,) = sizes
    if all(isinstance(side, int) and sight >= side for sight, side in zip(local, of, strict=True)):
        share = f"at least the whole input of {times(of)}"
    else:
        share = f"of an input of {times(of)}"
    return [("field", f"{times(local)}, {share}: {moves}")]


def _key(report: NetReport, plan: Layout, found: Sequence[Row]) -> list[str]:
    """What the headings leave unsaid."""
    out: list[str] = []
    if STRIDE_SHORT in plan.columns:
        out.append("S and P: stride and padding of the field")
    if any(r.times > 1 for r in found):
        opened = "; the rows below it are one of them," if any(r.level for r in found) else ","
        mark = "×N: the sum of N copies" if LAYER in plan.columns else "a–b: the sum of equal blocks"
        out.append(f"{mark}{opened} with the last one's field")
    if FIELD in plan.columns and any(f and not f.aligned for f in report.facts.fields):
        out.append("*: paths of different strides or centres meet; the field is their hull")
    return out


def table_text(report: NetReport, *, depth: int | None = None, width: int | None = None) -> str:
    """The table as plain text."""
    return "\n".join(line.text for line in lines(report, depth=depth, width=width))


def print_table(
    console: Console, report: NetReport, *, depth: int | None = None, width: int | None = None
) -> None:
    """Prints a net's table on a console of rich's."""
    from rich.text import Text

    whole = Text("\n").join(Text(line.text, line.style) for line in lines(report, depth=depth, width=width))
    console.print(whole, no_wrap=True, overflow="ignore", crop=False)
