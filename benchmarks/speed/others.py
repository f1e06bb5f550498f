"""How much of the machine others used meanwhile: what decides whether a figure means anything.

A step whose threads wait for each other stands still when one of them loses its core, and a peer that waits by spinning
loses most; so others do not slow all peers alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

TOLERATED = 0.05  # of all cores; above it a row is marked
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Watch:
    """Seconds that all cores worked, and these processes, from when it was made.

    The kernel's count of all cores holds what the host took away too, as `steal`; see proc(5).
    """

    processes: tuple[int, ...]
    begun: float
    all: float
    ours: float

    @classmethod
    def begin(cls, processes: Iterable[int]) -> Watch:
        processes = tuple(processes)
        return cls(processes, perf_counter(), _all_cores(), _of(processes))

    def others(self) -> float:
        """The share of all cores that others have used since."""
        wall = (perf_counter() - self.begun) * (os.cpu_count() or 1)
        used = _all_cores() - self.all - (_of(self.processes) - self.ours)
        return min(1.0, max(0.0, used / wall))


def _all_cores() -> float:
    """Seconds of work of all cores since the machine began."""
    user, nice, system, _idle, _waiting, *rest = _words(Path("/proc/stat"))[1:9]
    return sum(map(int, (user, nice, system, *rest))) / _TICK


def _of(processes: Iterable[int]) -> float:
    """Seconds of work of processes, this one included; one that has ended counts as none."""
    total = 0.0
    for process in (*processes, os.getpid()):
        try:
            words = _words(Path(f"/proc/{process}/stat"), after=")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += (int(words[11]) + int(words[12])) / _TICK  # utime and stime, fields 14 and 15
    return total


def _words(path: Path, after: str = "") -> list[str]:
    """The words of the first line, or of what stands after a character's last place."""
    text = path.read_text().splitlines()[0]
    return (text.rpartition(after)[2] if after else text).split()
