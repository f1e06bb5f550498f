"""The calls of a program as the table that the driver walks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from netc.backends.cpu.ahead import compile_ahead
from netc.backends.cpu.call import ALONE, Along, Call, Own, lines, lines_of
from netc.backends.cpu.driver import THEN, PerThread, Taken, loaded, trampolines, words_of
from netc.backends.cpu.emit import Kernel
from netc.backends.cpu.store import Kind, kinds, machine_code
from netc.backends.cpu.threads import WORTH, run, worth_waking
from netc.backends.cpu.walk import LINE, SHARED, WAIT
from netc.locks import Lock

_addresses: dict[tuple[Kernel, tuple[Kind, ...]], int] = {}
_lock = Lock()


class Table:
    """One line for each call, with all that its lines point at.  Everything is compiled when it is made."""

    def __init__(self, calls: Sequence[Call], threads: int) -> None:
        along = [next((a for a in c.args if isinstance(a, Along)), ALONE) for c in calls]
        taken = [(at, a.call) for at, a in enumerate(along) if a.call]
        every = [*calls, *(c for _, c in taken)]
        wanted = [(c.kernel, kinds((0, c.extent, *c.args))) for c in every]
        compile_ahead([w for w in wanted if w not in _addresses])
        entries = [_address(*w) for w in wanted]
        shared = [threads > 1 and c.extent > 1 and c.work >= WORTH for c in calls]
        if not worth_waking(c.work for c in calls):
            shared = [False] * len(calls)
        self._threads = threads if any(shared) else 1
        self._args = _with_own([c.args for c in every], [at for at, _ in taken], self._threads)
        self._then = np.zeros((len(calls), THEN), np.int64)
        for at, a in enumerate(along):
            place = Taken(self._then[at].ctypes.data if a.call else 0)
            self._args[at] = tuple(place if isinstance(x, Along) else x for x in self._args[at])
        patterns, self._blocks = zip(*map(words_of, self._args), strict=True) if calls else ((), ())
        heads = list(zip(trampolines(patterns), entries, (b.ctypes.data for b in self._blocks), strict=True))
        self._table = np.zeros((len(calls), LINE), np.int64)
        for i, call in enumerate(calls):
            # A stretch may begin when what it reads is written, and nobody reads any more what it writes.
            wait = i > 0 and (shared[i] or shared[i - 1])
            self._table[i] = *heads[i], call.extent, SHARED * shared[i] + WAIT * wait
        for (at, _), head in zip(taken, heads[len(calls) :], strict=True):
            self._then[at] = *head, along[at].times, along[at].over

    @property
    def arrays(self) -> list[Any]:
        """What the calls read and write."""
        given = (a.array if isinstance(a, PerThread) else a for args in self._args for a in args)
        return [a for a in given if isinstance(a, np.ndarray)]

    def run(self) -> None:
        """Does every call once, in order."""
        run(len(self._table), self._table.ctypes.data, self._threads)

    def timed(self) -> list[float]:
        """`run`, and the seconds of each call; those of a shared one last until all threads have done it."""
        begun = np.zeros((len(self._table) + 1, 2), np.int64)  # seconds and nanoseconds, and those of the end
        run(len(self._table), self._table.ctypes.data, self._threads, begun.ctypes.data)
        seconds: list[float] = (np.diff(begun, axis=0) @ np.array([1.0, 1e-9])).tolist()
        return seconds


def _with_own(calls: Sequence[tuple[Any, ...]], takers: Sequence[int], threads: int) -> list[tuple[Any, ...]]:
    """The arguments of all calls, with memory for what threads have for themselves: as much for each as one call wants.

    The last of the calls are taken along by those numbered `takers`, and have theirs behind that of these.  Memory is
    only spoken for; a page of it is there when a kernel first writes to it.
    """
    own = [[lines(a.nbytes) if isinstance(a, Own) else 0 for a in args] for args in calls]
    begin = [0] * (len(calls) - len(takers)) + [sum(own[at]) for at in takers]
    stride = max((at + sum(sizes) for at, sizes in zip(begin, own, strict=True)), default=0)
    memory = lines_of(threads * stride)
    return [
        tuple(
            PerThread(memory[at:][: a.nbytes].view(a.dtype), stride) if isinstance(a, Own) else a
            for a, at in zip(args, accumulate(sizes, initial=first), strict=False)
        )
        for args, sizes, first in zip(calls, own, begin, strict=True)
    ]


def do(kernel: Kernel, extent: int, *args: Any) -> None:
    """One kernel, at once, on this thread."""
    Table([Call(kernel, extent, args, 0)], 1).run()


def _address(kernel: Kernel, signature: tuple[Kind, ...]) -> int:
    """Where the machine code of a kernel begins."""
    with _lock:
        if (kernel, signature) not in _addresses:
            _addresses[kernel, signature] = loaded(*machine_code(kernel, signature))
        return _addresses[kernel, signature]
