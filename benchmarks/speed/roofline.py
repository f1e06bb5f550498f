"""How fast the machine could be: multiply-adds from the first-level cache, and copies through memory.

The loop is a register tile as netc has one, and on purpose not netc's own: a tile that gets slower must lower the share
of the peak, not the peak.  12 rows × 2 vectors of sums with AVX-512 or NEON, 6 × 2 with the 16 registers of AVX2.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import llvmlite.binding as llvm
import numpy as np

DEPTH = 128  # A and B take 22 KiB with AVX-512
BURST, BURSTS = (
    0.01,
    100,
)  # seconds of one measurement, and how many; the best counts, for others use the cores too
COPIED = 256 << 20  # bytes, more than caches hold

_LOOP = """
declare {v} @llvm.fma.v{lanes}f32({v}, {v}, {v})

define void @tile(i64 %times, i64 %depth, ptr %a, ptr %b, ptr %c) {{
entry:
  br label %outer
outer:
  %time = phi i64 [ 0, %entry ], [ %time.next, %stored ]
  br label %inner
inner:
  %k = phi i64 [ 0, %outer ], [ %k.next, %inner ]
{sums}
  %b.at = mul i64 %k, {width}
  %b.left = getelementptr float, ptr %b, i64 %b.at
  %b.right = getelementptr float, ptr %b.left, i64 {lanes}
  %b0 = load {v}, ptr %b.left, align 4
  %b1 = load {v}, ptr %b.right, align 4
  %a.at = mul i64 %k, {height}
  %a.row = getelementptr float, ptr %a, i64 %a.at
{products}
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %depth
  br i1 %more, label %inner, label %stored
stored:
{stores}
  %time.next = add i64 %time, 1
  %again = icmp slt i64 %time.next, %times
  br i1 %again, label %outer, label %done
done:
  ret void
}}
"""


def tile_ir(height: int, lanes: int) -> str:
    """The loop: C (height, 2 · lanes) = Σ over k of A[k, :] ⊗ B[k, :], `times` times."""
    v = f"<{lanes} x float>"
    sums, products, stores = [], [], []
    for i in range(height):
        products.append(
            f"  %p{i} = getelementptr float, ptr %a.row, i64 {i}\n  %x{i} = load float, ptr %p{i}\n"
            f"  %y{i} = insertelement {v} poison, float %x{i}, i32 0\n"
            f"  %a{i} = shufflevector {v} %y{i}, {v} poison, <{lanes} x i32> zeroinitializer"
        )
        for j in range(2):
            n = f"{i}.{j}"
            sums.append(f"  %s{n} = phi {v} [ zeroinitializer, %outer ], [ %r{n}, %inner ]")
            products.append(f"  %r{n} = call {v} @llvm.fma.v{lanes}f32({v} %a{i}, {v} %b{j}, {v} %s{n})")
            stores.append(
                f"  %c{n} = getelementptr float, ptr %c, i64 {(2 * i + j) * lanes}\n"
                f"  store {v} %r{n}, ptr %c{n}, align 4"
            )
    lines = {
        "sums": "\n".join(sums),
        "products": "\n".join(products),
        "stores": "\n".join(stores),
    }
    return _LOOP.format(v=v, lanes=lanes, width=2 * lanes, height=height, **lines)


def _shape(features: dict[str, bool]) -> tuple[int, int]:
    """Height and lanes of the tile that fills this processor's registers."""
    if features.get("avx512f"):
        return 12, 16
    if features.get("avx2"):
        return 6, 8
    return (12, 4) if features.get("neon") else (6, 4)


@dataclass(frozen=True)
class Tile:
    """The loop, compiled for this processor: `run(times, depth, A, B, C)` with addresses of float32 arrays."""

    height: int
    lanes: int
    run: Callable[[int, int, int, int, int], None]
    engine: Any  # the code lives as long as it


def compiled_tile() -> Tile:
    """A is (depth, height), B (depth, 2 · lanes) and C (height, 2 · lanes)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features: Any = llvm.get_host_cpu_features()
    height, lanes = _shape(features)
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(llvm.get_host_cpu_name(), features.flatten(), opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(tile_ir(height, lanes)), machine)
    engine.finalize_object()
    kinds = [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 3
    run = ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address("tile"))
    return Tile(height, lanes, run, engine)


def multiply_adds(threads: int) -> float:
    """FLOPs a second of all threads together, a multiplication and an addition counted as two."""
    tile = compiled_tile()
    height, lanes = tile.height, tile.lanes
    arrays = [
        [np.ones(size, np.float32) for size in (height * DEPTH, 2 * lanes * DEPTH, 2 * height * lanes)]
        for _ in range(threads)
    ]
    each = 2 * height * 2 * lanes * DEPTH  # FLOPs of one tile
    times = max(1, int(BURST * 1e11 / each))

    def work(thread: int) -> None:
        tile.run(times, DEPTH, *(array.ctypes.data for array in arrays[thread]))

    return each * times * threads / min(_together(work, threads) for _ in range(BURSTS))


def copy_bandwidth(threads: int) -> float:
    """Bytes a second, read and written ones both counted, that copies in all threads move."""
    source, target = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
    part = COPIED // threads

    def work(thread: int) -> None:
        stretch = slice(thread * part, (thread + 1) * part)
        np.copyto(target[stretch], source[stretch])

    return 2 * part * threads / min(_together(work, threads) for _ in range(10))


def _together(work: Callable[[int], None], threads: int) -> float:
    """Seconds until all threads have done their work."""
    crew = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    begun = perf_counter()
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    return perf_counter() - begun


def measure(threads: int) -> dict[str, float]:
    """`peak_gflops` and `copy_gb_per_s`, with so many threads."""
    return {
        "peak_gflops": round(multiply_adds(threads) / 1e9, 1),
        "copy_gb_per_s": round(copy_bandwidth(threads) / 1e9, 1),
    }
