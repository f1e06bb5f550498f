"""Which convolutions go by Winograd's algorithm (`kernels/winograd.py`), in tiles of which size, and in what memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from typing import Any, Final

import numpy as np

from netc.backends.cpu.blocks import LANES, POINTS, TAPS_DEPTH, WIDTH
from netc.backends.cpu.call import Borrow, Bound, Call
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.threads import WORTH

# What one number in the space of the transforms costs, in multiply-adds of a register tile.  Measured on an x86
# with AVX-512: what is transformed is written to the second-level cache, and weights that are kept to memory.
_INPUT: Final = 10
_OUTPUT: Final = 10
_WEIGHT: Final = 20
_KEPT_WEIGHT: Final = 40
_STAYING_WEIGHT: Final = 20  # is read
# Tiles that one pass takes, by the rows that they see, multiples of what a register tile takes at once, and output
# channels: what they need stays in the second-level cache.
_TILES: Final = {6: 42, 4: 84}
_COLUMNS: Final = 128
_FEW: Final = 400  # tiles for which weights are transformed panel by panel, and not kept
_FEW_IF_STAYING: Final = 64  # tiles for which a panel of weights that stay is read once
_FORMS: Final = {3: (4, 2), 5: (2,)}  # tiles that there are kernels for, by the window; by weights the first
_DEEP: Final = 256  # channels of a panel that are transformed at a time
# The same for the gradient by weights: tiles that one pass takes, and channels of a block, of C and of K.
_SUMMED, _BLOCK = 32, 64


@dataclass(frozen=True, slots=True)
class Sizes:
    """A convolution of windows of r × r as the kernels see it.  By data, the outputs' gradient is what it reads."""

    n: int
    h: int  # of what is read
    w: int
    c: int
    ho: int  # of what is written
    wo: int
    k: int
    top: int  # padding above and left of what is read; negative where it is cut
    left: int
    turned: bool = False  # by data
    r: int = 3

    def tiles(self, m: int) -> int:
        """How many tiles of m × m cover the outputs."""
        return self.n * -(-self.ho // m) * -(-self.wo // m)


def forward(b: Bound) -> list[Call]:
    """The calls of a convolution; none where the direct kernel is as fast, or Winograd's does not apply."""
    r = _window(b, b.shape(1))
    if not r:
        return []
    (top, _), (left, _) = b.params["pad"]
    n, h, w, c = b.shape(0)
    _, ho, wo, k = b.out()
    return _calls(b, Sizes(n, h, w, c, ho, wo, k, top, left, r=r))


def by_data(b: Bound) -> list[Call]:
    """The same for the gradient by data: a convolution with the window turned, whose padding makes up to r - 1."""
    r = _window(b, b.shape(1))
    if not r:
        return []
    (top, _), (left, _) = b.params["pad"]
    n, ho, wo, k = b.shape(0)
    _, h, w, c = b.out()
    return _calls(b, Sizes(n, ho, wo, k, h, w, c, r - 1 - top, r - 1 - left, True, r))


def by_weights(b: Bound) -> list[Call]:
    """The same for the gradient by weights."""
    r = _window(b, b.out())
    if not r:
        return []
    (top, _), (left, _) = b.params["pad"]
    n, h, w, c = b.shape(0)
    _, ho, wo, k = b.shape(1)
    s = Sizes(n, h, w, c, ho, wo, k, top, left, r=r)
    return _by_blocks(b, s) if pays(s) else []


def _window(b: Bound, weights: tuple[int, ...]) -> int:
    """r where the algorithm applies, else 0."""
    p, (r, width) = b.params, weights[:2]
    plain = p["stride"] == (1, 1) == p.get("dilation", (1, 1)) and p.get("groups", 1) == 1
    applies = b.math == "fast" and plain and r == width and b.outputs[0].itemsize == 4
    return r if applies and r in _FORMS else 0


def _calls(b: Bound, s: Sizes) -> list[Call]:
    m = fastest(s, b.weights_stay)
    if not m:
        return []
    return _by_panels(b, s, m) if keeps_inputs(s, m, b.weights_stay) else _by_tiles(b, s, m)


def fastest(s: Sizes, stay: bool = False) -> int | None:
    """The size of the tiles for which least is to be done; None where the direct kernel does less.

    >>> fastest(Sizes(8, 56, 56, 64, 56, 56, 64, 1, 1))
    4
    >>> fastest(Sizes(8, 224, 224, 3, 224, 224, 64, 1, 1)) is None
    True
    """
    direct = s.r**2 * prod((s.n, s.ho, s.wo, s.c, s.k))
    costs = {m: _cost(s, m, stay) for m in _FORMS[s.r]}
    best = min(costs, key=lambda m: costs[m])
    return best if costs[best] < direct else None


def _cost(s: Sizes, m: int, stay: bool) -> int:
    tiles, weight = (
        s.tiles(m),
        _STAYING_WEIGHT if stay else _WEIGHT if keeps_inputs(s, m, stay) else _KEPT_WEIGHT,
    )
    products = tiles * s.c * s.k
    return (m + s.r - 1) ** 2 * (products + tiles * (_INPUT * s.c + _OUTPUT * s.k) + weight * s.c * s.k)


def keeps_inputs(s: Sizes, m: int, stay: bool) -> bool:
    """Whether the inputs are kept and each panel of weights is looked at once: the inputs are less."""
    return s.tiles(m) <= min(_FEW_IF_STAYING if stay else _FEW, s.k)


def _by_panels(b: Bound, s: Sizes, m: int) -> list[Call]:
    """Tiles in parallel to their transforms, then panels of output channels in parallel."""
    k = kernels("winograd")
    lanes, edge, tiles = LANES, m + s.r - 1, s.tiles(m)
    points = edge * edge
    parts = b.threads if b.work >= WORTH else 1
    deep = s.c if b.weights_stay else min(_DEEP, s.c)
    us, before = _transformed(b, s, m) if b.weights_stay else (np.empty(0, b.outputs[0].dtype), [])
    v_row = -(-s.c // lanes) * lanes + lanes
    v_apart, p_apart = tiles * v_row + lanes, tiles * WIDTH + lanes
    panel = 0 if b.weights_stay else deep * WIDTH + lanes
    own = points * (panel + p_apart) + max((points + 1) * WIDTH, s.r**2 * TAPS_DEPTH * WIDTH)
    scratch = max(own, (points + 1) * v_row)
    v = points * v_apart
    memory = Borrow(v + parts * scratch, b.outputs[0].dtype)
    g = (s.n, s.h, s.w, s.c, s.ho, s.wo, s.k, s.top, s.left)
    read, weights = b.inputs
    places = (parts, v_row, v_apart, v, scratch)
    into = Call(k.inputs, parts, (read, memory, m, edge, g, places), 4 * v)
    places = (parts, deep, v_row, v_apart, p_apart, v, scratch)
    panels = getattr(k, f"panels{m}{s.r}")
    return [
        *before,
        into,
        Call(panels, parts, (weights, us, memory, *b.outputs, g, int(s.turned), places), b.work),
    ]


def _by_tiles(b: Bound, s: Sizes, m: int) -> list[Call]:
    """Blocks of tiles in parallel; all weights are transformed first."""
    k = kernels("winograd")
    lanes, edge = LANES, m + s.r - 1
    points = edge * edge
    parts = b.threads if b.work >= WORTH else 1
    at_once = min(_TILES[edge], -(-s.tiles(m) // parts))
    wide = min(_COLUMNS, -(-s.k // WIDTH) * WIDTH)
    channels = -(-s.c // lanes) * lanes
    # Rows and points are a vector further apart than they need be: powers of two would share lines of the cache.
    v_row = channels + lanes
    v_apart, p_apart = at_once * v_row + lanes, at_once * wide + lanes
    us, before = _transformed(b, s, m)
    scratch = points * (v_apart + p_apart) + (points + 1) * max(channels, wide)
    memory = Borrow(parts * scratch, b.outputs[0].dtype)
    g = (s.n, s.h, s.w, s.c, s.ho, s.wo, s.k, s.top, s.left)
    places = (parts, at_once, wide, v_row, v_apart, p_apart, scratch)
    then = b.along(gcd(m, s.wo))
    forward = getattr(k, f"forward{m}{s.r}")
    return [*before, Call(forward, parts, (b.inputs[0], us, memory, *b.outputs, then, g, places), b.work)]


def _transformed(b: Bound, s: Sizes, m: int) -> tuple[Any, list[Call]]:
    """Memory for all weights' transforms, and the call that makes them."""
    edge, parts = m + s.r - 1, b.threads if b.work >= WORTH else 1
    us = b.of_weights(edge * edge * -(-s.k // WIDTH) * (s.c + 1) * WIDTH)
    scratch = s.r**2 * TAPS_DEPTH * WIDTH
    memory = Borrow(parts * scratch, b.outputs[0].dtype)
    c_k = (s.k, s.c, 1) if s.turned else (s.c, s.k, 0)
    args = (b.inputs[1], us, memory, c_k, parts, scratch)
    made = getattr(kernels("winograd"), f"weights{m}{s.r}")
    return us, [Call(made, parts, args, us.nbytes, b.weights_stay)]


def pays(s: Sizes) -> bool:
    """Whether the gradient by weights takes less this way.

    >>> pays(Sizes(8, 56, 56, 64, 56, 56, 64, 1, 1))
    True
    >>> pays(Sizes(8, 224, 224, 3, 224, 224, 64, 1, 1))
    False
    """
    tiles, deep, wide = s.tiles(_FORMS[s.r][0]), _block(s.c), _block(s.k)
    into = tiles * (_INPUT * s.c * -(-s.k // wide) + _INPUT * s.k * -(-s.c // deep))
    return 36 * (tiles * s.c * s.k + into + _OUTPUT * s.c * s.k) < s.r**2 * prod((s.n, s.ho, s.wo, s.c, s.k))


def _block(channels: int) -> int:
    """Channels in equal blocks of at most _BLOCK, as whole vectors."""
    blocks = -(-channels // _BLOCK)
    lanes = LANES
    return -(-channels // (blocks * lanes)) * lanes


def _by_blocks(b: Bound, s: Sizes) -> list[Call]:
    """Blocks of C by blocks of K in parallel, and shares of the tiles where there are few blocks."""
    k = kernels("winograd_weights")
    lanes, deep, wide = LANES, _block(s.c), _block(s.k)
    out = b.outputs[0]
    workers = b.threads if b.work >= WORTH else 1
    blocks = -(-s.c // deep) * -(-s.k // wide)
    parts = next(p for p in range(1, workers + 1) if blocks * p % workers == 0 or blocks * p >= 4 * workers)
    tiles = s.tiles(_FORMS[s.r][0])
    parts = min(parts, tiles)
    at_once = min(_SUMMED, -(-tiles // parts))
    points = (at_once * (deep + lanes) + lanes) + (at_once * (wide + lanes) + lanes) + (deep * wide + lanes)
    scratch = POINTS * points + (POINTS + 1) * max(deep, wide)
    partial = parts * out.size if parts > 1 else 0
    memory = Borrow(partial + workers * scratch, out.dtype)
    g = (s.n, s.h, s.w, s.c, s.ho, s.wo, s.k, s.top, s.left)
    places = (workers, parts, deep, wide, at_once, partial, scratch)
    to = memory if parts > 1 else out
    sums = Call(
        k.by_weights3 if s.r == 3 else k.by_weights5, workers, (*b.inputs, memory, to, g, places), b.work
    )
    if parts == 1:
        return [sums]
    return [sums, Call(kernels("conv").total, out.size, (memory, out, parts, out.size), parts * out.nbytes)]
