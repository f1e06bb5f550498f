"""The arrows of a picture: from box to box, and by way of a junction where a block forks what flows into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netc.draw.boxes import Box, Item, Layout
from netc.graph.model import Graph, Scope
from netc.types import TensorType

Place = tuple[Scope, ...]  # of a block: itself last


@dataclass(frozen=True, slots=True)
class Arrow:
    """A stretch from one point of the picture to another.

    `labelled` where its type is news: the box before changed it, and no stretch has said so yet.  `through` where
    it ends at a junction, without a head.  `straight` where it leads to the next rank, and passes nothing by.
    """

    source: str
    target: str
    type: TensorType
    labelled: bool
    through: bool
    straight: bool


@dataclass(frozen=True, slots=True)
class Arrows:
    """All arrows, and the junctions that lie in each block."""

    arrows: tuple[Arrow, ...]
    junctions: Mapping[Place, tuple[str, ...]]


_OUTPUT = "output "


def box_name(box: Box) -> str:
    """The name of a box in the DOT text."""
    return f"n{box.lead.id}"


def output_name(name: str) -> str:
    """The name of an output in the DOT text; no box and no junction has such a one."""
    return _OUTPUT + name


def arrows(graph: Graph, plan: Layout) -> Arrows:
    """The arrows between the boxes of a layout, and those to the outputs of the net."""
    homes = {n.id: (box, place) for box, place in _placed(plan.items, ()) for n in box.nodes}
    work = _Work(graph, plan.alias, homes)
    flows = [*_flows(plan.items, work), *((node, output_name(o), ()) for o, node in graph.outputs.items())]
    entries = Counter(
        (place, work.drawn(node)) for node, _, inside in flows for place in _entered(inside, work.place(node))
    )
    for node, target, inside in flows:
        forks = [p for p in _entered(inside, work.place(node)) if entries[p, work.drawn(node)] > 1]
        work.flow(node, target, forks)
    return Arrows(_ranked(work.out), {p: tuple(names) for p, names in work.junctions.items()})


def _ranked(out: Sequence[Arrow]) -> tuple[Arrow, ...]:
    """The arrows, told which lead to the next rank: that of a point is the longest way to it."""
    ranks: dict[str, int] = {}
    for a in out:  # all that leads to a point stands before all that leaves it
        ranks[a.target] = max(ranks.get(a.target, 0), ranks.get(a.source, 0) + 1)
    return tuple(replace(a, straight=ranks[a.target] == ranks.get(a.source, 0) + 1) for a in out)


def _placed(items: Sequence[Item], place: Place) -> Iterator[tuple[Box, Place]]:
    for item in items:
        if isinstance(item, Box):
            yield item, place
        else:
            yield from _placed(item.items, item.scopes)


def _flows(items: Sequence[Item], work: _Work) -> Iterator[tuple[int, str, Place]]:
    """What each box reads: the node, the box, and the block that the box lies in."""
    for box, place in _placed(items, ()):
        own = {n.id for n in box.nodes}
        read = [i for n in box.nodes for i in n.inputs if i not in own]
        for node in dict.fromkeys(read) if box.block else read:
            yield node, box_name(box), place


def _entered(inside: Place, outside: Place) -> list[Place]:
    """The blocks that one enters on the way from one place to another, outermost first."""
    places = [inside[: i + 1] for i in range(len(inside))]
    return [p for p in places if p != outside[: len(p)]]


@dataclass(slots=True)
class _Work:
    """The arrows as they are drawn, one flow after the other."""

    graph: Graph
    alias: Mapping[int, int]
    homes: Mapping[int, tuple[Box, Place]]
    out: list[Arrow] = field(default_factory=list[Arrow])
    junctions: dict[Place, list[str]] = field(default_factory=dict[Place, list[str]])
    said: set[int] = field(default_factory=set[int])

    def drawn(self, node: int) -> int:
        """The node that stands for a node in the picture."""
        while node in self.alias:
            node = self.alias[node]
        return node

    def place(self, node: int) -> Place:
        return self.homes[self.drawn(node)][1]

    def flow(self, node: int, target: str, forks: Sequence[Place]) -> None:
        """Draws one flow, stretch by stretch; a stretch that is there already is shared."""
        t = self.graph.nodes[node].type
        at = box_name(self.homes[self.drawn(node)][0])
        for place in forks:
            junction = f"{'.'.join(s.name for s in place)} < {self.drawn(node)}"
            names = self.junctions.setdefault(place, [])
            if junction not in names:
                names.append(junction)
                self._stretch(at, junction, t, node, through=True)
            at = junction
        self._stretch(at, target, t, node, through=False)

    def _stretch(self, source: str, target: str, t: TensorType, node: int, *, through: bool) -> None:
        ends = target.startswith(_OUTPUT)  # whose label has the shape
        news = not ends and node not in self.said and self._changes(node)
        if news:
            self.said.add(node)
        self.out.append(Arrow(source, target, t, news, through, straight=True))

    def _changes(self, node: int) -> bool:
        """Whether a node has another type than what flows into its box."""
        box = self.homes[self.drawn(node)][0]
        own = {n.id for n in box.nodes}
        into = next((i for n in box.nodes for i in n.inputs if i not in own), None)
        return into is not None and self.graph.nodes[into].type != self.graph.nodes[node].type
