"""Has a ratio fallen since it was kept?  What `make bench-quick` asks."""

from __future__ import annotations

from typing import Any

from benchmarks.speed.others import TOLERATED
from benchmarks.speed.peers import NETC

Row = dict[str, Any]
# The share that a ratio may fall by.  Two runs of the same code in a row, on two shared cores, were 8 % apart at most
# in seven of eight rows and 19 % in the eighth, though the rounds of each run agreed to 1 %: processes differ more than
# rounds.  Where a row's own noise is larger, three times that (of both runs together) is allowed.
FALL = 0.25


def ratio(row: Row, names: set[str]) -> float | None:
    """How many times as fast as the fastest of these peers netc is; None where either lacks."""
    others = [p["ms"] for name, p in row["peers"].items() if name in names and name != NETC]
    own = row["peers"].get(NETC)
    return min(others) / own["ms"] if own and others else None


def compare(kept: list[Row], now: list[Row], fall: float = FALL) -> tuple[list[str], list[str]]:
    """A line for each row of now, and those that say that something is wrong.

    Ratios are taken to the peers that both runs have.
    """
    before = {(row["key"], row["mode"]): row for row in kept}
    lines: list[str] = []
    wrong: list[str] = []
    for row in now:
        name = f"{row['key']}, {row['mode']}"
        old = before.get((row["key"], row["mode"]))
        if old is None:
            wrong.append(f"{name}: nothing is kept to compare with; `make bench` keeps it")
            continue
        both = row["peers"].keys() & old["peers"].keys()
        new_ratio, old_ratio = ratio(row, both), ratio(old, both)
        if new_ratio is None or old_ratio is None:
            reasons = "; ".join(f"{peer}: {why}" for peer, why in row["failed"].items())
            wrong.append(f"{name}: no ratio ({reasons or 'the kept row has none'})")
            continue
        noise = 3 * (row.get("noise", 0.0) ** 2 + old.get("noise", 0.0) ** 2) ** 0.5
        allowed, fell = max(fall, noise), 1 - new_ratio / old_ratio
        said = f"{name}: {old_ratio:.2f}× → {new_ratio:.2f}× (may fall by {allowed:.0%})"
        if row["others"] > TOLERATED:
            said += f"; others used {row['others']:.0%} of the cores"
        (wrong if fell > allowed else lines).append(said)
    return lines, wrong
