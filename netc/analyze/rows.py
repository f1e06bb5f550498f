"""The rows of a report: one a layer, blocks as rows of their own, equal blocks that follow one another as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from netc.analyze.figures import times as product
from netc.analyze.receptive import Field
from netc.analyze.report import NetReport, activation_bytes
from netc.graph.model import Graph, Node, total


@dataclass(frozen=True, slots=True)
class Row:
    """A layer, or a block with its sums.

    Inside a block that stands for several, figures are those of one copy, and the field is the last copy's, so that
    fields grow from row to row.
    """

    level: int
    name: str
    layer: str
    times: int
    type: str
    params: int
    macs: int | None  # None where a symbolic size decides, here and below
    bytes: int | None
    backward: int | None
    field: Field | None
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class _Block:
    """`times` equal turns of a block in a row, named from `first` to `last`; `nodes` are those of the last."""

    first: str
    last: str
    times: int
    block: str
    written: str
    items: tuple[_Item, ...]
    nodes: tuple[Node, ...]


_Item = Node | _Block


def rows(report: NetReport, depth: int | None = None) -> tuple[Row, ...]:
    """The rows of a net, inputs among them.  Blocks are opened down to `depth` levels; 0 opens none."""
    out: list[Row] = []
    _add(_items(report.graph.nodes, 0, report.graph), 0, depth, report, out)
    return tuple(out)


def _items(nodes: Sequence[Node], level: int, graph: Graph) -> tuple[_Item, ...]:
    """The layers and blocks of one level; what a block expanded into stands together."""
    out: list[_Item] = []
    for scopes, members in groupby(nodes, key=lambda n: n.scopes[: level + 1]):
        inside = tuple(members)
        if len(scopes) <= level:
            out += inside
            continue
        scope = scopes[-1]
        name, opened = scope.name, _items(inside, level + 1, graph)
        new = _Block(name, name, 1, scope.block, scope.written, opened, inside)
        last = out[-1] if out else None
        if isinstance(last, _Block) and _shape_of(last, level) == _shape_of(new, level):
            # Of two ways of writing the same, `Basic(64)` and `Basic(64, stride=1)`, the shorter one.
            written = min(last.written, new.written, key=len)
            out[-1] = _Block(last.first, name, last.times + 1, scope.block, written, opened, inside)
        else:
            out.append(new)
    return tuple(out)


def _shape_of(block: _Block, level: int) -> Any:
    """What two turns of a block must share to be shown as one: layers, types, and who reads whom."""
    first = block.nodes[0].id
    outside: dict[int, int] = {}

    def source(i: int) -> tuple[str, int]:
        return ("in", i - first) if i >= first else ("out", outside.setdefault(i, len(outside)))

    return block.block, tuple(
        (
            tuple(s.name for s in n.scopes[level + 1 :]),
            n.name,
            n.layer,
            n.expansion,
            tuple(source(i) for i in n.inputs),
        )
        for n in block.nodes
    )


def _add(items: Sequence[_Item], level: int, depth: int | None, report: NetReport, out: list[Row]) -> None:
    for item in items:
        if isinstance(item, Node):
            out.append(_layer_row(item, level, report))
            continue
        out.append(_block_row(item, level, report))
        if depth is None or level < depth:
            _add(item.items, level + 1, depth, report, out)


def _layer_row(node: Node, level: int, report: NetReport) -> Row:
    e, field = node.expansion, report.facts.fields[node.id]
    held, back = activation_bytes(node), report.backward_of(node)
    return Row(level, node.name, node.describe(), 1, said(node), e.params, e.macs, held, back, field)


def _block_row(block: _Block, level: int, report: NetReport) -> Row:
    times, nodes = block.times, block.nodes
    last = nodes[-1]
    return Row(
        level,
        _span(block.first, block.last),
        block.written,
        times,
        said(last),
        times * sum(n.expansion.params for n in nodes),
        _copies(times, (n.expansion.macs for n in nodes)),
        _copies(times, map(activation_bytes, nodes)),
        _copies(times, map(report.backward_of, nodes)),
        report.facts.fields[last.id],
        is_block=True,
    )


def _copies(times: int, costs: Iterable[int | None]) -> int | None:
    one = total(costs)
    return None if one is None else times * one


def _span(first: str, last: str) -> str:
    """The names of blocks in a row.

    >>> _span("basic1", "basic1"), _span("basic1", "basic3"), _span("a", "b")
    ('basic1', 'basic1–3', 'a–b')
    """
    if first == last:
        return first
    stem = first.rstrip("0123456789")
    same = stem and last.startswith(stem) and last[len(stem) :].isdigit()
    return f"{first}–{last[len(stem) :] if same else last}"


def said(node: Node) -> str:
    """The shape of one example, as `6×28×28`; other element types than f32 are named."""
    t = node.type
    sizes = product(t.shape[1:])
    return sizes if t.dtype == "f32" else f"{t.dtype} {sizes}"
