"""The register tile that all contractions are made of, written as LLVM IR: a block of C kept in registers.

    C[i, j] (+)= Σ over o < outer, k < depth of  A[i·a_row + k·a_step + o·a_outer] · B[o·b_outer + k·b_step +
    j]

B and C have neighbouring j in neighbouring memory; A has any strides.  A dense layer has `outer` 1; a
convolution has one outer step for each row of the window, in which `depth` runs over its columns and channels
together.

Edges are handled inside.  A tile is TALL or SHORT rows of one or two vectors.  Rows past the last repeat the last
one, so they read and write what it does.  Of C, lanes past the last column are masked; rows of B have as many numbers
as the tile is wide, where anything may stand there: without masks the inner loop is the same on processors that have no
masked loads.  Strides and offsets count elements.
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

AHEAD = 16  # steps before they are used, rows of B are asked for: memory answers meanwhile
_I64, _I32 = ir.IntType(64), ir.IntType(32)


class _Tile:
    """Emits one tile: `height` rows of `vectors` vectors, the last of them masked where `masked`."""

    def __init__(self, builder, array, height, vectors, masked):
        self.builder, self.height, self.vectors, self.masked = builder, height, vectors, masked
        self.scalar = ir.FloatType() if array.dtype == types.float32 else ir.DoubleType()
        self.bytes = 4 if array.dtype == types.float32 else 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.name = f"v{self.lanes}f{self.bytes * 8}"
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        self.mask = None

    def function(self, name, result, arguments):
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def make_mask(self, columns):
        """Lane l of the last vector is on where its column is below `columns`."""
        first = (self.vectors - 1) * self.lanes
        left = self.builder.trunc(self.builder.sub(columns, ir.Constant(_I64, first)), _I32)
        numbers = ir.VectorType(_I32, self.lanes)
        iota = ir.Constant(numbers, list(range(self.lanes)))
        self.mask = self.builder.icmp_signed("<", iota, self.splat(left, _I32))

    def repeated_rows(self, rows, beyond=0):
        """0, 1, … height - 1, and so many `beyond`, each at most the last of `rows`."""
        last = self.builder.sub(rows, ir.Constant(_I64, 1))
        numbers = [ir.Constant(_I64, i) for i in range(self.height + beyond)]
        return [self.builder.select(self.builder.icmp_signed("<", i, rows), i, last) for i in numbers]

    def splat(self, x, kind):
        wide = ir.VectorType(kind, self.lanes)
        one = self.builder.insert_element(ir.Constant(wide, ir.Undefined), x, ir.Constant(_I32, 0))
        lanes = ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, ir.Constant(wide, ir.Undefined), lanes)

    def at(self, base, offset, j):
        """A pointer to vector j of the row at `offset`."""
        place = self.builder.add(offset, ir.Constant(_I64, j * self.lanes))
        return self.builder.bitcast(self.builder.gep(base, [place]), self.vector.as_pointer())

    def load(self, base, offset, j, whole=False):
        where = self.at(base, offset, j)
        if whole or not (self.masked and j == self.vectors - 1):
            return self.builder.load(where, align=self.bytes)
        bits = ir.VectorType(ir.IntType(1), self.lanes)
        f = self.function(
            f"llvm.masked.load.{self.name}.p0", self.vector, [where.type, _I32, bits, self.vector]
        )
        return self.builder.call(f, [where, ir.Constant(_I32, self.bytes), self.mask, self.zero])

    def fetch(self, base, offset, j, writes=False):
        """Asks for a line, to read or to write it; nothing happens where there is no memory."""
        byte = ir.IntType(8).as_pointer()
        f = self.function("llvm.prefetch.p0", ir.VoidType(), [byte, _I32, _I32, _I32])
        where = self.builder.bitcast(self.at(base, offset, j), byte)
        self.builder.call(f, [where, *(ir.Constant(_I32, n) for n in (int(writes), 3, 1))])  # near, data

    def fetch_rows(self, base, offsets, writes=True):
        """Asks for rows as wide as the tile at these offsets, to be read or written when it is summed."""
        for offset in offsets:
            for j in range(self.vectors):
                self.fetch(base, offset, j, writes)

    def store(self, value, base, offset, j):
        where = self.at(base, offset, j)
        if not (self.masked and j == self.vectors - 1):
            self.builder.store(value, where, align=self.bytes)
            return
        bits = ir.VectorType(ir.IntType(1), self.lanes)
        f = self.function(
            f"llvm.masked.store.{self.name}.p0", ir.VoidType(), [self.vector, where.type, _I32, bits]
        )
        self.builder.call(f, [value, where, ir.Constant(_I32, self.bytes), self.mask])

    def finished(self, sums, bias, low, high):
        """Vectors of sums with a bias, within bounds; a NaN stays one."""
        return [self.bounded(self.builder.fadd(x, b), low, high) for x, b in zip(sums, bias, strict=True)]

    def bounded(self, x, low, high):
        x = self.builder.select(self.builder.fcmp_ordered("<", x, low), low, x)
        return self.builder.select(self.builder.fcmp_ordered(">", x, high), high, x)

    def multiply_add(self, x, y, z):
        """x y + z, in one instruction and with one rounding where the processor has that."""
        f = self.function(f"llvm.fmuladd.{self.name}", self.vector, [self.vector] * 3)
        return self.builder.call(f, [x, y, z])


def _loop(builder, count, carried, body, name):
    """`for i in range(count)` with count > 0; `body(i, values)` gives the next values.  Returns the last
    ones.
    """
    entry = builder.block
    head = builder.append_basic_block(name)
    after = builder.append_basic_block(name + ".end")
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(_I64)
    i.add_incoming(ir.Constant(_I64, 0), entry)
    values = [builder.phi(v.type) for v in carried]
    for phi, v in zip(values, carried, strict=True):
        phi.add_incoming(v, entry)
    new = body(i, values)
    i_next = builder.add(i, ir.Constant(_I64, 1))
    i.add_incoming(i_next, builder.block)
    for phi, v in zip(values, new, strict=True):
        phi.add_incoming(v, builder.block)
    builder.cbranch(builder.icmp_signed("<", i_next, count), head, after)
    builder.position_at_end(after)
    return new


def _summed(
    t, a_rows, tap, a_step, b_base, b_step, b_outer, outer, depth, start=None, asks=False, following=None
):
    """The sums after both loops, from `start` or zero.  `tap(o)` is where step o of the outer one begins, from each
    row's pointer.

    Where it `asks`, rows are neighbours, of which one line or two are asked for ahead: steps may be a page apart.
    `following` is where the next tile's rows begin, one behind the other, and each step over `depth` asks for a line of
    them: processors look ahead along one row at a time, and here are as many as a tile is tall.
    """
    builder, line = t.builder, ir.Constant(_I64, 64 // t.bytes)
    b_soon = builder.mul(b_step, ir.Constant(_I64, AHEAD))

    def over_outer(o, sums):
        a_start, b_start = tap(o), builder.mul(o, b_outer)

        def over_depth(k, sums):
            a_here = builder.add(a_start, builder.mul(k, a_step))
            b_here = builder.add(b_start, builder.mul(k, b_step))
            right = [t.load(b_base, b_here, j, whole=True) for j in range(t.vectors)]
            for j in range(t.vectors):
                t.fetch(b_base, builder.add(b_here, b_soon), j)
            if asks:
                a_soon = builder.add(a_here, builder.mul(a_step, ir.Constant(_I64, AHEAD)))
                for row in (a_rows[0], a_rows[-1]):
                    t.fetch(row, a_soon, 0)
            if following is not None:
                t.fetch(following, builder.mul(k, line), 0)
            new = []
            for i in range(t.height):
                left = t.splat(builder.load(builder.gep(a_rows[i], [a_here])), t.scalar)
                new += [t.multiply_add(left, right[j], sums[i * t.vectors + j]) for j in range(t.vectors)]
            return new

        return _loop(builder, depth, sums, over_depth, "depth")

    return _loop(builder, outer, start or [t.zero] * (t.height * t.vectors), over_outer, "outer")


def _start(t, c_base, c_rows, add):
    """C's old values where `add` is not 0, else zeros.  Sums that go on from there do not depend on how many steps a
    call takes.
    """
    zeros = [t.zero] * (t.height * t.vectors)
    return _with_old(t, zeros, c_base, c_rows, add, lambda _, old: old)


def _added(t, sums, base, rows, add):
    """The sums with what stands at `rows` where `add` is not 0."""
    return _with_old(t, sums, base, rows, add, t.builder.fadd)


def _with_old(t, values, base, rows, add, both):
    """`both` of each value and what stands at `rows` where `add` is not 0.  A branch: nothing waits without need."""
    builder = t.builder
    vectors = [(row, j) for row in rows for j in range(t.vectors)]
    adding = builder.icmp_signed("!=", add, ir.Constant(_I64, 0))
    before = builder.block
    with builder.if_then(adding):
        made = [both(x, t.load(base, row, j)) for x, (row, j) in zip(values, vectors, strict=True)]
        after = builder.block
    out = [builder.phi(t.vector) for _ in vectors]
    for phi, value, new in zip(out, values, made, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(new, after)
    return out


def _emit(ctx, builder, signature, values, height, vectors, masked):
    """The tile's code: sums in registers over both loops, loaded from C before them and stored to it after."""
    a, a_at, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, c_at, c_row, shape = values
    t = _Tile(builder, signature.args[0], height, vectors, masked)
    pointers = []
    for array, kind, offset in ((a, 0, a_at), (b, 5, b_at), (c, 11, c_at)):
        data = cgutils.create_struct_proxy(signature.args[kind])(ctx, builder, value=array).data
        pointers.append(builder.gep(builder.bitcast(data, t.scalar.as_pointer()), [offset]))
    a_base, b_base, c_base = pointers
    rows, columns, add = (builder.extract_value(shape, i) for i in range(3))
    if masked:
        t.make_mask(columns)
    row = t.repeated_rows(rows)
    a_rows = [builder.gep(a_base, [builder.mul(r, a_row)]) for r in row]
    c_rows = [builder.mul(r, c_row) for r in row]
    start = _start(t, c_base, c_rows, add)

    def tap(o):
        return builder.mul(o, a_outer)

    end = _summed(t, a_rows, tap, a_step, b_base, b_step, b_outer, outer, depth, start)
    for i in range(height):
        for j in range(vectors):
            t.store(end[i * vectors + j], c_base, c_rows[i], j)
    return ctx.get_dummy_value()


