"""How kernels are compiled.  This text is pasted above every kernel, so its flags are part of what is hashed.

A kernel is `kernel(lo, hi, …)`: it does the stretch lo..hi of its parallel axis, so that threads can share
it. Kernels hold no lock while they run and raise nothing.  Sums may be reordered, which vector lanes need;
nothing is assumed about infinities and NaN, so that a NaN stays one.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from numba import njit

_FLAGS = {"nogil": True, "error_model": "numpy", "boundscheck": False}
_INNER = {**_FLAGS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # a tenth less to compile
_REORDER = {"reassoc", "contract", "nsz", "arcp"}

kernel = njit(cache=True, fastmath=_REORDER, **_FLAGS)  # called from Python, cached on disk
helper = njit(fastmath=_REORDER, **_INNER)  # called from kernels
inlined = njit(fastmath=_REORDER, forceinline=True, **_INNER)  # helpers whose constants their callers decide
exact = njit(fastmath={"contract"}, **_INNER)  # helpers whose order of operations is their precision
