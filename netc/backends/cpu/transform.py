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

from netc.backends.cpu.target import VECTOR_BYTES

LANES = VECTOR_BYTES // 4
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
        self.fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")

    def constant(self, value):
        return ir.Constant(self.vector, [float(value)] * LANES)

    def sum(self, factors, vectors):
        """Σ factor · vector: terms of factor 1 first, then of -1; each other one is a fused multiply-add."""
        terms = [(f, v) for f, v in zip(factors, vectors, strict=True) if f != 0]
        terms.sort(key=lambda term: (term[0] != 1, term[0] != -1))
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

    def place(self, at, row, column, i, j):
        """A pointer to the vector at row i and column j."""
        b = self.builder
        steps = b.add(b.mul(row, ir.Constant(row.type, i)), b.mul(column, ir.Constant(row.type, j)))
        return b.inttoptr(b.add(at, steps), self.vector.as_pointer())


def two_sided(matrix):
    """Y = M X Mᵀ for one vector of channels: X[i, j] lies at the address `x + i · x_row + j · x_column`, Y likewise."""
    columns = len(matrix[0])

    @intrinsic
    def both_sides(_, x, x_row, x_column, y, y_row, y_column):
        def generate(ctx, builder, signature, values):
            c = _Combiner(builder)
            half = [[None] * columns for _ in matrix]  # M X
            for j in range(columns):
                column = [builder.load(c.place(*values[:3], i, j), align=4) for i in range(columns)]
                for i, factors in enumerate(matrix):
                    half[i][j] = c.sum(factors, column)
            for i in range(len(matrix)):
                for j, factors in enumerate(matrix):
                    builder.store(c.sum(factors, half[i]), c.place(*values[3:], i, j), align=4)
            return ctx.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return both_sides


# Windows of 3 × 3 and tiles of 4 × 4 outputs, or of 2 × 2; and the gradient by weights, whose outputs are the 3 × 3 of the
# window and whose taps are tiles of 4 × 4 of the outputs' gradient.
AT4, G4, BT4 = matrices(4, 3)
AT2, G2, BT2 = matrices(2, 3)
AT4_WEIGHTS, G4_WEIGHTS, _ = matrices(3, 4)


@intrinsic
def address(_, array):
    """Where the first number of an array lies."""

    def generate(ctx, builder, signature, values):
        data = cgutils.create_struct_proxy(signature.args[0])(ctx, builder, value=values[0]).data
        return builder.ptrtoint(data, ctx.get_value_type(types.intp))

    return types.intp(array), generate
