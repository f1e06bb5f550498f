"""The CPU backend: kernels compiled by Numba, shared by all sizes and cached on disk.

`bind` asks, for each equation, which kernels do it (`conv`, `dot`, `simple`, `sampling`, `loops`), compiles or loads
them, and puts the calls into one table that the driver walks.  See README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from netc.backends.cpu import conv, dot, loops, norms, sampling, simple
from netc.backends.cpu.call import Borrow, Bound, Call, Lowering
from netc.backends.cpu.table import Table, lines_of
from netc.backends.cpu.threads import default_threads
from netc.ir.program import Equation, Program
from netc.ops import fused
from netc.ops.primitive import Primitive, Value
from netc.types import Math

_BY_NAME: Final[dict[str, Lowering]] = {
    f.__name__: f
    for f in (
        dot.dot, conv.conv, conv.conv_data, conv.conv_weights,
        simple.maxpool, simple.maxpool_grad, simple.avgpool, simple.avgpool_grad,
        simple.sum_to, simple.spread, simple.moments, simple.batch_norm, simple.batch_norm_grad,
        simple.softmax, simple.softmax_grad, simple.softmax_xent, simple.softmax_xent_grad, simple.in_top,
        simple.swap, simple.concat, simple.cut, simple.uncut, simple.fill, simple.dropout_mask,
        norms.standardise, norms.standardise_grad, norms.lrn, norms.lrn_grad, norms.l2norm, norms.l2norm_grad,
        norms.log_softmax, norms.log_softmax_grad, norms.pick, norms.unpick, norms.vector,
        sampling.resample, sampling.resample_grad, sampling.lookup, sampling.lookup_grad,
    )
}  # fmt: skip


def lowering(op: Primitive) -> Lowering:
    """What makes the calls for a primitive; NotImplementedError where nothing does."""
    if op.body is not None or op is fused:
        return loops.pointwise
    if op.name not in _BY_NAME:
        raise NotImplementedError(f"the CPU backend has no kernel for {op}")
    return _BY_NAME[op.name]


def bind(
    program: Program, arrays: Mapping[Value, Any], threads: int | None = None, math: Math = "fast"
) -> Callable[[], None]:
    """What runs the program once; everything is compiled when this returns."""
    return _table(program, arrays, threads, math)[0].run


def bind_timed(
    program: Program, arrays: Mapping[Value, Any], threads: int | None = None, math: Math = "fast"
) -> Callable[[], list[float]]:
    """What runs the program once and tells the seconds of each equation; views take none."""
    table, places = _table(program, arrays, threads, math)

    def run() -> list[float]:
        seconds = [0.0] * len(program.equations)
        for at, took in zip(places, table.timed(), strict=True):
            seconds[at] += took
        return seconds

    return run


def _table(
    program: Program, arrays: Mapping[Value, Any], threads: int | None, math: Math
) -> tuple[Table, tuple[int, ...]]:
    """The table of a program, and which equation each of its lines belongs to."""
    threads = default_threads() if threads is None else threads
    flat = {v: a.reshape(-1) for v, a in arrays.items()}
    numbered = [(at, eq) for at, eq in enumerate(program.equations) if not eq.op.view]
    calls = [(at, c) for at, eq in numbered for c in _calls(eq, flat, threads, math)]
    wanted = [a.nbytes for _, c in calls for a in c.args if isinstance(a, Borrow)]
    table = Table([c for _, c in calls], lines_of(max(wanted, default=0)), threads)
    return table, tuple(at for at, _ in calls)


def _calls(eq: Equation, flat: Mapping[Value, Any], threads: int, math: Math) -> list[Call]:
    bound = Bound(eq, tuple(flat[v] for v in eq.inputs), tuple(flat[v] for v in eq.outputs), threads, math)
    return lowering(eq.op)(bound)
