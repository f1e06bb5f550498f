"""What the expressions of one file may cost, so that a short text cannot keep netc busy for long.

A unit is about a microsecond: an operator that is evaluated, or a few items of a list that are gone through.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

MOST: Final = 1_500_000
ITEMS: Final = 16  # of a list, that cost as much as one unit
RESIDUE: Final = 3  # units of one term of a formula at one residue
_left: Final = ContextVar("budget", default=MOST)
_told: Final = ContextVar("budget told", default=False)


def begin() -> None:
    """A new file begins, and what it costs is counted anew."""
    _left.set(MOST)
    _told.set(False)


def first() -> bool:
    """Whether it is the first time that someone tells of it: that all is spent is one mistake."""
    before = _told.get()
    _told.set(True)
    return not before


def spend(units: int) -> bool:
    """Whether so much is left; it is then taken."""
    left = _left.get()
    if units <= left:
        _left.set(left - units)
    return units <= left
