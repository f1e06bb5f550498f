"""Augmentations against SciPy and examples worked by hand; what a chain of them is; what decides the draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import netc
from netc.backends.numpy.warp import warp
from netc.layers import ArgumentError
from netc.train.augment import (
    AUGMENTATIONS,
    Augmentation,
    Crop,
    Elastic,
    Erase,
    Flip,
    Move,
    Nothing,
    Rotate,
    Scale,
    Shift,
    augment,
)

MANY = 400  # pictures, so that whatever may be drawn is drawn


def pictures(n: int = 3, c: int = 2, h: int = 7, w: int = 9) -> np.ndarray:
    return np.random.default_rng(0).random((n, c, h, w), np.float32)


def drawn(step: Augmentation, n: int, h: int, w: int, seed: int = 5) -> Move:
    move = step.draw(np.random.default_rng(seed), n, h, w)
    assert isinstance(move, Move)
    return move


def by_scipy(x: np.ndarray, places: np.ndarray, mode: str) -> np.ndarray:
    """Pictures taken at places (N, 2, H, W)."""
    pairs = zip(x, places, strict=True)
    return np.stack(
        [[ndimage.map_coordinates(p, uv, order=1, mode=mode) for p in planes] for planes, uv in pairs]
    )


def places(matrix: np.ndarray, field: np.ndarray | float, h: int, w: int) -> np.ndarray:
    """Where the pixels of a picture come from, by a matrix that counts from the middle: (N, 2, H, W)."""
    middle = np.array([h - 1, w - 1]) / 2
    grid = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), axis=-1) - middle  # (H, W, 2)
    turned = np.einsum("nij,hwj->nhwi", matrix[:, :, :2], grid) + matrix[:, None, None, :, 2] + middle
    return turned.transpose(0, 3, 1, 2) + field


# ---- Against SciPy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mirror", "mode"), [(False, "grid-constant"), (True, "mirror")])
def test_pictures_drawn_from_any_places(mirror: bool, mode: str) -> None:
    rng = np.random.default_rng(1)
    x = pictures().astype(np.float64)
    matrices, field = rng.normal(0, 1.5, (3, 2, 3)), rng.normal(0, 4, (3, 2, 7, 9))
    rows, columns = np.meshgrid(np.arange(7), np.arange(9), indexing="ij")
    grid = np.stack([rows, columns, np.ones((7, 9))])  # (3, H, W)
    wanted = by_scipy(x, np.einsum("nij,jhw->nihw", matrices, grid) + field, mode)
    np.testing.assert_allclose(warp(x, matrices, field, mirror), wanted, atol=1e-12)


@pytest.mark.parametrize("step", [Rotate(25), Scale(0.4), Elastic(34, 3), Shift((2, 3)), Flip(1.0)])
def test_each_move_is_what_its_draw_says(step: Augmentation) -> None:
    x = pictures()
    move = drawn(step, 3, 7, 9)
    found = augment([step], x, np.random.default_rng(5), warp)
    field = 0.0 if move.field is None else move.field
    np.testing.assert_allclose(
        found, by_scipy(x, places(move.matrix, field, 7, 9), "grid-constant"), atol=3e-6
    )
    assert np.abs(found - x).max() > 0.1


def test_a_rotation_turns_by_the_angle_that_was_drawn() -> None:
    x = np.zeros((MANY, 1, 21, 21), np.float32)
    x[:, 0, 10, 20] = 1  # at three o'clock
    y = augment([Rotate(30)], x, np.random.default_rng(0), warp)
    rows, columns = np.arange(21)[:, None] - 10, np.arange(21) - 10
    mass = y[:, 0].sum((1, 2))
    up, right = -(y[:, 0] * rows).sum((1, 2)) / mass, (y[:, 0] * columns).sum((1, 2)) / mass
    angles = np.rad2deg(np.arctan2(up, right))
    assert -31 < angles.min() < -27
    assert 27 < angles.max() < 31
    assert abs(angles.mean()) < 3


def test_a_larger_picture_shows_less_of_itself() -> None:
    factors = 1 / drawn(Scale(0.25), MANY, 5, 5).matrix[:, 0, 0]
    assert 0.75 <= factors.min() < 0.77
    assert 1.23 < factors.max() <= 1.25
    x = np.ones((MANY, 1, 9, 9), np.float32)
    y = augment([Scale(0.25)], x, np.random.default_rng(5), warp)
    np.testing.assert_array_equal(y[:, 0, 0, 0] == 1, factors >= 1)  # around a smaller one there are zeros


def test_elastic_is_noise_that_is_blurred_and_scaled() -> None:
    noise = np.random.default_rng(5).integers(-(2**15), 2**15, (3, 2, 7, 9), np.int16) / 2**15
    for sigma in (0.3, 1.0, 4.0):
        wanted = 34 * ndimage.gaussian_filter(noise, (0, 0, sigma, sigma), mode="constant")
        np.testing.assert_allclose(drawn(Elastic(34, sigma), 3, 7, 9).field, wanted, atol=1e-4)


def test_displacements_of_the_paper_are_about_a_pixel() -> None:
    field = drawn(Elastic(), MANY, 28, 28).field
    assert field is not None
    assert field[:, :, 8:20, 8:20].std() == pytest.approx(1.38, rel=0.1)  # 34 · √(1/3) / (2 · 4 · √π)


# ---- By hand ---------------------------------------------------------------------------------------------


def test_shifts_are_whole_pixels_and_all_occur() -> None:
    x = np.zeros((MANY, 1, 5, 5), np.float32)
    x[:, 0, 2, 2] = 1
    y = augment([Shift((1, 2))], x, np.random.default_rng(0), warp)
    assert set(np.unique(y)) == {0, 1}
    found = {(int(i), int(j)) for _, _, i, j in np.argwhere(y)}
    assert found == {(i, j) for i in (1, 2, 3) for j in range(5)}


@pytest.mark.parametrize("border", ["zero", "reflect"])
def test_a_crop_is_a_window_of_the_padded_picture(border: str) -> None:
    x = pictures(60, 2, 5, 6)
    y = augment([Crop((2, 1), border)], x, np.random.default_rng(0), warp)
    mode = {"zero": "constant", "reflect": "reflect"}[border]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)), mode=mode)
    corners = set()
    for p, new in zip(padded, y, strict=True):
        fits = [(i, j) for i in range(5) for j in range(3) if np.array_equal(p[:, i : i + 5, j : j + 6], new)]
        assert len(fits) == 1
        corners.add(fits[0])
    assert len(corners) == 15


def test_a_flip_reverses_half_of_the_pictures() -> None:
    x = pictures(MANY, 1, 3, 4)
    y = augment([Flip()], x, np.random.default_rng(0), warp)
    same, turned = (y == x).all((1, 2, 3)), (y == x[..., ::-1]).all((1, 2, 3))
    assert (same ^ turned).all()
    assert 0.4 < turned.mean() < 0.6
    np.testing.assert_array_equal(augment([Flip(1.0)], x, np.random.default_rng(0), warp), x[..., ::-1])
    np.testing.assert_array_equal(augment([Flip(0.0)], x, np.random.default_rng(0), warp), x)


def test_erase_covers_a_square_that_may_reach_over_the_border() -> None:
    x = np.ones((MANY, 2, 6, 8), np.float32)
    y = augment([Erase(3)], x, np.random.default_rng(0), warp)
    assert (x == 1).all()  # a new array
    covered = np.zeros((6, 8), int)
    for planes in y:
        holes = planes[0] == 0
        np.testing.assert_array_equal(planes[0], planes[1])  # all channels alike
        rows, columns = np.flatnonzero(holes.any(1)), np.flatnonzero(holes.any(0))
        assert len(rows) in (2, 3)
        assert len(columns) in (2, 3)
        assert holes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert holes.sum() == len(rows) * len(columns)
        covered += holes
    assert covered.min() > 0
    half = augment([Erase(3, 0.5)], x, np.random.default_rng(0), warp)
    assert 0.4 < (half == 1).all((1, 2, 3)).mean() < 0.6


def test_nothing_is_nothing() -> None:
    x = pictures()
    np.testing.assert_array_equal(augment([Nothing()], x, np.random.default_rng(0), warp), x)


# ---- Chains ----------------------------------------------------------------------------------------------


def test_moves_in_a_row_are_one_move() -> None:
    """A picture that leaves at one step and comes back at the next has lost nothing, and is interpolated once."""
    calls = []

    def counted(*arguments: object) -> np.ndarray:
        calls.append(arguments)
        return warp(*arguments)  # type: ignore[arg-type]

    x = pictures(4, 1, 12, 12)
    chain = [Shift((3, 3)), Rotate(40), Flip(), Elastic(20, 2)]
    found = augment(chain, x, np.random.default_rng(3), counted)
    assert len(calls) == 1
    rng = np.random.default_rng(3)
    first, second, third, last = (step.draw(rng, 4, 12, 12) for step in chain)
    at = places(np.tile(np.eye(2, 3), (4, 1, 1)), last.field, 12, 12) - 5.5  # type: ignore[union-attr]
    for move in (third, second, first):
        matrix = move.matrix  # type: ignore[union-attr]
        at = np.einsum("nij,njhw->nihw", matrix[:, :, :2], at) + matrix[:, :, 2, None, None]
    np.testing.assert_allclose(found, by_scipy(x, at + 5.5, "grid-constant"), atol=1e-5)


@pytest.mark.parametrize(
    ("chain", "times"),
    [
        ([Elastic(), Rotate(5)], 2),  # the places that a rotation asks for are between the field's pixels
        ([Crop((2, 2), "reflect"), Flip()], 1),
        ([Crop((2, 2), "reflect"), Rotate(5)], 2),  # one mirrors at the border, and the other does not
        ([Flip(), Crop((2, 2), "reflect")], 1),
        ([Rotate(5), Erase(2), Rotate(5)], 2),
        ([Erase(2)], 0),
    ],
)
def test_what_cannot_be_one_move_is_made_one_after_the_other(chain: list[Augmentation], times: int) -> None:
    count = 0

    def counted(*arguments: object) -> np.ndarray:
        nonlocal count
        count += 1
        return warp(*arguments)  # type: ignore[arg-type]

    x = pictures()
    found = augment(chain, x, np.random.default_rng(0), counted)
    assert count == times
    rng = np.random.default_rng(0)
    alone = x
    for step in chain:  # from the same stream of random numbers
        alone = augment([step], alone, rng, warp)
    np.testing.assert_allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_every_augmentation_leaves_its_pictures_alone_and_repeats_itself(kind: str) -> None:
    step = {"shift": Shift((2, 2)), "rotate": Rotate(9), "scale": Scale(0.2), "erase": Erase(2)}.get(
        kind, AUGMENTATIONS[kind]
    )
    step = step() if isinstance(step, type) else step
    x = pictures()
    before = x.copy()
    one, other = (augment([step], x, np.random.default_rng(7), warp) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(x, before)
    assert one.shape == x.shape
    assert one.dtype == np.float32


@pytest.mark.parametrize(
    "step", [Shift((0, 9)), Shift((7, 0)), Crop((7, 1)), Erase(8)], ids=lambda s: s.describe()
)
def test_what_is_too_large_for_the_picture(step: Augmentation) -> None:
    with pytest.raises(ArgumentError):
        step.check(7, 9)
    step.check(10, 10)


# ---- In training -----------------------------------------------------------------------------------------

NET = """
net Small {
  input image: [N, 1, 6, 6]
  y = image -> flatten -> dense(3)
  output y
}

