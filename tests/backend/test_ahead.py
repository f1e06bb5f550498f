"""Kernels that are compiled ahead: by other processes, into the cache, and without them no less right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import typeof

from netc.backends.cpu import ahead
from netc.backends.cpu.emit import load

SOURCE = '''"""A kernel."""

from netc.backends.cpu.jit import kernel


@kernel
def scale{i}(lo, hi, x, sizes, factor):
    for i in range(lo, hi):
        x[i] *= factor * sizes[{i} % 3]
'''
ARGUMENTS = (0, 4, np.ones(4, np.float32), (1, 2, 3), np.float32(2))


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Six functions in as many files, of which a cache of this test's own has none."""
    monkeypatch.setenv("NETC_CACHE_DIR", str(tmp_path))
    return [getattr(load(f"scale{i}", SOURCE.format(i=i) + f"# {tmp_path}\n"), f"scale{i}") for i in range(6)]


@pytest.mark.parametrize(
    "value",
    [
        0,
        0.5,
        True,
        np.float32(1),
        np.float64(1),
        np.int64(1),
        (1, 2, 3),
        np.zeros(2, np.float64),
        np.zeros(3, np.int32),
    ],
)
def test_an_example_has_the_type_of_what_it_stands_for(value: Any) -> None:
    (kind,) = ahead.kinds([value])
    assert typeof(ahead._example(kind)) == typeof(value)


def test_others_compile_what_this_process_then_loads(functions: list[Any]) -> None:
    ahead.compile_ahead([(f, ahead.kinds(ARGUMENTS)) for f in functions], processes=2)
    assert [len(f.overloads) for f in functions] == [1, 0, 1, 0, 1, 0]
    for f in functions:
        f.compile(tuple(map(typeof, ARGUMENTS)))
    assert [sum(f.stats.cache_hits.values()) for f in functions] == [0, 1, 0, 1, 0, 1]
    x = np.ones(4, np.float32)
    functions[1](0, 4, x, (1, 2, 3), np.float32(2))
    assert x.tolist() == [4, 4, 4, 4]


def test_what_is_cached_or_little_starts_nothing(
    functions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_started", lambda share: pytest.fail("a process was started"))
    wanted = [(f, ahead.kinds(ARGUMENTS)) for f in functions]
    ahead.compile_ahead(wanted[:3], processes=2)
    for f in functions:
        f.compile(tuple(map(typeof, ARGUMENTS)))
    ahead.compile_ahead(wanted, processes=2)


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", ""])
def test_a_process_that_cannot_run_costs_nothing_but_time(
    functions: list[Any], monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    ahead.compile_ahead([(f, ahead.kinds(ARGUMENTS)) for f in functions], processes=2)
    x = np.ones(4, np.float32)
    for f in functions[1:3]:
        f(0, 4, x, (1, 2, 3), np.float32(2))
    assert x.tolist() == [24, 24, 24, 24]
