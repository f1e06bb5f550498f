"""A program made runnable: buffers bound once, run many times.

    exe = compile_program(program)
    exe["c1.weight"][...] = w            # persistent buffers, in the inner layout
    exe.run({"image": x, "label": t, "lr": 0.1})["loss"]

Two programs over the same parameters share them: `compile_program(evaluation, buffers=training.buffers)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netc.backends import Ready
from netc.ir.program import Input, Program
from netc.locks import Lock
from netc.ops.primitive import Value
from netc.plan import PERSISTENT, Plan, plan
from netc.types import NUMPY_NAME, Math, TensorType

Array = NDArray[Any]
Backend = Literal["cpu", "numpy"]


def compile_program(
    program: Program,
    backend: Backend = "cpu",
    threads: int | None = None,
    buffers: Mapping[str, Array] | None = None,
    math: Math = "fast",
    stay: bool = False,
) -> Executable:
    """Plans the program, binds its buffers and compiles its kernels.

    `buffers` gives arrays for some or all of the parameters, states and slots, used as they are and not
    copied; names that the program lacks are passed over, so a training program's buffers serve an evaluation.
    Others start at zero.  `threads` is how many a large kernel may use: `NETC_NUM_THREADS`, or every usable
    core.  `math="strict"` keeps a backend from algorithms that round more than sums in plain order do.
    Where weights and states `stay`, what kernels make of them is made by `prepare` and not by each run: it is to be
    called before the first one, and when they have changed.
    Raises ValueError where an array given does not fit.
    """
    the_plan = plan(program)
    arrays = _arrays(program, the_plan, buffers or {})
    bind = import_module(f"netc.backends.{backend}").bind  # only the chosen backend is imported
    return Executable(program, the_plan, arrays, bind(program, arrays, threads, math, stay), math)


def aligned(nbytes: int) -> Array:
    """`nbytes` zero bytes, the first on a cache line."""
    raw = np.zeros(nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes]


def _arrays(program: Program, the_plan: Plan, given: Mapping[str, Array]) -> dict[Value, Array]:
    """The array of every value, where the plan placed it."""
    whole: dict[tuple[str, str], Array] = {("arena", ""): aligned(the_plan.arena_bytes)}
    for i in program.inputs:
        if i.role in PERSISTENT and i.name in given:
            whole["persistent", i.name] = _as_given(i, given[i.name])
        else:
            whole[the_plan.places[i.value].space, i.name] = aligned(i.value.type.nbytes)
    arrays: dict[Value, Array] = {}
    for v, p in the_plan.places.items():
        memory = whole[p.space, p.name][p.offset : p.offset + p.nbytes]
        arrays[v] = memory.view(NUMPY_NAME[v.type.dtype]).reshape(v.type.dims)
    return arrays


def _as_given(i: Input, array: Array) -> Array:
    """The bytes of a buffer that the caller brings."""
    _must_fit(i.name, array, i.value.type)
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise ValueError(f"the buffer {i.name} must be contiguous and writable")
    return array.reshape(-1).view(np.uint8)


def _must_fit(name: str, array: Array, t: TensorType) -> None:
    if array.shape != t.dims:
        raise ValueError(f"{name} has the shape {array.shape}, but {t.dims} is wanted")
    if array.dtype != NUMPY_NAME[t.dtype]:
        raise ValueError(f"{name} has the type {array.dtype}, but {NUMPY_NAME[t.dtype]} is wanted")


class Executable:
    """A program with its memory.  One thread may run it at a time (others wait); different ones run side by
    side.
    """

    def __init__(
        self,
        program: Program,
        the_plan: Plan,
        arrays: Mapping[Value, Array],
        ready: Ready,
        math: Math,
    ) -> None:
        self.program = program
        self.plan = the_plan
        self.math: Math = math
        self.arrays = arrays
        self._inputs = {i.name: i for i in program.inputs}
        fed = [i for i in program.inputs if i.role not in PERSISTENT]
        self._fed = {i.name: arrays[i.value] for i in fed}
        self._copies = [(arrays[old], arrays[new]) for old, new in the_plan.copies]
        self._ready = ready
        self._lock = Lock()
        if "seed" in self._fed:
            self._fed["seed"][...] = 1  # dL/dL

    def __getitem__(self, name: str) -> Array:
        """The buffer of an input, in the inner layout; writing into it is what the next run sees."""
        return self.arrays[self._inputs[name].value]

    def __contains__(self, name: object) -> bool:
        return name in self._inputs

    @property
    def buffers(self) -> dict[str, Array]:
        """The buffers that stay between runs, by name."""
        return {i.name: self[i.name] for i in self.program.by_role(*PERSISTENT)}

    @property
    def scratch_bytes(self) -> int:
        """What kernels take beside `plan.peak_bytes`."""
        return self._ready.scratch_bytes

    def prepare(self) -> None:
        """Brings up to date what kernels make of weights that stay."""
        with self._lock:
            self._ready.prepare()

    def run(self, feeds: Mapping[str, Array | float]) -> dict[str, Array]:
        """Runs once.  `feeds` gives every input that does not stay (only `seed` is 1 by itself) and is
        copied.

        Returns the outputs as arrays of their own, in the inner layout.  Raises ValueError, before anything
        runs, where a name, a shape or an element type is wrong; integers of every width are taken where
        integers are wanted, and Python numbers for scalars.
        """
        ready = {name: self._checked(name, value) for name, value in feeds.items()}
        missing = self._fed.keys() - ready.keys() - {"seed"}
        if missing:
            raise ValueError(f"not fed: {', '.join(sorted(missing))}")
        with self._lock:
            for name, value in ready.items():
                self._fed[name][...] = value
            self._ready.run()
            # before the copies: an output may be the old value of what they replace
            results: dict[str, Array] = {
                name: self.arrays[v].copy() for name, v in self.program.outputs.items()
            }
            for old, new in self._copies:
                np.copyto(old, new)
            return results

    def _checked(self, name: str, value: Array | float) -> Array | float:
        if name not in self._fed:
            raise ValueError(f"{name} is not fed to this program; {', '.join(sorted(self._fed))} are")
        t = self._inputs[name].value.type
        if isinstance(value, int | float):
            if t.shape != ():
                raise ValueError(f"{name} is one number, but an array of shape {t.dims} is wanted")
            if t.dtype == "int" and not isinstance(value, int):
                raise ValueError(f"{name} is {value}, but an integer is wanted")
            return value
        array = np.asarray(value)
        if t.dtype == "int" and array.dtype.kind in "iu" and array.shape == t.dims:
            return array.astype(np.int64)
        _must_fit(name, array, t)
        return array
