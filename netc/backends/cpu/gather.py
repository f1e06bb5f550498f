"""The register tile over numbers that lie anywhere.

    gathered:  C[writes[i] + j]  =   Σ over o, k of  A[reads[i] + taps[o] + k·a_step] · B[o·b_outer + k·b_step + j]
    lined:     C[i·c_row + j]  (+)=  Σ over o, k of  A[i + taps[o] + k·a_step] · B[o·b_outer + k·b_step + j]

So rows of C can be any output pixels of a convolution, of several rows and images, and the steps any taps of
its window (Dukhan, "The indirect convolution algorithm", 2019; here the sum of two offsets stands for each
pointer, as the image has its padding around it); or rows of C are neighbours in a window, and the steps the
pixels of any rows.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netc.backends.cpu.jit import helper
from netc.backends.cpu.target import SHORT, TALL, VECTOR_BYTES
from netc.backends.cpu.tile import _I64, _added, _start, _summed, _Tile


class _Operands:
    """Where the arrays of a call begin."""

    def __init__(self, ctx, tile, signature, values):
        self.ctx, self.tile, self.signature, self.values = ctx, tile, signature, values

    def data(self, i):
        kind = self.signature.args[i]
        return cgutils.create_struct_proxy(kind)(self.ctx, self.tile.builder, value=self.values[i]).data

    def base(self, i):
        """The number of array i that the next value tells."""
        numbers = self.tile.builder.bitcast(self.data(i), self.tile.scalar.as_pointer())
        return self.tile.builder.gep(numbers, [self.values[i + 1]])

    def table(self, i):
        """What reads array i of offsets."""
        begin, builder = self.data(i), self.tile.builder
        return lambda at: builder.load(builder.gep(begin, [at]))


def _emit_gathered(ctx, builder, signature, values, height, vectors):
    _, _, _, _, _, _, b_step, b_outer, outer, depth, _, _, _, _, _, low, high, _, _, shape = values
    t = _Tile(builder, signature.args[0], height, vectors, masked=True)
    arrays = _Operands(ctx, t, signature, values)
    first, rows, columns, ends, more = (builder.extract_value(shape, i) for i in range(5))
    t.make_mask(columns)
    *row, after = (builder.add(first, i) for i in t.repeated_rows(rows, beyond=1))
    read, tap, write = arrays.table(2), arrays.table(3), arrays.table(12)
    a_base, b_base, c_base, residual = (arrays.base(i) for i in (0, 4, 10, 17))
    a_rows = [builder.gep(a_base, [read(i)]) for i in row]
    places, one = [write(i) for i in row], ir.Constant(_I64, 1)
    t.fetch_rows(c_base, places)
    with builder.if_then(builder.icmp_signed("!=", more, ir.Constant(_I64, 0))):
        t.fetch_rows(residual, places, writes=False)
    following = builder.gep(a_base, [read(after)]) if height == TALL else None
    end = _summed(t, a_rows, tap, one, b_base, b_step, b_outer, outer, depth, following=following)
    with builder.if_else(builder.icmp_signed("!=", ends, ir.Constant(_I64, 0))) as (finish, plain):
        with finish:
            base, bounds = arrays.base(13), [t.splat(x, t.scalar) for x in (low, high)]
            bias = [t.load(base, ir.Constant(_I64, 0), j) for j in range(vectors)]
            biased = [builder.fadd(x, y) for x, y in zip(end, bias * height, strict=True)]
            whole = _added(t, biased, residual, places, more)
            _write(t, [t.bounded(x, *bounds) for x in whole], c_base, places)
        with plain:
            _write(t, end, c_base, places)
    return ctx.get_dummy_value()


def _write(t, sums, c_base, places):
    for i, at in enumerate(places):
        for j in range(t.vectors):
            t.store(sums[i * t.vectors + j], c_base, at, j)


def _make_gathered(height, vectors):
    """The intrinsic for one size of tile.  `shape` is (first of the rows, how many are left, columns, whether the sums
    get a bias and bounds, and whether a residual between them).
    """

    @intrinsic
    def tile(
        _,
        a,
        a_at,
        reads,
        taps,
        b,
        b_at,
        b_step,
        b_outer,
        outer,
        depth,
        c,
        c_at,
        writes,
        bias,
        at,
        low,
        high,
        residual,
        residual_at,
        shape,
    ):
        def generate(ctx, builder, signature, values):
            return _emit_gathered(ctx, builder, signature, values, height, vectors)

        n, table, x = types.intp, types.Array(types.int64, 1, "C"), a.dtype
        arguments = (
            a, n, table, table, b, n, n, n, n, n, c, n, table, bias, n, x, x, c, n, types.UniTuple(n, 5)
        )  # fmt: skip
        return types.void(*arguments), generate

    return tile


_gather_tall, _gather_tall_one = _make_gathered(TALL, 2), _make_gathered(TALL, 1)
_gather_short, _gather_short_one = _make_gathered(SHORT, 2), _make_gathered(SHORT, 1)


# fmt: off
@helper
def gathered(
    a, a_at, reads, taps, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, rows, cols, bias, bias_at, low, high,
    residual
):
    """`rows` rows of C, up to two vectors of `cols`.  The steps of A are 1.  Where there is a bias, it is added, then
    the residual if there is one, and what comes out is kept between `low` and `high`.
    """
    lanes, ends, more = VECTOR_BYTES // c.itemsize, min(1, bias.size), min(1, residual.size)
    few, i, p = 2 * SHORT if cols > lanes else SHORT, 0, bias_at  # short tiles of one vector wait for their own sums
    while i < rows:
        s, tall = (i, rows - i, cols, ends, more), rows - i > few
        if tall and cols > lanes:
            _gather_tall(
                a, a_at, reads, taps, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, bias, p, low, high,
                residual, c_at, s
            )
        elif tall:
            _gather_tall_one(
                a, a_at, reads, taps, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, bias, p, low, high,
                residual, c_at, s
            )
        elif cols > lanes:
            _gather_short(
                a, a_at, reads, taps, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, bias, p, low, high,
                residual, c_at, s
            )
        else:
            _gather_short_one(
                a, a_at, reads, taps, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, bias, p, low, high,
                residual, c_at, s
            )
        i += TALL if tall else SHORT
# fmt: on


def _emit_lined(ctx, builder, signature, values, height, vectors):
    _, _, _, a_step, _, _, b_step, b_outer, outer, depth, _, _, c_row, shape = values
    t = _Tile(builder, signature.args[0], height, vectors, masked=True)
    arrays = _Operands(ctx, t, signature, values)
    rows, columns, add = (builder.extract_value(shape, i) for i in range(3))
    t.make_mask(columns)
    row = t.repeated_rows(rows)
    a_base, b_base, c_base = arrays.base(0), arrays.base(4), arrays.base(10)
    c_rows = [builder.mul(i, c_row) for i in row]
    tall = builder.mul(c_row, ir.Constant(_I64, height))
    t.fetch_rows(c_base, [builder.add(at, tall) for at in c_rows])  # the next tile's, which begins with them
    start = _start(t, c_base, c_rows, add)
    a_rows = [builder.gep(a_base, [i]) for i in row]
    end = _summed(
        t, a_rows, arrays.table(2), a_step, b_base, b_step, b_outer, outer, depth, start, asks=height == TALL
    )
    for i, at in enumerate(c_rows):
        for j in range(vectors):
            t.store(end[i * vectors + j], c_base, at, j)
    return ctx.get_dummy_value()


def _make_lined(height, vectors):
    """The intrinsic for one size of tile.  `shape` is (rows that are left, columns, whether C is added)."""

    @intrinsic
    def tile(_, a, a_at, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, c_row, shape):
        def generate(ctx, builder, signature, values):
            return _emit_lined(ctx, builder, signature, values, height, vectors)

        n, table = types.intp, types.Array(types.int64, 1, "C")
        arguments = (a, n, table, n, b, n, n, n, n, n, c, n, n, types.UniTuple(n, 3))
        return types.void(*arguments), generate

    return tile


_line_tall, _line_tall_one = _make_lined(TALL, 2), _make_lined(TALL, 1)
_line_short, _line_short_one = _make_lined(SHORT, 2), _make_lined(SHORT, 1)


@helper
def lined(a, a_at, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, c_row, rows, cols, add):
    """`rows` rows of C, up to two vectors of `cols`; C's old values are added where `add` is 1."""
    lanes = VECTOR_BYTES // c.itemsize
    i = 0
    while i < rows:
        s, tall = (rows - i, cols, add), rows - i > 2 * SHORT
        x, y = a_at + i, c_at + i * c_row
        if tall and cols > lanes:
            _line_tall(a, x, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        elif tall:
            _line_tall_one(a, x, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        elif cols > lanes:
            _line_short(a, x, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        else:
            _line_short_one(a, x, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        i += TALL if tall else SHORT
