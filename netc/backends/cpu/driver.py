"""Runs a list of kernels from machine code: no Python between two kernels, and one barrier where they depend.

A compiled kernel of Numba is a C function whose arrays are taken apart:

    int kernel(void **result, void **exception, int64 lo, int64 hi, …words…)

where an array is seven words (owner, parent, count, item size, data, size, stride), an integer one, a tuple of integers
one each.  For each pattern of words there is one *trampoline* that reads them from a block of memory and calls.  `walk`
is then a loop over a table of (trampoline, kernel, block, extent, flags), which every thread runs with its own number.
Both are written here as LLVM IR, and compiled when a program is bound; there is little of it.

Memory that each thread has for itself (`PerThread`) is such an array too, but the word that says where it lies differs
from thread to thread: the block has two words for it, and the trampoline makes first + number of the thread · second.

A kernel returns whether it raised something.  None does, and none asks for memory (see `jit.py`), so nobody looks.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

SHARED: Final = 1  # a flag of a line of the table: all threads do it, each its stretch
WAIT: Final = 2  # before it all threads wait for each other
LINE: Final = 5  # words of a line
THEN: Final = 5  # words of a call that is taken along
STATE: Final = 24  # words that the threads of a run share, each of three on a cache line of its own:
ARRIVED, GENERATION = 0, 8
TIMES: Final = 16  # where the timed walk writes

_SPINS: Final = 4000  # looks at the barrier, about 40 µs, before the core is offered to others

# The first to arrive at a barrier wait for its generation to change; the last one changes it.
_WALK: Final = """
define private void @barrier(ptr %state, i64 %threads) {{
  %generation = getelementptr i64, ptr %state, i64 {generation}
  %now = load atomic i64, ptr %generation acquire, align 8
  %arrived = getelementptr i64, ptr %state, i64 {arrived}
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %open, label %look
open:
  store atomic i64 0, ptr %arrived monotonic, align 8
  %next = add i64 %now, 1
  store atomic i64 %next, ptr %generation release, align 8
  ret void
look:
  %looks = phi i64 [ 0, %0 ], [ %looks.next, %again ]
  %seen = load atomic i64, ptr %generation acquire, align 8
  %passed = icmp ne i64 %seen, %now
  br i1 %passed, label %done, label %wait
wait:
  %patient = icmp ult i64 %looks, {spins}
  br i1 %patient, label %pause, label %offer
pause:
  {pause}
  br label %again
offer:
  %ignored = call i32 inttoptr (i64 {offer} to ptr)()
  br label %again
again:
  %looks.next = add i64 %looks, 1
  br label %look
done:
  ret void
}}

define void @walk(i64 %thread, i64 %threads, i64 %lines, ptr %table, ptr %state) {{
  {flush}
  %alone = icmp eq i64 %threads, 1
  %first = icmp eq i64 %thread, 0
  %after = add i64 %thread, 1
  br label %head
head:
  %line = phi i64 [ 0, %0 ], [ %line.next, %tail ]
  %more = icmp slt i64 %line, %lines
  br i1 %more, label %read, label %end
read:
  %at = mul i64 %line, {words}
  %call.at = getelementptr i64, ptr %table, i64 %at
  %kernel.at = getelementptr i64, ptr %call.at, i64 1
  %block.at = getelementptr i64, ptr %call.at, i64 2
  %extent.at = getelementptr i64, ptr %call.at, i64 3
  %flags.at = getelementptr i64, ptr %call.at, i64 4
  %call = load ptr, ptr %call.at
  %kernel = load ptr, ptr %kernel.at
  %block = load ptr, ptr %block.at
  %extent = load i64, ptr %extent.at
  %flags = load i64, ptr %flags.at
  %wait.bit = and i64 %flags, {wait}
  %no.wait = icmp eq i64 %wait.bit, 0
  %skip = or i1 %alone, %no.wait
  br i1 %skip, label %divide, label %meet
meet:
  call void @barrier(ptr %state, i64 %threads)
  br label %divide
divide:
  {tick}
  %shared.bit = and i64 %flags, {shared}
  %shared = icmp ne i64 %shared.bit, 0
  %lo.times = mul i64 %extent, %thread
  %hi.times = mul i64 %extent, %after
  %lo.share = sdiv i64 %lo.times, %threads
  %hi.share = sdiv i64 %hi.times, %threads
  %hi.first = select i1 %first, i64 %extent, i64 0
  %lo = select i1 %shared, i64 %lo.share, i64 0
  %hi = select i1 %shared, i64 %hi.share, i64 %hi.first
  %some = icmp slt i64 %lo, %hi
  br i1 %some, label %work, label %tail
work:
  call void %call(ptr %kernel, i64 %thread, i64 %lo, i64 %hi, ptr %block)
  br label %tail
tail:
  %line.next = add i64 %line, 1
  br label %head
end:
  br i1 %alone, label %done, label %leave
leave:
  call void @barrier(ptr %state, i64 %threads)
  br label %done
done:
  {last_tick}
  {unflush}
  ret void
}}
{declared}
"""
# The timed walk of the first thread tells the time before each line and at the end: two words of a `timespec`.
_TICK: Final = """
  %{name}.times.at = getelementptr i64, ptr %state, i64 {times}
  %{name}.times = load ptr, ptr %{name}.times.at
  %{name}.row = mul i64 %{line}, 2
  %{name}.at = getelementptr i64, ptr %{name}.times, i64 %{name}.row
  %{name}.told = call i32 inttoptr (i64 {clock} to ptr)(i32 {kind}, ptr %{name}.at)
