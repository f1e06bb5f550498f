"""Kernels that are compiled ahead: by other processes, into the cache, and without them no less right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import typeof

from netc.backends.cpu import ahead, store
from netc.backends.cpu.emit import Kernel, load
from netc.backends.cpu.table import do

SOURCE = '''"""A kernel."""

from netc.backends.cpu.jit import kernel


@kernel
def scale{i}(lo, hi, x, sizes, factor):
    for i in range(lo, hi):
        x[i] *= factor * sizes[{i} % 3]
'''
KINDS = store.kinds((0, 4, np.ones(4, np.float32), (1, 2, 3), np.float32(2)))


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """Six kernels in as many files, of which a cache of this test's own has none."""
    monkeypatch.setenv("NETC_CACHE_DIR", str(tmp_path))
    return [Kernel(load(f"scale{i}", SOURCE.format(i=i) + f"# {tmp_path}\n"), f"scale{i}") for i in range(6)]


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
    (kind,) = store.kinds([value])
    assert typeof(store._example(kind)) == typeof(value)


def test_others_compile_what_this_process_then_loads(
    kernels: list[Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two processes keeps the machine code of three kernels; this one imports the sources of its own only."""
    ahead.compile_ahead([(k, KINDS) for k in kernels], processes=2)
    assert [store.is_kept(k, KINDS) for k in kernels] == [True] * 6
    assert [f"netc_kernels_{k.source.stem}" in sys.modules for k in kernels] == [True, False] * 3
    monkeypatch.setattr(store, "compiled", lambda *_: pytest.fail("it was compiled again"))
    x = np.ones(4, np.float32)
    do(kernels[1], 4, x, (1, 2, 3), np.float32(2))
    assert x.tolist() == [4, 4, 4, 4]


def test_what_is_kept_or_little_starts_nothing(
    kernels: list[Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_started", lambda share: pytest.fail("a process was started"))
    wanted = [(k, KINDS) for k in kernels]
    ahead.compile_ahead(wanted[:3], processes=2)
    for kernel in kernels:
        store.machine_code(kernel, KINDS)
    ahead.compile_ahead(wanted, processes=2)


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", ""])
def test_a_process_that_cannot_run_costs_nothing_but_time(
    kernels: list[Kernel], monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    ahead.compile_ahead([(k, KINDS) for k in kernels], processes=2)
    x = np.ones(4, np.float32)
    for kernel in kernels[1:3]:
        do(kernel, 4, x, (1, 2, 3), np.float32(2))
    assert x.tolist() == [24, 24, 24, 24]
