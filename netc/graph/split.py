"""`split(2, axis=C)`: a step that gives a list of tensors, each made by a `slice` layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from netc.graph.bind import bind_fields
from netc.graph.evaluate import AXES, Evaluator, Failed
from netc.layers import LAYERS, Layer
from netc.layers.args import arguments, integer, word
from netc.layers.base import has_axes, that_divide
from netc.syntax import ast
from netc.types import TensorType

SPLIT: Final = "split"


@dataclass(frozen=True)
class Split:
    """Its tensor in `parts` equal parts along an axis.

    Shape: [N, C, H, W] → `parts` times [N, C / parts, H, W], and likewise along H and W.
    Source: Krizhevsky et al., 2012 (two groups of channels).
    """

    parts: int = integer(at_least=1)
    axis: Literal["C", "H", "W", "L"] = word("C", "H", "W", "L", default="C")


def bind_split(call: ast.Call, at: Evaluator) -> Split:
    """The split that a call writes."""
    return Split(**bind_fields(call, arguments(Split), at))


def steps_of(call: ast.Call, at: Evaluator) -> int:
    """How many steps a split is, one for each part; 1 where that is not known yet, or is wrong."""
    for i, a in enumerate(call.arguments):
        if a.name == "parts" or (i == 0 and a.name is None):
            try:
                found = at(a.value)
            except Failed:
                return 1
            return found if isinstance(found, int) and found > 1 else 1
    return 1


def parts(split: Split, t: TensorType, call: ast.Call, at: Evaluator) -> list[Layer]:
    """The layers that cut a tensor of logical type `t` into its parts."""
    axes = AXES[t.rank]
    if split.axis not in axes:
        message = f"a tensor {t!r} has no axis `{split.axis}` to split"
        raise at.fail("E0301", message, call.span, help=has_axes(axes))
    size = t.shape[axes.index(split.axis)]
    if not isinstance(size, int):
        help = "give the input's size by --input"
        raise at.fail(
            "E0309", f"`split` needs a known size, and {split.axis} is {size}", call.span, help=help
        )
    if size % split.parts:
        message = f"{split.parts} parts do not divide the {size} of {split.axis}"
        raise at.fail("E0303", message, call.span, label=f"gets {t!r}", help=that_divide(size))
    width = size // split.parts
    return [
        LAYERS["slice"](axis=split.axis, start=start, stop=start + width)  # pyright: ignore[reportCallIssue]
        for start in range(0, size, width)
    ]
