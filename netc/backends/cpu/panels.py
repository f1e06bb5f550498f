"""Panels and strips: rows of two vectors, or as many numbers as a tile is tall, as the register tile reads them.

A panel's rows may be the rows of a matrix or its columns, which are turned in squares that are held in registers.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netc.backends.cpu.jit import helper
from netc.backends.cpu.target import TALL, VECTOR_BYTES
from netc.backends.cpu.tile import _I32, _I64, _Tile


def _base(ctx, t, array, value):
    """Where the numbers of an array begin."""
    data = cgutils.create_struct_proxy(array)(ctx, t.builder, value=value).data
    return t.builder.bitcast(data, t.scalar.as_pointer())


@intrinsic
def lift(_, x, at, out, to):
    """out[to + t] = x[at + t] for the two vectors that a row of a panel is."""

    def generate(ctx, builder, signature, values):
        t = _Tile(builder, signature.args[0], 1, 2, masked=False)
        bases = [_base(ctx, t, signature.args[i], values[i]) for i in (0, 2)]
        both = [t.load(bases[0], values[1], j) for j in range(2)]
        for j in range(2):
            t.store(both[j], bases[1], values[3], j)
        return ctx.get_dummy_value()

    return types.void(x, types.intp, out, types.intp), generate


@intrinsic
def turn_block(_, x, at, step, out, to, width):
    """out[to + i·width + j] = x[at + j·step + i] for a square of i and j, as long as a vector.

    Eklundh, "A fast computer method for matrix transposing", 1972: in round h, numbers h apart in two rows h apart
    change places.
    """

    def generate(ctx, builder, signature, values):
        t = _Tile(builder, signature.args[0], 1, 1, masked=False)
        bases = [_base(ctx, t, signature.args[i], values[i]) for i in (0, 3)]
        n, numbers = t.lanes, [ir.Constant(_I64, i) for i in range(t.lanes)]
        rows = [t.load(bases[0], builder.add(values[1], builder.mul(i, values[2])), 0) for i in numbers]
        h = 1
        while h < n:
            low = [
                j if not j & h else n + j - h for j in range(n)
            ]  # of the pair's upper row, of the lower one from n on
            high = [j + h if not j & h else n + j for j in range(n)]
            kept = [ir.Constant(ir.VectorType(_I32, n), lanes) for lanes in (low, high)]
            for i in (i for i in range(n) if not i & h):
                pair = rows[i], rows[i + h]
                rows[i], rows[i + h] = (builder.shuffle_vector(*pair, lanes) for lanes in kept)
            h *= 2
        for i, row in zip(numbers, rows, strict=True):
            t.store(row, bases[1], builder.add(values[4], builder.mul(i, values[5])), 0)
        return ctx.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, out, n, n), generate


@helper
def panel(x, at, row_step, col_step, out, to, rows, cols):
    """A panel `(rows, two vectors)` of x's `rows` and `cols`, one of whose steps is 1; zeros past the last column."""
    lanes = VECTOR_BYTES // out.itemsize
    width = 2 * lanes
    if col_step == 1 and cols == width:
        for row in range(rows):
            lift(x, at + row * row_step, out, to + row * width)
        return
    whole_rows, whole_cols = 0, 0
    if row_step == 1:  # a column's numbers are neighbours
        whole_rows, whole_cols = rows - rows % lanes, cols - cols % lanes
        for row in range(0, whole_rows, lanes):
            for col in range(0, whole_cols, lanes):
                turn_block(x, at + row + col * col_step, col_step, out, to + row * width + col, width)
    for row in range(rows):
        for col in range(whole_cols if row < whole_rows else 0, cols):
            out[to + row * width + col] = x[at + row * row_step + col * col_step]
    read = lanes if cols <= lanes else width  # by a tile, which does not store what is past the last column
    for row in range(rows):
        for col in range(cols, read):
            out[to + row * width + col] = 0


@helper
def turned_strip(x, at, row_step, out, to, depth):
    """A strip `(depth, TALL)` of rows so far apart: how many of its steps were done, in whole squares; none where these
    could reach past the end of x, for they may have more rows than a strip.  What they write past a step is written
    again, the last of it behind the strip.
    """
    lanes = VECTOR_BYTES // out.itemsize
    rows = (TALL + lanes - 1) // lanes * lanes
    if at + (rows - 1) * row_step + depth > x.size:
        return 0
    whole = depth - depth % lanes
    for k in range(0, whole, lanes):
        for row in range(rows - lanes, -1, -lanes):
            turn_block(x, at + row * row_step + k, row_step, out, to + k * TALL + row, TALL)
    return whole
