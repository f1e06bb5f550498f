"""Augmentation: training pictures moved, bent and covered at random, anew in each batch.

Every move is a map from the pixels of the new picture to places in the old one.  Moves that follow each other are put
together, so that a picture is interpolated once, however long the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from netc._lazy import lazy_module
from netc.layers.args import ArgumentError, integer, number, pair, word
from netc.ops.windows import Pair
from netc.train.settings import Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    np = lazy_module("numpy")

_INF: Final = float("inf")

#: `warp(x, matrices, field, mirror)` of a backend.
Warp = Callable[["Array", "Array", "Array | None", bool], "Array"]


@dataclass(frozen=True, eq=False)
class Move:
    """Where each pixel comes from; places are counted from the middle of the picture, down and to the right.

    Attributes:
        matrix: (N, 2, 3).
        field: (N, 2, H, W), pixels added to what the matrix says, or None.
        mirror: what lies beyond the border, zeros or the mirrored picture; None where no pixel comes from there.
    """

    matrix: Array
    field: Array | None = None
    mirror: bool | None = False


@dataclass(frozen=True, eq=False)
class Holes:
    """Rectangles that are set to 0: (N, 4), rows from and to, columns from and to."""

    edges: Array


class Augmentation(Setting):
    """Draws what happens to each picture of a batch."""

    def check(self, height: int, width: int) -> None:
        """Raises ArgumentError where pictures are too small for it."""

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move | Holes | None:
        raise NotImplementedError


def _matrices(linear: Array, shift: Array | float = 0.0) -> Array:
    """(N, 2, 3) from (N, 2, 2), or one (2, 2) for all, and (N, 2)."""
    count = len(shift) if isinstance(shift, np.ndarray) else len(linear)
    out = np.zeros((count, 2, 3))
    out[:, :, :2] = linear
    out[:, :, 2] = shift
    return out


def _shifted(rng: np.random.Generator, count: int, most: Pair, mirror: bool) -> Move:
    drawn = [rng.integers(-m, m, count, endpoint=True) for m in most]
    return Move(_matrices(np.eye(2), np.stack(drawn, axis=1)), mirror=mirror)


# ---- Moves -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shift(Augmentation):
    """Moves the picture by whole pixels, from −`pixels` to `pixels` along each axis; what comes in is 0.

    Source: P. Simard, D. Steinkraus and J. Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003.
    """

    pixels: Pair = pair(at_least=0)

    kind = "shift"
    example = "shift(2)"

    def check(self, height: int, width: int) -> None:
        if self.pixels[0] >= height or self.pixels[1] >= width:
            raise ArgumentError("moves all of the picture out of itself")

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        return _shifted(rng, count, self.pixels, mirror=False)


@dataclass(frozen=True)
class Crop(Augmentation):
    """Puts `pad` pixels around the picture and cuts a window of the picture's own size out of it, anywhere.

    With `border=zero` it is what `shift(pad)` is; `border=reflect` mirrors the picture at its edges instead of zeros.
    Source: K. He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2 (CIFAR-10, 4 pixels).
    """

    pad: Pair = pair(at_least=0, default=(4, 4))
    border: Literal["zero", "reflect"] = word("zero", "reflect", default="zero")

    kind = "crop"
    example = "crop(4)"

    def check(self, height: int, width: int) -> None:
        if self.pad[0] >= height or self.pad[1] >= width:
            raise ArgumentError("pads by as much as the picture has pixels")

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        return _shifted(rng, count, self.pad, mirror=self.border == "reflect")


@dataclass(frozen=True)
class Rotate(Augmentation):
    """Turns the picture about its middle by an angle from −`degrees` to `degrees`; what comes in is 0.

    Source: D. Cireşan et al., Deep, Big, Simple Neural Nets for Handwritten Digit Recognition, 2010 (15 degrees).
    """

    degrees: float = number(low=0, high=180, closed_high=True)

    kind = "rotate"
    example = "rotate(10)"

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees, count))  # (N,)
        cos, sin = np.cos(angle), np.sin(angle)
        return Move(_matrices(np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)))


@dataclass(frozen=True)
class Scale(Augmentation):
    """Makes the picture larger or smaller about its middle, by a factor from 1 − `amount` to 1 + `amount`.

    What comes in around a smaller one is 0.
    Source: D. Cireşan et al., Deep, Big, Simple Neural Nets for Handwritten Digit Recognition, 2010 (0.15).
    """

    amount: float = number(low=0, high=1)

    kind = "scale"
    example = "scale(0.15)"

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        factor = rng.uniform(1 - self.amount, 1 + self.amount, count)  # (N,)
        return Move(_matrices(np.eye(2) / factor[:, None, None]))


@dataclass(frozen=True)
class Flip(Augmentation):
    """Exchanges left and right with probability `p`.

    Source: A. Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.
    """

    p: float = number(low=0, high=1, default=0.5, closed_high=True)

    kind = "flip"
    example = "flip"

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        linear = np.tile(np.eye(2), (count, 1, 1))  # (N, 2, 2)
        linear[rng.random(count) < self.p, 1, 1] = -1
        return Move(_matrices(linear), mirror=None)


@dataclass(frozen=True)
class Elastic(Augmentation):
    """Bends the picture: each pixel comes from a random place near it, and neighbours from places near each other.

    Numbers drawn from −1 to 1 for both axes of every pixel are blurred by a Gaussian of `sigma` pixels and multiplied
    by `alpha`; 34 and 4 displace by about 1.4 pixels.
    Source: P. Simard, D. Steinkraus and J. Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003.
    """

    alpha: float = number(low=0, high=1e6, default=34.0)
    sigma: float = number(low=0, high=1e3, default=4.0, open_low=True)

    kind = "elastic"
    example = "elastic(34, 4)"

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Move:
        # Two bytes are drawn in a third of the time of a float32; 65,536 values are many enough for noise.
        noise = rng.integers(-(2**15), 2**15, (count, 2, height, width), np.int16).astype(np.float32)
        field: Array = _blur(height, self.sigma) @ noise @ _blur(width, self.sigma)  # (N, 2, H, W)
        field *= np.float32(self.alpha / 2**15)
        return Move(_matrices(np.tile(np.eye(2), (count, 1, 1))), field)


def _blur(size: int, sigma: float) -> Array:
    """The matrix (size, size) of a Gaussian that is cut off at four deviations; beyond the border there are zeros."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))  # (size, size)
    return np.where(apart <= reach, weights[np.minimum(reach + apart, 2 * reach)], 0).astype(np.float32)


