"""The register tile over rows that lie anywhere, with B in panels as wide as the tile.

    C[writes[i] + j] (+)= Σ over o < outer, k < depth of  A[reads[i] + taps[o] + k·a_step] · B[o·b_outer + k·b_step + j]
 So the rows of a tile can be any output pixels of a convolution, of several rows and images, and the steps
any taps of its window (Dukhan, "The indirect convolution algorithm", 2019; here the sum of two offsets
stands for each pointer, as the image has its padding around it).  Rows of B are two vectors, zeros past its
last column, so only C is masked.
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
from netc.backends.cpu.tile import _I32, _I64, _summed, _Tile


def _emit_gathered(ctx, builder, signature, values, height, vectors):
    a_at, a_step, b_at, b_step, b_outer, outer, depth, c_at, shape = (
        values[i] for i in (1, 4, 6, 7, 8, 9, 10, 12, 14)
    )
    t = _Tile(builder, signature.args[0], height, vectors, masked=True, whole=True)

    def data(i):
        return cgutils.create_struct_proxy(signature.args[i])(ctx, builder, value=values[i]).data

    def base(i, offset):
        return builder.gep(builder.bitcast(data(i), t.scalar.as_pointer()), [offset])

    a_base, b_base, c_base = base(0, a_at), base(5, b_at), base(11, c_at)
    first, rows, columns, add = (builder.extract_value(shape, i) for i in range(4))
    t.make_mask(columns)
    row = [builder.add(first, i) for i in t.repeated_rows(rows)]
    read_at, tap_at, write_at = data(2), data(3), data(13)
    a_rows = [builder.gep(a_base, [builder.load(builder.gep(read_at, [i]))]) for i in row]
    adding = builder.icmp_signed("!=", add, ir.Constant(_I64, 0))
    _fetch(t, adding, write_at, row, c_base)

    def tap(o):
        return builder.load(builder.gep(tap_at, [o]))

    zero = [t.zero] * (height * vectors)
    end = _summed(t, a_rows, tap, a_step, b_base, b_step, b_outer, outer, depth, zero)
    c_rows = [
        builder.load(builder.gep(write_at, [i])) for i in row
    ]  # again: no register holds them meanwhile
    with builder.if_else(adding) as (then, otherwise):
        with then:
            _add_to(t, end, c_base, c_rows, rows)
        with otherwise:
            for i in range(height):
                for j in range(vectors):
                    t.store(end[i * vectors + j], c_base, c_rows[i], j)
    return ctx.get_dummy_value()


def _fetch(t, adding, write_at, row, c_base):
    """Asks for the lines of C that are added to, so that they are there when the sums are."""
    builder = t.builder
    byte = ir.IntType(8).as_pointer()
    fetch = t.function("llvm.prefetch.p0", ir.VoidType(), [byte, _I32, _I32, _I32])
    with builder.if_then(adding):
        for i in row:
            at = builder.load(builder.gep(write_at, [i]))
            for j in range(t.vectors):
                where = builder.bitcast(t.at(c_base, at, j), byte)
                builder.call(
                    fetch, [where, *(ir.Constant(_I32, n) for n in (1, 3, 1))]
                )  # to write, near, data


def _add_to(t, sums, c_base, c_rows, rows):
    """C += sums.  A row that repeats the last one stores what that stored, and adds nothing."""
    builder, above = t.builder, [t.zero] * t.vectors
    for i in range(t.height):
        real = builder.icmp_signed("<", ir.Constant(_I64, i), rows)
        for j in range(t.vectors):
            new = builder.fadd(t.load(c_base, c_rows[i], j), sums[i * t.vectors + j])
            above[j] = builder.select(real, new, above[j])
            t.store(above[j], c_base, c_rows[i], j)


def _make_gathered(height, vectors):
    """The intrinsic for one size of tile.  `shape` is (first of the rows, how many are left, columns,
    whether C is added).
    """

    @intrinsic
    def tile(_, a, a_at, reads, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, shape):
        def generate(ctx, builder, signature, values):
            return _emit_gathered(ctx, builder, signature, values, height, vectors)

        n, table = types.intp, types.Array(types.int64, 1, "C")
        arguments = (a, n, table, table, n, b, n, n, n, n, n, c, n, table, types.UniTuple(n, 4))
        return types.void(*arguments), generate

    return tile


_gather_tall, _gather_tall_one = _make_gathered(TALL, 2), _make_gathered(TALL, 1)
_gather_short, _gather_short_one = _make_gathered(SHORT, 2), _make_gathered(SHORT, 1)


@helper
def gathered(
    a,
    a_at,
    reads,
    taps,
    a_step,
    b,
    b_at,
    b_step,
    b_outer,
    outer,
    depth,
    c,
    c_at,
    writes,
    first,
    rows,
    cols,
    add,
):
    """Rows first..first + rows of C, up to two vectors of `cols`; C's old values are added where `add` is 1."""
    lanes = VECTOR_BYTES // c.itemsize
    i = 0
    while i < rows:
        left = rows - i
        s, tall = (first + i, left, cols, add), left > 2 * SHORT
        # fmt: off
        if tall and cols > lanes:
            _gather_tall(a, a_at, reads, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, s)
        elif tall:
            _gather_tall_one(a, a_at, reads, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, s)
        elif cols > lanes:
            _gather_short(a, a_at, reads, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, s)
        else:
            _gather_short_one(a, a_at, reads, taps, a_step, b, b_at, b_step, b_outer, outer, depth, c, c_at, writes, s)
        # fmt: on
        i += TALL if tall else SHORT
