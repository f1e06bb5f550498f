"""The driver: every line of a table is done once, in order, by however many threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.backends.cpu import table
from netc.backends.cpu.call import Call
from netc.backends.cpu.emit import load
from netc.backends.cpu.table import Table

SOURCE = '''"""Kernels for tests."""

import numpy as np
from netc.backends.cpu.jit import kernel


@kernel
def count(lo, hi, x, amount):
    """Adds to each element of the stretch."""
    for i in range(lo, hi):
        x[i] += amount


@kernel
def turned(lo, hi, x, y, factors):
    """Reads what another thread has written: y is x backwards, times a factor."""
    for i in range(lo, hi):
        y[i] = x[x.size - 1 - i] * factors[i % 2]


@kernel
def greedy(lo, hi, x):
    """Asks for more memory than there is."""
    for i in range(lo, hi):
        x[i] += np.empty(1 << 60, x.dtype)[0]
'''
SIZE = 1003


def tables(calls: list[Call], threads: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(table, "WORTH", 0)
    monkeypatch.setattr(table, "WAKING", 0)
    return Table(calls, np.empty(0, np.uint8), threads).run


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stretches_meet_where_they_depend(threads: int, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alternately forwards and backwards: a thread that is ahead would read what is not written yet."""
    k = load("driver_test", SOURCE)
    x, y = np.zeros(SIZE, dtype), np.zeros(SIZE, dtype)
    calls = [
        Call(k.count, SIZE, (x, dtype(0.5)), 0),
        Call(k.turned, SIZE, (x, y, (2, 2)), 0),
        Call(k.count, 1, (y, dtype(1)), 0),  # not shared: one thread, one element
        Call(k.turned, SIZE, (y, x, (1, 1)), 0),
    ]
    run = tables(calls * 25, threads, monkeypatch)
    run()
    wanted = np.zeros(SIZE, dtype)
    for _ in range(25):
        step = (wanted + dtype(0.5))[::-1] * 2
        step[0] += 1
        wanted = step[::-1]
    np.testing.assert_array_equal(x, wanted.astype(dtype))


def test_many_runs_with_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    k = load("driver_test", SOURCE)
    x = np.zeros(SIZE)
    run = tables([Call(k.count, SIZE, (x, 1.0), 0)] * 3, 6, monkeypatch)
    for _ in range(200):
        run()
    np.testing.assert_array_equal(x, 600)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_memory(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is told when all threads have come to the end, and the next run is right again."""
    k = load("driver_test", SOURCE)
    x = np.zeros(SIZE)
    with pytest.raises(MemoryError, match="a kernel found no memory"):
        tables([Call(k.greedy, SIZE, (x,), 0)], threads, monkeypatch)()
    tables([Call(k.count, SIZE, (x, 1.0), 0)], threads, monkeypatch)()
    np.testing.assert_array_equal(x, 1)


def test_an_empty_program(monkeypatch: pytest.MonkeyPatch) -> None:
    tables([], 2, monkeypatch)()
