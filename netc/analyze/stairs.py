"""Paths whose ends are staircases: what a receptive field is made of where a map is enlarged on the way.

An end of a path is a chain of affine steps with floors between them,

    u → S·u + c → A₁·⌊ · / f₁⌋ + c₁ → A₂·⌊ · / f₂⌋ + c₂ → …

Only the first step changes as the path grows.  Floors dissolve where f divides S and collapse where S is 1, so that a
net that goes down and up again keeps a floor or two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, gcd, lcm, prod
from typing import Final

MOST_PATHS: Final = 32  # side by side; beyond, staircases become the straight lines around them
MOST_STRIDES: Final = 8  # bundles of lines that are kept where there are more of them than that
MOST_PHASES: Final = 256  # of a staircase that are gone through


@dataclass(frozen=True, slots=True)
class Stair:
    """⌊x / over⌋, times `step`, plus `low` on the way to the first end and `high` to the last."""

    over: int
    step: int = 1
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class Path:
    """From S·u + low to S·u + high, each sent down the stairs in their order."""

    step: int
    low: int
    high: int
    stairs: tuple[Stair, ...] = ()

    def at(self, u: int) -> tuple[int, int]:
        """Both ends at output index `u`."""
        first, last = self.step * u + self.low, self.step * u + self.high
        for s in self.stairs:
            first, last = s.step * (first // s.over) + s.low, s.step * (last // s.over) + s.high
        return first, last

    @property
    def stride(self) -> Fraction:
        return prod((Fraction(s.step, s.over) for s in self.stairs), start=Fraction(self.step))

    @property
    def form(self) -> tuple[int, ...]:
        """What paths that can be merged have in common."""
        return self.step, *(n for s in self.stairs for n in (s.over, s.step))

    @property
    def centre(self) -> tuple[int, ...]:
        return (*self.form, self.low + self.high, *(s.low + s.high for s in self.stairs))

    def lows(self) -> tuple[int, ...]:
        return self.low, *(s.low for s in self.stairs)

    def highs(self) -> tuple[int, ...]:
        return self.high, *(s.high for s in self.stairs)

    def after(self, step: int, low: int, high: int, over: int) -> Path:
        """The path where index u first becomes ⌊(step·u + low) / over⌋ and ⌊(step·u + high) / over⌋."""
        if over == 1:
            grown = Path(
                self.step * step, self.step * low + self.low, self.step * high + self.high, self.stairs
            )
            return _settled(grown)
        if self.step > 1:
            first = Stair(over, self.step, self.low, self.high)
            return _settled(Path(step, low, high, (first, *self.stairs)))
        low, high = low + self.low * over, high + self.high * over
        if not self.stairs:
            return _settled(Path(step, low, high, (Stair(over),)))
        s, *others = self.stairs
        return _settled(Path(step, low, high, (Stair(over * s.over, s.step, s.low, s.high), *others)))


def _settled(path: Path) -> Path:
    """The same path with all that divides out of its floors taken out."""
    while path.stairs:
        s, *others = path.stairs
        common = gcd(path.step, s.over)
        if common == 1 and s.over > 1:
            return path
        step, low, high, over = path.step // common, path.low // common, path.high // common, s.over // common
        if over > 1:
            return Path(step, low, high, (Stair(over, s.step, s.low, s.high), *others))
        path = Path(s.step * step, s.step * low + s.low, s.step * high + s.high, tuple(others))
    return path


# ---- Several paths -----------------------------------------------------------------------------------------


def merged(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Paths with the same hull at every index, of increasing stride; those of one form that contain each other in one.

    Beyond MOST_PATHS the hull grows: each staircase becomes the straight lines around it, and lines of neighbouring
    strides become bundles.  So a join costs as much as it has tensors, and no more for what was joined before.
    """
    kept: dict[tuple[int, ...], list[Path]] = {}
    for path in dict.fromkeys(paths):
        of_form = kept.setdefault(path.form, [])
        for i, other in enumerate(of_form):
            both = _hull(path, other)
            if both:
                of_form[i] = both
                break
        else:
            of_form.append(path)
    out = [path for of_form in kept.values() for path in of_form]
    if len(out) > MOST_PATHS:
        out = _straightened(out)
    if len(out) > MOST_PATHS:
        out = _bundled(out)
    return tuple(sorted(out, key=lambda p: (p.stride, p.form, p.low)))


