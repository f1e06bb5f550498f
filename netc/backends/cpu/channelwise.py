"""The register tiles of depthwise convolutions: each channel for itself, lanes along channels.

`spread`:  y[i·y_step + c] = Σ over r, s of  x[i·x_step + r·x_row + s·x_col + c] · w[r·w_row + s·w_col + c]
`collect`: y[c] += Σ over j of  x[j·x_step + c] · g[j·g_step + c]

for some pixels i and some vectors of channels c, whose sums stay in registers.  Pixels past the last repeat it; vectors
past the last channel are masked.  Where all are whole none is, as processors without masked loads test every lane of a
mask.  A multiply-add has a load of its own, so these run at half the peak at most, and in truth as fast as memory.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netc.backends.cpu.jit import helper
from netc.backends.cpu.target import VECTOR_BYTES
from netc.backends.cpu.tile import _I64, _loop, _Tile


class _Channels(_Tile):
    """`vectors` vectors of channels, each with a mask where `masked`."""

    def __init__(self, ctx, builder, signature, values, vectors, left, masked):
        super().__init__(builder, signature.args[0], 1, 1, masked)
        self.ctx, self.signature, self.values = ctx, signature, values
        self.masks = []
        for v in range(vectors):
            self.make_mask(builder.sub(left, ir.Constant(_I64, v * self.lanes)))
            self.masks.append(self.mask)

    def base(self, i):
        data = cgutils.create_struct_proxy(self.signature.args[i])(
            self.ctx, self.builder, value=self.values[i]
        ).data
        return self.builder.gep(self.builder.bitcast(data, self.scalar.as_pointer()), [self.values[i + 1]])

    def read(self, base, offset):
        return [self.load(base, offset, v) for v in self.each()]

    def write(self, sums, base, offset):
        for v in self.each():
            self.store(sums[v], base, offset, v)

    def each(self):
        for v, mask in enumerate(self.masks):
            self.mask = mask
            yield v

    def load(self, base, offset, j, whole=False):
        return super().load(self.moved(base, j), offset, 0)

    def store(self, value, base, offset, j):
        super().store(value, self.moved(base, j), offset, 0)

    def moved(self, base, j):
        return self.builder.gep(base, [ir.Constant(_I64, j * self.lanes)])


def _make_spread(pixels, vectors, masked):
    """The intrinsic for so many pixels and vectors.  `steps` are those of x, of y, and the window's four; `shape` is
    (pixels, channels that are left, rows and columns of the window, whether the sums get a bias and bounds).
    """

    def emit(ctx, builder, signature, values):
        low, high, numbers, shape = values[8:]
        steps = [builder.extract_value(numbers, i) for i in range(6)]
        count, left, rows, cols, ends = (builder.extract_value(shape, i) for i in range(5))
        t = _Channels(ctx, builder, signature, values, vectors, left, masked)
        x, w, y, bias = (t.base(i) for i in (0, 2, 4, 6))
        t.height = pixels
        repeated = t.repeated_rows(count)
        x_at = [builder.mul(i, steps[0]) for i in repeated]

        def over_rows(r, sums):
            def over_cols(s, sums):
                here = builder.add(builder.mul(r, steps[2]), builder.mul(s, steps[3]))
                weights = t.read(w, builder.add(builder.mul(r, steps[4]), builder.mul(s, steps[5])))
                new = []
                for i in range(pixels):
                    seen = t.read(x, builder.add(x_at[i], here))
                    old = sums[i * vectors : (i + 1) * vectors]
                    new += [t.multiply_add(*each) for each in zip(seen, weights, old, strict=True)]
                return new

            return _loop(builder, cols, sums, over_cols, "cols")

        end = _loop(builder, rows, [t.zero] * (pixels * vectors), over_rows, "rows")
        lines = [end[i * vectors : (i + 1) * vectors] for i in range(pixels)]
        places = [builder.mul(i, steps[1]) for i in repeated]
        with builder.if_else(builder.icmp_signed("!=", ends, ir.Constant(_I64, 0))) as (finish, plain):
            with finish:
                added, bounds = (
                    t.read(bias, ir.Constant(_I64, 0)),
                    [t.splat(v, t.scalar) for v in (low, high)],
                )
                for line, at in zip(lines, places, strict=True):
                    t.write(t.finished(line, added, *bounds), y, at)
            with plain:
                for line, at in zip(lines, places, strict=True):
                    t.write(line, y, at)
        return ctx.get_dummy_value()

    @intrinsic
    def tile(_, x, x_at, w, w_at, y, y_at, bias, bias_at, low, high, steps, shape):
        n, f = types.intp, x.dtype
        return types.void(x, n, w, n, y, n, bias, n, f, f, types.UniTuple(n, 6), types.UniTuple(n, 5)), emit

    return tile


_FEW, _MANY = 2, 8  # vectors of channels: beside four pixels, and of one pixel
_spread_four, _spread_four_masked = _make_spread(4, _FEW, False), _make_spread(4, _FEW, True)
_spread_one, _spread_one_masked = _make_spread(1, _MANY, False), _make_spread(1, _MANY, True)


@helper
def spread(x, x_at, w, w_at, y, y_at, steps, pixels, channels, rows, cols, bias, low, high):
    """Any number of pixels and channels; the window has at least one row and column.  Where there is a bias, it is
    added, and what comes out is kept between `low` and `high`.
    """
    lanes, ends = VECTOR_BYTES // y.itemsize, min(1, bias.size)
    if pixels == 1:
        for c in range(0, channels, _MANY * lanes):
            shape = (1, channels - c, rows, cols, ends)
            if channels - c >= _MANY * lanes:
                _spread_one(x, x_at + c, w, w_at + c, y, y_at + c, bias, c, low, high, steps, shape)
            else:
                _spread_one_masked(x, x_at + c, w, w_at + c, y, y_at + c, bias, c, low, high, steps, shape)
        return
    for i in range(0, pixels, 4):
        x_from, y_from = x_at + i * steps[0], y_at + i * steps[1]
        for c in range(0, channels, _FEW * lanes):
            shape = (pixels - i, channels - c, rows, cols, ends)
            if channels - c >= _FEW * lanes:
                _spread_four(x, x_from + c, w, w_at + c, y, y_from + c, bias, c, low, high, steps, shape)
            else:
                _spread_four_masked(
                    x, x_from + c, w, w_at + c, y, y_from + c, bias, c, low, high, steps, shape
                )


_SUMMED = 4  # vectors of channels


def _make_collect(masked):
    """The intrinsic for whole vectors or for masked ones.  `steps` are those of x and g, `shape` (pixels, channels that
    are left).
    """

    def emit(ctx, builder, signature, values):
        x_step, g_step = (builder.extract_value(values[6], i) for i in range(2))
        count, left = (builder.extract_value(values[7], i) for i in range(2))
        t = _Channels(ctx, builder, signature, values, _SUMMED, left, masked)
        x, g, y = t.base(0), t.base(2), t.base(4)

        def over_pixels(j, sums):
            seen, gradient = t.read(x, builder.mul(j, x_step)), t.read(g, builder.mul(j, g_step))
            return [t.multiply_add(*each) for each in zip(seen, gradient, sums, strict=True)]

        end = _loop(builder, count, t.read(y, ir.Constant(_I64, 0)), over_pixels, "pixels")
        t.write(end, y, ir.Constant(_I64, 0))
        return ctx.get_dummy_value()

    @intrinsic
    def tile(_, x, x_at, g, g_at, y, y_at, steps, shape):
        n = types.intp
        return types.void(x, n, g, n, y, n, types.UniTuple(n, 2), types.UniTuple(n, 2)), emit

    return tile


_collect, _collect_masked = _make_collect(False), _make_collect(True)


@helper
def collect(x, x_at, g, g_at, y, y_at, steps, pixels, channels):
    """Any number of channels, and at least one pixel."""
    lanes = VECTOR_BYTES // y.itemsize
    for c in range(0, channels, _SUMMED * lanes):
        shape = (pixels, channels - c)
        if channels - c >= _SUMMED * lanes:
            _collect(x, x_at + c, g, g_at + c, y, y_at + c, steps, shape)
        else:
            _collect_masked(x, x_at + c, g, g_at + c, y, y_at + c, steps, shape)
