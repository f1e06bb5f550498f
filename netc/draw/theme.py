"""The looks of a picture.

The fills of a theme differ in lightness as well as in hue, so that they stay apart in greyscale print; the comments
give CIE L*.  DejaVu Sans comes with matplotlib, and Verdana, which Windows and macOS carry, has nearly its widths:
text that was measured with one fits its box when a browser sets it in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FONT: Final = "DejaVu Sans,Verdana,sans-serif"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as `#rrggbb`.  `fills` are by family, `series` for curves: what was trained on, and what was not."""

    background: str
    text: str
    faint: str  # shapes, counts
    line: str  # borders and arrows
    group: str  # what lies behind a block
    group_line: str
    fills: Mapping[str, str]
    series: tuple[str, str]


PAPER: Final = Theme(
    background="#ffffff",
    text="#1a1a1a",
    faint="#555555",
    line="#4a4a4a",
    group="#f7f8fa",
    group_line="#b4bac3",
    fills={
        "pool": "#e6a58d",  # 73
        "conv": "#aecbe8",  # 80
        "dense": "#c4e0ac",  # 86
        "normalise": "#e2dcef",  # 89
        "activation": "#fcf0c4",  # 95
        "join": "#ffffff",
        "block": "#dfe5ec",  # 91
        "other": "#eeeeee",  # 94
        "end": "#ffffff",
    },
    series=("#2f6fb0", "#c9562e"),
)

DARK: Final = Theme(
    background="#14181d",
    text="#e9edf1",
    faint="#b7c1cc",
    line="#8b97a5",
    group="#1b2128",
    group_line="#46515e",
    fills={
        "pool": "#8a4a35",
        "conv": "#2c5278",
        "dense": "#3d6130",
        "normalise": "#4a4160",
        "activation": "#5c4f22",
        "join": "#14181d",
        "block": "#333d49",
        "other": "#3a3f45",
        "end": "#14181d",
    },
    series=("#7fb4e6", "#ef9a76"),
)

THEMES: Final[Mapping[str, Theme]] = {"paper": PAPER, "dark": DARK}
