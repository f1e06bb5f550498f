"""Pictures drawn again from elsewhere in themselves: the meaning of the moves of augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def warp(x: Array, matrices: Array, field: Array | None, mirror: bool) -> Array:
    """Each pixel from the place in its picture that a matrix says, and a field moves it by; between pixels linearly.

    Args:
        x: pictures, (N, C, H, W).
        matrices: (N, 2, 3); pixel (i, j) comes from the place `matrix @ (i, j, 1)`.
        field: (N, 2, H, W), pixels down and to the right that are added to that place; None where there is none.
        mirror: beyond the border stands the picture mirrored at the middle of its last pixels, else zeros.
    """
    n, c, h, w = map(int, x.shape)
    i, j = np.arange(h, dtype=x.dtype)[:, None], np.arange(w, dtype=x.dtype)  # (H, 1), (W,)
    m = matrices[:, :, :, None, None]  # (N, 2, 3, 1, 1)
    places = m[:, :, 0] * i + m[:, :, 1] * j + m[:, :, 2]  # (N, 2, H, W)
    if field is not None:
        places = places + field
    held = _mirrored if mirror else _framed
    u, v = held(places[:, 0], h), held(places[:, 1], w)  # (N, H, W), from 0 in the frame
    r, s = u.astype(np.intp), v.astype(np.intp)
    p, q = (u - np.floor(u))[:, None], (v - np.floor(v))[:, None]  # (N, 1, H, W)
    framed = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 2)))  # (N, C, H + 3, W + 3)
    one = np.arange(n).reshape(n, 1, 1, 1)
    channel = np.arange(c).reshape(c, 1, 1)

    def tap(down: int, across: int) -> Array:
        return framed[one, channel, (r + down)[:, None], (s + across)[:, None]]  # (N, C, H, W)

    return (1 - p) * ((1 - q) * tap(0, 0) + q * tap(0, 1)) + p * ((1 - q) * tap(1, 0) + q * tap(1, 1))


def _framed(u: Array, size: int) -> Array:
    """Places in a picture that has a pixel of zeros before it: farther out there are zeros too."""
    return np.clip(u, -1, size) + 1


def _mirrored(u: Array, size: int) -> Array:
    last = size - 1
    turn = max(2 * last, 1)
    u = np.abs(u)
    u = u - turn * np.floor(u / turn)
    return _framed(last - np.abs(u - last), size)
