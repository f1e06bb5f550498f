"""The curves of a training run as a picture: loss, and accuracy where there is one, over the epochs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netc.draw.theme import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_UP_TO = 30  # epochs; beyond, the points of a curve would run together
_LOOK: dict[Any, Any] = {
    "svg.hashsalt": "netc",  # the ids of an SVG are then the same in every run
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9.0,
    "text.color": PAPER.text,
    "axes.labelcolor": PAPER.faint,
    "axes.edgecolor": PAPER.line,
    "xtick.color": PAPER.faint,
    "ytick.color": PAPER.faint,
}


def curves(metrics: Sequence[Mapping[str, float]], path: str | os.PathLike[str]) -> None:
    """Draws the metrics of a run, one mapping an epoch, into `path` (svg, png or pdf, by its extension).

    Read are `epoch`, `loss`, `val_loss`, `accuracy` and `val_accuracy`; an epoch may lack any but the first, and a
    value that is not finite leaves a gap.  The same metrics give the same file.  Raises OSError where `path` cannot
    be written.
    """
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType]
    from matplotlib.figure import Figure

    names = [n for n in ("loss", "accuracy") if any(n in m or f"val_{n}" in m for m in metrics)] or ["loss"]
    with rc_context(_LOOK):
        figure = Figure(figsize=(4.2 * len(names), 3.1), layout="constrained")
        panels: Any = figure.subplots(1, len(names), squeeze=False)  # (1, len(names))
        for axes, name in zip(panels[0], names, strict=True):
            _panel(axes, metrics, name)
        figure.savefig(path, metadata=_undated(path), dpi=150)


def _undated(path: str | os.PathLike[str]) -> dict[str, None]:
    """Metadata without the time of drawing, in the word of each format; PNG has none."""
    form = os.fspath(path).lower().rpartition(".")[2]
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})


def _panel(axes: Axes, metrics: Sequence[Mapping[str, float]], name: str) -> None:
    """One metric: training drawn through, validation dashed, so that they part in greyscale too."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    dots = "o" if len(metrics) <= _DOTS_UP_TO else ""
    lines = (("", "training", "-", PAPER.series[0]), ("val_", "validation", "--", PAPER.series[1]))
    for prefix, label, style, color in lines:
        points = [(m["epoch"], m[prefix + name]) for m in metrics if prefix + name in m]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, style, marker=dots, markersize=3.5, linewidth=1.5, color=color, label=label)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(metrics) == 1:  # a point, and not an axis of fractions of an epoch
        axes.set_xlim(metrics[0]["epoch"] - 1, metrics[0]["epoch"] + 1)
    if name == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    axes.grid(axis="y", color=PAPER.group_line, linewidth=0.5, alpha=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if axes.lines:
        axes.legend(frameon=False, loc="best")
