"""Square tiles of a map `(N, H, W, C)` in 32 bits, taken into the space of Winograd's transforms and out of it.

`grid` says how tiles lie on a map: (tiles down, tiles across, step from one to the next, rows above the map, columns to
its left).  In the space of the transforms, point q of tile t is a row of channels at `q · apart + t · row`.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from netc.backends.cpu.jit import helper
from netc.backends.cpu.rows import copy, fill
from netc.backends.cpu.transform import (
    AT2,
    AT4,
    BT2,
    BT4,
    G4_WEIGHTS,
    LANES,
    address,
    two_sided,
)


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
def _window(x, image, row, column, edge, size, c0, columns, out, at, apart):
    """The `(edge, edge, columns)` numbers from this row and column on, zeros where the map has none."""
    h, w, c = size
    for i in range(row, row + edge):
        for j in range(column, column + edge):
            if 0 <= i < h and 0 <= j < w:
                copy(x, ((image * h + i) * w + j) * c + c0, out, at, columns)
            else:
                fill(out, at, columns, 0)
            at += apart


def _into(matrix):
    """What transforms tiles as wide as the matrix to as many points as it is tall."""
    edge, points, transform = len(matrix[0]), len(matrix), two_sided(matrix)

    @helper
    def into(x, size, c0, columns, grid, first, count, memory, v, row, apart, spare):
        """Columns of channels from c0 on of `count` tiles from `first` on, to `v` in memory; `spare` holds a tile."""
        h, w, c = size
        start = address(memory)
        for t in range(count):
            image, i, j = _corner(first + t, grid)
            if columns >= LANES and 0 <= i <= h - edge and 0 <= j <= w - edge:
                at = address(x) + (((image * h + i) * w + j) * c + c0) * 4
                down, across, last = w * c * 4, c * 4, columns - LANES
            else:
                wide = whole(columns)
                _window(x, image, i, j, edge, size, c0, columns, memory, spare, wide)
                at, down, across, last = start + spare * 4, edge * wide * 4, wide * 4, wide - LANES
            to = start + (v + t * row) * 4
            for k in range(0, columns, LANES):
                here = min(k, last) * 4  # the last vector ends with the last channel
                transform(at + here, down, across, to + here, points * apart * 4, apart * 4)

    return into


def _out_of(matrix):
    """What transforms as many points as the matrix is wide to tiles as wide as it is tall."""
    edge, points, transform = len(matrix), len(matrix[0]), two_sided(matrix)

    @helper
    def out_of(memory, p, row, apart, y, size, k0, columns, grid, first, count, spare):
        """Columns of channels from k0 on of `count` tiles from `first` on, from `p` in memory; `spare` holds a tile."""
        h, w, c = size
        start = address(memory)
        for t in range(count):
            image, i, j = _corner(first + t, grid)
            rows, cols, wide = min(edge, h - i), min(edge, w - j), whole(columns)
            y_at = ((image * h + i) * w + j) * c + k0
            inside = columns >= LANES and rows == edge and cols == edge
            if inside:
                to, down, across, last = address(y) + y_at * 4, w * c * 4, c * 4, columns - LANES
            else:
                to, down, across, last = start + spare * 4, edge * wide * 4, wide * 4, wide - LANES
            at = start + (p + t * row) * 4
            for k in range(0, columns, LANES):
                here = min(k, last) * 4
                transform(at + here, points * apart * 4, apart * 4, to + here, down, across)
            if not inside:
                for a in range(rows):
                    for b in range(cols):
                        copy(memory, spare + (a * edge + b) * wide, y, y_at + (a * w + b) * c, columns)

    return out_of


# Inputs and outputs of convolutions in tiles of 4 × 4 outputs, which see 6 × 6 inputs, and of 2 × 2, which see 4 × 4.
inputs4, inputs2 = _into(BT4), _into(BT2)
outputs4, outputs2 = _out_of(AT4), _out_of(AT2)
# Gradients by weights are convolutions of inputs with 4 × 4 tiles of the outputs' gradients, in the same 6 × 6 points.
gradients4 = _into(G4_WEIGHTS)
