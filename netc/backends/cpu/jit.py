"""How kernels are compiled.  This text is pasted above every kernel, so its flags are part of what is hashed.

A kernel is `kernel(lo, hi, …)`: it does the stretch lo..hi of its parallel axis, so that threads can share
it. Kernels hold no lock while they run, ask for no memory and raise nothing.  Sums may be reordered, which vector
lanes need; nothing is assumed about infinities and NaN, so that a NaN stays one.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from numba import njit

# The driver calls a kernel's machine code; Python calls none, so what Python would call is not made.  Memory that
# kernels work in is given to them (`call.Own`), so Numba's runtime, which allocates and counts references, is off:
# what asks for memory does not compile, and machine code is loaded without Numba.
_FLAGS = {
    "nogil": True, "error_model": "numpy", "boundscheck": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
    "_nrt": False,
}  # fmt: skip
_REORDER = {"reassoc", "contract", "nsz", "arcp"}

kernel = njit(fastmath=_REORDER, **_FLAGS)  # called by the driver
helper = njit(fastmath=_REORDER, **_FLAGS)  # called from kernels
inlined = njit(fastmath=_REORDER, forceinline=True, **_FLAGS)  # helpers whose constants their callers decide
exact = njit(fastmath={"contract"}, **_FLAGS)  # helpers whose order of operations is their precision
