"""Winograd's convolution: windows of r × r, r = 3 or 5, stride 1, over `(N, H, W, C)` in 32 bits.

The map of outputs is cut into square tiles of m × m, m = 4 or 2, whose windows see e × e inputs, e = m + r - 1.  In the
space of the transforms (see `transform.py`) a convolution is, for each of the e² points, a product of matrices:

    M[q] (tiles, K) = V[q] (tiles, C) · U[q] (C, K)

Where there are many tiles, `weights` makes U once a step, and `forward` goes through the tiles in blocks, so that V and
M stay in the cache: inputs to V, products, M to outputs.  Where there are few, `inputs` makes V, and `panels` goes
through the outputs' channels: weights to a panel of U, products, M to outputs; U, which is then larger than all else,
never leaves the cache (or is read once, where weights stay and it was made before).  By data is the same with the
window turned and its channels exchanged.

    U (K / WIDTH, e², C + 1, WIDTH): panels as wide as the register tile; the row too many keeps the points from falling
    onto the same lines of the cache, which they would at every power of two.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.blocks import LANES, TAPS_DEPTH, WIDTH
from netc.backends.cpu.follow import follow
from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import copy
from netc.backends.cpu.tile import block
from netc.backends.cpu.tiles import inputs4, inputs6, outputs23, outputs25, outputs43
from netc.backends.cpu.transform import ALL, G23, G25, G43, address, move, two_sided


@helper
def _taps(wt, taps, c0, rows, k0, columns, g, out, at):
    """All taps of a stretch of a panel, `(taps, TAPS_DEPTH, WIDTH)`; by data, the last tap first, C side by side."""
    c, k, turned = g
    for tap in range(taps):
        to = at + tap * TAPS_DEPTH * WIDTH
        if turned:
            for j in range(columns):
                source = ((taps - 1 - tap) * c + k0 + j) * k + c0
                for d in range(rows):
                    move(address(wt) + (source + d) * 4, address(out) + (to + d * WIDTH + j) * 4)
        else:
            for d in range(rows):
                copy(wt, (tap * c + c0 + d) * k + k0, out, to + d * WIDTH, columns)


def _panel_of(r, edge, transform):
    """What makes a stretch of a panel of U; `transform` takes a window to its points."""

    @helper
    def panel_of(wt, panel, d0, rows, g, memory, taps, out, u, apart):
        """Rows from d0 on of a panel, to `u` in out; what lies past the last column too, which is never read."""
        c, k, turned = g
        left = (c if turned else k) - panel * WIDTH
        _taps(wt, r * r, d0, rows, panel * WIDTH, min(WIDTH, left), g, memory, taps)
        step = TAPS_DEPTH * WIDTH * 4
        for t in range(0, rows * WIDTH, LANES):
            x = (address(memory) + (taps + t) * 4, r * step, step, ALL, 0)
            transform(x, (address(out) + (u + t) * 4, edge * apart * 4, apart * 4, ALL, 0))

    return panel_of


_panel43, _panel23 = _panel_of(3, 6, two_sided(G43)), _panel_of(3, 4, two_sided(G23))
_panel25 = _panel_of(5, 6, two_sided(G25))


def _weights(edge, panel_of):
    """The kernel for U of e × e points.  For any, it would take half as long again to compile, and so all below."""

    @kernel
    def weights(lo, hi, wt, us, memory, g, parts, scratch):
        """Parts lo..hi of U, from weights `(r, r, C, K)`.  `g`: C, K, and whether U is that of the gradient by data."""
        c, k, turned = g
        depth, columns = (k, c) if turned else (c, k)
        stretches, apart = (depth + TAPS_DEPTH - 1) // TAPS_DEPTH, (depth + 1) * WIDTH
        panels = (columns + WIDTH - 1) // WIDTH
        for part in range(lo, hi):
            taps = part * scratch
            for unit in range(panels * stretches * part // parts, panels * stretches * (part + 1) // parts):
                # in the order in which the weights lie
                panel, stretch = (
                    (unit // stretches, unit % stretches) if turned else (unit % panels, unit // panels)
                )
                d0, u = stretch * TAPS_DEPTH, panel * edge * edge * apart + stretch * TAPS_DEPTH * WIDTH
                panel_of(wt, panel, d0, min(TAPS_DEPTH, depth - d0), g, memory, taps, us, u, apart)

    return weights


weights43, weights23, weights25 = _weights(6, _panel43), _weights(4, _panel23), _weights(6, _panel25)


@helper
def _follow_tiles(then, ho, wo, m, first, end):
    """`then` for the pixels of tiles first..end of m × m, which are stretches of rows."""
    down, across = (ho + m - 1) // m, (wo + m - 1) // m
    while first < end:
        image, row, col = first // (down * across), first // across % down * m, first % across
        count = min(across - col, end - first)
        for i in range(row, min(ho, row + m)):
            at = (image * ho + i) * wo
            follow(then, at + col * m, at + min(wo, (col + count) * m))
        first += count


def _forward(m, edge, inputs, outputs):
    """The kernel for tiles of m × m that see `edge` rows and columns."""

    @kernel
    def forward(lo, hi, x, us, memory, y, then, g, s):
        """Parts lo..hi of all tiles.  `s`: parts, tiles and columns at a time, and where things lie in the scratch."""
        n, h, w, c, ho, wo, k, top, left = g
        parts, at_once, wide, v_row, v_apart, p_apart, scratch = s
        points, apart = edge * edge, (c + 1) * WIDTH
        down, across = (ho + m - 1) // m, (wo + m - 1) // m
        seen, written, map_of_y = (down, across, m, top, left), (down, across, m, 0, 0), (ho, wo, k)
        tiles = n * down * across
        for part in range(lo, hi):
            v = part * scratch
            p = v + points * v_apart
            spare = p + points * p_apart
            end = tiles * (part + 1) // parts
            for first in range(tiles * part // parts, end, at_once):
                count = min(at_once, end - first)
                inputs(x, (h, w, c), 0, c, seen, first, count, memory, v, v_row, v_apart, spare)
                for k0 in range(0, k, wide):
                    columns = min(wide, k - k0)
                    for q in range(points):
                        for j in range(0, columns, WIDTH):
                            block(
                                memory, v + q * v_apart, v_row, 1, 0,
                                us, ((k0 + j) // WIDTH * points + q) * apart, WIDTH, 0, 1, c,
                                memory, p + q * p_apart + j, wide, count, min(WIDTH, columns - j), 0,
                            )  # fmt: skip
                    outputs(memory, p, wide, p_apart, y, map_of_y, k0, columns, written, first, count, spare)
                _follow_tiles(then, ho, wo, m, first, first + count)

    return forward


forward43, forward23 = _forward(4, 6, inputs6, outputs43), _forward(2, 4, inputs4, outputs23)
forward25 = _forward(2, 6, inputs6, outputs25)


@kernel
def inputs(lo, hi, x, memory, m, edge, g, s):
    """Parts lo..hi of V of all tiles, at the beginning of the memory."""
    n, h, w, c, ho, wo, _k, top, left = g
    parts, v_row, v_apart, scratch_at, scratch = s
    down, across = (ho + m - 1) // m, (wo + m - 1) // m
    seen, tiles = (down, across, m, top, left), n * down * across
    for part in range(lo, hi):
        first, spare = tiles * part // parts, scratch_at + part * scratch
        count, v = tiles * (part + 1) // parts - first, first * v_row
        if edge == 6:
            inputs6(x, (h, w, c), 0, c, seen, first, count, memory, v, v_row, v_apart, spare)
        else:
            inputs4(x, (h, w, c), 0, c, seen, first, count, memory, v, v_row, v_apart, spare)


def _panels(m, edge, panel_of, outputs):
    """The kernel for tiles of m × m that see `edge` rows and columns."""

    @kernel
    def panels(lo, hi, wt, us, memory, y, g, turned, s):
        """Parts lo..hi of all panels of outputs, from V of all tiles.  U is `us`; where that is empty, weights are
        transformed as they are needed.
        """
        n, _h, _w, c, ho, wo, k, _top, _left = g
        parts, deep, v_row, v_apart, p_apart, scratch_at, scratch = s
        points, count, made = edge * edge, (k + WIDTH - 1) // WIDTH, us.size == 0
        u_apart = deep * WIDTH + LANES if made else (c + 1) * WIDTH
        source = memory if made else us
        down, across = (ho + m - 1) // m, (wo + m - 1) // m
        written, map_of_y, tiles = (down, across, m, 0, 0), (ho, wo, k), n * down * across
        c_k = (k, c, turned) if turned else (c, k, turned)
        for part in range(lo, hi):
            u = scratch_at + part * scratch
            p = u + points * u_apart * made
            spare = p + points * p_apart
            for panel in range(count * part // parts, count * (part + 1) // parts):
                k0 = panel * WIDTH
                columns = min(WIDTH, k - k0)
                for d0 in range(0, c, deep):
                    depth, add = min(deep, c - d0), 1 if d0 > 0 else 0
                    for d in range(0, depth if made else 0, TAPS_DEPTH):
                        rows = min(TAPS_DEPTH, depth - d)
                        panel_of(wt, panel, d0 + d, rows, c_k, memory, spare, memory, u + d * WIDTH, u_apart)
                    here = u if made else panel * points * u_apart
                    for q in range(points):
                        block(
                            memory, q * v_apart + d0, v_row, 1, 0,
                            source, here + q * u_apart, WIDTH, 0, 1, depth,
                            memory, p + q * p_apart, WIDTH, tiles, columns, add,
                        )  # fmt: skip
                outputs(memory, p, WIDTH, p_apart, y, map_of_y, k0, columns, written, 0, tiles, spare)

    return panels


panels43, panels23 = _panels(4, 6, _panel43, outputs43), _panels(2, 4, _panel23, outputs23)
panels25 = _panels(2, 6, _panel25, outputs25)
