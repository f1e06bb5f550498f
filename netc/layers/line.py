"""One-dimensional maps, [N, C, L]: what window layers take as maps of height 1."""

from __future__ import annotations

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Pad, written
from netc.layers.base import NO_MAP, LayerError, need_known, shown
from netc.ops.primitive import Value
from netc.ops.sampling import Border, Mode
from netc.ops.windows import Padding, Pair
from netc.sizes import Size, at_least


def as_map(kind: str, b: Builder, x: Value) -> Value:
    """`(N, H, W, C)` as it is, and `(N, L, C)` as `(N, 1, L, C)`."""
    if x.type.rank == 4:
        return x
    if x.type.rank != 3:
        message = f"`{kind}` needs a map [N, C, H, W] or [N, C, L], and gets {shown(x.type)}"
        raise LayerError("E0301", message, help=NO_MAP)
    n, length, c = x.type.shape
    return b(ops.reshape, x, shape=(n, 1, length, c))


def sizes_of(kind: str, x: Value) -> tuple[Size, Size, int]:
    """Height, width and channels of what `as_map` gives."""
    _, h, w, c = x.type.shape
    return h, w, need_known(kind, c)


def as_before(b: Builder, y: Value, rank: int) -> Value:
    """What a layer made of a map, again as a line where a line came in."""
    if rank == 4:
        return y
    n, _, length, c = y.type.shape
    return b(ops.reshape, y, shape=(n, length, c))


def along(rank: int, what: str, pair: Pair, neutral: int = 1) -> Pair:
    """A kernel, stride or dilation for a map of that rank: a line has one number, and `neutral` across it."""
    if rank != 3:
        return pair
    _need_one(what, pair)
    return neutral, pair[1]


def pad_along(rank: int, what: str, pad: Pad) -> Pad:
    """A padding for a map of that rank: none across a line."""
    if rank != 3 or isinstance(pad, str):
        return pad
    return sides_along(rank, what, pad)


def sides_along(rank: int, what: str, pad: Padding) -> Padding:
    """As `pad_along`, in numbers."""
    if rank != 3:
        return pad
    _need_one(what, pad)
    return (0, 0), pad[1]


def _need_one(what: str, pair: Pair | Padding) -> None:
    if pair[0] != pair[1]:
        raise LayerError("E0311", f"`{what}` is {written(pair)}, and a map [N, C, L] has one axis", what)


def need_border(border: Mode, size: tuple[Size, Size], pad: Padding, what: str) -> None:
    """A mirrored border needs more pixels than it shows, and one from the other side as many."""
    most = {"reflect": 1, "circular": 0}.get(border)
    if most is None:
        return
    for i, ends in zip(size, pad, strict=True):
        if not at_least(i, max(ends) + most):
            raise LayerError(
                "E0312",
                f"a {border} border of {max(ends)} needs {max(ends) + most} pixels, and there are {i}",
                what,
            )


def bordered(b: Builder, x: Value, pad: Padding, border: Mode) -> Value:
    """The map with `pad` around it."""
    for axis in (2, 1):  # the width first: then rows are whole, and one copy each
        before, after = pad[axis - 1]
        if before or after:
            x = b(ops.resample, x, axis=axis, by=Border(before, after, border))
    return x