"""
# While kernels run, numbers that are too small to be normal are zero: processors take a hundred times as long for them,
# and the gradients of a net that has learned its examples by heart are full of them.
_X86: Final = (
    """%mode = alloca i32
  %flushing = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %mode)
  %given = load i32, ptr %mode
  %flushes = or i32 %given, 32832  ; bits 15 and 6 of MXCSR: results, and operands
  store i32 %flushes, ptr %flushing
  call void @llvm.x86.sse.ldmxcsr(ptr %flushing)""",
    "call void @llvm.x86.sse.ldmxcsr(ptr %mode)",
    "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)",
)
_ARM: Final = (
    """%mode = call i64 @llvm.aarch64.get.fpcr()
  %flushes = or i64 %mode, 16777216  ; bit 24 of FPCR: both
  call void @llvm.aarch64.set.fpcr(i64 %flushes)""",
    "call void @llvm.aarch64.set.fpcr(i64 %mode)",
    "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)",
)
_FLUSH: Final = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}
_PAUSE: Final = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}
_TYPES: Final = {"w": "i64", "f": "float", "d": "double", "m": "i64"}  # of the letters of a pattern
_WORDS: Final = {"w": 1, "f": 1, "d": 1, "m": 2}  # an n has none

_engines: list[Any] = []  # compiled code lives as long as its engine
_trampolines: dict[str, int] = {}
_lock = threading.Lock()


@cache
def walk(timed: bool = False) -> Any:
    """`walk(thread, threads, lines, table, state)` as a function of C, which runs without Python's lock.

    The timed one, for the first thread only, writes when each line began to where `state[TIMES]` points.
    """
    address = _compiled(walk_text(platform.machine(), timed), ["walk"])[0]
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, ctypes.c_void_p, ctypes.c_void_p)(address)


def walk_text(machine: str, timed: bool = False) -> str:
    """The IR of `walk` for a processor, named as `platform.machine` does."""
    pause = _PAUSE.get(machine)
    flush, unflush, modes = _FLUSH.get(machine, ("; as it is", "", ""))
    return _WALK.format(
        arrived=ARRIVED, generation=GENERATION, words=LINE, wait=WAIT, shared=SHARED,
        spins=_SPINS, offer=_offer(),
        pause=f"call void @{pause}()" if pause else "; nothing to say to this processor",
        declared=(f"declare void @{pause}()\n" if pause else "") + modes,
        flush=flush, unflush=unflush,
        tick=_tick("tick", "line") if timed else "",
        last_tick=_tick("last", "lines") if timed else "",
    )  # fmt: skip


def _tick(name: str, line: str) -> str:
    """IR that writes the time into row `line`."""
    clock = ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value
    return _TICK.format(name=name, line=line, times=TIMES, clock=clock, kind=time.CLOCK_MONOTONIC)


def _offer() -> int:
    """The address of what gives the core to another thread."""
    library = ctypes.CDLL("kernel32" if os.name == "nt" else None)
    offer = library.SwitchToThread if os.name == "nt" else library.sched_yield
    return ctypes.cast(offer, ctypes.c_void_p).value or 0


def trampolines(patterns: Sequence[str]) -> list[int]:
    """The addresses of `void call(kernel, thread, lo, hi, block)` for each pattern, compiled if they are new."""
    with _lock:
        new = sorted(set(patterns) - _trampolines.keys())
        if new:
            text = "\n".join(_trampoline(f"call_{p}", p) for p in new)
            _trampolines.update(zip(new, _compiled(text, [f"call_{p}" for p in new]), strict=True))
        return [_trampolines[p] for p in patterns]


def _trampoline(name: str, pattern: str) -> str:
    """IR that reads the words of a block and calls the kernel with them: w a word, f a float, d a double, and m what
    is each thread's own, from two words: where the first thread's is, and how far apart they are.  n is the thread's
    number.
    """
    lines = [f"define void @{name}(ptr %kernel, i64 %thread, i64 %lo, i64 %hi, ptr %block) {{"]
    lines += ["  %result = alloca ptr", "  %exception = alloca ptr"]
    values, at = "", 0
    for kind in pattern:
        if kind == "n":
            values += ", i64 %thread"
            continue
        value = f"{_TYPES[kind]} %x{at}"
        lines += _read(at, _TYPES[kind])
        if kind == "m":
            lines += _read(at + 1, "i64")
            lines += [
                f"  %behind{at} = mul i64 %thread, %x{at + 1}",
                f"  %own{at} = add {value}, %behind{at}",
            ]
            value = f"i64 %own{at}"
        values += f", {value}"
        at += _WORDS[kind]
    lines.append(f"  %status = call i32 %kernel(ptr %result, ptr %exception, i64 %lo, i64 %hi{values})")
    return "\n".join([*lines, "  ret void", "}"])


def _read(at: int, kind: str) -> list[str]:
    """IR that reads word `at` of a block as this type."""
    return [f"  %at{at} = getelementptr i64, ptr %block, i64 {at}", f"  %x{at} = load {kind}, ptr %at{at}"]


def loaded(symbol: str, code: bytes) -> int:
    """The address of a symbol of an object file.

    Each has an engine of its own: an engine that has a function of that name already would let the file call that one,
    compiled beside something else, and results would depend in their last bits on what was loaded before.
    """
    engine = _engine("")
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(symbol)


def _compiled(text: str, names: Sequence[str]) -> list[int]:
    engine = _engine(text)
    engine.finalize_object()
    return [engine.get_function_address(name) for name in names]


def _engine(text: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=1)
    engine = llvm.create_mcjit_compiler(module, machine)
    _engines.append(engine)
    return engine


# ---- From a call's arguments to a block of words ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PerThread:
    """The first thread's `array`; each next thread's lies `stride` bytes further."""

    array: Any
    stride: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Where the five words lie of a call that is taken along (`follow.py`); 0 where none is."""

    place: int


def words_of(args: Sequence[Any]) -> tuple[str, NDArray[np.int64]]:
    """The pattern and the words of arguments, as Numba takes them apart."""
    pattern: list[str] = []
    words: list[int] = []
    for x in args:
        if isinstance(x, PerThread):
            a = x.array
            pattern += "wwwwmww"
            words += [0, 0, a.size, a.itemsize, a.ctypes.data, x.stride, a.size, a.itemsize]
        elif isinstance(x, Taken):
            pattern += "wn"
            words.append(x.place)
        elif hasattr(x, "ctypes"):  # an array
            pattern += "w" * 7
            words += [0, 0, x.size, x.itemsize, x.ctypes.data, x.size, x.itemsize]
        elif isinstance(x, tuple):
            sizes = cast("tuple[int, ...]", x)
            pattern += "w" * len(sizes)
            words += sizes
        elif type(x) is np.float32:
            pattern += "f"
            words.append(int(x.view(np.int32)))
        elif isinstance(x, float):  # np.float64 too
            pattern += "d"
            words.append(int(np.float64(x).view(np.int64)))
        else:
            pattern += "w"
            words.append(int(x))
    return "".join(pattern), np.array(words, np.int64)
