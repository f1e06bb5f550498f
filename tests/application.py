"""A primitive applied to operands, and draws that all primitives share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from netc import ops

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Application:
    """One primitive applied.  `terms` is how many products or numbers one result sums at most."""

    op: ops.Primitive
    operands: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    terms: int = 1
    linear: bool = False  # in its operands together: |op(x)| <= op(|x|), which bounds the rounding


def sizes(low: int = 1, high: int = 7) -> st.SearchStrategy[int]:
    return st.integers(low, high)


def numbers(draw: Draw, *shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Uniform numbers, some of them equal, so that ties occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.uniform(low, high, shape)
    return np.asarray(np.round(x * 4) / 4 if draw(st.booleans()) and low < 0 else x)


def pads(draw: Draw, most: int) -> tuple[tuple[int, int], tuple[int, int]]:
    pad = st.tuples(st.integers(0, most), st.integers(0, most))
    return draw(pad), draw(pad)


def pair(draw: Draw, low: int, high: int) -> tuple[int, int]:
    return draw(st.tuples(st.integers(low, high), st.integers(low, high)))


def image(draw: Draw) -> tuple[int, ...]:
    return draw(sizes(1, 3)), draw(sizes()), draw(sizes()), draw(st.sampled_from([1, 3, 6, 17, 130]))
