"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from netc.sizes import Floor, Size

UNKNOWN: Final = "–"  # a figure that depends on a symbolic size
_METRIC: Final = ("", "K", "M", "G", "T", "P")
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def exact(count: int | None) -> str:
    """All digits, in groups of three.

    >>> exact(61_706), exact(None)
    ('61,706', '–')
    """
    return UNKNOWN if count is None else f"{count:,}"


def times(sizes: Iterable[Size], sign: str = "×") -> str:
    """Sizes with a sign between them, a sum among them in parentheses; 1 where there are none.

    >>> times((6, 28, 28)), times(())
    ('6×28×28', '1')
    """
    told = [_factor(size) for size in sizes]
    return sign.join(told) or "1"


def _factor(size: Size) -> str:
    if isinstance(size, int):
        return str(size)
    floor = len(size.terms) == 1 and size.terms[0][0] == 1 and isinstance(size.terms[0][1], Floor)
    sums = len(size.terms) > 1 or (size.const and not floor)  # a floor takes the constant into itself
    return f"({size})" if sums else str(size)


def short(count: int | None) -> str:
    """Three digits and a unit of a thousand, a million, ….

    >>> [short(n) for n in (0, 999, 61_706, 999_950, 3_663_761_408)]
    ['0', '999', '61.7K', '1.00M', '3.66G']
    """
    return UNKNOWN if count is None else _scaled(count, 1000, _METRIC, "")


def size(count: int | None) -> str:
    """Bytes in units of 1024.

    >>> [size(n) for n in (12, 18_816, 538_808, 143 << 30)]
    ['12 B', '18.4 KiB', '526 KiB', '143 GiB']
    """
    return UNKNOWN if count is None else _scaled(count, 1024, _BINARY, " ")


def _scaled(count: int, base: int, units: tuple[str, ...], space: str) -> str:
    if count < base:
        return f"{count}{space}{units[0]}"
    value, unit = float(count), 0
    while value >= 999.5 and unit + 1 < len(units):
        value, unit = value / base, unit + 1
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{space}{units[unit]}"


def pair(sides: Sequence[int | Fraction | str] | None) -> str:
    """Height and width as one number where they agree, or a length.

    >>> pair((5, 5)), pair((3, 1)), pair((7,)), pair(None)
    ('5', '3×1', '7', '')
    """
    return "×".join(map(str, sides if len(set(sides)) > 1 else sides[:1])) if sides else ""
