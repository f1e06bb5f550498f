"""Threads that walk a program's table beside the one that asks.

They sleep between runs, unless the next one comes at once.  Which thread does which stretch is fixed by their number,
so the bits of a result depend on nothing else.  A run that finds them at work for another, or in a child of a fork,
does without: one thread that does all stretches gives the same bits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Final

import numpy as np

from netc.backends.cpu.walk import JOB, LINES, MINE, STATE, TABLE, TIMES, serve, summon, walk
from netc.errors import WrongSetting
from netc.types import MOST_THREADS

# Operations or bytes from which sharing pays: threads that wait for each other twice lose about a microsecond.
WORTH: Final = 200_000
# The same for a whole run: waking a thread takes about 0.1 ms on two virtual cores, and half of what is shared must be
# more than that.  LeNet-5 trains faster with two threads from a batch of 8, 20 million, where one takes 0.65 ms.
WAKING: Final = 20_000_000


def worth_waking(works: Iterable[int]) -> bool:
    """Whether what can be shared of so many operations or bytes is worth a second thread."""
    return sum(work for work in works if work >= WORTH) >= WAKING


def default_threads() -> int:
    """`NETC_NUM_THREADS`, else how many cores this process may use.  WrongSetting, a ValueError, where the variable is
    no number, or one that no machine has threads for.
    """
    wanted = os.environ.get("NETC_NUM_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or not 1 <= int(wanted) <= MOST_THREADS:
            raise WrongSetting(
                f"NETC_NUM_THREADS is {wanted!r}, but a number from 1 to {MOST_THREADS} is wanted"
            )
        return int(wanted)
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


class Gang:
    """`threads` threads, of which the caller's is the first.  `state` is what they meet at, and outlives every run:
    a thread may still look at it when the first has gone on.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.busy = threading.Lock()
        self.state = np.zeros(STATE, np.int64)
        self.words = np.zeros((threads, MINE), np.int64)  # one for each thread, on a cache line of its own
        self._calls = [threading.Lock() for _ in range(threads - 1)]
        for number, call in enumerate(self._calls, 1):
            call.acquire()  # whoever releases it wakes the thread
            threading.Thread(
                target=self._serve, args=(number, call), name=f"netc-{number}", daemon=True
            ).start()

    def _serve(self, number: int, call: threading.Lock) -> None:
        while True:
            call.acquire()
            serve()(number, self.threads, self.state.ctypes.data, self.words[number].ctypes.data)

    def run(self, lines: int, table: int, times: int) -> None:
        """Walks a table of so many lines with all threads.  Whoever calls holds `busy`."""
        # and nothing else of the state: a thread may still look at the last barrier
        self.state[[TIMES, LINES, TABLE]] = times, lines, table
        self.state[JOB] += 1
        try:
            self._call()
        except BaseException:  # Ctrl-C: those who were called wait for the others, who may not have been
            self._call()
            walk(times != 0)(0, self.threads, lines, table, self.state.ctypes.data)
            raise
        walk(times != 0)(0, self.threads, lines, table, self.state.ctypes.data)

    def _call(self) -> None:
        """Calls all threads to the job of this number; who is called twice does it once."""
        for number, call in enumerate(self._calls, 1):
            if not summon()(self.words[number].ctypes.data) and call.locked():
                call.release()


_gangs: dict[int, Gang] = {}
_lock = threading.Lock()


def _forget() -> None:
    """The child of a fork has this table, but not the threads."""
    global _lock
    _lock = threading.Lock()
    _gangs.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def run(lines: int, table: int, threads: int, times: int = 0) -> None:
    """Walks a table of so many lines, at this address.

    `times`, if it is given, is the address of a row of two words for each line and one more: when it began.
    """
    gang = _gang(threads) if threads > 1 else None
    if gang and gang.busy.acquire(blocking=False):
        try:
            gang.run(lines, table, times)
        finally:
            gang.busy.release()
    else:
        state = np.zeros(STATE, np.int64)
        state[TIMES] = times
        walk(times != 0)(0, 1, lines, table, state.ctypes.data)


def _gang(threads: int) -> Gang:
    with _lock:
        if threads not in _gangs:
            _gangs[threads] = Gang(threads)
        return _gangs[threads]
