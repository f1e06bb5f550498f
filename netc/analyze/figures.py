"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

_METRIC: Final = ("", "K", "M", "G", "T", "P")
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def short(count: int) -> str:
    """Three digits and a unit of a thousand, a million, ….

    >>> [short(n) for n in (0, 999, 61_706, 999_950, 3_663_761_408)]
    ['0', '999', '61.7K', '1.00M', '3.66G']
    """
    return _scaled(count, 1000, _METRIC, "")


def size(count: int) -> str:
    """Bytes in units of 1024.

    >>> [size(n) for n in (12, 18_816, 538_808, 143 << 30)]
    ['12 B', '18.4 KiB', '526 KiB', '143 GiB']
    """
    return _scaled(count, 1024, _BINARY, " ")


def _scaled(count: int, base: int, units: tuple[str, ...], space: str) -> str:
    if count < base:
        return f"{count}{space}{units[0]}"
    value, unit = float(count), 0
    while value >= 999.5 and unit + 1 < len(units):
        value, unit = value / base, unit + 1
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{space}{units[unit]}"


def pair(sides: tuple[int, int] | None) -> str:
    """Height and width as one number where they agree.

    >>> pair((5, 5)), pair((3, 1)), pair(None)
    ('5', '3×1', '')
    """
    if sides is None:
        return ""
    return str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}×{sides[1]}"
