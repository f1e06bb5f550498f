"""Sizes, element types and tensor types.

A tensor's type is its shape and its element type.  The user's view, the *logical* shape, is `(N, C, H, W)`; inside
a program the channels come last, the *physical* shape `(N, H, W, C)`, because a vector register then holds
neighbouring channels of one pixel.  The batch `N` is a symbol until a program is made for a batch of known size.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Final, Literal, NamedTuple, cast

from netc.sizes import Size, Symbol, symbolic

Shape = tuple[Size, ...]
DType = Literal["f32", "f64", "int", "byte"]
Math = Literal["fast", "strict"]  # whether a backend may take algorithms that round more than the definition

MOST_THREADS: Final = 1024  # that a run may be told to take

N: Final = symbolic(Symbol("N"))
ITEM_BYTES: Final[dict[DType, int]] = {"f32": 4, "f64": 8, "int": 8, "byte": 1}
DTYPES: Final[dict[str, DType]] = {"f32": "f32", "f64": "f64", "int": "int"}  # as a file names them
NUMPY_NAME: Final[dict[DType, str]] = {"f32": "float32", "f64": "float64", "int": "int64", "byte": "uint8"}


class TensorType(NamedTuple):
    """Shape and element type of a tensor.  A tuple, for passes compare types by the ten thousand.

    >>> TensorType((N, 6, 28, 28))
    [N, 6, 28, 28]
    >>> TensorType((N, 6, 28, 28)).per_example
    4704
    """

    shape: Shape
    dtype: DType = "f32"

    def __repr__(self) -> str:
        prefix = "" if self.dtype == "f32" else self.dtype
        return f"{prefix}[{', '.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape where every size is known; a symbolic size is a mistake of the caller."""
        for size in self.shape:
            if not isinstance(size, int):
                raise TypeError(f"the size {size} of {self!r} is not known yet")
        return cast("tuple[int, ...]", self.shape)

    def dims_after(self, axis: int) -> tuple[int, ...]:
        """The sizes from `axis` on, where they are known: `(H, W)` after 2."""
        return TensorType(self.shape[axis:], self.dtype).dims

    @property
    def per_example(self) -> int:
        """How many elements one example has (every size but the batch)."""
        return prod(cast("tuple[int, ...]", self.shape[1:]))

    @property
    def size(self) -> int:
        """How many elements the tensor has, the batch counted."""
        return prod(self.dims)

    @property
    def nbytes(self) -> int:
        return _nbytes(self)


@lru_cache(maxsize=4096)  # passes and plans ask for it again and again
def _nbytes(t: TensorType) -> int:
    return t.size * ITEM_BYTES[t.dtype]


def physical(shape: Shape) -> Shape:
    """Channels last: `(N, C, H, W)` to `(N, H, W, C)`.

    >>> physical((8, 3, 32, 48))
    (8, 32, 48, 3)
    """
    return shape if len(shape) < 3 else (shape[0], *shape[2:], shape[1])


def logical(shape: Shape) -> Shape:
    """Channels second: `(N, H, W, C)` to `(N, C, H, W)`."""
    return shape if len(shape) < 3 else (shape[0], shape[-1], *shape[1:-1])
