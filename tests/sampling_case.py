"""Applications of the primitives that resample an axis or look rows up; see primitive_case.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from netc import ops
from netc.ops.sampling import Border, Interpolate, Repeat, Rule, Stretches
from tests.application import Application, Draw, image, numbers, sizes


def _resampled(draw: Draw) -> tuple[list[int], int, Rule]:
    """A shape, an axis of it and a rule that fits its size there."""
    shape, axis = list(image(draw)), draw(st.integers(0, 3))
    size = shape[axis]
    mode = draw(st.sampled_from(["zero", "reflect", "replicate", "circular"]))
    most = {"reflect": size - 1, "circular": size}.get(mode, 3)
    border = Border(draw(st.integers(0, min(3, most))), draw(st.integers(0, min(3, most))), mode)
    others = Repeat(draw(sizes(1, 4))), Interpolate(draw(sizes(1, 4))), Stretches(draw(sizes(1, 9)))
    return shape, axis, draw(st.sampled_from([border, *others]))


def resample(draw: Draw) -> Application:
    shape, axis, by = _resampled(draw)
    terms = 0 if by.moves else shape[axis]
    return Application(ops.resample, (numbers(draw, *shape),), {"axis": axis, "by": by}, terms, True)


def resample_grad(draw: Draw) -> Application:
    shape, axis, by = _resampled(draw)
    size = shape[axis]
    shape[axis] = by.size(size)
    params = {"axis": axis, "by": by, "size": size}
    return Application(ops.resample_grad, (numbers(draw, *shape),), params, shape[axis], True)


def _ids(draw: Draw, beyond: int) -> tuple[Any, int, int]:
    """Numbers of rows, of up to `beyond` rows at both ends that are not there; how many rows; how long each."""
    count, shape = draw(sizes()), draw(st.sampled_from([(3,), (1,), (2, 5), (2, 1, 70)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(-beyond, count + beyond, shape), count, draw(st.sampled_from([1, 3, 16, 130]))


def lookup(draw: Draw) -> Application:
    ids, count, c = _ids(draw, 0)
    return Application(ops.lookup, (numbers(draw, count, c), ids), {}, 0)


def lookup_grad(draw: Draw) -> Application:
    ids, count, c = _ids(draw, 1)
    return Application(ops.lookup_grad, (ids, numbers(draw, *ids.shape, c)), {"count": count}, ids.size, True)
