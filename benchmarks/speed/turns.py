"""Turns: each peer takes a few steps while the others sleep, round after round, so that a slow moment hits all alike.

PyTorch's OpenMP threads spin for some milliseconds after a step, waiting for the next one.  In one process, or at once,
that would slow whoever runs next; hence the processes, and a pause between turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter, sleep

from benchmarks.speed.protocol import Peer, PeerFailed

PAUSE = 0.02  # seconds between turns, after which no thread spins
TURN = 0.1  # seconds of steps in a turn, at least one step
LONGEST = 0.5  # seconds after which no further step of a turn begins, should they be slower than they were
MOST_STEPS = 200
FEWEST_ROUNDS = 3
PATIENCE = 120.0  # seconds for the answer of a peer whose first step is done


@dataclass
class Timing:
    """Seconds of each step, by peer and round; why those failed that failed."""

    rounds: dict[str, list[list[float]]] = field(default_factory=dict[str, list[list[float]]])
    failed: dict[str, str] = field(default_factory=dict[str, str])

    def median(self, name: str) -> float:
        """Seconds of a step."""
        return statistics.median(s for turn in self.rounds[name] for s in turn)

    def ratios(self, of: str, to: str) -> list[float]:
        """In each round, how many times as long `of` took as `to`."""
        pairs = zip(self.rounds[of], self.rounds[to], strict=False)
        return [statistics.median(a) / statistics.median(b) for a, b in pairs]


def interleave(peers: Mapping[str, Peer], rounds: int, seconds: float, pause: float = PAUSE) -> Timing:
    """Up to `rounds` rounds within about `seconds`, but FEWEST_ROUNDS at least.  A peer that fails drops out."""
    timing = Timing(rounds={name: [] for name in peers})
    deadline = perf_counter() + seconds
    steps: dict[str, int] = {}

    def turn(name: str, count: int) -> list[float]:
        sleep(pause)
        try:
            return peers[name].ask({"steps": count, "within": LONGEST}, PATIENCE)["seconds"]
        except PeerFailed as failure:
            timing.failed[name] = str(failure)
            del timing.rounds[name]
            return []

    for name in peers:  # warms caches, and tells how many steps fill a turn
        if found := turn(name, 2):
            steps[name] = max(1, min(MOST_STEPS, int(TURN / max(min(found), 1e-9))))
    for done in range(rounds):
        if done >= FEWEST_ROUNDS and perf_counter() > deadline:
            break
        names = list(timing.rounds)
        start = done % max(1, len(names))
        for name in names[start:] + names[:start]:  # nobody always comes after the same one
            if found := turn(name, steps[name]):
                timing.rounds[name].append(found)
    return timing


def noise(ratios: list[float]) -> float:
    """The standard error of the median of these ratios, as a share of it, by their median deviation."""
    middle = statistics.median(ratios)
    deviation = statistics.median(abs(r - middle) for r in ratios)
    # 1.4826 makes it a standard deviation, 1.2533 is the median's standard error beside the mean's
    return 1.4826 * 1.2533 * deviation / middle / len(ratios) ** 0.5
