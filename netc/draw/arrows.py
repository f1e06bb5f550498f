"""The arrows of a picture: from box to box, and by way of a junction where a block forks what flows into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from netc.draw.boxes import Box, Item, Layout
from netc.graph.model import Graph, Scope
from netc.types import TensorType

Place = tuple[Scope, ...]  # of a block: itself last


@dataclass(frozen=True, slots=True)
class Arrow:
    """A stretch from one point of the picture to another.

    `labelled` where its type is news: the box before changed it, and no stretch has said so yet.  `through` where
    it ends at a junction, without a head.  `times` the tensor is read: both operands of x + x come on one arrow.
    `span` is how many ranks it goes down, and `weight` how much Graphviz is to keep it short and straight.
    """

    source: str
    target: str
    type: TensorType
    labelled: bool
    through: bool
    times: int = 1
    span: int = 1
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Arrows:
    """All arrows, the junctions that lie in each block, and how many points stand side by side at most."""

    arrows: tuple[Arrow, ...]
    junctions: Mapping[Place, tuple[str, ...]]
    widest: int

    @property
    def passed(self) -> int:
        """How many ranks arrows pass by, all together."""
        return sum(a.span - 1 for a in self.arrows)


COLUMN: Final = 6  # the weight of an arrow in a column of layers
FORK: Final = 2  # of one from a fork to what stands right below it
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
    flows = [
        *_flows(plan.items, work),
        *((node, output_name(o), (), 1) for o, node in graph.outputs.items()),
    ]
    entries = Counter(
        (place, work.drawn(node))
        for node, _, inside, _ in flows
        for place in _entered(inside, work.place(node))
    )
    for node, target, inside, times in flows:
        forks = [p for p in _entered(inside, work.place(node)) if entries[p, work.drawn(node)] > 1]
        work.flow(node, target, forks, times)
    ranks = _ranks(work.out)
    ranked = _weighed([replace(a, span=ranks[a.target] - ranks[a.source]) for a in work.out])
    widest = max(Counter(ranks.values()).values(), default=1)
    return Arrows(ranked, {p: tuple(names) for p, names in work.junctions.items()}, widest)


def _ranks(out: Sequence[Arrow]) -> dict[str, int]:
    """The rank of every point: the longest way to it."""
    ranks: dict[str, int] = {}
    for a in out:  # all that leads to a point stands before all that leaves it
        ranks[a.target] = max(ranks.get(a.target, 0), ranks.setdefault(a.source, 0) + 1)
    return ranks


def _weighed(out: Sequence[Arrow]) -> tuple[Arrow, ...]:
    """The arrows with their weights.

    A column follows the longest way on, where that is one.  Of several equal ways none is kept straight, so that what
    they fork from and what joins them both stand in the middle of all: else each Inception would stand aside of the one
    above it.  The first layers of all ways stand side by side right below the fork.
    """
    left: dict[str, int] = {}  # the longest way from a point
    for a in reversed(out):
        left[a.source] = max(left.get(a.source, 0), left.setdefault(a.target, 0) + 1)
    longest = [a.span == 1 and left[a.source] == left[a.target] + 1 for a in out]
    onward = Counter(a.source for a, one in zip(out, longest, strict=True) if one)
    into = Counter(a.target for a in out if a.span == 1)
    forks = Counter(a.source for a in out)
    weighed: list[Arrow] = []
    for a, one in zip(out, longest, strict=True):
        column = one and into[a.target] == onward[a.source] == 1
        weighed.append(replace(a, weight=COLUMN if column else FORK if a.span == 1 < forks[a.source] else 1))
    return tuple(weighed)


def _placed(items: Sequence[Item], place: Place) -> Iterator[tuple[Box, Place]]:
    for item in items:
        if isinstance(item, Box):
            yield item, place
        else:
            yield from _placed(item.items, item.scopes)


def _flows(items: Sequence[Item], work: _Work) -> Iterator[tuple[int, str, Place, int]]:
    """What each box reads: the node, the box, the block that the box lies in, and how often it is read."""
    for box, place in _placed(items, ()):
        own = {n.id for n in box.nodes}
        read = [i for n in box.nodes for i in n.inputs if i not in own]
        for node, times in Counter(read).items():
            yield node, box_name(box), place, 1 if box.block else times


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
    junctions: dict[Place, dict[str, None]] = field(default_factory=dict[Place, dict[str, None]])
    said: set[int] = field(default_factory=set[int])

    def drawn(self, node: int) -> int:
        """The node that stands for a node in the picture."""
        while node in self.alias:
            node = self.alias[node]
        return node

    def place(self, node: int) -> Place:
        return self.homes[self.drawn(node)][1]

    def flow(self, node: int, target: str, forks: Sequence[Place], times: int) -> None:
        """Draws one flow, stretch by stretch; a stretch that is there already is shared."""
        t = self.graph.nodes[node].type
        at = box_name(self.homes[self.drawn(node)][0])
        for place in forks:
            junction = f"{'.'.join(s.name for s in place)} < {self.drawn(node)}"
            names = self.junctions.setdefault(place, {})
            if junction not in names:
                names[junction] = None
                self._stretch(at, junction, t, node, through=True)
            at = junction
        self._stretch(at, target, t, node, times, through=False)

    def _stretch(
        self, source: str, target: str, t: TensorType, node: int, times: int = 1, *, through: bool
    ) -> None:
        ends = target.startswith(_OUTPUT)  # whose label has the shape
        news = not ends and node not in self.said and self._changes(node)
        if news:
            self.said.add(node)
        self.out.append(Arrow(source, target, t, news, through, times))

    def _changes(self, node: int) -> bool:
        """Whether a node has another type than what flows into its box."""
        box = self.homes[self.drawn(node)][0]
        own = {n.id for n in box.nodes}
        into = next((i for n in box.nodes for i in n.inputs if i not in own), None)
        return into is not None and self.graph.nodes[into].type != self.graph.nodes[node].type
