"""Runs a net on random data and takes the time of the whole and of each equation."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from netc.backends.cpu import bind_timed
from netc.backends.cpu.roof import Roof
from netc.backends.cpu.roof import measure as measure_roof
from netc.bench import data
from netc.bench.cost import Cost, total_cost
from netc.bench.layers import PHASES, LayerTime, Phase, layer_times
from netc.graph.model import Graph
from netc.lower import folded, forward
from netc.plan import Plan, plan
from netc.runtime import Executable
from netc.train.frugal import Recompute
from netc.train.model import Model
from netc.train.predictor import Predictor
from netc.train.spec import TrainSpec
from netc.train.step import training_step
from netc.types import Math

FEWEST, MOST, LONG_ENOUGH = 3, 1000, 2.0  # steps where none are asked for, and seconds that they may take
_SPARE: Final = 0.9  # of the memory that is free


class TooLarge(Exception):
    """The net at this batch takes more memory than there is."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Times of one net.  `steps` are the seconds of whole steps, feeding and results included; layers have medians."""

    net: str
    infer: bool
    batch: int
    roof: Roof
    steps: tuple[float, ...]
    layers: tuple[LayerTime, ...]
    cost: Cost
    plan: Plan
    scratch_bytes: int  # of kernels, beside the plan
    ready: float  # seconds until everything was compiled
    math: Math = "fast"

    @property
    def median(self) -> float:
        return statistics.median(self.steps)

    @property
    def total(self) -> LayerTime:
        """All layers as one."""
        seconds: dict[Phase, float] = {p: sum(x.seconds[p] for x in self.layers) for p in PHASES}
        return LayerTime("total", "", seconds, self.cost, sum(x.roof for x in self.layers))


def bench(
    graph: Graph,
    spec: TrainSpec,
    *,
    batch: int,
    infer: bool = False,
    threads: int | None = None,
    steps: int | None = None,
    depth: int | None = None,
    again: Recompute | None = None,
    math: Math = "fast",
) -> Bench:
    """A training step, or a prediction, on random data.  Raises TooLarge before anything is allocated."""
    _must_fit(graph, spec, batch, infer, again)
    roof = measure_roof(threads)
    begun = perf_counter()
    exe, feeds = _made(graph, spec, batch, infer, threads, again, math)
    timed = bind_timed(exe.program, exe.arrays, threads, math, stay=infer)
    ready = perf_counter() - begun
    whole, each = _times(exe, feeds, timed, steps)
    seconds = [statistics.median(times) for times in zip(*each, strict=True)]
    layers = layer_times(exe.program, seconds, roof, graph, spec, depth)
    return Bench(
        graph.name, infer, batch, roof, tuple(whole), tuple(layers),
        total_cost(exe.program.equations), exe.plan, exe.scratch_bytes, ready, math,
    )  # fmt: skip


def _made(
    graph: Graph,
    spec: TrainSpec,
    batch: int,
    infer: bool,
    threads: int | None,
    again: Recompute | None,
    math: Math,
) -> tuple[Executable, dict[str, Any]]:
    """What runs, and what it is fed.  The learning rate is 0: the work is the same, and random labels teach nothing."""
    feeds: dict[str, Any] = data.inputs(graph, batch)
    if infer:
        return Predictor(graph, spec, threads=threads, math=math).engine("predict", batch), feeds
    exe = Model(graph, spec, threads=threads, math=math, recompute=again).program("train", batch)
    feeds |= {spec.target[0]: data.target(graph, spec, batch), "step": 1, **spec.optimizer.scalars(1, 0.0)}
    return exe, {name: value for name, value in feeds.items() if name in exe}


def _times(
    exe: Executable, feeds: dict[str, Any], timed: Any, steps: int | None
) -> tuple[list[float], list[list[float]]]:
    """Whole steps and timed ones in turn, so that a slow moment hits both; a first of each is not counted."""
    exe.run(feeds)
    begun = perf_counter()
    timed()
    once = 2 * (perf_counter() - begun)
    count = steps or min(max(int(LONG_ENOUGH / once), FEWEST), MOST)
    whole: list[float] = []
    each: list[list[float]] = []
    for _ in range(count):
        begun = perf_counter()
        exe.run(feeds)
        whole.append(perf_counter() - begun)
        each.append(timed())
    return whole, each


def _must_fit(graph: Graph, spec: TrainSpec, batch: int, infer: bool, again: Recompute | None) -> None:
    program = folded(forward(graph, batch))[1] if infer else training_step(graph, spec, batch, again=again)
    needed, free = plan(program).peak_bytes, _free_memory()
    if free is not None and needed > _SPARE * free:
        raise TooLarge(
            f"{graph.name} takes {needed / 2**30:.1f} GiB at a batch of {batch}, and {free / 2**30:.1f} GiB are free; "
            "say less by --batch"
        )


def _free_memory() -> int | None:
    """Bytes that Linux can still give; all there are elsewhere, or None where nobody says."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