def _make(height, vectors, masked):
    """The intrinsic for one size of tile.  `shape` is (rows that are left, columns, whether C is added)."""

    @intrinsic
    def tile(
        _, a, a_at, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, c_at, c_row, shape
    ):
        def generate(ctx, builder, signature, values):
            return _emit(ctx, builder, signature, values, height, vectors, masked)

        n = types.intp
        arguments = (a, n, n, n, n, b, n, n, n, n, n, c, n, n, types.UniTuple(n, 3))
        return types.void(*arguments), generate

    return tile


_tall_two, _tall_two_masked, _tall_one = _make(TALL, 2, False), _make(TALL, 2, True), _make(TALL, 1, True)
_short_two_masked, _short_one = _make(SHORT, 2, True), _make(SHORT, 1, True)


@helper
def block(
    a, a_at, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, c_at, c_row, rows, cols, add
):
    """A block of C of any `rows` and up to two vectors of `cols`; C's old values are added where `add` is 1."""
    lanes = VECTOR_BYTES // c.itemsize
    few, i = 2 * SHORT if cols > lanes else SHORT, 0  # short tiles of one vector wait for their own sums
    while i < rows:
        left = rows - i
        x, y, s = a_at + i * a_row, c_at + i * c_row, (left, cols, add)
        # fmt: off
        if left > few and cols == 2 * lanes:
            _tall_two(a, x, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        elif left > few and cols > lanes:
            _tall_two_masked(a, x, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        elif left > few:
            _tall_one(a, x, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        elif cols > lanes:
            _short_two_masked(a, x, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        else:
            _short_one(a, x, a_row, a_step, a_outer, b, b_at, b_step, b_outer, outer, depth, c, y, c_row, s)
        # fmt: on
        i += TALL if left > few else SHORT
