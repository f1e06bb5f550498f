"""The kernel that draws pictures again beside its meaning in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from netc.backends.cpu.warp import warp as kernel
from netc.backends.numpy.warp import warp as meaning

SHAPES = [(2, 1, 8, 8), (3, 3, 5, 11), (1, 2, 1, 7), (2, 1, 6, 1), (1, 1, 1, 1), (4, 1, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize(("dtype", "close"), [("f4", 2e-4), ("f8", 1e-10)])
def test_kernel_is_its_meaning(
    shape: tuple[int, ...], mirror: bool, bent: bool, dtype: str, close: float
) -> None:
    rng = np.random.default_rng(0)
    n, _, h, w = shape
    x = rng.random(shape).astype(dtype)
    matrices = rng.normal(0, 1.5, (n, 2, 3)).astype(dtype)
    field = rng.normal(0, 5, (n, 2, h, w)).astype(dtype) if bent else None
    found = kernel(x, matrices, field, mirror)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, meaning(x, matrices, field, mirror), atol=close)


def test_whole_pixels_are_copied_exactly() -> None:
    x = np.random.default_rng(0).random((1, 2, 6, 7), np.float32)
    down = np.array([[[1, 0, -2], [0, 1, 1]]], np.float32)  # from two rows above, one column to the right
    wanted = np.zeros_like(x)
    wanted[:, :, 2:, :-1] = x[:, :, :-2, 1:]
    np.testing.assert_array_equal(kernel(x, down, None, False), wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_memory_that_held_something_before_does_no_harm(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every number that is read was written, also those of weight 0: 0 · NaN is NaN."""
    x = np.random.default_rng(0).random((2, channels, 4, 5), np.float32)
    out = np.tile(
        np.array([[1, 0, 9], [0, 1, 9]], np.float32), (2, 1, 1)
    )  # all that it sees lies beyond the end

    def used(shape: object, dtype: object = float) -> np.ndarray:
        array = np.ones(shape, dtype)  # type: ignore[call-overload]
        return array if array.dtype.kind != "f" else array * np.nan

    monkeypatch.setattr(np, "empty", used)
    assert (kernel(x, out, None, False) == 0).all()


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("value", [1e30, -1e30, np.inf, np.nan, 2.0**31, -(2.0**31)])
def test_places_far_out_are_read_from_nowhere_else(mirror: bool, value: float) -> None:
    x = np.random.default_rng(0).random((1, 1, 4, 5), np.float32)
    field = np.full((1, 2, 4, 5), value, np.float32)
    same = np.array([[[1, 0, 0], [0, 1, 0]]], np.float32)
    found = kernel(x, same, field, mirror)
    assert ((found >= 0) & (found <= 1)).all()
    if not mirror:
        assert (found == 0).all()


def test_pictures_that_do_not_lie_in_a_row() -> None:
    x = np.random.default_rng(0).random((4, 5, 6, 2), np.float32).transpose(0, 3, 1, 2)
    turn = np.tile(np.array([[0.9, 0.1, 0.2], [-0.1, 0.9, 0.3]], np.float32), (4, 1, 1))
    np.testing.assert_allclose(kernel(x, turn, None, False), meaning(x, turn, None, False), atol=1e-6)
