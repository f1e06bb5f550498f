"""A small pool of threads that share one kernel's axis.  Kernels hold no lock, so they run at the same time.

Which thread does which stretch is fixed by their number, so the bits of a result depend on nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

# Operations or bytes from which sharing pays: waking a thread takes 0.05 to 0.3 ms on two virtual cores.
LARGE: Final = 10_000_000

_pools: dict[int, ThreadPoolExecutor] = {}


def _forget() -> None:
    _pools.clear()  # the child of a fork has this table, but not the threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def default_threads() -> int:
    """`NETC_NUM_THREADS`, else how many cores this process may use.  A ValueError where the variable is no
    number.
    """
    wanted = os.environ.get("NETC_NUM_THREADS", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise ValueError(f"NETC_NUM_THREADS is {wanted!r}, but a number of threads is wanted")
        return int(wanted)
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def share(kernel: Callable[..., None], extent: int, args: tuple[Any, ...], threads: int) -> None:
    """Runs `kernel(lo, hi, *args)` over 0..extent, cut into as many equal stretches as there are threads."""
    parts = min(threads, extent)
    bounds = [extent * i // parts for i in range(parts + 1)]
    waiting: list[Future[None]] = []
    try:
        for lo, hi in pairwise(bounds[1:]):
            waiting.append(_pool(threads).submit(kernel, lo, hi, *args))
        kernel(bounds[0], bounds[1], *args)
    finally:
        for future in waiting:
            future.result()


def _pool(threads: int) -> ThreadPoolExecutor:
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1, thread_name_prefix="netc")
    return _pools[threads]