# ---- What is no move -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Erase(Augmentation):
    """Sets a square of `size` × `size` pixels to 0, with its middle anywhere in the picture, with probability `p`.

    Source: T. DeVries and G. Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """

    size: int = integer(at_least=1)
    p: float = number(low=0, high=1, default=1.0, closed_high=True)

    kind = "erase"
    example = "erase(4)"

    def check(self, height: int, width: int) -> None:
        if self.size > min(height, width):
            raise ArgumentError("covers more than the picture")

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> Holes:
        size = np.where(rng.random(count) < self.p, self.size, 0)  # (N,)
        edges = np.empty((count, 4), np.intp)
        for axis, extent in enumerate((height, width)):
            first = rng.integers(0, extent, count) - self.size // 2
            edges[:, 2 * axis] = np.maximum(first, 0)
            edges[:, 2 * axis + 1] = np.maximum(first + size, 0)
        return Holes(edges)


@dataclass(frozen=True)
class Nothing(Augmentation):
    """Leaves pictures as they are: `--set train.augment=none` turns off what the file says."""

    kind = "none"
    example = "none"

    def draw(self, rng: np.random.Generator, count: int, height: int, width: int) -> None:
        return None


AUGMENTATIONS: Final[dict[str, type[Augmentation]]] = {
    k.kind: k for k in (Shift, Rotate, Scale, Flip, Crop, Elastic, Erase, Nothing)
}


# ---- A chain of them -------------------------------------------------------------------------------------


def augment(chain: Sequence[Augmentation], x: Array, rng: np.random.Generator, warp: Warp) -> Array:
    """New pictures (N, C, H, W) from those of a batch, each with draws of its own; x stays as it is."""
    pending: Move | None = None
    count, _, height, width = x.shape
    for step in chain:
        drawn = step.draw(rng, count, height, width)
        if isinstance(drawn, Move):
            joined = _joined(pending, drawn) if pending else drawn
            if joined is None:
                assert pending
                x = _moved(x, pending, warp)
            pending = joined or drawn
        elif isinstance(drawn, Holes):
            x, pending = _moved(x, pending, warp) if pending else np.array(x), None
            for picture, (top, bottom, left, right) in zip(x, drawn.edges, strict=True):
                picture[:, top:bottom, left:right] = 0
    return _moved(x, pending, warp) if pending else x


def _joined(first: Move, then: Move) -> Move | None:
    """Both moves as one; None where they must be made one after the other.

    A pixel at p comes from A₂p + d₂(p) in the picture between them, and that from A₁A₂p + A₁d₂(p).
    """
    if first.field is not None or (first.mirror is not None and then.mirror not in (None, first.mirror)):
        return None
    linear: Array = first.matrix[:, :, :2]  # (N, 2, 2)
    matrix: Array = linear @ then.matrix  # (N, 2, 3)
    matrix[:, :, 2] += first.matrix[:, :, 2]
    field = None
    if then.field is not None:
        n, _, h, w = then.field.shape
        field = (linear.astype(np.float32) @ then.field.reshape(n, 2, h * w)).reshape(n, 2, h, w)
    return Move(matrix, field, first.mirror if then.mirror is None else then.mirror)


def _moved(x: Array, move: Move, warp: Warp) -> Array:
    """The pictures after a move: places counted from the middle become places counted from the first pixel."""
    middle = (np.array(x.shape[2:]) - 1) / 2  # (2,)
    matrix = np.array(move.matrix)  # (N, 2, 3)
    matrix[:, :, 2] += middle - matrix[:, :, :2] @ middle
    field = None if move.field is None else move.field.astype(x.dtype, copy=False)
    return warp(x, matrix.astype(x.dtype), field, bool(move.mirror))
