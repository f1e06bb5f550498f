"""Receptive fields: which inputs an output pixel can see.

Along one axis, the path from an input to a tensor maps the output index u to the interval [S·u + lo, S·u + hi].  A
window of kernel k, stride s, padding p and dilation d below it makes of that

    S' = S·s,   lo' = lo − S·p,   hi' = hi + S·(d(k − 1) − p)

so size r = hi − lo + 1, stride S and padding P = −lo agree with Araujo, Norris and Sim, "Computing Receptive Fields
of Convolutional Neural Networks", Distill 2019, equations 2 to 5.  What enlarges a map (an upsampling, a transposed
convolution) sees from ⌊(m·u + a) / f⌋ to ⌊(m·u + b) / f⌋: ends become staircases, kept exactly (`stairs.py`), and the
stride S·m/f a fraction.  Where paths meet, those of one form are merged into their hull, which is exact for every
index; others are kept side by side, and the hull is taken index by index.  A tensor is *aligned* if all its paths
agree in stride and in centre.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from netc.analyze.stairs import Path, merged, widest
from netc.graph.model import Graph, Node
from netc.layers.base import Layer, Seen, Sight, Window
from netc.layers.embedding import Embedding
from netc.layers.join import Concat
from netc.layers.rearrange import Slice
from netc.types import Shape, TensorType


@dataclass(frozen=True, slots=True)
class Axis:
    """The field along one axis: the paths that lead to it, of increasing stride."""

    paths: tuple[Path, ...]
    aligned: bool = True

    def at(self, u: int) -> tuple[int, int]:
        """First and last input index, not clipped to the input, that output index `u` sees."""
        ends = [path.at(u) for path in self.paths]
        return min(first for first, _ in ends), max(last for _, last in ends)

    @property
    def size(self) -> int:
        """How many inputs an index sees: the most that any index does, where all strides are equal, else index 0."""
        return widest(self.paths)

    @property
    def stride(self) -> int | Fraction:
        """How many inputs apart the fields of neighbours are; of several paths the largest."""
        stride = self.paths[-1].stride
        return stride.numerator if stride.denominator == 1 else stride

    @property
    def pad(self) -> int:
        return -self.at(0)[0]

    def through(self, w: Seen) -> Axis:
        if isinstance(w, Window):
            step, low, high, over = w.stride, -w.pad, w.dilation * (w.kernel - 1) - w.pad, 1
        else:
            step, low, high, over = w.step, w.low, w.high, w.over
        return Axis(tuple(path.after(step, low, high, over) for path in self.paths), self.aligned)


@dataclass(frozen=True, slots=True)
class Field:
    """The field of a tensor over height and width.

    `whole`: some path sees the entire input (dense after flatten, gap, a gate); `axes` is then the field of the
    paths that do not, or None where there are none.  `turned`: rows and columns have changed places, so that the
    input's height is seen by the column of a pixel, and its width by the row.  `line`: maps have a length alone; they
    are one row, and what is told of them is told of the columns.
    """

    axes: tuple[Axis, Axis] | None
    whole: bool = False
    turned: bool = False
    line: bool = False

    def at(self, row: int, column: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """First and last row, first and last column of the input that a pixel sees, not clipped to the input.

        None where only paths that see the entire input lead to it.
        """
        if self.axes is None:
            return None
        first, second = (column, row) if self.turned else (row, column)
        return self.axes[0].at(first), self.axes[1].at(second)

    @property
    def told(self) -> tuple[Axis, ...]:
        """Height and width, or the length alone; nothing where only paths that see the entire input lead to it."""
        return () if self.axes is None else self.axes[1:] if self.line else self.axes

    @property
    def size(self) -> tuple[int, ...] | None:
        """Height and width of what a pixel sees, or its length; None where that is the whole input."""
        return None if self.whole else self.local

    @property
    def local(self) -> tuple[int, ...] | None:
        return tuple(a.size for a in self.told) or None

    @property
    def stride(self) -> tuple[int | Fraction, ...] | None:
        return tuple(a.stride for a in self.told) or None

    @property
    def pad(self) -> tuple[int, ...] | None:
        return tuple(a.pad for a in self.told) or None

    @property
    def aligned(self) -> bool:
        return self.axes is None or all(a.aligned for a in self.axes)


_PIXEL: Final = Axis((Path(1, 0, 0),))
_POINT: Final = Field((_PIXEL, _PIXEL))
_LINE: Final = Field((_PIXEL, _PIXEL), line=True)


def space(t: TensorType) -> Shape:
    """Height and width of a map, or the length of a line; nothing where there are neither."""
    return t.shape[1:] if is_row(t) else t.shape[2:] if t.rank in (3, 4) else ()


def is_row(t: TensorType) -> bool:
    """Whether these are whole numbers in a row: a line of points, to be embedded one by one."""
    return t.rank == 2 and t.dtype == "int"


def fields(graph: Graph) -> tuple[Field | None, ...]:
    """The field of every node; None where no feature map flows into it."""
    out: list[Field | None] = []
    for node in graph.nodes:
        out.append(_field(node, graph, out))
    return tuple(out)


def _field(node: Node, graph: Graph, so_far: list[Field | None]) -> Field | None:
    if node.layer is None:
        return {1: _LINE, 2: _POINT}.get(len(space(node.type)))
    known = [so_far[i] for i in node.inputs]
    if isinstance(node.layer, Concat) and (node.layer.axis != "C" or is_row(node.type)):
        known = _in_a_row(node, graph, known)
    seen = _join([f for f in known if f is not None])
    if seen is None:
        return None
    sight = sight_of(node.layer, graph.nodes[node.inputs[0]].type)
    if sight == "point":
        return seen
    if sight == "whole":
        return Field(None, True)
    if sight == "turned":
        return replace(seen, turned=not seen.turned)
    return _through(seen, *sight)


def sight_of(layer: Layer, x: TensorType) -> Sight:
    """What a layer sees of its first operand; of a row of whole numbers, the part that it keeps, or one by one."""
    if not is_row(x) or isinstance(layer, Embedding | Concat):
        return layer.window(x)
    return (Window(1), Window(1, 1, -layer.start)) if isinstance(layer, Slice) else "whole"


def _through(seen: Field, along_height: Seen, along_width: Seen) -> Field:
    if seen.axes is None:
        return seen
    if seen.turned:
        along_height, along_width = along_width, along_height
    height, width = seen.axes
    return replace(seen, axes=(height.through(along_height), width.through(along_width)))


def _in_a_row(node: Node, graph: Graph, known: list[Field | None]) -> list[Field | None]:
    """The operands of a concatenation along height or width, each from the place where it begins."""
    assert isinstance(node.layer, Concat)
    axis = "NCHW".index(node.layer.axis)
    height = node.layer.axis == "H"
    out: list[Field | None] = []
    start = 0
    for i, field in zip(node.inputs, known, strict=True):
        shifts = Window(1, 1, start if height else 0), Window(1, 1, 0 if height else start)
        out.append(field and _through(field, *shifts))
        size = graph.nodes[i].type.shape[axis]
        if not isinstance(size, int):
            return [Field(None, True)]  # where the next begins is not known
        start += size
    return out


def _join(fields: list[Field]) -> Field | None:
    if len(fields) <= 1:
        return fields[0] if fields else None
    local = [f for f in fields if f.axes]
    if not local or len({f.turned for f in local}) > 1:  # a row and a column at once: no rectangle
        return Field(None, True)
    both = [f.axes for f in local if f.axes]
    axes = _hull(a[0] for a in both), _hull(a[1] for a in both)
    return replace(local[0], axes=axes, whole=any(f.whole for f in fields))


def _hull(axes: Iterable[Axis]) -> Axis:
    """All paths of several tensors, merged; aligned if strides and centres all agree."""
    found = list(axes)
    paths = [path for axis in found for path in axis.paths]
    aligned = all(axis.aligned for axis in found) and len({path.centre for path in paths}) == 1
    return Axis(merged(paths), aligned)
