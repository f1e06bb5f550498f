"""Does a step cost in proportion to its examples, and to its layers?  netc alone, all sizes taking turns."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.speed.cases import BATCHES, DEPTHS, Case
from benchmarks.speed.cells import Cell, How
from benchmarks.speed.peers import NETC, Mode
from benchmarks.speed.protocol import PeerFailed
from benchmarks.speed.turns import interleave

MODES: tuple[Mode, ...] = ("train", "infer")


def measure(how: How, seconds: float) -> list[dict[str, Any]]:
    """Rows of LeNet-5 by batch and of ResNets by depth, each with its seconds for one example and one layer."""
    rows: list[dict[str, Any]] = []
    for kind, cases in (("example", BATCHES), ("layer", DEPTHS)):
        for mode in MODES:
            rows += _sizes(kind, cases, mode, how, seconds / 4)
    return rows


def _sizes(kind: str, cases: tuple[Case, ...], mode: Mode, how: How, seconds: float) -> list[dict[str, Any]]:
    """One series: a process for each size.  Raises PeerFailed where one cannot be measured."""
    with ExitStack() as stack:
        peers = {}
        for case in cases:
            cell = Cell(case, mode, how)
            peer = cell.start(NETC)
            if peer is None:
                raise PeerFailed(f"{case.key}, {mode}: {cell.failed[NETC]}")
            stack.callback(peer.close)
            peers[case.key] = peer
        timing = interleave(peers, how.rounds, seconds)
    for key, reason in timing.failed.items():
        raise PeerFailed(f"{key}, {mode}: {reason}")
    return [_row(kind, case, mode, timing.median(case.key)) for case in cases]


def _row(kind: str, case: Case, mode: Mode, seconds: float) -> dict[str, Any]:
    parts = case.batch if kind == "example" else int(case.name.removeprefix("ResNet-"))
    each = round(seconds / parts * 1e6, 2)
    return {"key": case.key, "mode": mode, "ms": round(seconds * 1e3, 4), "of_one": kind, "of_one_us": each}


def line(row: dict[str, Any]) -> str:
    """What is printed of a row."""
    return f"{row['mode']:<7}{row['key']:<16}{row['ms']:10.3f} ms {row['of_one_us']:10.2f} µs for one {row['of_one']}"
