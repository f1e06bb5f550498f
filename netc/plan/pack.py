"""Packs stretches of life into one arena: two buffers that are ever live together get different bytes.

The best packing is NP-hard.  Two quick ones are made and the smaller is taken: a sweep through time that
gives each buffer the tightest hole, and the largest buffers placed first (Pisarchyk and Lee, 2020, "Efficient
memory management for deep neural net inference", greedy by size) with the many small ones swept into an arena
of their own above them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALIGNMENT: Final = 64  # bytes: a cache line, and the widest vector register
_LARGE: Final = 256  # how many buffers are placed by size; each is compared with all before it


@dataclass(frozen=True, slots=True)
class Buffer:
    """`nbytes` that are needed from equation `start` to equation `end`, both included."""

    start: int
    end: int
    nbytes: int

    @property
    def padded(self) -> int:
        return -(-self.nbytes // ALIGNMENT) * ALIGNMENT


def pack(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """An offset for each buffer, each a multiple of 64, and the size of the arena, in bytes.

    >>> pack([Buffer(0, 2, 64), Buffer(1, 2, 64), Buffer(3, 4, 128)])
    ([0, 64, 0], 128)
    """
    least, _ = live_peak(buffers, max((b.end for b in buffers), default=-1) + 1)
    best = _sweep(buffers)
    if best[1] > least:  # none can be smaller than what is live at once
        best = min(best, _sweep([Buffer(-b.end, -b.start, b.nbytes) for b in buffers]), key=_arena)
    return min(best, _by_size(buffers), key=_arena) if best[1] > least else best


def _arena(packing: tuple[list[int], int]) -> int:
    return packing[1]


def live_peak(buffers: Sequence[Buffer], equations: int) -> tuple[int, int]:
    """The most bytes live at once, and the first equation at which they are."""
    change = [0] * (equations + 2)
    for b in buffers:
        change[b.start] += b.padded
        change[b.end + 1] -= b.padded
    live = most = 0
    where = -1
    for at in range(equations):
        live += change[at]
        if live > most:
            most, where = live, at
    return most, where


def _sweep(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Through time: what ended gives its bytes back, what starts gets the tightest hole, or the top."""
    offsets = [0] * len(buffers)
    needs = [b.padded for b in buffers]
    holes = _Holes()
    top = 0
    ending = sorted(range(len(buffers)), key=lambda i: buffers[i].end)
    ended = 0
    for i in sorted(range(len(buffers)), key=lambda i: (buffers[i].start, -buffers[i].nbytes)):
        while buffers[ending[ended]].end < buffers[i].start:
            j = ending[ended]
            holes.add(offsets[j], needs[j])
            ended += 1
        at = holes.take(needs[i])
        if at is None:  # if the last hole reaches the top, it only has to grow
            at = holes.take_last(top)
            top = at + needs[i]
        offsets[i] = at
    return offsets, top


class _Holes:
    """Free stretches that never touch each other, by size and by both ends."""

    def __init__(self) -> None:
        self.by_size: list[tuple[int, int]] = []  # (size, offset), ascending
        self.size: dict[int, int] = {}  # by offset
        self.offset: dict[int, int] = {}  # by end

    def add(self, offset: int, size: int) -> None:
        """Frees a stretch, which becomes one with the holes it touches."""
        if offset + size in self.size:
            size += self._remove(offset + size)
        if offset in self.offset:
            offset = self.offset[offset]
            size += self._remove(offset)
        self._insert(offset, size)

    def take(self, need: int) -> int | None:
        """The offset of `need` bytes in the smallest hole that has them, the lowest of equals; else None."""
        k = bisect_left(self.by_size, (need, 0))
        if k == len(self.by_size):
            return None
        size, offset = self.by_size[k]
        self._remove(offset)
        if size > need:
            self._insert(offset + need, size - need)
        return offset

    def take_last(self, top: int) -> int:
        """Where the hole below `top` begins, which is taken; `top` itself if there is none."""
        offset = self.offset.get(top, top)
        if offset < top:
            self._remove(offset)
        return offset

    def _insert(self, offset: int, size: int) -> None:
        insort(self.by_size, (size, offset))
        self.size[offset] = size
        self.offset[offset + size] = offset

    def _remove(self, offset: int) -> int:
        """The size of the hole that is no more."""
        size = self.size.pop(offset)
        del self.offset[offset + size], self.by_size[bisect_left(self.by_size, (size, offset))]
        return size


def _by_size(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Largest first, each into the tightest gap between those that are live with it; the small ones above."""
    order = sorted(range(len(buffers)), key=lambda i: -buffers[i].nbytes)
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, from equation, to equation), ascending
    offsets = [0] * len(buffers)
    top = 0
    for i in order[:_LARGE]:
        b, need = buffers[i], buffers[i].padded
        at = offsets[i] = _tightest(placed, b.start, b.end, need)
        insort(placed, (at, at + need, b.start, b.end))
        top = max(top, at + need)
    small = order[_LARGE:]
    low, height = _sweep([buffers[i] for i in small])
    for i, at in zip(small, low, strict=True):
        offsets[i] = top + at
    return offsets, top + height


def _tightest(placed: list[tuple[int, int, int, int]], start: int, end: int, need: int) -> int:
    """The offset of the smallest gap of `need` bytes, or the end of all that is live between `start` and `end`."""
    best, best_gap, reached = -1, 0, 0
    for low, high, other_start, other_end in placed:
        if other_end < start or end < other_start:
            continue
        gap = low - reached
        if gap >= need and (best < 0 or gap < best_gap):
            best, best_gap = reached, gap
        if high > reached:
            reached = high
    return best if best >= 0 else reached
