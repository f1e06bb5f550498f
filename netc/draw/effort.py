"""What a picture costs Graphviz, known before it is asked.

`dot` puts a point wherever an arrow passes a rank by (Gansner, Koutsofios, North and Vo, "A Technique for Drawing
Directed Graphs", 1993, section 2), and its passes take more than linear time in those and in what stands side by side.
A few hundred are laid out as well as can be.  With thousands it is told to stop early and to draw straight lines: a net
of 20 layers that each read all before it, 2,300 points, takes 5 seconds one way and 0.1 the other.
"""

from __future__ import annotations

from typing import Final

from netc.draw.arrows import Arrows

#: Attributes of a graph that is laid out with less care.
QUICK: Final = (("splines", "line"), ("nslimit", "1"), ("nslimit1", "1"), ("mclimit", "0.1"))
_MANY_PASSED: Final = 1_000  # ranks that arrows pass by, in a picture that is laid out with care
_MANY_ABREAST: Final = 200  # boxes
# These take 2 to 5 seconds, straight lines and all.
_MOST_PASSED: Final = 40_000
_MOST_ABREAST: Final = 1_000
_MOST: Final = 20_000  # boxes and arrows


class PictureError(ValueError):
    """A file that no picture can be written to: an unknown extension, a missing or closed folder (exit code 2)."""


class TooLargeError(PictureError):
    """A net that is too large for a picture (exit code 1)."""


def is_large(ways: Arrows) -> bool:
    """Whether a picture is to be laid out with less care."""
    return ways.passed > _MANY_PASSED or ways.widest > _MANY_ABREAST


def check_size(boxes: int, ways: Arrows) -> None:
    """Raises TooLargeError for a picture that Graphviz could not lay out in reasonable time."""
    arrows, passed = len(ways.arrows), ways.passed
    if passed > _MOST_PASSED:
        why = f", which pass {passed:,} others by,"
    elif ways.widest > _MOST_ABREAST:
        why = f", {ways.widest:,} of them side by side,"
    elif boxes + arrows > _MOST:
        why = ""
    else:
        return
    raise TooLargeError(
        f"a picture of {boxes:,} boxes and {arrows:,} arrows{why} is too large to be laid out; --depth 0 draws each "
        "block as one box, and a .dot file needs no layout"
    )
