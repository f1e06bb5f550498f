"""Ways to run a planned program: `numpy`, the meaning, and `cpu`, compiled by Numba.

A backend is one function, `bind(program, arrays, threads, math, stay) -> Ready`: `arrays` gives the array of every
value, as the plan placed it.  Two values that share memory are arrays of the same address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """`run` runs the program once.  If it was bound with weights that `stay`, `prepare` is to be called before the
    first run, and when they have changed.  `scratch_bytes` is what kernels have beside the arrays of the
    program: what they work in, and what they make of weights that stay.
    """

    run: Callable[[], None]
    prepare: Callable[[], None]
    scratch_bytes: int = 0
