"""The calls of a program as the table that the driver walks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from netc.backends.cpu.ahead import compile_ahead
from netc.backends.cpu.call import Call, Own, lines, lines_of
from netc.backends.cpu.driver import LINE, SHARED, WAIT, PerThread, loaded, trampolines, words_of
from netc.backends.cpu.emit import Kernel
from netc.backends.cpu.store import Kind, kinds, load_what_it_calls, machine_code
from netc.backends.cpu.threads import WAKING, WORTH, run

_addresses: dict[tuple[Kernel, tuple[Kind, ...]], int] = {}
_lock = threading.Lock()


class Table:
    """One line for each call, with all that its lines point at.  Everything is compiled when it is made."""

    def __init__(self, calls: Sequence[Call], threads: int) -> None:
        args = [c.args for c in calls]
        wanted = [(c.kernel, kinds((0, c.extent, *a))) for c, a in zip(calls, args, strict=True)]
        compile_ahead([w for w in wanted if w not in _addresses])
        entries = [_address(*w) for w in wanted]
        shared = [threads > 1 and c.extent > 1 and c.work >= WORTH for c in calls]
        if sum(c.work for c, s in zip(calls, shared, strict=True) if s) < WAKING:
            shared = [False] * len(calls)
        self._threads = threads if any(shared) else 1
        self._args = _with_own(args, self._threads)
        patterns, self._blocks = zip(*map(words_of, self._args), strict=True) if calls else ((), ())
        self._table = np.zeros((len(calls), LINE), np.int64)
        for i, call in enumerate(trampolines(patterns)):
            # A stretch may begin when what it reads is written, and nobody reads any more what it writes.
            wait = i > 0 and (shared[i] or shared[i - 1])
            flags = SHARED * shared[i] + WAIT * wait
            self._table[i] = call, entries[i], self._blocks[i].ctypes.data, calls[i].extent, flags

    def run(self) -> None:
        """Does every call once, in order."""
        run(len(self._table), self._table.ctypes.data, self._threads)

    def timed(self) -> list[float]:
        """`run`, and the seconds of each call; those of a shared one last until all threads have done it."""
        begun = np.zeros((len(self._table) + 1, 2), np.int64)  # seconds and nanoseconds, and those of the end
        run(len(self._table), self._table.ctypes.data, self._threads, begun.ctypes.data)
        seconds: list[float] = (np.diff(begun, axis=0) @ np.array([1.0, 1e-9])).tolist()
        return seconds


def _with_own(calls: Sequence[tuple[Any, ...]], threads: int) -> list[tuple[Any, ...]]:
    """The arguments of all calls, with memory for what threads have for themselves: as much for each as one call wants.

    It is only spoken for; a page of it is there when a kernel first writes to it.
    """
    own = [[lines(a.nbytes) if isinstance(a, Own) else 0 for a in args] for args in calls]
    stride = max(map(sum, own), default=0)
    memory = lines_of(threads * stride)
    return [
        tuple(
            PerThread(memory[end - size :][: a.nbytes].view(a.dtype), stride) if isinstance(a, Own) else a
            for a, size, end in zip(args, sizes, accumulate(sizes), strict=True)
        )
        for args, sizes in zip(calls, own, strict=True)
    ]


def do(kernel: Kernel, extent: int, *args: Any) -> None:
    """One kernel, at once, on this thread."""
    Table([Call(kernel, extent, args, 0)], 1).run()


def _address(kernel: Kernel, signature: tuple[Kind, ...]) -> int:
    """Where the machine code of a kernel begins."""
    with _lock:
        if (kernel, signature) not in _addresses:
            symbol, code = machine_code(kernel, signature)
            load_what_it_calls(code)
            _addresses[kernel, signature] = loaded(symbol, code)
        return _addresses[kernel, signature]
