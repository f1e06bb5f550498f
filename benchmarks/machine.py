"""What the benchmarks share: the machine in words, medians, and results in files."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

RESULTS = Path(__file__).parent / "results"


def describe() -> dict[str, Any]:
    """Processor, cores and the versions that a figure depends on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    versions: dict[str, str] = {}
    for name in ("numpy", "numba", "llvmlite", "torch", "onnxruntime"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),  # before anything is measured: what others do
        "python": platform.python_version(),
        **versions,
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def interleaved(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each function in each round, one after the other, so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warm
    for _ in range(rounds):
        for name, run in runs.items():
            begun = perf_counter()
            run()
            times[name].append(perf_counter() - begun)
    return times


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """The median seconds of each."""
    return {name: statistics.median(t) for name, t in times.items()}


def keep(name: str, rows: list[dict[str, Any]], machine: dict[str, Any] | None = None) -> None:
    """Writes results/NAME.json, with the machine; as `describe` has it where nothing else is said."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(indented({"machine": machine or describe(), "rows": rows}) + "\n")


def indented(value: Any, margin: str = "") -> str:
    """JSON as lines that people compare: an item of a list that holds scalars only is one of them."""
    inner = f"{margin}  "
    if isinstance(value, list) and value:
        items = [json.dumps(item) if _flat(item) else indented(item, inner) for item in value]
        brackets = "[]"
    elif isinstance(value, dict) and value:
        items = [f"{json.dumps(key)}: {indented(item, inner)}" for key, item in value.items()]
        brackets = "{}"
    else:
        return json.dumps(value)
    lines = ",\n".join(f"{inner}{item}" for item in items)
    return f"{brackets[0]}\n{lines}\n{margin}{brackets[1]}"


def _flat(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not any(isinstance(x, (dict, list)) for x in inside)
