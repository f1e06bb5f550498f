"""Square tiles of a map `(N, H, W, C)` in 32 bits, taken into the space of Winograd's transforms and out of it.

`grid` says how tiles lie on a map: (tiles down, tiles across, step from one to the next, rows above the map, columns to
its left).  In the space of the transforms, point q of tile t is a row of channels at `q · apart + t · row`.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.jit import helper
from netc.backends.cpu.rows import copy, fill
from netc.backends.cpu.transform import ALL, AT23, AT25, AT43, BT4, BT6, G34, G52, LANES, address, two_sided


@helper
def whole(columns):
    """So many columns as whole vectors."""
    return (columns + LANES - 1) // LANES * LANES


@helper
def _corner(tile, grid):
    """The image of a tile, and its first row and column there."""
    down, across, step, top, left = grid
    image, place = tile // (down * across), tile % (down * across)
    return image, place // across * step - top, place % across * step - left


@helper
def _inside(i, j, edge, h, w):
    """The rows and columns of a tile that lie in the map."""
    return max(0, -i), min(edge, h - i), max(0, -j), min(edge, w - j)


def _into(matrix):
    """What transforms tiles as wide as the matrix to as many points as it is tall."""
    edge, points, transform = len(matrix[0]), len(matrix), two_sided(matrix)

    @helper
    def into(x, size, c0, columns, grid, first, count, memory, v, row, apart, spare):
        """Columns of channels from c0 on of `count` tiles from `first` on, to `v` in memory.

        Zeros stand around the map.  `spare` is room for `edge`² + 1 rows of `columns`.
        """
        h, w, c = size
        start, wide = address(memory), whole(columns)
        fill(memory, spare, wide, 0)
        for t in range(count):
            image, i, j = _corner(first + t, grid)
            i0, i1, j0, j1 = inside = _inside(i, j, edge, h, w)
            corner = ((image * h + i) * w + j) * c + c0
            at, down, across, last = address(x) + corner * 4, w * c * 4, c * 4, columns - LANES
            if columns < LANES:  # a vector would read what lies behind them: they are copied before
                at, down, across, last = start + (spare + wide) * 4, edge * wide * 4, wide * 4, 0
                for a in range(i0, i1):
                    for b in range(j0, j1):
                        copy(x, corner + (a * w + b) * c, memory, spare + (1 + a * edge + b) * wide, columns)
            zeros, to = start + spare * 4 - at, start + (v + t * row) * 4
            for k in range(0, columns, LANES):
                here = min(k, last) * 4  # the last vector ends with the last channel
                y = (to + here, points * apart * 4, apart * 4, ALL, 0)
                transform((at + here, down, across, inside, zeros), y)

    return into


def _out_of(matrix):
    """What transforms as many points as the matrix is wide to tiles as wide as it is tall."""
    edge, points, transform = len(matrix), len(matrix[0]), two_sided(matrix)

    @helper
    def out_of(memory, p, row, apart, y, size, k0, columns, grid, first, count, spare):
        """Columns of channels from k0 on of `count` tiles from `first` on, from `p` in memory.

        What a tile has beyond the map is dropped.  `spare` is room for `edge`² + 1 rows of `columns`.
        """
        h, w, c = size
        start, wide = address(memory), whole(columns)
        for t in range(count):
            image, i, j = _corner(first + t, grid)
            _, i1, _, j1 = inside = _inside(i, j, edge, h, w)
            corner = ((image * h + i) * w + j) * c + k0
            to, down, across, last = address(y) + corner * 4, w * c * 4, c * 4, columns - LANES
            if columns < LANES:
                to, down, across, last = start + (spare + wide) * 4, edge * wide * 4, wide * 4, 0
            nowhere, at = start + spare * 4 - to, start + (p + t * row) * 4
            for k in range(0, columns, LANES):
                here = min(k, last) * 4
                x = (at + here, points * apart * 4, apart * 4, ALL, 0)
                transform(x, (to + here, down, across, inside, nowhere))
            if columns < LANES:
                for a in range(i1):
                    for b in range(j1):
                        copy(memory, spare + (1 + a * edge + b) * wide, y, corner + (a * w + b) * c, columns)

    return out_of


inputs6, inputs4 = _into(BT6), _into(BT4)
outputs43, outputs23, outputs25 = _out_of(AT43), _out_of(AT23), _out_of(AT25)
# Gradients by weights are convolutions of inputs with tiles of the outputs' gradients, in the same 6 × 6 points.
gradients34, gradients52 = _into(G34), _into(G52)
