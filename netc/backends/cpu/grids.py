"""Convolutions as grids: which numbers of a source each output pixel reads, and where it is written.

Along each axis, output pixel i of a grid reads the source at i·step + offset for each tap, and is written
at first + i·stride.  A forward convolution is one grid.  A convolution by data gathers too: input pixel p
gets the gradient of output pixel q through tap t where q·stride = p + padding − t·dilation.  For p +
padding ≡ phase (mod stride) only some taps meet that, always the same ones, with neighbouring q for
neighbouring p of that phase: so it is one grid for each phase of the rows and the columns, and for stride 1
a single one, with the window turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Axis:
    """`count` pixels, of which neighbours read `step` apart; `taps` are (offset, tap of the weights) by
    offset, the first at 0.  `lead` is how far before the source's beginning pixel 0 reads (negative where
    it reads behind it).
    """

    count: int
    step: int
    lead: int
    taps: tuple[tuple[int, int], ...]
    first: int
    stride: int
    short: int = 0  # how much earlier than `step` says the last pixel reads

    @property
    def reach(self) -> int:
        """How many rows or columns of the source one pixel's window spans."""
        return self.taps[-1][0] + 1 if self.taps else 1

    @property
    def extent(self) -> int:
        """How many all pixels span."""
        return (self.count - 1) * self.step + self.reach - self.short

    def together(self, size: int) -> Axis:
        """The axis with `size` neighbouring pixels as one, which sees what they see.  Where the number of pixels is no
        multiple, the last ones are computed twice: the last group ends where the axis does.
        """
        groups = -(-self.count // size)
        seen = tuple((i, i) for i in range(self.reach + (size - 1) * self.step))
        short = (groups * size - self.count) * self.step
        return Axis(groups, size * self.step, self.lead, seen, self.first, size * self.stride, short)

    def inside(self, size: int) -> bool:
        """Whether no pixel reads outside of a source of this size."""
        return self.lead <= 0 and self.extent - self.lead <= size


@dataclass(frozen=True, slots=True)
class Grid:
    rows: Axis
    cols: Axis

    @property
    def taps(self) -> int:
        return len(self.rows.taps) * len(self.cols.taps)

    def together(self, pixels: int) -> Grid:
        """The grid with so many neighbouring pixels of a row as one."""
        return Grid(self.rows, self.cols.together(pixels)) if pixels > 1 else self

    def order(self, s: int) -> Any:
        """The number in a window of `s` columns of each tap, in the order in which they are read: `(taps,)`."""
        return np.array([r * s + t for (_, r), (_, t) in product(self.rows.taps, self.cols.taps)], np.int64)

    def stretches(self, width: int, c: int, groups: int) -> tuple[Any, int]:
        """Where in a source of `width` columns each stretch of neighbouring numbers begins that a pixel's
        window sees, and how long all are.  Neighbouring columns are one stretch, unless groups of channels
        part them.
        """
        offsets = [offset for offset, _ in self.cols.taps]
        joined = groups == 1 and offsets == list(range(len(offsets)))
        starts, run = ([0], len(offsets) * c) if joined else (offsets, c // groups)
        places = [(r * width + s) * c for (r, _), s in product(self.rows.taps, starts)]
        return np.array(places, np.int64), run


def forward_axis(count: int, taps: int, stride: int, dilation: int, pad: int) -> Axis:
    """Output pixels 0..count of a convolution along one axis."""
    return Axis(count, stride, pad, tuple((t * dilation, t) for t in range(taps)), 0, 1)


def data_axes(size: int, taps: int, stride: int, dilation: int, pad: int) -> Iterator[Axis]:
    """The phases of `size` input pixels along one axis; those that no tap meets have no taps."""
    for phase in range(stride):
        first = (phase - pad) % stride
        count = -(-(size - first) // stride)
        if count <= 0:
            continue
        met = sorted(
            ((phase - t * dilation) // stride, t) for t in range(taps) if (phase - t * dilation) % stride == 0
        )
        begin = (first + pad - phase) // stride + (met[0][0] if met else 0)
        yield Axis(count, 1, -begin, tuple((q - met[0][0], t) for q, t in met), first, stride)
