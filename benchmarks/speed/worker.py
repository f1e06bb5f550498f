"""A peer's process: imports it, takes a first step, and then as many as it is asked for."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from time import perf_counter

from benchmarks.speed import memory
from benchmarks.speed.peers import MODULES, Job
from benchmarks.speed.protocol import say, serve


def main() -> None:
    # What a library prints must not stand between messages.
    outputs = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = Job(**json.loads(sys.argv[1]))
    begun = perf_counter()
    peer = import_module(f"benchmarks.speed.{MODULES[job.peer]}")
    imported = perf_counter() - begun
    memory.forget_peak()
    base = memory.resident()
    x, y = job.case.data()
    step, known = peer.build(job, x, y)
    result = step()
    ready = {"ready": True, "import_seconds": imported, "after_import": base, **known}
    say(outputs, ready)
    _must_be_finite(result)
    serve(sys.stdin, outputs, step, memory.peak)


def _must_be_finite(result: object) -> None:
    """Numbers that have overflowed may take another time; a step that gives them is measured by nobody."""
    import numpy as np

    if not np.isfinite(np.asarray(result)).all():
        raise ArithmeticError("the first step gave numbers that are not finite")


if __name__ == "__main__":
    main()
