"""The part of the input that one index of a tensor sees: `netc report --rf LAYER[i,j]`.

By the formula a pixel sees [S·u + lo, S·u + hi] along each axis, padding counted.  What of it lies in the input is
found step by step, for padding between layers holds nothing: each map on the way has the rows and columns that are
seen, as bits, and every layer hands them on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from netc.analyze.advice.study import LARGEST, Masks, tapped
from netc.analyze.explain import find
from netc.analyze.facts import Facts
from netc.analyze.figures import pair, times
from netc.analyze.receptive import Field, fields, is_row, sight_of, space
from netc.analyze.rows import said
from netc.analyze.unfound import no_layer
from netc.graph.model import Graph, Node
from netc.layers.base import Rise, Seen, Window
from netc.layers.join import Concat
from netc.sizes import Size

SCHEMA: Final = "netc.rf/1"
_INDEX: Final = re.compile(r"(.+?)\[\s*(\d{1,10})\s*(?:,\s*(\d{1,10})\s*)?\]")
Interval = tuple[int, int]  # first and last
Ends = tuple[Interval, Interval] | None  # of rows and of columns


class NoRegion(Exception):
    """What is asked for has no region; the text says why."""


@dataclass(frozen=True)
class Region:
    """What index (row, column), or (position,) of what has a length alone, of a layer sees.

    `ends` are by the formula, one an axis, None where only paths that see all lead to it; `inside` gives for each
    input map that flows into it the part of it that is seen, None where that is nothing.  `whole` are the inputs that
    are seen by paths that see all, which may be others.
    """

    net: str
    node: Node
    index: tuple[int, ...]
    field: Field
    ends: tuple[Interval, ...] | None
    inside: tuple[tuple[Node, tuple[Interval, ...] | None], ...]
    whole: tuple[Node, ...] = ()

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
        raise NoRegion(no_layer(match[1], [n.path for n in graph.nodes]))
    field = facts.fields[node.id]
    size = space(node.type)
    if field is None and size:
        raise NoRegion(f"`{node.path}` has no receptive field, for no feature map flows into it")
    if field is None or not size:
        raise NoRegion(f"`{node.path}` is no feature map, but {node.type!r}: it has no rows and columns")
    if len(index) != len(size):
        wanted = "a row and a column" if len(size) == 2 else "one position, for it has a length alone"
        raise NoRegion(f"an index of `{node.path}` is {wanted}")
    made = Region(graph.name, node, index, field, None, ())
    for i, side, what in zip(index, size, made.axes, strict=True):
        if isinstance(side, int) and i >= side:
            raise NoRegion(f"`{node.path}` has {side} {what}, 0 to {side - 1}, and no {i}")
    row, column = index if len(index) == 2 else (0, *index)
    ends, part = field.at(row, column), slice(1 if field.line else 0, 2)
    own = {n.id: fields(graph, n)[node.id] for n in graph.inputs}
    reaching = [(n, f) for n in graph.inputs if (f := own[n.id])]
    maps = [(n, f.at(row, column)) for n, f in reaching if f.axes and len(space(n.type)) == len(size)]
    inside = tuple((n, seen and seen[part]) for n, seen in _inside(graph, node, (row, column), maps))
    return replace(
        made, ends=ends and ends[part], inside=inside, whole=tuple(n for n, f in reaching if f.whole)
    )


# ---- Step by step ---------------------------------------------------------------------------------------------------


def _inside(
    graph: Graph,
    node: Node,
    index: tuple[int, int],
    maps: Sequence[tuple[Node, Ends]],
) -> Iterator[tuple[Node, Ends]]:
    """For each input map the first and last row and column that are seen; its formula's, cut off, where a size is not
    known or huge.
    """
    found = _seen(graph, node, index)
    for image, ends in maps:
        if found is None:
            yield image, _cut(image, ends)
            continue
        rows, columns = found.get(image.id, (0, 0))
        yield image, (_hull(rows), _hull(columns)) if rows and columns else None


def _hull(mask: int) -> Interval:
    """The first and the last bit.

    >>> _hull(0b10110)
    (1, 4)
    """
    return (mask & -mask).bit_length() - 1, mask.bit_length() - 1


def _cut(image: Node, ends: Ends) -> Ends:
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
    if _sides(node) is None:
        return None
    found: dict[int, Masks] = {node.id: (1 << index[0], 1 << index[1])}
    for reader in reversed(graph.nodes[: node.id + 1]):
        if reader.id not in found or reader.layer is None:
            continue
        for place, i in enumerate(reader.inputs):
            source = graph.nodes[i]
            if not space(source.type) or sight_of(reader.layer, source.type) == "whole":
                continue  # a path that sees all, or nothing of a map
            if _sides(source) is None or _sides(reader) is None:
                return None
            rows, columns = _handed_on(graph, reader, place, found[reader.id])
            if rows and columns:  # else padding, or gaps between windows
                known = found.get(i, (0, 0))
                found[i] = known[0] | rows, known[1] | columns
    return found


def _handed_on(graph: Graph, reader: Node, place: int, masks: Masks) -> Masks:
    """What a layer sees of an operand, for the sake of some of its own pixels."""
    layer, source = reader.layer, graph.nodes[reader.inputs[place]]
    size, own = _sides(source), _sides(reader)
    assert layer
    assert size
    assert own
    if isinstance(layer, Concat) and (layer.axis != "C" or is_row(source.type)):
        axis = 0 if layer.axis == "H" else 1
        before = (_sides(graph.nodes[i]) for i in reader.inputs[:place])
        start = sum(sides[axis] for sides in before if sides)
        rows, columns = (m >> start if i == axis else m for i, m in enumerate(masks))
        return rows & ((1 << size[0]) - 1), columns & ((1 << size[1]) - 1)
    sight = sight_of(layer, source.type)
    if sight == "turned":
        return masks[1], masks[0]
    if isinstance(sight, str):  # a point; what is repeated, as a gate is, has one
        rows, columns = (m if s == o else 1 for m, s, o in zip(masks, size, own, strict=True))
    else:
        border = getattr(layer, "border", "zero")
        rows, columns = (_taps(w, border, s, m) for w, s, m in zip(sight, size, masks, strict=True))
    return rows, columns


def _taps(w: Seen, border: str, size: int, outputs: int) -> int:
    """The inputs, as bits, of an axis of `size` that some outputs see.

    >>> bin(_taps(Window(3, pad=1), "circular", 8, 0b1)), bin(_taps(Rise(2), "zero", 4, 0b11000))
    ('0b10000011', '0b110')
    """
    if isinstance(w, Window) and border == "zero":
        return tapped(w, size, outputs)
    seen = 0
    if isinstance(w, Rise) and w.writes:
        for i in range(size):
            seen |= bool(tapped(w.writes, outputs.bit_length(), 1 << i) & outputs) << i
        return seen
    for u in range(outputs.bit_length()):
        if not outputs >> u & 1:
            continue
        if isinstance(w, Rise):
            low, high = (
                max(0, min(size, (w.step * u + end) // w.over + i)) for i, end in enumerate((w.low, w.high))
            )
            seen |= (1 << max(high, low)) - (1 << low)
        else:
            first = u * w.stride - w.pad
            for t in range(first, first + w.kernel * w.dilation, w.dilation):
                seen |= 1 << _shown(t, size, border)
    return seen


def _shown(t: int, size: int, border: str) -> int:
    """The index whose value a border shows at t."""
    if border == "circular":
        return t % size
    if border == "replicate":
        return max(0, min(t, size - 1))
    return -t if t < 0 else min(t, 2 * (size - 1) - t)  # mirrored at the last pixel


def _plane(image: Node) -> tuple[Size, Size]:
    """Height and width; a line is a plane of one row."""
    height, width = (1, *space(image.type))[-2:]
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
    parts = [n for n, _ in r.inside]
    return {
        "net": r.net,
        "layer": r.node.path,
        "index": list(r.index),
        "size": list(r.field.local) if r.field.local else None,
        **_intervals(r, r.ends),
        "aligned": r.field.aligned,
        "global": r.field.whole,
        "inputs": [{"name": n.name, **_intervals(r, seen), "global": n in r.whole} for n, seen in r.inside]
        + [{"name": n.name, **_intervals(r, None), "global": True} for n in r.whole if n not in parts],
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
        several = len({n.id for n in (*r.whole, *(n for n, _ in r.inside))}) > 1
        which = "whole " + " and ".join(f"`{n.name}`" for n in r.whole) if several else "whole input"
        rows.append(("whole" if not r.ends else "and", f"the {which}, by a path that sees all"))
    lead = max(len(name) for name, _ in rows) + 2
    return "\n".join([*out, *(f"{name:<{lead}}{text}" for name, text in rows)])


def _of(r: Region, image: Node, seen: tuple[Interval, ...] | None) -> str:
    whole = times(space(image.type))
    if seen is None:
        return f"nothing of {whole}: padding, or gaps between windows"
    known = all(isinstance(s, int) for s in space(image.type))
    end = "" if known else ", as far as that goes"
    return f"{_extent(seen)} of {whole}: {_ranges(r, seen)}{end}"


def _extent(ends: Sequence[Interval]) -> str:
    return times(last - first + 1 for first, last in ends)


def _ranges(r: Region, ends: Sequence[Interval]) -> str:
    return ", ".join(f"{axis} {_range(end)}" for axis, end in zip(r.axes, ends, strict=True))


def _range(interval: Interval) -> str:
    first, last = interval
    return f"{first} to {last}" if first < last else f"{first}"
