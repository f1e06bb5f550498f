"""Receptive fields: which inputs an output pixel can see.

Along one axis, the path from an input to a tensor maps the output index u to the interval [S·u + lo, S·u + hi].  A
window of kernel k, stride s, padding p and dilation d below it makes of that

    S' = S·s,   lo' = lo − S·p,   hi' = hi + S·(d(k − 1) − p)

so size r = hi − lo + 1, stride S and padding P = −lo agree with Araujo, Norris and Sim, "Computing Receptive Fields
of Convolutional Neural Networks", Distill 2019, equations 2 to 5.  Where paths meet, those of equal stride are merged
into their hull, which is exact for every index; paths of different strides are kept side by side, and the hull is
taken index by index.  A tensor is *aligned* if all its paths agree in stride and in centre.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from netc.graph.model import Graph, Node
from netc.layers.base import Window


@dataclass(frozen=True, slots=True)
class Axis:
    """The field along one axis: for each stride S the interval (lo, hi) at index 0."""

    paths: tuple[tuple[int, int, int], ...]  # (S, lo, hi), S increasing
    aligned: bool = True

    def at(self, u: int) -> tuple[int, int]:
        """First and last input index, not clipped to the input, that output index `u` sees."""
        return min(s * u + lo for s, lo, _ in self.paths), max(s * u + hi for s, _, hi in self.paths)

    @property
    def size(self) -> int:
        """How many inputs index 0 sees: every index, where all strides are equal."""
        low, high = self.at(0)
        return high - low + 1

    @property
    def stride(self) -> int:
        return self.paths[-1][0]

    @property
    def pad(self) -> int:
        return -self.at(0)[0]

    def through(self, w: Window) -> Axis:
        paths = (
            (s * w.stride, lo - s * w.pad, hi + s * (w.dilation * (w.kernel - 1) - w.pad))
            for s, lo, hi in self.paths
        )
        return Axis(tuple(paths), self.aligned)


@dataclass(frozen=True, slots=True)
class Field:
    """The field of a tensor over height and width.

    `whole`: some path sees the entire input (dense after flatten, gap, a gate); `axes` is then the field of the
    paths that do not, or None where there are none.
    """

    axes: tuple[Axis, Axis] | None
    whole: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of what a pixel sees; None where that is the whole input."""
        return None if self.whole else self.local

    @property
    def local(self) -> tuple[int, int] | None:
        return (self.axes[0].size, self.axes[1].size) if self.axes else None

    @property
    def stride(self) -> tuple[int, int] | None:
        return (self.axes[0].stride, self.axes[1].stride) if self.axes else None

    @property
    def pad(self) -> tuple[int, int] | None:
        return (self.axes[0].pad, self.axes[1].pad) if self.axes else None

    @property
    def aligned(self) -> bool:
        return self.axes is None or all(a.aligned for a in self.axes)


_POINT: Final = Field((Axis(((1, 0, 0),)), Axis(((1, 0, 0),))))


def fields(graph: Graph) -> tuple[Field | None, ...]:
    """The field of every node; None where no feature map flows into it."""
    out: list[Field | None] = []
    for node in graph.nodes:
        out.append(_field(node, graph, out))
    return tuple(out)


def _field(node: Node, graph: Graph, so_far: list[Field | None]) -> Field | None:
    if node.layer is None:
        return _POINT if node.type.rank == 4 else None
    known = [so_far[i] for i in node.inputs]
    seen = _join([f for f in known if f is not None])
    if seen is None:
        return None
    sight = node.layer.window(graph.nodes[node.inputs[0]].type)
    if sight == "point":
        return seen
    if sight == "whole":
        return Field(None, True)
    if seen.axes is None:
        return seen
    (height, width), (first, second) = seen.axes, sight
    return Field((height.through(first), width.through(second)), seen.whole)


def _join(fields: list[Field]) -> Field | None:
    if len(fields) <= 1:
        return fields[0] if fields else None
    local = [f.axes for f in fields if f.axes]
    axes = (_hull(a[0] for a in local), _hull(a[1] for a in local)) if local else None
    return Field(axes, any(f.whole for f in fields))


def _hull(axes: Iterable[Axis]) -> Axis:
    """All paths of several tensors: of equal stride one hull; aligned if strides and centres all agree."""
    merged: dict[int, tuple[int, int]] = {}
    centres: set[tuple[int, int]] = set()
    aligned = True
    for axis in axes:
        aligned = aligned and axis.aligned
        for s, lo, hi in axis.paths:
            low, high = merged.get(s, (lo, hi))
            merged[s] = (min(low, lo), max(high, hi))
            centres.add((s, lo + hi))
    return Axis(tuple((s, *merged[s]) for s in sorted(merged)), aligned and len(centres) == 1)
