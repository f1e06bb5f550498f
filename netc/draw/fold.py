"""Which parts of a picture, standing one after the other, are copies of one another."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netc.graph.model import Graph


@dataclass(frozen=True, slots=True)
class Parts:
    """The nodes of one part of a picture, those outside that they read, and all that makes a copy equal."""

    nodes: tuple[int, ...]
    reads: tuple[int, ...]
    signature: Hashable

    @staticmethod
    def of(ids: Sequence[int], graph: Graph) -> Parts:
        """The part that the nodes `ids` make."""
        place = {node: i for i, node in enumerate(ids)}
        outside: dict[int, int] = {}
        signature: list[Hashable] = []
        for node in (graph.nodes[i] for i in ids):
            inputs = tuple(
                place[i] if i in place else -1 - outside.setdefault(i, len(outside)) for i in node.inputs
            )
            weights = node.own, node.expansion.counted
            signature.append((node.layer, weights, node.type.shape, node.type.dtype, inputs))
        types = [repr(graph.nodes[i].type) for i in outside]
        return Parts(tuple(ids), tuple(outside), (tuple(signature), tuple(types)))


def folded(parts: Sequence[Parts], readers: Mapping[int, list[int]]) -> Iterator[tuple[int, int]]:
    """The parts as runs of copies: the place of the first, and how many there are."""
    start = 0
    while start < len(parts):
        times = 1
        while start + times < len(parts):
            end = start + times
            if not _continues(parts[max(start, end - 2) : end + 1], readers):
                break
            times += 1
        yield start, times
        start += times


def _continues(run: Sequence[Parts], readers: Mapping[int, list[int]]) -> bool:
    """Whether the last of two or three parts is a copy of the one before it, and fed by it as that one was by its own.

    Nothing else may read the one before: an arrow out of the middle of a fold could not be drawn.
    """
    before, last = run[-2:]
    if before.signature != last.signature or not last.reads:
        return False
    taken = _taken(before, last)
    if taken is None or (len(run) > 2 and _taken(run[-3], before) != taken):
        return False
    allowed = {*before.nodes, *last.nodes}
    return all(reader in allowed for node in before.nodes for reader in readers[node])


def _taken(before: Parts, last: Parts) -> tuple[int, ...] | None:
    """The places, among the nodes of one part, of what the next one reads; nothing where it reads elsewhere."""
    place = {node: i for i, node in enumerate(before.nodes)}
    if any(node not in place for node in last.reads):
        return None
    return tuple(place[node] for node in last.reads)
