"""Kernels that the cache does not have yet, compiled by several processes at once.

Numba compiles on one core, for it holds a lock.  Kernel files are whole (see `emit.py`), so a process needs nothing but
a file, the name of a function and the kinds of its arguments to compile it and to keep it where others find it (see
`store.py`).  This only saves time: what a process fails to do is compiled where it is needed.

A process of its own runs `main`, which reads its share, as JSON, from its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from netc.backends.cpu.emit import Kernel, written
from netc.backends.cpu.store import Kind, compiled, is_kept

ENOUGH: Final = 4  # functions to compile, below which starting a process costs more than it saves

Wanted = tuple[Kernel, tuple[Kind, ...]]


def compile_ahead(wanted: Sequence[Wanted], processes: int | None = None) -> None:
    """Compiles what the cache lacks, in this process and others, if that is worth their start."""
    missing = [w for w in dict.fromkeys(wanted) if not is_kept(*w)]
    count = min(processes or _cores(), len(missing) // (ENOUGH // 2))
    if len(missing) < ENOUGH or count < 2 or not sys.executable:
        return
    shares = [[(written(k.source), k.name, kinds) for k, kinds in missing[i::count]] for i in range(count)]
    others = [_started(share) for share in shares[1:]]
    try:
        for one in shares[0]:
            compiled(*one)
    finally:
        for other in others:
            if other is not None:
                other.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _started(share: Sequence[tuple[Path, str, tuple[Kind, ...]]]) -> subprocess.Popen[str] | None:
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
        json.dump([(str(path), name, kinds) for path, name, kinds in share], process.stdin)
    return process


def main() -> None:
    """Compiles the functions that the input names."""
    for path, name, signature in json.load(sys.stdin):
        compiled(Path(path), name, tuple(signature))
