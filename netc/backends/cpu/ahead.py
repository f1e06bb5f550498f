"""Kernels that the cache does not have yet, compiled by several processes at once.

Numba compiles on one core, for it holds a lock.  Kernel files are whole (see `emit.py`), so a process needs nothing but
a file, the name of a function and the types of its arguments to compile it into the cache, from which others load it.
This only saves time: what a process fails to do is compiled where it is needed.

A process of its own runs `main`, which reads its share, as JSON, from its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

ENOUGH: Final = 4  # functions to compile, below which starting a process costs more than it saves

Kind = str | int  # of an argument: "float32[]" an array, "float32" a number, 3 a tuple of so many ints
_PLAIN: Final[Mapping[str, Any]] = {"int": 0, "float": 0.0}
Wanted = tuple[Any, tuple[Kind, ...]]  # a function of Numba, with its arguments' kinds


def kinds(args: Iterable[Any]) -> tuple[Kind, ...]:
    """What a signature depends on, in words that travel."""
    return tuple(_kind(a) for a in args)


def _kind(value: Any) -> Kind:
    if isinstance(value, tuple):
        return len(value)  # pyright: ignore[reportUnknownArgumentType]
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return type(value).__name__
    return f"{dtype}[]" if value.ndim else str(dtype)


def _example(kind: Kind) -> Any:
    """A value of that kind."""
    import numpy as np

    if isinstance(kind, int):
        return (0,) * kind
    if kind.endswith("[]"):
        return np.empty(0, kind[:-2])
    return _PLAIN[kind] if kind in _PLAIN else np.dtype(kind).type(0)


def compile_ahead(wanted: Sequence[Wanted], processes: int | None = None) -> None:
    """Compiles what the cache lacks, in this process and others, if that is worth their start."""
    missing: dict[tuple[str, str], set[tuple[Kind, ...]]] = {}
    kernels: dict[tuple[str, str], Any] = {}
    for kernel, signature in wanted:
        function = kernel.py_func
        key = function.__code__.co_filename, function.__name__
        if not _cached(*key):
            missing.setdefault(key, set()).add(signature)
            kernels[key] = kernel
    count = min(processes or _cores(), len(missing) // (ENOUGH // 2))
    if len(missing) < ENOUGH or count < 2 or not sys.executable:
        return
    # All signatures of a function go to one process: Numba keeps an index for each function.
    shares = [list(missing.items())[i::count] for i in range(count)]
    others = [_started(share) for share in shares[1:]]
    for key, signatures in shares[0]:
        for signature in signatures:
            _compile(kernels[key], signature)
    for other in others:
        if other is not None:
            other.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cached(path: str, name: str) -> bool:
    """Whether Numba has an index for the function beside its file."""
    file = Path(path)
    return any(file.parent.joinpath("__pycache__").glob(f"{file.stem}.{name}-*.nbi"))


def _compile(kernel: Any, signature: Iterable[Kind]) -> None:
    from numba import typeof  # pyright: ignore[reportUnknownVariableType]

    kernel.compile(tuple(typeof(_example(kind)) for kind in signature))


def _started(
    share: Sequence[tuple[tuple[str, str], Iterable[Sequence[Kind]]]],
) -> subprocess.Popen[str] | None:
    """A process that compiles its share; None where none can be had."""
    here = str(Path(__file__).parents[3])
    environment: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", "")))),
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return None
    assert process.stdin is not None
    with suppress(OSError), process.stdin:  # it may have ended already
        json.dump([[*key, list(map(list, signatures))] for key, signatures in share], process.stdin)
    return process


def main() -> None:
    """Compiles the functions that the input names."""
    from netc.backends.cpu.emit import import_file

    for path, name, signatures in json.load(sys.stdin):
        for signature in signatures:
            _compile(getattr(import_file(Path(path)), name), signature)
