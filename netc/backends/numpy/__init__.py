"""The meaning of a program: each equation by its primitive's own definition in NumPy, slow and plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netc.backends import Ready
from netc.ir.program import Equation, Program
from netc.ops.primitive import Value
from netc.types import Math

Step = Callable[[], None]


def bind(
    program: Program,
    arrays: Mapping[Value, Any],
    threads: int | None = None,
    math: Math = "fast",
    stay: bool = False,
) -> Ready:
    """What runs the program once, one equation after the other, and prepares nothing."""
    del threads, math, stay
    all_steps = steps(program, arrays)

    def run() -> None:
        for step in all_steps:
            step()

    return Ready(run, lambda: None)


def steps(program: Program, arrays: Mapping[Value, Any]) -> list[Step]:
    """One step for each equation that computes."""
    return [_step(eq, arrays) for eq in program.equations if not eq.op.view]


def _step(eq: Equation, arrays: Mapping[Value, Any]) -> Step:
    inputs = [arrays[v] for v in eq.inputs]
    outputs = [arrays[v] for v in eq.outputs]
    params = dict(eq.params)

    def step() -> None:
        # What is infinite or not a number is the program's to give; training looks at its losses itself.
        with np.errstate(all="ignore"):
            results = eq.op.meaning(*inputs, **params)
            # copied first: a result may take the memory of an operand that a later result is a view of
            copies = [np.array(r) for r in (results if len(outputs) > 1 else (results,))]
            for out, result in zip(outputs, copies, strict=True):
                out[...] = result

    return step
