"""The part of the input that one index of a tensor sees: `netc report --rf LAYER[i,j]`.

By the formula a pixel sees [S·u + lo, S·u + hi] along each axis, padding counted.  What of it lies in the input is
found step by step, for padding between layers holds nothing: each map on the way has the rows and columns that are
seen, as bits, and every layer hands them on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from netc.analyze.advice.study import Masks, sides, tapped, windows
from netc.analyze.explain import find
from netc.analyze.facts import Facts
from netc.analyze.figures import pair, times
from netc.analyze.receptive import Field
from netc.analyze.rows import said
from netc.errors import did_you_mean
from netc.graph.model import Graph, Node

SCHEMA: Final = "netc.rf/1"
_INDEX: Final = re.compile(r"(.+?)\[\s*(\d+)\s*,\s*(\d+)\s*\]")
Interval = tuple[int, int]  # first and last


class NoRegion(Exception):
    """What is asked for has no region; the text says why."""


@dataclass(frozen=True)
class Region:
    """What index (row, column) of a layer sees.

    `rows` and `columns` are by the formula, None where only paths that see all lead to it; `inside` gives for each
    input map the rows and columns of it that are seen, None of them where only padding is.
    """

    net: str
    node: Node
    index: tuple[int, int]
    field: Field
    rows: Interval | None
    columns: Interval | None
    inside: tuple[tuple[Node, tuple[Interval, Interval] | None], ...]


def region(facts: Facts, asked: str) -> Region:
    """The region of `LAYER[i,j]`.  Raises NoRegion."""
    match = _INDEX.fullmatch(asked.strip())
    if not match:
        raise NoRegion(f"`{asked}` is no index of a layer; write it as c3[0,4], row and column from 0")
    graph = facts.graph
    node, index = find(graph, match[1]), (int(match[2]), int(match[3]))
    if node is None:
        near = did_you_mean(match[1], [n.path for n in graph.nodes])
        raise NoRegion(f"there is no layer `{match[1]}`; {near or 'the report names them all'}")
    field = facts.fields[node.id]
    if field is None or node.type.rank != 4:
        raise NoRegion(f"`{node.path}` is no feature map, but {node.type!r}: it has no rows and columns")
    for i, size, what in zip(index, node.type.shape[2:], ("rows", "columns"), strict=True):
        if isinstance(size, int) and i >= size:
            raise NoRegion(f"`{node.path}` has {size} {what}, 0 to {size - 1}, and no {i}")
    ends = field.at(*index) or (None, None)
    maps = [n for n in graph.inputs if n.type.rank == 4]
    inside = [(n, seen) for n, seen in zip(maps, _inside(graph, node, index, maps, ends), strict=True)]
    return Region(graph.name, node, index, field, *ends, tuple(inside))


# ---- Step by step ---------------------------------------------------------------------------------------------------


def _inside(
    graph: Graph, node: Node, index: tuple[int, int], maps: Sequence[Node], ends: Sequence[Interval | None]
) -> list[tuple[Interval, Interval] | None]:
    """For each input map the rows and columns that are seen; the formula's, cut off, where a size is symbolic."""
    found = _seen(graph, node, index)
    out: list[tuple[Interval, Interval] | None] = []
    for image in maps:
        if found is None:
            out.append(_cut(image, ends))
            continue
        rows, columns = found.get(image.id, (0, 0))
        out.append((_hull(rows), _hull(columns)) if rows and columns else None)
    return out


def _hull(mask: int) -> Interval:
    """The first and the last bit.

    >>> _hull(0b10110)
    (1, 4)
    """
    return (mask & -mask).bit_length() - 1, mask.bit_length() - 1


def _cut(image: Node, ends: Sequence[Interval | None]) -> tuple[Interval, Interval] | None:
    out: list[Interval] = []
    for end, size in zip(ends, image.type.shape[2:], strict=True):
        if end is None:
            return None
        last = min(end[1], size - 1) if isinstance(size, int) else end[1]
        if last < max(end[0], 0):
            return None
        out.append((max(end[0], 0), last))
    return out[0], out[1]


