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

    @cached_property
    def ends(self) -> frozenset[int]:
        """The nodes that are outputs of the net."""
        return frozenset(self.graph.outputs.values())

    def only_read_by(self, node: Node) -> Node | None:
        """The one reader of a tensor that is no output of the net."""
        readers = self.readers[node.id]
        if len(readers) != 1 or node.id in self.ends:
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
        ends = node.id in about.ends or not about.readers[node.id]
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

    Time and memory depend on `size` and on how many outputs there are, not on how far windows, strides or padding
    reach beyond the map.

    >>> bin(tapped(Window(kernel=2, stride=3), 7, 0b11))
    '0b11011'
    >>> bin(tapped(Window(kernel=3, stride=2**40, pad=2**40, dilation=2**40), 5, 0b111))
    '0b1'
    """
    # Output u reads u·stride − pad + t·dilation for every t below kernel: only those inside the map matter.
    last = outputs.bit_length() - 1
    far = (w.kernel - 1) * w.dilation
    begin = max(0, -((far - w.pad) // w.stride))
    end = min(last, (size - 1 + w.pad) // w.stride)
    some = outputs >> begin & _all(end - begin + 1) if begin <= end else 0
    if not some:
        return 0
    low, high = w.pad - end * w.stride, size - 1 + w.pad - begin * w.stride
    first, final = max(0, -(-low // w.dilation)), min(w.kernel - 1, high // w.dilation)
    shift = begin * w.stride - w.pad + first * w.dilation
    count = final - first + 1
    if count <= 0:
        return 0
    if (some.bit_length() - 1) * w.stride + (count - 1) * w.dilation <= _DENSE:
        reached = _repeated(_spread(some, w.stride), w.dilation, count)
        return (reached << shift if shift >= 0 else reached >> -shift) & _all(size)
    # Far apart: each of the fewer ones, outputs or taps, reads a row of inputs with equal gaps, cut off by the map.
    taps = 0
    if count <= some.bit_length():
        for t in range(count):
            taps |= _row(some, w.stride, shift + t * w.dilation, size)
    else:
        for u in range(some.bit_length()):
            if some >> u & 1:
                taps |= _row(_all(count), w.dilation, shift + u * w.stride, size)
    return taps


_DENSE: Final = 1 << 20  # bits that are worked on at once


def _spread(bits: int, step: int) -> int:
    """Bit i moved to i·step."""
    return int(("0" * (step - 1)).join(f"{bits:b}"), 2) if step > 1 < bits else bits


def _repeated(bits: int, step: int, count: int) -> int:
    """The bits, and again `step` further on, `count` times in all."""
    out, done = bits, 1
    while done < count:
        more = min(done, count - done)
        out |= out << (more * step)
        done += more
    return out


def _row(bits: int, step: int, begin: int, size: int) -> int:
    """Bit i at begin + i·step, as far as that lies from 0 to size − 1."""
    first = max(0, -(begin // step))
    final = min(bits.bit_length() - 1, (size - 1 - begin) // step)
    if first > final:
        return 0
    return _spread(bits >> first & _all(final - first + 1), step) << (begin + first * step)