train Small {
  target label: int[N]
  loss [y, label] -> softmax_xent
  augment shift(2) -> rotate(20)
  batch 8
  seed 3
}
"""


def model(**settings: str) -> netc.Model:  # type: ignore[name-defined]
    made = netc.parse(NET, settings={f"train.{k}": v for k, v in settings.items()})
    return netc.compile(made, backend="numpy")


def data(n: int = 32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.random((n, 1, 6, 6), np.float32), rng.integers(0, 3, n)


def weights(m: netc.Model) -> bytes:  # type: ignore[name-defined]
    return b"".join(a.tobytes() for a in m.weights().values())


def test_the_seed_and_the_step_decide_everything() -> None:
    x, y = data()
    one, other, plain, reseeded = model(), model(), model(augment="none"), model(seed="4")
    reseeded.set_weights(one.weights())
    for m in (one, other, plain, reseeded):
        m.fit(x, y, epochs=3)
    assert weights(one) == weights(other)
    assert len({weights(m) for m in (one, plain, reseeded)}) == 3


def test_a_model_that_goes_on_draws_what_it_would_have_drawn() -> None:
    x, y = data(8)
    whole = model()
    for _ in range(6):
        whole.train_step(x, y)
    first = model()
    for _ in range(3):
        first.train_step(x, y)
    second = model()
    second.set_weights(first.weights())
    second.steps = first.steps
    for _ in range(3):
        second.train_step(x, y)
    assert weights(second) == weights(whole)


def test_only_training_is_augmented() -> None:
    x, y = data()
    augmented, plain = model(), model(augment="none")
    assert augmented.evaluate(x, y) == plain.evaluate(x, y)
    np.testing.assert_array_equal(augmented.predict(x), plain.predict(x))
    assert augmented.value_and_grad(x, y)[0] == plain.value_and_grad(x, y)[0]
    assert augmented.train_step(x, y) != plain.train_step(x, y)


def test_classes_averaged_over_views() -> None:
    x, y = data()
    m = model()
    np.testing.assert_array_equal(m.classify(x, views=1), m.classify(x))
    seen = m.classify(x, views=4)
    np.testing.assert_allclose(seen.sum(1), 1)
    np.testing.assert_array_equal(m.classify(x, views=4), seen)
    assert np.abs(seen - m.classify(x)).max() > 1e-3
    found = m.evaluate(x, y, views=4)
    assert found["accuracy"] == pytest.approx((seen.argmax(1) == y).mean())
    assert found["loss"] == pytest.approx(-np.log(seen[np.arange(32), y]).mean(), rel=1e-5)
    with pytest.raises(ValueError, match="no augmentation"):
        model_without_augment().classify(x, views=2)


def model_without_augment() -> netc.Model:  # type: ignore[name-defined]
    return netc.compile(netc.parse(NET.replace("  augment shift(2) -> rotate(20)\n", "")), backend="numpy")
