"""The CPU backend: kernels compiled by Numba, shared by all sizes and cached on disk.

`bind` asks, for each equation, which kernels do it (`lowerings.py`), compiles or loads them, and puts the calls into
one table that the driver walks.  See README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from netc.backends import Ready
from netc.backends.cpu.call import Bound, Call, lent, work_of
from netc.backends.cpu.lowerings import lowering
from netc.backends.cpu.table import Table
from netc.backends.cpu.threads import default_threads, worth_waking
from netc.ir.constant import KEPT
from netc.ir.program import Equation, Program
from netc.ops.primitive import Value
from netc.types import Math


def bind(
    program: Program,
    arrays: Mapping[Value, Any],
    threads: int | None = None,
    math: Math = "fast",
    stay: bool = False,
) -> Ready:
    """What runs the program once, and what brings weights that `stay` together as kernels read them; everything is
    compiled when this returns.
    """
    threads = _threads(program, threads)
    numbered = _numbered_calls(program, arrays, threads, math, stay)
    early, always = (Table([c for _, c in numbered if c.early is when], threads) for when in (True, False))
    return Ready(always.run, early.run, _beside([*early.arrays, *always.arrays], arrays.values()))


def _beside(taken: Iterable[Any], arrays: Iterable[Any]) -> int:
    """The bytes of all memory that `taken` lie in and `arrays` do not."""
    whole = {id(root): root.nbytes for root in map(_root, taken)}
    for array in arrays:
        whole.pop(id(_root(array)), None)
    return sum(whole.values())


def _root(array: Any) -> Any:
    """What owns the memory of an array."""
    while array.base is not None:
        array = array.base
    return array


def bind_timed(
    program: Program,
    arrays: Mapping[Value, Any],
    threads: int | None = None,
    math: Math = "fast",
    stay: bool = False,
) -> Callable[[], list[float]]:
    """What runs the program once and tells the seconds of each equation; views take none, and what is made of weights
    that `stay` is made now.
    """
    threads = _threads(program, threads)
    numbered = _numbered_calls(program, arrays, threads, math, stay)
    Table([c for _, c in numbered if c.early], threads).run()
    places = [at for at, c in numbered if not c.early]
    table = Table([c for _, c in numbered if not c.early], threads)

    def run() -> list[float]:
        seconds = [0.0] * len(program.equations)
        for at, took in zip(places, table.timed(), strict=True):
            seconds[at] += took
        return seconds

    return run


def _threads(program: Program, threads: int | None) -> int:
    """How many walk the program: one if it is small, and then nothing is cut into parts for others."""
    wanted = default_threads() if threads is None else threads
    return wanted if worth_waking(work_of(eq) for eq in program.equations if not eq.op.view) else 1


def _numbered_calls(
    program: Program, arrays: Mapping[Value, Any], threads: int, math: Math, stay: bool
) -> list[tuple[int, Call]]:
    """The calls of a program, each with the number of its equation."""
    flat = {v: a.reshape(-1) for v, a in arrays.items()}
    staying = _staying(program) if stay else set[Value]()
    numbers = [at for at, eq in enumerate(program.equations) if not eq.op.view]
    calls = lent([_calls(program.equations[at], flat, threads, math, staying) for at in numbers])
    return [(at, c) for at, of_one in zip(numbers, calls, strict=True) for c in of_one]


def _calls(
    eq: Equation, flat: Mapping[Value, Any], threads: int, math: Math, staying: set[Value]
) -> list[Call]:
    arrays = tuple(flat[v] for v in eq.inputs), tuple(flat[v] for v in eq.outputs)
    return lowering(eq.op)(Bound(eq, *arrays, threads, math, tuple(v in staying for v in eq.inputs)))


def _staying(program: Program) -> set[Value]:
    """The weights that no run changes, also under other shapes."""
    changed = {old for old, _ in program.updates}
    found = {i.value for i in program.by_role(*KEPT, "prepared") if i.value not in changed}
    for eq in program.equations:
        if eq.op.view and eq.inputs[0] in found:
            found.update(eq.outputs)
    return found
