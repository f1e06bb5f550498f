"""Calls of kernels from machine code: no Python between two of them.

A compiled kernel of Numba is a C function whose arrays are taken apart:

    int kernel(void **result, void **exception, int64 lo, int64 hi, …words…)

where an array is seven words (owner, parent, count, item size, data, size, stride), an integer one, a tuple of integers
one each.  For each pattern of words there is one *trampoline* that reads them from a block of memory and calls.  It is
written here as LLVM IR, and compiled when a program is bound; there is little of it.  `walk.py` calls them in turn.

Memory that each thread has for itself (`PerThread`) is such an array too, but the word that says where it lies differs
from thread to thread: the block has two words for it, and the trampoline makes first + number of the thread · second.

A kernel returns whether it raised something.  None does, and none asks for memory (see `jit.py`), so nobody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from netc.locks import Lock

THEN: Final = 5  # words of a call that is taken along
_TYPES: Final = {"w": "i64", "f": "float", "d": "double", "m": "i64"}  # of the letters of a pattern
_WORDS: Final = {"w": 1, "f": 1, "d": 1, "m": 2}  # an n has none

_engines: list[Any] = []  # compiled code lives as long as its engine
_trampolines: dict[str, int] = {}
_lock = Lock()


def trampolines(patterns: Sequence[str]) -> list[int]:
    """The addresses of `void call(kernel, thread, lo, hi, block)` for each pattern, compiled if they are new."""
    with _lock:
        new = sorted(set(patterns) - _trampolines.keys())
        if new:
            text = "\n".join(_trampoline(f"call_{p}", p) for p in new)
            _trampolines.update(zip(new, compiled(text, [f"call_{p}" for p in new]), strict=True))
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


def compiled(text: str, names: Sequence[str]) -> list[int]:
    """The addresses of functions of some IR."""
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