def _hull(a: Path, b: Path) -> Path | None:
    """One path for two of the same form, if at both ends one of them is never inside the other."""
    lows, highs = (a.lows(), b.lows()), (a.highs(), b.highs())
    low, high = tuple(map(min, *lows)), tuple(map(max, *highs))
    if low not in lows or high not in highs:
        return None
    stairs = (Stair(s.over, s.step, c, d) for s, c, d in zip(a.stairs, low[1:], high[1:], strict=True))
    return Path(a.step, low[0], high[0], tuple(stairs))


def _straightened(paths: list[Path]) -> list[Path]:
    """One path for each stride, between straight lines."""
    lines: dict[Fraction, tuple[Fraction, Fraction]] = {}
    for path in paths:
        low, high = _lines(path)
        before = lines.get(path.stride, (low, high))
        lines[path.stride] = min(low, before[0]), max(high, before[1])
    return [_between(stride, low, high) for stride, (low, high) in lines.items()]


def _bundled(paths: list[Path]) -> list[Path]:
    """At most MOST_STRIDES bundles of straight lines; of one are kept the least stride and the largest.

    min S·u + min c ≤ S·u + c for u ≥ 0, and max S·u + min c for u ≤ 0: two paths with the least of all c and the
    largest of all d hold the others between them, and at index 0 are their hull itself.
    """
    ordered = sorted(paths, key=lambda p: p.stride)
    size = -(-len(ordered) // MOST_STRIDES)
    out: list[Path] = []
    for begin in range(0, len(ordered), size):
        bundle = ordered[begin : begin + size]
        ends = [_lines(path) for path in bundle]
        low, high = min(c for c, _ in ends), max(d for _, d in ends)
        out += [_between(stride, low, high) for stride in sorted({bundle[0].stride, bundle[-1].stride})]
    return out


def _between(stride: Fraction, low: Fraction, high: Fraction) -> Path:
    """The whole numbers from stride·u + low to stride·u + high."""
    over = lcm(stride.denominator, low.denominator, high.denominator)
    first, last = ceil(low * over) + over - 1, floor(high * over)  # ⌈x⌉ is ⌊(x·over + over − 1) / over⌋
    return _settled(Path(int(stride * over), first, last, (Stair(over),)))


def _lines(path: Path) -> tuple[Fraction, Fraction]:
    """The c and d with stride·u + c at most the first end, and stride·u + d at least the last, for every u."""
    low, high = Fraction(path.low), Fraction(path.high)
    for s in path.stairs:
        low = s.step * (low - (s.over - 1)) / s.over + s.low
        high = s.step * high / s.over + s.high
    return low, high


@lru_cache(maxsize=4096)
def widest(paths: tuple[Path, ...]) -> int:
    """The most inputs that an index sees, where all strides are equal; else what index 0 sees.

    Of staircases with more than MOST_PHASES phases, that of the straight lines around them.
    """
    phases = 1
    if len({path.stride for path in paths}) == 1:
        phases = lcm(*(prod(s.over for s in path.stairs) for path in paths))
    if phases > MOST_PHASES:
        ends = [_lines(path) for path in paths]
        return floor(max(high for _, high in ends) - min(low for low, _ in ends)) + 1
    return max(_width(paths, u) for u in range(phases))


def _width(paths: tuple[Path, ...], u: int) -> int:
    ends = [path.at(u) for path in paths]
    return max(last for _, last in ends) - min(first for first, _ in ends) + 1
