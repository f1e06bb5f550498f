"""The times of a net as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

from netc.analyze.figures import short, size
from netc.analyze.table import GAP
from netc.backends.cpu.roof import Roof, processor
from netc.bench.layers import PHASES, LayerTime
from netc.bench.measure import Bench
from netc.bench.text import Column, Line, left_out, span, table
from netc.errors import plural

_TRAIN: Final = (
    Column("name"), Column("layer", rank=1, least=10), Column("forward", True, 4), Column("backward", True, 4),
    Column("update", True, 5), Column("total", True), Column("share", True, 3), Column("GFLOP/s", True, 2),
    Column("bytes", True, 6), Column("of roof", True, 2),
)  # fmt: skip
_PARTS: Final = slice(2, 5)  # of a step, which a prediction has not


def machine_dict(roof: Roof) -> dict[str, Any]:
    """What the shares are shares of."""
    return {
        "processor": processor(),
        "threads": roof.threads,
        "flops_per_s": roof.flops,
        "bytes_per_s": roof.bytes,
    }


def bench_dict(found: Bench) -> dict[str, Any]:
    """One net of the JSON, times in seconds."""
    return {
        "name": found.net,
        "mode": "infer" if found.infer else "train",
        "batch": found.batch,
        "math": found.math,
        "machine": machine_dict(found.roof),
        "step": {"count": len(found.steps), "median_s": found.median, "min_s": min(found.steps)},
        "ready_s": found.ready,
        "totals": {
            "equations": found.cost.equations,
            "flops": found.cost.flops,
            "bytes": found.cost.bytes,
            "kernels_s": found.total.total,
            "roof_s": found.total.roof,
            "arena_bytes": found.plan.arena_bytes,
            "peak_bytes": found.plan.peak_bytes,
            "scratch_bytes": found.scratch_bytes,
        },
        "layers": [_layer_dict(x) for x in found.layers],
    }


def _layer_dict(x: LayerTime) -> dict[str, Any]:
    return {
        "name": x.name,
        "layer": x.layer,
        **{f"{phase}_s": x.seconds[phase] for phase in PHASES},
        "equations": x.cost.equations,
        "flops": x.cost.flops,
        "bytes": x.cost.bytes,
        "roof_s": x.roof,
    }


def bench_lines(found: Bench, width: int | None) -> list[Line]:
    """The table of the layers, a line for all of them, and what is to be said of the whole step."""
    whole = found.total.total
    rows = [_cells(x, whole) for x in (*found.layers, found.total)]
    columns: Sequence[Column] = _TRAIN
    if found.infer:
        columns = (*_TRAIN[: _PARTS.start], *_TRAIN[_PARTS.stop :])
        rows = [(*r[: _PARTS.start], *r[_PARTS.stop :]) for r in rows]
    what = "a prediction" if found.infer else "a training step"
    title = f"{found.net}: {what} of {plural(found.batch, 'example')}"
    headed = table(columns, rows, width)
    return [
        *(Line(part, "bold") for part in ([title] if width is None else wrap(title, width))),
        Line(""),
        *headed[:-1],
        Line(headed[-1].text, "bold"),
        Line(""),
        *map(Line, _footer(found, whole, left_out(columns, rows, width), width)),
    ]


def _cells(x: LayerTime, whole: float) -> tuple[str, ...]:
    parts = [span(x.seconds[phase]) if x.seconds[phase] else "" for phase in PHASES]
    share = f"{x.total / whole:.1%}" if whole else ""
    # A layer without operations, such as a copy, is measured by its bytes alone.
    rate = f"{x.rate / 1e9:.1f}" if x.cost.flops else ""
    return x.name, x.layer, *parts, span(x.total), share, rate, size(x.cost.bytes), f"{x.share:.0%}"


def _footer(found: Bench, whole: float, missing: str, width: int | None) -> list[str]:
    median, roof = found.median, found.roof
    done = found.cost.flops / median
    spread = f"fastest {span(min(found.steps))}, median of {plural(len(found.steps), 'step')}"
    arena, memory, scratch = map(size, (found.plan.arena_bytes, found.plan.peak_bytes, found.scratch_bytes))
    told = {
        "step": f"{span(median)}, {spread}: {short(round(found.batch / median))} examples/s",
        "kernels": f"{span(whole)}, {found.cost.equations} equations; the rest is feeding, results and Python",
        "FLOPs": f"{short(found.cost.flops)}: {done / 1e9:.1f} GFLOP/s, {done / roof.flops:.1%} of the peak",
        "bytes": f"{size(found.cost.bytes)} read and written by kernels",
        "memory": f"{memory}, of which {arena} are what layers pass on, and {scratch} of kernels' scratch",
        "roof": f"{roof.flops / 1e9:.0f} GFLOP/s of float32 multiply-adds, {roof.bytes / 1e9:.1f} GB/s of copying, by "
        f"{plural(roof.threads, 'thread')} now ({processor()})",
        "": "more than 100 % of it where a cache holds what is read, or an algorithm needs fewer operations",
    }
    if missing:
        told["left out"] = missing
    lead = max(map(len, told)) + GAP
    if width is not None and width < 3 * lead:
        named = [f"{name}: {text}" if name else text for name, text in told.items()]
        return [part for text in named for part in wrap(text, max(width, 8))]
    out: list[str] = []
    for name, text in told.items():
        parts = [text] if width is None else wrap(text, width - lead)
        out += [f"{name if i == 0 else '':<{lead}}{part}" for i, part in enumerate(parts)]
    return out
