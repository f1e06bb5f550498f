"""The driver: every line of a table is done once, in order, by however many threads."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from netc.backends.cpu import table, threads
from netc.backends.cpu.call import Call, Own
from netc.backends.cpu.driver import PerThread
from netc.backends.cpu.emit import load
from netc.backends.cpu.table import Table

SOURCE = '''"""Kernels for tests."""

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
def note(lo, hi, begun, ended):
    """Notes in a thread's own memory which stretch it does."""
    for i in range(begun.size):
        begun[i] = lo
    for i in range(ended.size):
        ended[i] = hi


@kernel
def tell(lo, hi, begun, x, factor, ended):
    """Writes for each element what is noted."""
    for i in range(lo, hi):
        x[i] = begun[i % begun.size] + factor * ended[i % ended.size]
'''
SIZE = 1003


def tables(calls: list[Call], threads: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(table, "WORTH", 0)
    return Table(calls, threads).run


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


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_memory_of_a_threads_own(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all threads have noted when they meet, each of them still finds: memory overlaps with nobody's."""
    k = load("driver_test", SOURCE)
    x = np.zeros(SIZE)
    own = Own(37, x.dtype), Own(9, np.dtype(np.float32))
    calls = [
        Call(k.note, SIZE, own, 0),
        Call(k.tell, SIZE, (own[0], x, 2 * SIZE, own[1]), 0),
    ]
    tables(calls, threads, monkeypatch)()
    edges = [SIZE * t // threads for t in range(threads + 1)]
    wanted = [np.full(hi - lo, lo + 2 * SIZE * hi) for lo, hi in pairwise(edges)]
    np.testing.assert_array_equal(x, np.concatenate(wanted))


@pytest.mark.parametrize("threads", [2, 5])
def test_runs_that_follow_at_any_distance(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads still walk, linger or sleep when the next run calls them, and miss none."""
    k = load("driver_test", SOURCE)
    x, y = np.zeros(SIZE), np.zeros(SIZE)
    calls = [Call(k.count, SIZE, (x, 1.0), 0), Call(k.turned, SIZE, (x, y, (1, 1)), 0)]
    run = tables(calls, threads, monkeypatch)
    for i in range(1, 301):
        run()
        np.testing.assert_array_equal(y, i)
        until = perf_counter() + i % 30 * 1e-5
        while perf_counter() < until:
            pass


@pytest.mark.parametrize("after", [0, 1])
def test_an_interrupt_while_threads_are_called(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is finished before the interrupt is told, and the next one is right."""
    k = load("driver_test", SOURCE)
    x, y = np.zeros(SIZE), np.zeros(SIZE)
    run = tables([Call(k.count, SIZE, (x, 1.0), 0), Call(k.turned, SIZE, (x, y, (1, 1)), 0)], 3, monkeypatch)
    run()
    plain, calls = threads.summon(), iter(range(1000))

    def summon(mine: int) -> int:
        if next(calls) < after:
            return plain(mine)
        found = plain(mine)
        monkeypatch.undo()
        raise KeyboardInterrupt if found else KeyboardInterrupt("asleep")

    for i in range(2, 20):
        monkeypatch.setattr(threads, "summon", lambda: summon)
        with pytest.raises(KeyboardInterrupt):
            run()
        np.testing.assert_array_equal(y, i)
    run()
    np.testing.assert_array_equal(y, 20)


def test_where_memory_of_a_threads_own_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """On cache lines of its own; a thread has as much as the greediest call wants, and calls use the same."""
    k = load("driver_test", SOURCE)
    own = [Own(size, np.dtype(np.float64)) for size in (1, 9, 0, 8)]
    lines = table.Table([Call(k.note, 2, (a, b), 0) for a, b in (own[:2], own[2:])], 1)
    places: list[list[int]] = []
    for args in lines._args:
        assert all(isinstance(a, PerThread) and a.stride == 3 * 64 for a in args)
        places.append([a.array.ctypes.data for a in args])
    assert [a.array.size for args in lines._args for a in args] == [1, 9, 0, 8]
    assert all(place % 64 == 0 for at in places for place in at)
    assert [[place - places[0][0] for place in at] for at in places] == [[0, 64], [0, 0]]


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_too_small_to_be_normal_are_zero(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While kernels run, and not for their caller."""
    k = load("driver_test", SOURCE)
    least = np.finfo(np.float32).tiny
    x = np.full(SIZE, least * 1.5, np.float32)
    tables([Call(k.count, SIZE, (x, -least), 0)], threads, monkeypatch)()
    np.testing.assert_array_equal(x, 0)
    y = np.full(SIZE, least * 1.5, np.float32) - least
    assert (y > 0).all()


def test_an_empty_program(monkeypatch: pytest.MonkeyPatch) -> None:
    tables([], 2, monkeypatch)()
