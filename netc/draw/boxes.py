"""What a picture shows of a graph: boxes, and blocks around them.

A layer and the activations, normalisations and dropouts that follow it are one box, as long as nothing else reads
what flows between them.  Blocks nest as they were written, down to a depth; below, a block is one box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from netc.draw import words
from netc.draw.fold import Parts, folded
from netc.graph.model import Graph, Node, Scope


@dataclass(frozen=True, slots=True)
class Box:
    """A layer with its strips, or (where `block` is given) a block that is not opened."""

    nodes: tuple[Node, ...]
    block: tuple[Scope, ...] = ()  # where it lies; itself last
    times: int = 1

    @property
    def lead(self) -> Node:
        return self.nodes[0]

    @property
    def params(self) -> int:
        """Of all copies, where the box stands for several, as in the report."""
        return self.times * sum(n.expansion.params for n in self.nodes)

    @property
    def leaves(self) -> tuple[Node, ...]:
        return self.nodes


@dataclass(frozen=True, slots=True)
class Cluster:
    """A block that is opened."""

    scopes: tuple[Scope, ...]  # itself last
    items: tuple[Item, ...]
    times: int = 1

    @property
    def leaves(self) -> tuple[Node, ...]:
        return tuple(n for item in self.items for n in item.leaves)


Item = Box | Cluster


@dataclass(frozen=True, slots=True)
class Layout:
    """The boxes and blocks of a graph.  `alias` leads from a node that is folded away to the one drawn for it."""

    items: tuple[Item, ...]
    alias: Mapping[int, int]


def layout(graph: Graph, *, depth: int | None, fold: bool) -> Layout:
    """The boxes and blocks of a graph; `depth` levels of blocks are opened, None opens all."""
    readers = _readers(graph)
    items = _nested(_groups(graph, readers), 0, depth)
    alias: dict[int, int] = {}
    if fold:
        items = _fold(items, _Folding(graph, readers, alias))
    return Layout(items, alias)


def _readers(graph: Graph) -> Mapping[int, list[int]]:
    """Who reads each node; an output of the net is a reader of its own, −1."""
    out: dict[int, list[int]] = {n.id: [] for n in graph.nodes}
    for n in graph.nodes:
        for i in n.inputs:
            out[i].append(n.id)
    for i in graph.outputs.values():
        out[i].append(-1)
    return out


def _groups(graph: Graph, readers: Mapping[int, list[int]]) -> list[list[Node]]:
    """Each layer with the strips that follow it, in the order of the layers."""
    group_of: dict[int, list[Node]] = {}
    out: list[list[Node]] = []
    for n in graph.nodes:
        before = graph.nodes[n.inputs[0]] if len(n.inputs) == 1 else None
        if (
            before is not None
            and words.is_strip(n)
            and before.layer is not None
            and before.scopes == n.scopes
            and readers[before.id] == [n.id]
        ):
            group = group_of[before.id]
        else:
            group = list[Node]()
            out.append(group)
        group.append(n)
        group_of[n.id] = group
    return out


def _nested(groups: Sequence[list[Node]], level: int, depth: int | None) -> tuple[Item, ...]:
    """The boxes of one level, with the blocks below it."""
    out: list[Item] = []
    for opens, run in groupby(groups, key=lambda g: g[0].scopes[: level + 1]):
        members = list(run)
        if len(opens) <= level:
            out += [Box(tuple(g)) for g in members]
        elif depth is not None and level >= depth:
            out.append(Box(tuple(sorted((n for g in members for n in g), key=lambda n: n.id)), block=opens))
        else:
            inner = _nested(members, level + 1, depth)
            alone = inner[0] if len(inner) == 1 else None
            # A frame around one layer would say nothing that the layer does not.
            out.append(alone if isinstance(alone, Box) and not alone.block else Cluster(opens, inner))
    return tuple(out)


# ---- Folding ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folding:
    graph: Graph
    readers: Mapping[int, list[int]]
    alias: dict[int, int]  # a node that is not drawn, and the node of the first copy that stands for it


_LAYERS_IN_A_ROW = 4  # fewer plain layers are drawn one by one, as papers do


def _fold(items: Sequence[Item], by: _Folding) -> tuple[Item, ...]:
    inner = [Cluster(i.scopes, _fold(i.items, by), i.times) if isinstance(i, Cluster) else i for i in items]
    parts = [Parts.of([n.id for n in original.leaves], by.graph) for original in items]
    out: list[Item] = []
    for start, times in folded(parts, by.readers):
        first = inner[start]
        plain = isinstance(first, Box) and not first.block
        if times == 1 or (plain and times < _LAYERS_IN_A_ROW):
            out += inner[start : start + times]
            continue
        for copy in parts[start + 1 : start + times]:
            by.alias.update(zip(copy.nodes, parts[start].nodes, strict=True))
        scopes = _shortest(
            [i.block if isinstance(i, Box) else i.scopes for i in items[start : start + times]]
        )
        out.append(
            Box(first.nodes, scopes, times) if isinstance(first, Box) else Cluster(scopes, first.items, times)
        )
    return tuple(out)


def _shortest(scopes: Sequence[tuple[Scope, ...]]) -> tuple[Scope, ...]:
    """The first way of saying the same that is shortest: `Basic(64)`, not `Basic(64, stride=1)`."""
    return min(scopes, key=lambda s: len(s[-1].written) if s else 0)


def boxes(items: Sequence[Item]) -> list[Box]:
    """All boxes, those in blocks too."""
    return [b for i in items for b in ([i] if isinstance(i, Box) else boxes(i.items))]
