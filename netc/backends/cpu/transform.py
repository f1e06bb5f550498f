"""The small transforms of Winograd's convolution, as vector code: Y = M X Mᵀ for sixteen channels at a time.

A row of `m` outputs of a filter with `r` taps is a product of polynomials, and a product of degree m + r - 2 is known
from its values at m + r - 1 points (Toom and Cook; for convolutions Winograd, 1980; for networks Lavin and Gray, 2016,
arXiv:1509.09308).  So

    y = Aᵀ ((G w) · (Bᵀ x))

where G takes the values of the filter, Bᵀ of the input, and Aᵀ puts the outputs together: m + r - 1 multiplications
instead of m r.  A map of two dimensions takes each matrix from both sides.

The rounding error grows with the spread of the points.  0, ±1, 1/2, -2 and infinity have half the error of the usual
0, ±1, ±2 and infinity (Barabasz and others, 2020, arXiv:1803.10986).
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from fractions import Fraction

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netc.backends.cpu.blocks import LANES

_POINTS = {
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    6: (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-2)),
}


def _polynomial(roots):
    """The coefficients of the product of (x - root), of x⁰ first."""
    out = [Fraction(1)]
    for root in roots:
        out = [low - root * high for low, high in zip([Fraction(0), *out], [*out, Fraction(0)], strict=True)]
    return out


def matrices(outputs, taps):
    """Aᵀ (outputs, n), G (n, taps) and Bᵀ (n, n) for n = outputs + taps - 1, 4 or 6; the last point is infinity."""
    n = outputs + taps - 1
    points = _POINTS[n]
    at = [[p**i for p in points] + [Fraction(int(i == outputs - 1))] for i in range(outputs)]
    g, bt = [], []
    for p in points:
        others = [q for q in points if q != p]
        scale = Fraction(1)
        for q in others:
            scale *= p - q
        g.append([p**i / scale for i in range(taps)])
        bt.append([*_polynomial(others), Fraction(0)])
    g.append([Fraction(int(i == taps - 1)) for i in range(taps)])
    bt.append(_polynomial(points))
    return at, g, bt


class _Combiner:
    """Emits sums of vectors times constants."""

    def __init__(self, builder):
        self.builder = builder
        self.vector = ir.VectorType(ir.FloatType(), LANES)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")

    def constant(self, value):
        return ir.Constant(self.vector, [float(value)] * LANES)

    def sum(self, *terms):
        """Σ factor · vector: terms of factor 1 first, then of -1; each other one is a multiply-add, fused where
        the processor has that."""
        terms = sorted((t for t in terms if t[0] != 0), key=lambda t: (t[0] != 1, t[0] != -1))
        (first, total), *rest = terms
        if first != 1:
            total = self.builder.fmul(self.constant(first), total)
        for factor, vector in rest:
            if factor == 1:
                total = self.builder.fadd(total, vector)
            elif factor == -1:
                total = self.builder.fsub(total, vector)
            else:
                total = self.builder.call(self.fma, [self.constant(factor), vector, total])
        return total

    def product(self, matrix, x):
        """M x for a column of vectors."""
        if matrix == BT6:
            return self.inputs_of_six(x)
        return [self.sum(*zip(row, x, strict=True)) for row in matrix]

    def inputs_of_six(self, x):
        """Bᵀ x for six points: its rows share so much that 14 operations do what 20 would, one row after the other."""
        a, b, c, d, e, f = x
        u, v = self.sum((1, e), (-1, c)), self.sum((1, d), (-1, b))
        w, z = self.sum((1, u), (1.5, d)), self.sum((1, v), (1.5, c))
        return [
            self.sum((1, a), (1, u), (-1, c), (1.5, v)),
            self.sum((1, w), (1, z)),
            self.sum((1, w), (-1, z)),
            self.sum((1, u), (2, v)),
            self.sum((1, u), (-0.5, v)),
            self.sum((1, f), (-1, d), (-1, v), (1.5, u)),
        ]

    def places(self, matrix_of, rows, columns):
        """Pointers to the vectors of a small matrix, whose description is `(at, row, column, inside, beyond)`.

        Where `inside`, (first row, row past the last, first column, column past the last), leaves one out, its pointer
        is `beyond`.  None of it depends on the channel but `at`, so loops over channels compute it once.
        """
        b = self.builder
        at, row, column, inside, beyond = (b.extract_value(matrix_of, i) for i in range(5))
        kind = at.type
        limits = [b.extract_value(inside, i) for i in range(4)]

        def within(count, low, high):
            numbers = [ir.Constant(kind, i) for i in range(count)]
            return [b.and_(b.icmp_signed("<=", low, i), b.icmp_signed("<", i, high)) for i in numbers]

        seen_rows, seen_columns = within(rows, *limits[:2]), within(columns, *limits[2:])
        out = []
        for i in range(rows):
            line = b.mul(row, ir.Constant(kind, i))
            steps = [b.add(line, b.mul(column, ir.Constant(kind, j))) for j in range(columns)]
            seen = [b.and_(seen_rows[i], s) for s in seen_columns]
            out.append([b.select(s, step, beyond) for s, step in zip(seen, steps, strict=True)])
        return [[b.inttoptr(b.add(at, x), self.vector.as_pointer()) for x in line] for line in out]


def two_sided(matrix):
    """`transform(x, y)` is Y = M X Mᵀ for one vector of channels.

    x and y are each `(at, row, column, inside, beyond)`: the address of the vector at row 0 and column 0 and the bytes
    from one to the next, and which rows and columns there are: (first, one past the last, and the same of columns).  In
    place of the others those `beyond` bytes from `at` are read, or written.
    """
    rows, columns = len(matrix), len(matrix[0])

    @intrinsic
    def transform(_, x, y):
        def generate(ctx, builder, signature, values):
            c = _Combiner(builder)
            read, written = c.places(values[0], columns, columns), c.places(values[1], rows, rows)
            half = []  # the columns of M X
            for j in range(columns):
                half.append(c.product(matrix, [builder.load(line[j], align=4) for line in read]))
            for i in range(rows):
                for to, vector in zip(written[i], c.product(matrix, [h[i] for h in half]), strict=True):
                    builder.store(vector, to, align=4)
            return ctx.get_dummy_value()

        n = types.intp
        place = types.Tuple((n, n, n, types.UniTuple(n, 4), n))
        return types.void(place, place), generate

    return transform


# Tiles of 4 × 4 or 2 × 2 outputs of windows of 3 × 3, and of 2 × 2 of 5 × 5; inputs go to six points or four.
AT43, G43, BT6 = matrices(4, 3)
AT23, G23, BT4 = matrices(2, 3)
AT25, G25, _ = matrices(2, 5)
# The gradient by weights, whose outputs are the window's taps and whose taps are tiles of the outputs' gradient.
AT34, G34, _ = matrices(3, 4)
AT52, G52, _ = matrices(5, 2)
ALL = (0, 8, 0, 8)  # inside: more rows and columns than any of these matrices has


@intrinsic
def address(_, array):
    """Where the first number of an array lies."""

    def generate(ctx, builder, signature, values):
        data = cgutils.create_struct_proxy(signature.args[0])(ctx, builder, value=values[0]).data
        return builder.ptrtoint(data, ctx.get_value_type(types.intp))

    return types.intp(array), generate


@intrinsic
def move(_, source, to):
    """Copies one number of 32 bits between addresses.  LLVM leaves loops of it alone; those that exchange rows and
    columns it would make scatters, which take half a second to compile and are no faster.
    """

    def generate(ctx, builder, signature, values):
        source, to = (builder.inttoptr(v, ir.PointerType(ir.IntType(32))) for v in values)
        builder.store_atomic(builder.load_atomic(source, "unordered", 4), to, "unordered", 4)
        return ctx.get_dummy_value()

    return types.void(types.intp, types.intp), generate
