"""Vectors as values of a kernel: neighbouring numbers in one register, as many as it holds.

    a = load(x, at, count)              # x[at : at + count], zeros behind
    store(larger(a, b), y, to, count)   # the first `count` numbers only

A kernel that walks a window for each of many channels keeps its sums and largest values in registers, which LLVM does
not see by itself: it makes vectors of inner loops only.  Where `count` is known to be a whole vector, LLVM drops the
mask; kernels say `full(x)` and are put together with their callers (`inlined`), so that it can see that.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from netc.backends.cpu.jit import inlined
from netc.backends.cpu.target import VECTOR_BYTES

_INT, _BYTE = ir.IntType(32), ir.IntType(8)


class Lanes(types.Type):
    """The type of a vector of numbers of type `dtype`."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


def _scalar(dtype):
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def _count(dtype):
    return VECTOR_BYTES // (4 if dtype == types.float32 else 8)


def _vector(dtype):
    return ir.VectorType(_scalar(dtype), _count(dtype))


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _vector(fe_type.dtype))


def _splat(builder, x, lanes):
    wide = ir.VectorType(x.type, lanes)
    one = builder.insert_element(ir.Constant(wide, ir.Undefined), x, ir.Constant(_INT, 0))
    zeros = ir.Constant(ir.VectorType(_INT, lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(wide, ir.Undefined), zeros)


def _mask(builder, count, lanes):
    """Lane l is on where l < count."""
    iota = ir.Constant(ir.VectorType(_INT, lanes), list(range(lanes)))
    return builder.icmp_signed("<", iota, _splat(builder, builder.trunc(count, _INT), lanes))


def _place(ctx, builder, array_type, array, at):
    """A pointer to the vector that begins at element `at`."""
    data = cgutils.create_struct_proxy(array_type)(ctx, builder, value=array).data
    first = builder.gep(builder.bitcast(data, _scalar(array_type.dtype).as_pointer()), [at])
    return builder.bitcast(first, _vector(array_type.dtype).as_pointer())


def _kind(dtype):
    return f"v{_count(dtype)}{'f32' if dtype == types.float32 else 'f64'}"


def _masked(builder, name, result, kind, arguments):
    """A call of `llvm.masked.load` or `llvm.masked.store`, for vectors of that kind."""
    signature = ir.FunctionType(result, [a.type for a in arguments])
    f = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.{name}.{kind}.p0")
    return builder.call(f, arguments)


@intrinsic
def load(_, x, at, count):
    """x[at : at + count] in the first lanes, 0 in the others, which are not looked at."""

    def generate(ctx, builder, signature, values):
        dtype, (array, start, n) = signature.args[0].dtype, values
        lanes = _count(dtype)
        where = _place(ctx, builder, signature.args[0], array, start)
        align = ir.Constant(_INT, dtype.bitwidth // 8)
        nothing = ir.Constant(_vector(dtype), [0.0] * lanes)
        arguments = [where, align, _mask(builder, n, lanes), nothing]
        return _masked(builder, "load", _vector(dtype), _kind(dtype), arguments)

    return Lanes(x.dtype)(x, types.intp, types.intp), generate


@intrinsic
def store(_, value, y, to, count):
    """y[to : to + count] = value"""

    def generate(ctx, builder, signature, values):
        dtype, (v, array, start, n) = signature.args[1].dtype, values
        where = _place(ctx, builder, signature.args[1], array, start)
        align = ir.Constant(_INT, dtype.bitwidth // 8)
        arguments = [v, where, align, _mask(builder, n, _count(dtype))]
        _masked(builder, "store", ir.VoidType(), _kind(dtype), arguments)
        return ctx.get_dummy_value()

    return types.void(value, y, types.intp, types.intp), generate


def _bytes(ctx, builder, array_type, array, at, lanes):
    """A pointer to the bytes of a vector, from element `at` on, and their alignment."""
    data = cgutils.create_struct_proxy(array_type)(ctx, builder, value=array).data
    return builder.bitcast(builder.gep(data, [at]), ir.VectorType(_BYTE, lanes).as_pointer()), ir.Constant(
        _INT, 1
    )


@intrinsic
def load_bytes(_, like, x, at, count):
    """The bytes x[at : at + count] as numbers of `like`'s type."""

    def generate(ctx, builder, signature, values):
        dtype = signature.return_type.dtype
        lanes = _count(dtype)
        where, align = _bytes(ctx, builder, signature.args[1], values[1], values[2], lanes)
        wide = ir.VectorType(_BYTE, lanes)
        arguments = [where, align, _mask(builder, values[3], lanes), ir.Constant(wide, [0] * lanes)]
        return builder.uitofp(_masked(builder, "load", wide, f"v{lanes}i8", arguments), _vector(dtype))

    return Lanes(like.dtype)(like, x, types.intp, types.intp), generate


@intrinsic
def store_bytes(_, value, y, to, count):
    """y[to : to + count] = value, which are whole numbers below 256."""

    def generate(ctx, builder, signature, values):
        lanes = _count(signature.args[0].dtype)
        where, align = _bytes(ctx, builder, signature.args[1], values[1], values[2], lanes)
        small = builder.fptoui(values[0], ir.VectorType(_BYTE, lanes))
        mask = _mask(builder, values[3], lanes)
        _masked(builder, "store", ir.VoidType(), f"v{lanes}i8", [small, where, align, mask])
        return ctx.get_dummy_value()

    return types.void(value, y, types.intp, types.intp), generate


@intrinsic
def splat(_, x, number):
    """A vector of x's type with `number` in all lanes."""

    def generate(_ctx, builder, signature, values):
        return _splat(builder, values[1], _count(signature.return_type.dtype))

    return Lanes(x.dtype)(x, x.dtype), generate


@intrinsic
def larger_than(_, a, b, yes, no):
    """`yes` where a > b, or where a is the first of both that is NaN; else `no`."""

    def generate(_ctx, builder, _signature, values):
        a, b, yes, no = values
        more_or_nan = builder.fcmp_unordered(">", a, b)
        return builder.select(builder.and_(more_or_nan, builder.fcmp_ordered("ord", b, b)), yes, no)

    return a(a, a, a, a), generate


@intrinsic
def where_equal(_, a, b, yes):
    """`yes` where a = b, else 0."""

    def generate(_ctx, builder, signature, values):
        a, b, yes = values
        nothing = ir.Constant(yes.type, [0.0] * _count(signature.return_type.dtype))
        return builder.select(builder.fcmp_ordered("==", a, b), yes, nothing)

    return a(a, a, a), generate


@intrinsic
def plus(_, a, b):
    """a + b"""
    return a(a, a), lambda _ctx, builder, _signature, values: builder.fadd(*values)


@intrinsic
def minus(_, a, b):
    """a - b"""
    return a(a, a), lambda _ctx, builder, _signature, values: builder.fsub(*values)


@intrinsic
def times(_, a, b):
    """a b"""
    return a(a, a), lambda _ctx, builder, _signature, values: builder.fmul(*values)


def full(x):
    """How many numbers of x's type a vector holds."""
    return VECTOR_BYTES // x.itemsize


@overload(full, inline="always")
def _full(x):
    lanes = _count(x.dtype)
    return lambda x: lanes


@inlined
def larger(a, b):
    """The larger of both; NaN is the largest."""
    return larger_than(a, b, a, b)


def _shuffled(builder, a, b, picks):
    """Lanes of a, numbered from 0, and of b, numbered behind them."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, len(picks)), picks))


@intrinsic
def turn_square(_, x, at, x_row, y, to, y_row):
    """A square of as many rows as a vector has lanes, transposed: y[to + j·y_row + i] = x[at + i·x_row + j].

    Blocks of d × d change places across the diagonal, for d = 1, 2, 4, …: each step is two shuffles a pair of rows.
    """

    def generate(ctx, builder, signature, values):
        dtype, (x, at, x_row, y, to, y_row) = signature.args[0].dtype, values
        n, align = _count(dtype), dtype.bitwidth // 8

        def row(array, kind, start, step, i):
            place = builder.add(start, builder.mul(ir.Constant(ir.IntType(64), i), step))
            return _place(ctx, builder, signature.args[kind], array, place)

        rows = [builder.load(row(x, 0, at, x_row, i), align=align) for i in range(n)]
        d = 1
        while d < n:
            low = [j if j & d == 0 else n + j - d for j in range(n)]
            high = [j + d if j & d == 0 else n + j for j in range(n)]
            for i in range(n):
                if i & d == 0:
                    a, b = rows[i], rows[i + d]
                    rows[i], rows[i + d] = _shuffled(builder, a, b, low), _shuffled(builder, a, b, high)
            d *= 2
        for j in range(n):
            builder.store(rows[j], row(y, 3, to, y_row, j), align=align)
        return ctx.get_dummy_value()

    n = types.intp
    return types.void(x, n, n, y, n, n), generate
