"""The roof over this machine: how fast it multiplies and adds, and how fast it copies, measured in a moment.

Williams, Waterman and Patterson, "Roofline", 2009: work of F operations on B bytes takes at least the longer of
F / peak and B / bandwidth.  The peak is that of a register tile's inner loop without its loads: as many sums as a tile
keeps, each a chain of fused multiply-adds that no other waits for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np

from netc.backends.cpu.target import CPU_FEATURES, CPU_NAME, TALL, VECTOR_BYTES
from netc.backends.cpu.threads import default_threads

_SUMS: Final = 2 * TALL
_LANES: Final = VECTOR_BYTES // 4  # of float32
_TURNS: Final = 1_000_000  # of the loop: some milliseconds
_COPIED: Final = 64 << 20  # bytes, more than caches hold
_ROUNDS: Final = 15  # others may have a core for a while, of which the best round knows nothing

_LOOP: Final = """
define void @multiply(i64 %turns, ptr %numbers) {{
  %x.at = getelementptr {vector}, ptr %numbers, i64 1
  %x = load {vector}, ptr %numbers, align 4
  %y = load {vector}, ptr %x.at, align 4
  br label %head
head:
  %turn = phi i64 [ 0, %0 ], [ %turn.next, %head ]
{phis}
{steps}
  %turn.next = add i64 %turn, 1
  %more = icmp slt i64 %turn.next, %turns
  br i1 %more, label %head, label %end
end:
{stores}
  ret void
}}
declare {vector} @llvm.fmuladd.v{lanes}f32({vector}, {vector}, {vector})
"""


@dataclass(frozen=True, slots=True)
class Roof:
    """Float32 operations a second, of which a fused multiply-add is two, and bytes read and written a second."""

    threads: int
    flops: float
    bytes: float

    def seconds(self, flops: int, nbytes: int) -> float:
        """The least that work takes."""
        return max(flops / self.flops, nbytes / self.bytes)


def measure(threads: int | None = None) -> Roof:
    """What so many threads reach together, the best of fifteen rounds, in about half a second."""
    threads = default_threads() if threads is None else threads
    with ThreadPoolExecutor(threads) as pool:
        seconds = _best(pool, threads, _multiplier)
        copying = _best(pool, threads, lambda: _copier(_COPIED // threads))
    flops = 2 * _SUMS * _LANES * _TURNS * threads
    return Roof(threads, flops / seconds, 2 * (_COPIED // threads) * threads / copying)


def processor() -> str:
    """The processor as LLVM knows it, with the width of its vectors."""
    return f"{CPU_NAME}, vectors of {8 * VECTOR_BYTES} bits"


def _best(pool: ThreadPoolExecutor, threads: int, make: Callable[[], Callable[[], Any]]) -> float:
    """Seconds until all threads have done what `make` makes for each of them; the best round."""
    jobs = [make() for _ in range(threads)]
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        begun = perf_counter()
        for done in [pool.submit(job) for job in jobs]:
            done.result()
        rounds.append(perf_counter() - begun)
    return min(rounds)


def _copier(nbytes: int) -> Callable[[], Any]:
    source, target = np.ones(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    return lambda: np.copyto(target, source)  # without Python's lock


def _multiplier() -> Callable[[], Any]:
    numbers = np.full((_SUMS + 2, _LANES), 0.5, np.float32)  # x, y, and where the sums go
    return lambda: _function()(_TURNS, numbers.ctypes.data)


@cache
def _function() -> Any:
    """The loop as a function of C, compiled for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(_text())
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=CPU_NAME, features=CPU_FEATURES, opt=2
    )
    engine: Any = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _engines.append(engine)
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(engine.get_function_address("multiply"))


_engines: list[Any] = []  # compiled code lives as long as its engine


def _text() -> str:
    vector = f"<{_LANES} x float>"
    numbers = range(_SUMS)
    fma = f"call {vector} @llvm.fmuladd.v{_LANES}f32"
    return _LOOP.format(
        vector=vector,
        lanes=_LANES,
        phis="\n".join(f"  %s{i} = phi {vector} [ %x, %0 ], [ %t{i}, %head ]" for i in numbers),
        steps="\n".join(f"  %t{i} = {fma}({vector} %s{i}, {vector} %x, {vector} %y)" for i in numbers),
        stores="\n".join(
            f"  %o{i} = getelementptr {vector}, ptr %numbers, i64 {i + 2}\n"
            f"  store {vector} %t{i}, ptr %o{i}, align 4"
            for i in numbers
        ),
    )