def _seen(graph: Graph, node: Node, index: tuple[int, int]) -> dict[int, Masks] | None:
    """The rows and columns of every map that are seen; None where they cannot be told."""
    found: dict[int, Masks] = {node.id: (1 << index[0], 1 << index[1])}
    for reader in reversed(graph.nodes[: node.id + 1]):
        if reader.id not in found:
            continue
        if sides(reader) is None:
            return None
        for i in reader.inputs if reader.layer else ():
            source = graph.nodes[i]
            if source.type.rank != 4 or (reader.layer and reader.layer.window(source.type) == "whole"):
                continue  # a path that sees all, or nothing of a map
            masks = _handed_on(reader, source, found[reader.id])
            if masks is None:
                return None
            known = found.get(i, (0, 0))
            found[i] = known[0] | masks[0], known[1] | masks[1]
    return found


def _handed_on(reader: Node, source: Node, masks: Masks) -> Masks | None:
    """What a layer sees of a map it reads, for the sake of some of its own pixels; None where that is not known."""
    size, own = sides(source), sides(reader)
    if size is None or own is None or reader.layer is None:
        return None
    if reader.layer.window(source.type) == "point":
        out = [m if s == o else 1 if s == 1 else None for m, s, o in zip(masks, size, own, strict=True)]
    else:
        sight = windows(reader, source)
        out = [tapped(w, s, m) if w else None for w, s, m in zip(sight, size, masks, strict=True)]
    first, second = out
    return None if first is None or second is None else (first, second)


# ---- Said ----------------------------------------------------------------------------------------------------------


def region_dict(r: Region) -> dict[str, Any]:
    """One of the regions of `netc report --rf … --json`; intervals are first and last index."""
    return {
        "net": r.net,
        "layer": r.node.path,
        "index": list(r.index),
        "size": list(r.field.local) if r.field.local else None,
        "rows": list(r.rows) if r.rows else None,
        "columns": list(r.columns) if r.columns else None,
        "aligned": r.field.aligned,
        "global": r.field.whole,
        "inputs": [
            {
                "name": n.name,
                "rows": list(seen[0]) if seen else None,
                "columns": list(seen[1]) if seen else None,
            }
            for n, seen in r.inside
        ],
    }


def region_text(r: Region) -> str:
    """The region, its size, and what of it lies in each input."""
    i, j = r.index
    out = [f"{r.net}.{r.node.path}[{i},{j}]: {r.node.describe()}, {said(r.node)}", ""]
    rows: list[tuple[str, str]] = []
    if r.rows and r.columns:
        high, wide = r.rows[1] - r.rows[0] + 1, r.columns[1] - r.columns[0] + 1
        rows.append(
            ("field", f"{high}×{wide}: rows {_range(r.rows)}, columns {_range(r.columns)}, padding counted")
        )
        moves = f"stride {pair(r.field.stride)}, padding {pair(r.field.pad)}"
        rows.append(("", moves if r.field.aligned else f"{moves}; the hull of paths that differ"))
        rows += [(n.name, _of(n, seen)) for n, seen in r.inside]
    if r.field.whole:
        rows.append(("whole" if not r.rows else "and", "the whole input, by a path that sees all"))
    lead = max(len(name) for name, _ in rows) + 2
    return "\n".join([*out, *(f"{name:<{lead}}{text}" for name, text in rows)])


def _of(image: Node, seen: tuple[Interval, Interval] | None) -> str:
    whole = times(image.type.shape[2:])
    if seen is None:
        return f"nothing of {whole}, for all of it is padding"
    (top, bottom), (left, right) = seen
    size = f"{bottom - top + 1}×{right - left + 1}"
    known = all(isinstance(s, int) for s in image.type.shape[2:])
    end = "" if known else ", as far as that goes"
    return f"{size} of {whole}: rows {_range((top, bottom))}, columns {_range((left, right))}{end}"


def _range(interval: Interval) -> str:
    first, last = interval
    return f"{first} to {last}" if first < last else f"{first}"
