"""Winograd's convolution for the gradient by weights: windows of r × r, r = 3 or 5, stride 1, in 32 bits.

The gradient is itself a convolution, of the inputs with the outputs' gradient, whose results are the r × r taps.
Tiles of the gradient, 4 × 4 or 2 × 2, meet 6 × 6 inputs, and what they give is summed over all tiles before it leaves
the space of the transforms:

    M[q] (C, K) = Σ over tiles t of  V[q] (t, C)ᵀ · D[q] (t, K)        q < 36

A unit of work is a block of C by a block of K whose sums stay in the cache, and one of `parts` equal shares of the
tiles.  Inputs are transformed once for each block of K and gradients once for each of C, which costs less than to keep
them.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.blocks import LANES, POINTS, WIDTH
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import copy
from netc.backends.cpu.tile import block
from netc.backends.cpu.tiles import gradients34, gradients52, inputs6, whole
from netc.backends.cpu.transform import ALL, AT34, AT52, address, two_sided


def _leaving(r, transform):
    """What takes sums to windows of r × r."""

    @helper
    def leave(memory, sums, row, apart, rows, columns, out, at, c_k, spare):
        """The taps `(r, r, C, K)` of a block of `rows` by `columns` from its sums."""
        c, k = c_k
        start = address(memory)
        for i in range(rows):
            to, tap = address(out) + (at + i * k) * 4, c * k * 4
            wide, inside = whole(columns), columns >= LANES
            if not inside:
                to, tap = start + spare * 4, wide * 4
            last = (columns if inside else wide) - LANES
            for j in range(0, columns, LANES):
                here = min(j, last) * 4
                x = (start + (sums + i * row) * 4 + here, 6 * apart * 4, apart * 4, ALL, 0)
                transform(x, (to + here, r * tap, tap, ALL, 0))
            if not inside:
                for q in range(r * r):
                    copy(memory, spare + q * wide, out, at + i * k + q * c * k, columns)

    return leave


def _by_weights(m, r, gradients, leave):
    """The kernel for windows of r × r and tiles of m × m of the gradient."""

    @kernel
    def by_weights(lo, hi, x, grad, memory, out, g, s):
        """Workers lo..hi, each with an equal share of the units.  Part i goes to `out` at i · r² C K."""
        n, h, w, c, ho, wo, k, top, left = g
        workers, parts, deep, wide, at_once, scratch_at, scratch = s
        down, across = (ho + m - 1) // m, (wo + m - 1) // m
        seen, met = (down, across, m, top, left), (down, across, m, 0, 0)
        tiles = n * down * across
        v_row, d_row = deep + LANES, wide + LANES
        v_apart, d_apart, apart = at_once * v_row + LANES, at_once * d_row + LANES, deep * wide + LANES
        c_blocks, k_blocks = (c + deep - 1) // deep, (k + wide - 1) // wide
        units = parts * c_blocks * k_blocks
        for worker in range(lo, hi):
            v = scratch_at + worker * scratch
            d = v + POINTS * v_apart
            sums = d + POINTS * d_apart
            spare = sums + POINTS * apart
            for unit in range(units * worker // workers, units * (worker + 1) // workers):
                part, c0, k0 = (
                    unit // (c_blocks * k_blocks),
                    unit // k_blocks % c_blocks * deep,
                    unit % k_blocks * wide,
                )
                rows, columns = min(deep, c - c0), min(wide, k - k0)
                begin, end = tiles * part // parts, tiles * (part + 1) // parts
                for first in range(begin, end, at_once):
                    count, add = min(at_once, end - first), 1 if first > begin else 0
                    inputs6(x, (h, w, c), c0, rows, seen, first, count, memory, v, v_row, v_apart, spare)
                    gradients(
                        grad, (ho, wo, k), k0, columns, met, first, count, memory, d, d_row, d_apart, spare
                    )
                    for q in range(POINTS):
                        for j in range(0, columns, WIDTH):
                            block(
                                memory, v + q * v_apart, 1, v_row, 0,
                                memory, d + q * d_apart + j, d_row, 0, 1, count,
                                memory, sums + q * apart + j, wide, rows, min(WIDTH, columns - j), add,
                            )  # fmt: skip
                at = part * r * r * c * k + c0 * k + k0
                leave(memory, sums, wide, apart, rows, columns, out, at, (c, k), spare)

    return by_weights


by_weights3 = _by_weights(4, 3, gradients34, _leaving(3, two_sided(AT34)))
by_weights5 = _by_weights(2, 5, gradients52, _leaving(5, two_sided(AT52)))
