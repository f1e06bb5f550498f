"""Which kernels do a matrix product, over which of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.backends.cpu.blocks import LANES
from netc.backends.cpu.call import Bound, Call, Own
from netc.backends.cpu.emit import kernels
from netc.backends.cpu.target import TALL, VECTOR_BYTES

DEPTH = 1024  # bytes of K that a matrix product takes at a time: a panel of 32 KiB
PAGES = 32  # as many as a processor finds without looking them up, beside those that it writes
BLOCK = 40  # strips of A that one unit of a matrix product takes: they stay in the second-level cache
# A result that no cache holds, of few steps, is written row by row: panels of its columns would come back to each page.
SHALLOW, LARGE = 64, 4 << 20
CACHED = 16 << 20  # bytes of weights that stay, above which they come from memory, in panels or not
_HERE = np.zeros(1, np.int64)  # the one place where the steps of a matrix product's tile begin


def dot(b: Bound) -> list[Call]:
    """Panels of columns by blocks of rows in parallel; stretches of memory where nothing is used twice."""
    k = kernels("dot")
    ta, tb = bool(b.params.get("ta")), bool(b.params.get("tb"))
    m, n = b.out()
    depth = b.shape(0)[0 if ta else 1]
    arrays = (*b.inputs, *b.outputs)
    if tb and m == 1:
        return [Call(k.columns, n, (*arrays, depth), b.work)]
    a_row, a_step = (1, m) if ta else (depth, 1)
    size = b.outputs[0].itemsize
    if not tb and (m == 1 or depth <= 2):
        strip = 4096 // size  # of a row: what is added to stays in the first-level cache
        return [Call(k.rows, m * -(-n // strip), (*arrays, n, depth, a_row, a_step, strip), b.work)]
    if b.weights_stay and not tb and b.inputs[1].nbytes <= CACHED:
        return _with_panels(b, m, n, depth, ta=ta)
    return [product(b, Product(b.inputs[0], b.inputs[1], m, n, depth, ta=ta, tb=tb))]


def _with_panels(b: Bound, m: int, n: int, depth: int, *, ta: bool) -> list[Call]:
    """The same with a B that is brought together once."""
    width = 2 * (VECTOR_BYTES // b.outputs[0].itemsize)
    count = -(-n // width)
    panels = b.of_weights(count * depth * width)
    sizes = (depth, n, n, 1, 0, 0, 1)
    pack = Call(kernels("conv").pack, count, (b.inputs[1], _HERE, panels, 0, *sizes), panels.nbytes, True)
    return [pack, product(b, Product(b.inputs[0], panels, m, n, depth, ta=ta, in_panels=True))]


@dataclass(frozen=True, slots=True)
class Product:
    """A `(m, depth)` times B `(depth, n)`, as they lie in memory or transposed.

    B may be in panels, `(ceil(n / width), depth, width)`.  A transposed may be of `rows` more than m, where it begins
    with the first that counts.
    """

    a: Any
    b: Any
    m: int
    n: int
    depth: int
    ta: bool = False
    tb: bool = False
    in_panels: bool = False
    rows: int = 0


def product(b: Bound, p: Product) -> Call:
    """The call of a product that is the equation's result, of its operands or of others."""
    m, n, depth, tb, in_panels = p.m, p.n, p.depth, p.tb, p.in_panels
    a_row, a_step = (1, p.rows or m) if p.ta else (depth, 1)
    out: Any = b.outputs[0]
    size = out.itemsize
    width = 2 * (VECTOR_BYTES // size)
    # In panels, column j of B begins j K numbers behind the first, if it is the first of a panel.
    b_step, b_column = (1, depth) if tb else (width, depth) if in_panels else (n, 1)
    count = -(-n // width)
    blocks = -(-m // (BLOCK * TALL))
    if count < 4 * b.threads and m >= 4 * b.threads * TALL:
        blocks = max(blocks, b.threads)
    rows = -(-m // (blocks * TALL)) * TALL
    if not tb and depth <= SHALLOW and out.nbytes > LARGE:
        rows = TALL
    units, rows = count * -(-m // rows), min(m, rows)
    packs = count >= 8 and (depth >= 128 or not p.ta)
    apart = not in_panels and (b_column != 1 or rows > 8 * TALL)
    # Where few rows leave memory to wait for, panels that are not brought together read the same pages of B in turn.
    stretch = DEPTH // size if apart or in_panels or rows > 2 * TALL else PAGES
    if (tb or in_panels) and rows <= 8 * TALL:
        stretch *= 4  # B is as much as all else: long stretches of it come sooner
    left, right = (
        Own(-(-rows // TALL) * (TALL * stretch + LANES) if packs else 0, out.dtype),
        Own(stretch * width, out.dtype),
    )
    sizes = (m, n, depth, a_row, a_step, b_step, b_column, rows, stretch, int(packs), int(apart))
    return Call(kernels("dot").dot, units, (p.a, p.b, out, left, right, _HERE, *sizes), b.work)
