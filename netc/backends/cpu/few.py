"""What is done where a convolution gives few channels, and a tile of these alone would be mostly empty.

See `kernels/few.py`.  Times are in steps of a tile of two vectors for each of its rows, measured with AVX-512.
"""

from __future__ import annotations

from typing import Final

from netc.backends.cpu.call import Bound, Call, Own
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.grids import Grid
from netc.backends.cpu.target import SHORT, VECTOR_BYTES
from netc.backends.cpu.threads import WORTH

_ONE: Final = 0.55  # a tile of one vector: it asks for as many numbers of the image as one of two
_ONE_BY_WEIGHTS: Final = 0.75  # the same of a short tile, whose sums wait for each other
_ADDED: Final = 11.0  # what a pixel gives to a row of its window, added to it, for each two vectors
_CACHED: Final = (
    512 << 10
)  # bytes that an image's sums and its pixels' gifts may take: the second-level cache holds them


def together(grid: Grid, cols: int, lanes: int) -> int:
    """How many neighbouring pixels of a grid are best computed as one, where each has `cols` of `lanes` columns."""
    return min(_groups(grid, cols, lanes), key=lambda pixels: _time(grid, cols, lanes, pixels), default=1)


def together_by_weights(grid: Grid, rows: int, cols: int, lanes: int) -> int:
    """The same for the gradient by weights, of a window of `rows` channels: whole groups only, as each pixel
    counts once.
    """

    def time(pixels: int) -> float:
        axis = grid.cols.together(pixels)
        tall = -(-len(axis.taps) * rows // SHORT) * SHORT
        return axis.count * tall * (1.0 if 2 * pixels * cols > lanes else _ONE_BY_WEIGHTS)

    whole = (pixels for pixels in _groups(grid, cols, lanes) if grid.cols.count % pixels == 0)
    return min(whole, key=time, default=1)


def _groups(grid: Grid, cols: int, lanes: int) -> range:
    """What there is to choose from: as many pixels as fit into a tile, if they are neighbours and see neighbours."""
    neighbours = grid.cols.stride == 1 and [at for at, _ in grid.cols.taps] == list(
        range(len(grid.cols.taps))
    )
    return range(1, min(lanes // cols, grid.cols.count) + 1 if neighbours and grid.taps else 2)


def _time(grid: Grid, cols: int, lanes: int, pixels: int = 1) -> float:
    """For each number that a tap has of a pixel, and each row of all images."""
    axis, vectors = grid.cols.together(pixels), -(-2 * pixels * cols // lanes)
    return axis.count * len(axis.taps) * (vectors // 2 + vectors % 2 * _ONE)


def spread(b: Bound, grids: list[Grid]) -> list[Call]:
    """By data: what every pixel gives to its window, image by image; none where the grids take less time."""
    (r, s, c, k), source, target, out = b.shape(1), b.shape(0), b.out(), b.outputs[0]
    (top, _), (left, _) = b.params["pad"]
    (n, ho, wo, _), (_, h, w, _), (sh, sw) = source, target, b.params["stride"]
    lanes = 2 * (VECTOR_BYTES // out.itemsize)
    down, across, wide = (
        max((ho - 1) * sh + r, top + h),
        max((wo - 1) * sw + s, left + w),
        -(-s * c // lanes) * lanes,
    )
    own = Own(down * across * c + wide, out.dtype), Own(ho * wo * wide, out.dtype)
    plain = b.params.get("groups", 1) == 1 and b.params.get("dilation", (1, 1)) == (1, 1)
    shared = n >= b.threads or b.work < WORTH
    if not (plain and shared and min(top, left) >= 0) or sum(o.nbytes for o in own) > _CACHED:
        return []
    gathered = sum(
        g.rows.count * len(g.rows.taps) * k * _time(g, c, lanes, together(g, c, lanes)) for g in grids
    )
    if ho * wo * r * wide // lanes * (k + _ADDED) >= gathered:
        return []
    panels = b.of_weights(r * k * wide)
    pack = Call(kernels("few").turn, r, (b.inputs[1], panels, b.shape(1)), panels.nbytes, b.weights_stay)
    args = (b.inputs[0], panels, out, *own, source, target, (r, s, down, across), (sh, sw), (top, left))
    return [pack, Call(kernels("few").spread, n, args, b.work)]
