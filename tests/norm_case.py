"""Applications of the primitives that normalise inside one example, and of those that labels choose by."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from netc import ops
from tests.application import Application, Draw, image, numbers, sizes


def _groups(draw: Draw) -> tuple[tuple[int, ...], dict[str, Any], int]:
    """A shape, the groups of its channels, and how many numbers a group has; more than one, so that they vary."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 5]))
    c = groups * draw(st.sampled_from([2, 3, 17, 35]))
    n, h, w = draw(sizes()), draw(st.sampled_from([1, 2, 20])), draw(st.sampled_from([1, 3, 20]))
    pixel = draw(st.booleans())
    shape = draw(st.sampled_from([(n, h, w, c), (n, c)]))
    count = c // groups * (1 if pixel else prod(shape[1:-1]))
    return shape, {"groups": groups, "pixel": pixel}, count


def standardise(draw: Draw) -> Application:
    shape, params, count = _groups(draw)
    # a variance near 0 would make rounding large
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.uniform(0.5, 2, shape) * np.where(np.arange(prod(shape)).reshape(shape) % 2, 1, -1)
    return Application(ops.standardise, (x,), params | {"eps": 1e-5}, 20 + 4 * count)


def standardise_grad(draw: Draw) -> Application:
    shape, params, count = _groups(draw)
    outer = shape[:-1] if params["pixel"] else shape[:1]
    operands = numbers(draw, *shape), numbers(draw, *outer, params["groups"], low=0.1), numbers(draw, *shape)
    return Application(ops.standardise_grad, operands, params, 20 + 4 * count)


def _window(draw: Draw) -> tuple[tuple[int, ...], dict[str, Any]]:
    shape = draw(st.sampled_from([image(draw), (draw(sizes()), 9)]))
    params = {"size": draw(sizes(1, 6)), "alpha": 0.3, "beta": draw(st.sampled_from([0.75, 0.5, 1.25]))}
    return shape, params


def lrn(draw: Draw) -> Application:
    shape, params = _window(draw)
    return Application(
        ops.lrn, (numbers(draw, *shape),), params | {"k": draw(st.sampled_from([1.0, 2.0]))}, 30
    )


def lrn_grad(draw: Draw) -> Application:
    shape, params = _window(draw)
    x, g = numbers(draw, *shape), numbers(draw, *shape)
    return Application(ops.lrn_grad, (x, numbers(draw, *shape, low=0.5), g), params, 60)


def l2norm(draw: Draw) -> Application:
    shape = draw(st.sampled_from([image(draw), image(draw)[2:]]))
    eps = draw(st.sampled_from([1e-12, 1.0]))  # with 1 some lengths are below
    return Application(ops.l2norm, (numbers(draw, *shape),), {"eps": eps}, 4 + shape[-1])


def l2norm_grad(draw: Draw) -> Application:
    shape = draw(st.sampled_from([image(draw), image(draw)[2:]]))
    norm = numbers(draw, *shape[:-1], 1, low=0.2)
    operands = numbers(draw, *shape, low=-1, high=1), norm, numbers(draw, *shape)
    return Application(
        ops.l2norm_grad, operands, {"eps": draw(st.sampled_from([1e-12, 1.0]))}, 8 + 4 * shape[-1]
    )


def _scores(draw: Draw) -> Any:
    """Of examples, or of their pixels."""
    pixels = draw(st.sampled_from([(), (2, 3)]))
    return numbers(draw, draw(sizes()), *pixels, draw(st.sampled_from([1, 2, 10, 33])), low=-30, high=30)


def _labels(draw: Draw, x: Any) -> Any:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, x.shape[-1], x.shape[:-1])


def log_softmax(draw: Draw) -> Application:
    return Application(ops.log_softmax, (_scores(draw),), {}, 64)


def log_softmax_grad(draw: Draw) -> Application:
    x = _scores(draw)
    return Application(
        ops.log_softmax_grad, (-np.abs(x) / 10, numbers(draw, *x.shape)), {}, 4 * x.shape[-1] + 8
    )


def pick(draw: Draw) -> Application:
    x = _scores(draw)
    return Application(ops.pick, (x, _labels(draw, x)), {}, 0)


def unpick(draw: Draw) -> Application:
    x = _scores(draw)
    operands = _labels(draw, x), numbers(draw, *x.shape[:-1], 1)
    return Application(ops.unpick, operands, {"size": x.shape[-1]}, 0)


def vector(draw: Draw) -> Application:
    values = tuple(draw(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=9)))
    return Application(ops.vector, (), {"values": values}, 0)


NORMS: dict[str, Callable[[Draw], Application]] = {
    f.__name__: f
    for f in (
        standardise, standardise_grad, lrn, lrn_grad, l2norm, l2norm_grad, log_softmax, log_softmax_grad, pick, unpick,
        vector,
    )
}  # fmt: skip
