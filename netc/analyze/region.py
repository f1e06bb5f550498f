"""The part of the input that one index of a tensor sees: `netc report --rf LAYER[i,j]`.

By the formula a pixel sees [S·u + lo, S·u + hi] along each axis, padding counted.  What of it lies in the input is
found step by step, for padding between layers holds nothing: each map on the way has the rows and columns that are
seen, as bits, and every layer hands them on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from netc.analyze.advice.study import LARGEST, Masks, tapped, windows
from netc.analyze.explain import find
from netc.analyze.facts import Facts
from netc.analyze.figures import pair, times
from netc.analyze.receptive import Field
from netc.analyze.rows import said
from netc.errors import did_you_mean
from netc.graph.model import Graph, Node
from netc.sizes import Size

SCHEMA: Final = "netc.rf/1"
_INDEX: Final = re.compile(r"(.+?)\[\s*(\d+)\s*(?:,\s*(\d+)\s*)?\]")
Interval = tuple[int, int]  # first and last


class NoRegion(Exception):
    """What is asked for has no region; the text says why."""


@dataclass(frozen=True)
class Region:
    """What index (row, column), or (position,) of what has a length alone, of a layer sees.

    `ends` are by the formula, one an axis, None where only paths that see all lead to it; `inside` gives for each
    input map the part of it that is seen, None where that is padding alone.
    """

    net: str
    node: Node
    index: tuple[int, ...]
    field: Field
    ends: tuple[Interval, ...] | None
    inside: tuple[tuple[Node, tuple[Interval, ...] | None], ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """What the numbers of an axis are called."""
        return ("positions",) if self.field.line else ("rows", "columns")


def region(facts: Facts, asked: str) -> Region:
    """The region of `LAYER[i,j]`.  Raises NoRegion."""
    match = _INDEX.fullmatch(asked.strip())
    if not match:
        hint = "write it as c3[0,4], row and column from 0, or c3[4] along a length"
        raise NoRegion(f"`{asked}` is no index of a layer; {hint}")
    graph = facts.graph
    node, index = find(graph, match[1]), tuple(int(i) for i in match.groups()[1:] if i)
    if node is None:
        near = did_you_mean(match[1], [n.path for n in graph.nodes])
        raise NoRegion(f"there is no layer `{match[1]}`; {near or 'the report names them all'}")
    field = facts.fields[node.id]
    if field is None or node.type.rank not in (3, 4):
        raise NoRegion(f"`{node.path}` is no feature map, but {node.type!r}: it has no rows and columns")
    if len(index) != len(node.type.shape[2:]):
        wanted = "a row and a column" if node.type.rank == 4 else "one position, for it has a length alone"
        raise NoRegion(f"an index of `{node.path}` is {wanted}")
    made = Region(graph.name, node, index, field, None, ())
    for i, size, what in zip(index, node.type.shape[2:], made.axes, strict=True):
        if isinstance(size, int) and i >= size:
            raise NoRegion(f"`{node.path}` has {size} {what}, 0 to {size - 1}, and no {i}")
    row, column = index if len(index) == 2 else (0, *index)
    found = field.at(row, column)
    maps = [n for n in graph.inputs if n.type.rank == node.type.rank]
    inside = _inside(graph, node, (row, column), maps, found)
    part = slice(1 if field.line else 0, 2)
    cut = tuple((n, seen and seen[part]) for n, seen in zip(maps, inside, strict=True))
    return replace(made, ends=found and found[part], inside=cut)


# ---- Step by step ---------------------------------------------------------------------------------------------------


def _inside(
    graph: Graph,
    node: Node,
    index: tuple[int, int],
    maps: Sequence[Node],
    ends: tuple[Interval, Interval] | None,
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


def _cut(image: Node, ends: tuple[Interval, Interval] | None) -> tuple[Interval, Interval] | None:
    out: list[Interval] = []
    if ends is None:
        return None
    for end, size in zip(ends, _plane(image), strict=True):
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
        if _sides(reader) is None:
            return None
        for i in reader.inputs if reader.layer else ():
            source = graph.nodes[i]
            if source.type.rank not in (3, 4) or (
                reader.layer and reader.layer.window(source.type) == "whole"
            ):
                continue  # a path that sees all, or nothing of a map
            masks = _handed_on(reader, source, found[reader.id])
            if masks is None:
                return None
            known = found.get(i, (0, 0))
            found[i] = known[0] | masks[0], known[1] | masks[1]
    return found


def _handed_on(reader: Node, source: Node, masks: Masks) -> Masks | None:
    """What a layer sees of a map it reads, for the sake of some of its own pixels; None where that is not known."""
    size, own = _sides(source), _sides(reader)
    if size is None or own is None or reader.layer is None:
        return None
    if reader.layer.window(source.type) == "point":
        out = [m if s == o else 1 if s == 1 else None for m, s, o in zip(masks, size, own, strict=True)]
    else:
        sight = windows(reader, source)
        out = [tapped(w, s, m) if w else None for w, s, m in zip(sight, size, masks, strict=True)]
    first, second = out
    return None if first is None or second is None else (first, second)


def _plane(image: Node) -> tuple[Size, Size]:
    """Height and width; a line is a plane of one row."""
    height, width = (1, *image.type.shape[2:])[-2:]
    return height, width


def _sides(image: Node) -> tuple[int, int] | None:
    """Height and width where they are known and not huge."""
    height, width = _plane(image)
    if not isinstance(height, int) or not isinstance(width, int) or max(height, width) > LARGEST:
        return None
    return height, width


# ---- Said ----------------------------------------------------------------------------------------------------------


def region_dict(r: Region) -> dict[str, Any]:
    """One of the regions of `netc report --rf … --json`; intervals are first and last index."""
    return {
        "net": r.net,
        "layer": r.node.path,
        "index": list(r.index),
        "size": list(r.field.local) if r.field.local else None,
        **_intervals(r, r.ends),
        "aligned": r.field.aligned,
        "global": r.field.whole,
        "inputs": [{"name": n.name, **_intervals(r, seen)} for n, seen in r.inside],
    }


def _intervals(r: Region, ends: tuple[Interval, ...] | None) -> dict[str, list[int] | None]:
    return {axis: list(ends[i]) if ends else None for i, axis in enumerate(r.axes)}


def region_text(r: Region) -> str:
    """The region, its size, and what of it lies in each input."""
    index = ",".join(map(str, r.index))
    out = [f"{r.net}.{r.node.path}[{index}]: {r.node.describe()}, {said(r.node)}", ""]
    rows: list[tuple[str, str]] = []
    if r.ends:
        rows.append(("field", f"{_extent(r.ends)}: {_ranges(r, r.ends)}, padding counted"))
        moves = f"stride {pair(r.field.stride)}, padding {pair(r.field.pad)}"
        rows.append(("", moves if r.field.aligned else f"{moves}; the hull of paths that differ"))
        rows += [(n.name, _of(r, n, seen)) for n, seen in r.inside]
    if r.field.whole:
        rows.append(("whole" if not r.ends else "and", "the whole input, by a path that sees all"))
    lead = max(len(name) for name, _ in rows) + 2
    return "\n".join([*out, *(f"{name:<{lead}}{text}" for name, text in rows)])


def _of(r: Region, image: Node, seen: tuple[Interval, ...] | None) -> str:
    whole = times(image.type.shape[2:])
    if seen is None:
        return f"nothing of {whole}, for all of it is padding"
    known = all(isinstance(s, int) for s in image.type.shape[2:])
    end = "" if known else ", as far as that goes"
    return f"{_extent(seen)} of {whole}: {_ranges(r, seen)}{end}"


def _extent(ends: Sequence[Interval]) -> str:
    return times(last - first + 1 for first, last in ends)


def _ranges(r: Region, ends: Sequence[Interval]) -> str:
    return ", ".join(f"{axis} {_range(end)}" for axis, end in zip(r.axes, ends, strict=True))


def _range(interval: Interval) -> str:
    first, last = interval
    return f"{first} to {last}" if first < last else f"{first}"
