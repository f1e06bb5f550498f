"""Pictures drawn again from elsewhere in themselves, by the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.backends.cpu.emit import kernels
from netc.backends.cpu.table import do

Array = NDArray[Any]


def warp(x: Array, matrices: Array, field: Array | None, mirror: bool) -> Array:
    """What `netc.backends.numpy.warp` says, as a kernel.  x, matrices and field are of one type."""
    n, c, h, w = x.shape
    y = np.empty_like(x, order="C")  # (N, C, H, W)
    # (C, H + 3, W + 2), and the neighbour of the last, which is read with weight 0 and stays 0: it might be a NaN.
    framed = np.zeros(c * (h + 3) * (w + 2) + 1, x.dtype)
    spot, below, right = np.empty(w, np.int32), np.empty(w, x.dtype), np.empty(w, x.dtype)  # of one row
    moved = np.empty(0, x.dtype) if field is None else field
    flat = (np.ascontiguousarray(a).reshape(-1) for a in (x, y, matrices, moved))
    do(kernels("warp").warp, n, *flat, framed, spot, below, right, c, h, w, int(mirror))
    return y
