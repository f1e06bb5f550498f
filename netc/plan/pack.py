"""Packs stretches of life into one arena: two buffers that are ever live together get different bytes.

The best packing is NP-hard.  Two quick ones are made and the smaller is taken: a sweep through time that
gives each buffer the tightest hole, and the largest buffers placed first (Pisarchyk and Lee, 2020, "Efficient
memory management for deep neural net inference", greedy by size) with the many small ones swept into an arena
of their own above them.
"""

from __future__ import annotations

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
    tries = [
        _sweep(buffers),
        _sweep([Buffer(-b.end, -b.start, b.nbytes) for b in buffers]),
        _by_size(buffers),
    ]
    return min(tries, key=lambda t: t[1])


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
    holes: list[tuple[int, int]] = []  # (offset, size), ascending and never adjacent
    top = 0
    ending = sorted(range(len(buffers)), key=lambda i: buffers[i].end)
    ended = 0
    for i in sorted(range(len(buffers)), key=lambda i: (buffers[i].start, -buffers[i].nbytes)):
        while buffers[ending[ended]].end < buffers[i].start:
            j = ending[ended]
            holes = _give_back(holes, offsets[j], buffers[j].padded)
            ended += 1
        need = buffers[i].padded
        fitting = [(size, at) for at, size in holes if size >= need]
        if fitting:
            size, at = min(fitting)
            k = holes.index((at, size))
            holes[k : k + 1] = [(at + need, size - need)] if size > need else []
        elif holes and sum(holes[-1]) == top:  # the last hole reaches the top: it only has to grow
            at, _ = holes.pop()
            top = at + need
        else:
            at, top = top, top + need
        offsets[i] = at
    return offsets, top


def _give_back(holes: list[tuple[int, int]], offset: int, size: int) -> list[tuple[int, int]]:
    """The holes with one more, merged with its neighbours."""
    before = [h for h in holes if h[0] < offset]
    after = [h for h in holes if h[0] > offset]
    if before and sum(before[-1]) == offset:
        offset, size = before[-1][0], before[-1][1] + size
        before.pop()
    if after and offset + size == after[0][0]:
        size += after[0][1]
        after.pop(0)
    return [*before, (offset, size), *after]


def _by_size(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """Largest first, each into the tightest gap between those that are live with it; the small ones above."""
    order = sorted(range(len(buffers)), key=lambda i: -buffers[i].nbytes)
    placed: list[tuple[int, int, Buffer]] = []  # (offset, end, buffer), ascending by offset
    offsets = [0] * len(buffers)
    top = 0
    for i in order[:_LARGE]:
        b = buffers[i]
        offsets[i] = _tightest(placed, b)
        placed.append((offsets[i], offsets[i] + b.padded, b))
        placed.sort(key=lambda p: p[0])
        top = max(top, offsets[i] + b.padded)
    small = order[_LARGE:]
    low, height = _sweep([buffers[i] for i in small])
    for i, at in zip(small, low, strict=True):
        offsets[i] = top + at
    return offsets, top + height


def _tightest(placed: list[tuple[int, int, Buffer]], b: Buffer) -> int:
    """The offset of the smallest gap that `b` fits into, or the end of all that is live with it."""
    best, best_gap, reached = -1, 0, 0
    for low, high, other in placed:
        if other.end < b.start or b.end < other.start:
            continue
        gap = low - reached
        if gap >= b.padded and (best < 0 or gap < best_gap):
            best, best_gap = reached, gap
        reached = max(reached, high)
    return best if best >= 0 else reached
