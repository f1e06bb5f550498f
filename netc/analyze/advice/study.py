"""What all pieces of advice ask of a net: who reads whom, and which pixels of a map reach an output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from netc.analyze.facts import Facts
from netc.errors import Diagnostic, Note
from netc.graph.model import Graph, Node
from netc.layers.base import Window

LARGEST: Final = 4096  # pixels along an axis; larger maps are not looked into
Masks = tuple[int, int]  # for height and width: bit i is set if index i reaches an output


@dataclass(frozen=True)
class Study:
    """A net, its facts, and for each node those that read it."""

    facts: Facts
    readers: tuple[tuple[int, ...], ...]

    @property
    def graph(self) -> Graph:
        return self.facts.graph

    @property
    def layers(self) -> Iterable[Node]:
        return (n for n in self.graph.nodes if n.layer)

    def before(self, node: Node) -> Node:
        """What flows into a layer, the first tensor where there are several."""
        return self.graph.nodes[node.inputs[0]]

    def only_read_by(self, node: Node) -> Node | None:
        """The one reader of a tensor that is no output of the net."""
        readers = self.readers[node.id]
        if len(readers) != 1 or node.id in self.graph.outputs.values():
            return None
        return self.graph.nodes[readers[0]]

    @cached_property
    def read(self) -> tuple[Masks | None, ...]:
        """Which rows and columns of each map reach an output; None where sizes are not known, or there is no map."""
        return _reads(self)


def study(facts: Facts) -> Study:
    """A net with its readers."""
    readers: list[list[int]] = [[] for _ in facts.graph.nodes]
    for node in facts.graph.nodes:
        for i in node.inputs:
            readers[i].append(node.id)
    return Study(facts, tuple(map(tuple, readers)))


def advice(
    code: str, node: Node, message: str, label: str, help: str, notes: Iterable[tuple[Node, str]] = ()
) -> Diagnostic:
    """A piece of advice at a layer; `notes` are other layers with what is said of them."""
    told = tuple(Note(n.span, text) for n, text in notes if n.span != node.span)
    return Diagnostic(code, message, node.span, label, told, node.trace if node.scopes else (), help)


# ---- Pixels that reach an output ------------------------------------------------------------------------------------


def sides(node: Node) -> tuple[int, int] | None:
    """Height and width of a map where they are known and not huge."""
    shape = node.type.shape
    if len(shape) != 4:
        return None
    height, width = shape[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return (height, width) if max(height, width) <= LARGEST else None


def _reads(about: Study) -> tuple[Masks | None, ...]:
    graph = about.graph
    out: list[Masks | None] = []
    for node in graph.nodes:
        size = sides(node)
        ends = node.id in graph.outputs.values() or not about.readers[node.id]
        out.append(None if size is None else (_all(size[0]), _all(size[1])) if ends else (0, 0))
    for node in reversed(graph.nodes):
        for place, i in enumerate(node.inputs):
            known = out[i]
            if known:
                height, width = _read_by(node, place, graph.nodes[i], out[node.id])
                out[i] = known[0] | height, known[1] | width
    return tuple(out)


def _read_by(reader: Node, place: int, source: Node, mask: Masks | None) -> Masks:
    """What a layer reads of its operand, for the sake of the pixels that are read of its own result."""
    size = sides(source)
    assert size and reader.layer
    whole = _all(size[0]), _all(size[1])
    sight = reader.layer.window(source.type) if place == 0 else "point"
    if mask is None:
        return whole
    if sight == "point":
        return mask if sides(reader) == size else whole
    first, second = windows(reader, source) if place == 0 else (None, None)
    return (
        tapped(first, size[0], mask[0]) if first else whole[0],
        tapped(second, size[1], mask[1]) if second else whole[1],
    )


def windows(node: Node, source: Node) -> tuple[Window | None, Window | None]:
    """The windows of a layer along height and width; None where it sees in another way."""
    sight = node.layer.window(source.type) if node.layer else "point"
    if isinstance(sight, str):
        return None, None
    first, second = sight
    return (first if isinstance(first, Window) else None), (second if isinstance(second, Window) else None)


def _all(size: int) -> int:
    return (1 << size) - 1


@lru_cache(maxsize=4096)
def tapped(w: Window, size: int, outputs: int) -> int:
    """The inputs, as bits, that a window reads for the sake of some of its outputs.

    >>> bin(tapped(Window(kernel=2, stride=3), 7, 0b11))
    '0b11011'
    """
    spread = outputs
    if w.stride > 1:
        spread = sum(1 << (u * w.stride) for u in range(outputs.bit_length()) if outputs >> u & 1)
    taps = 0
    for t in range(w.kernel):
        taps |= spread << (t * w.dilation)
    taps = taps >> w.pad if w.pad >= 0 else taps << -w.pad  # a slice begins inside: its padding is negative
    return taps & _all(size)
