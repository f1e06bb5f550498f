"""Walks a table of calls from machine code: no Python between two kernels, and one barrier where they depend.

`walk` is a loop over a table of (trampoline, kernel, block, extent, flags), which every thread runs with its own
number.  A thread that has walked lingers in `serve` for a while, and walks again if it is called: who has to be woken
comes about 60 µs late, and small nets take a step in 400.  All is LLVM IR, compiled when it is first wanted.

Each thread but the first has two words of its own, `mine`: 0 while it sleeps, or is about to, 1 from when it begins to
walk until it is tired of lingering, and 2 when it has been called meanwhile; and the number of the last job that it
did, so that to be called twice does no harm.
"""

from __future__ import annotations

import ctypes
import os
import platform
import time
from functools import cache
from typing import Any, Final

from netc.backends.cpu.driver import compiled

SHARED: Final = 1  # a flag of a line of the table: all threads do it, each its stretch
WAIT: Final = 2  # before it all threads wait for each other
LINE: Final = 5  # words of a line
STATE: Final = 24  # words that the threads of a run share, each of three on a cache line of its own:
ARRIVED, GENERATION = 0, 8
TIMES: Final = 16  # where the timed walk writes
LINES, TABLE, JOB = 17, 18, 19  # what those who serve walk, and its number
MINE: Final = 8  # words of a cache line, of which each thread has one for its words

_SPINS: Final = 4000  # looks at the barrier, about 40 µs, before the core is offered to others
_LINGER: Final = _SPINS + 400  # looks at a thread's own word before it sleeps, 0.1 to 0.2 ms

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
  %looks = phi i64 [ 0, %0 ], [ %looks.next, %wait ]
  %seen = load atomic i64, ptr %generation acquire, align 8
  %passed = icmp ne i64 %seen, %now
  br i1 %passed, label %done, label %wait
wait:
  call void @rest(i64 %looks)
  %looks.next = add i64 %looks, 1
  br label %look
done:
  ret void
}}

define private void @rest(i64 %looks) {{
  %patient = icmp ult i64 %looks, {spins}
  br i1 %patient, label %pause, label %offer
pause:
  {pause}
  ret void
offer:
  %ignored = call i32 inttoptr (i64 {offer} to ptr)()
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
{serving}
{declared}
"""
_SERVE: Final = """
define void @serve(i64 %thread, i64 %threads, ptr %state, ptr %mine) {{
begin:
  br label %run
run:
  store atomic i64 1, ptr %mine release, align 8
  %job.at = getelementptr i64, ptr %state, i64 {job}
  %last.at = getelementptr i64, ptr %mine, i64 1
  %job = load i64, ptr %job.at
  %last = load i64, ptr %last.at
  %known = icmp eq i64 %job, %last
  br i1 %known, label %look, label %work
work:
  store i64 %job, ptr %last.at
  %lines.at = getelementptr i64, ptr %state, i64 {lines}
  %table.at = getelementptr i64, ptr %state, i64 {table}
  %lines = load i64, ptr %lines.at
  %table = load ptr, ptr %table.at
  call void @walk(i64 %thread, i64 %threads, i64 %lines, ptr %table, ptr %state)
  br label %look
look:
  %looks = phi i64 [ 0, %run ], [ 0, %work ], [ %looks.next, %stay ]
  %seen = load atomic i64, ptr %mine acquire, align 8
  %called = icmp eq i64 %seen, 2
  br i1 %called, label %run, label %wait
wait:
  %tired = icmp uge i64 %looks, {linger}
  br i1 %tired, label %leave, label %stay
stay:
  call void @rest(i64 %looks)
  %looks.next = add i64 %looks, 1
  br label %look
leave:
  %left = cmpxchg ptr %mine, i64 1, i64 0 acq_rel acquire
  %gone = extractvalue {{i64, i1}} %left, 1
  br i1 %gone, label %done, label %run
done:
  ret void
}}

define i64 @summon(ptr %mine) {{
  %found = cmpxchg ptr %mine, i64 1, i64 2 acq_rel acquire
  %there = extractvalue {{i64, i1}} %found, 1
  %result = zext i1 %there to i64
  ret i64 %result
}}
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


@cache
def walk(timed: bool = False) -> Any:
    """`walk(thread, threads, lines, table, state)` as a function of C, which runs without Python's lock.

    The timed one, for the first thread only, writes when each line began to where `state[TIMES]` points.
    """
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 2)(_functions(timed)["walk"])


@cache
def serve() -> Any:
    """`serve(thread, threads, state, mine)`: walks what `state` names, and again whenever it is summoned, until it has
    waited for long.
    """
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 2, *[ctypes.c_void_p] * 2)(_functions()["serve"])


@cache
def summon() -> Any:
    """`summon(mine)` calls a thread that lingers, or is not done with the last walk yet; 0 if it has to be woken."""
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(_functions()["summon"])


@cache
def _functions(timed: bool = False) -> dict[str, int]:
    """The addresses of what is compiled."""
    names = ["walk"] if timed else ["walk", "serve", "summon"]
    return dict(zip(names, compiled(walk_text(platform.machine(), timed), names), strict=True))


def walk_text(machine: str, timed: bool = False) -> str:
    """The IR of all three for a processor, named as `platform.machine` does."""
    pause = _PAUSE.get(machine)
    waiting = {
        "spins": _SPINS,
        "offer": _offer(),
        "pause": f"call void @{pause}()" if pause else "; no word for it",
    }
    flush, unflush, modes = _FLUSH.get(machine, ("; as it is", "", ""))
    return _WALK.format(
        arrived=ARRIVED, generation=GENERATION, words=LINE, wait=WAIT, shared=SHARED,
        serving="" if timed else _SERVE.format(lines=LINES, table=TABLE, job=JOB, linger=_LINGER, **waiting),
        declared=(f"declare void @{pause}()\n" if pause else "") + modes,
        flush=flush, unflush=unflush,
        tick=_tick("tick", "line") if timed else "",
        last_tick=_tick("last", "lines") if timed else "", **waiting,
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
