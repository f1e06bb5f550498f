"""Data sets by their names, and against the net that is to be trained on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.train.data import Dataset, MissingDependency, Split, Want, fit, load, load_digits
from netc.train.dataset import split_three_ways
from netc.train.npz import load_npz
from netc.train.sources import SOURCES, Csv, Folder, Npz, Source
from tests.refusal import refusal

# ---- By name ----


def test_digits() -> None:
    data = load(SOURCES["digits"](), Want((1, 8, 8), 10))
    parts = (data.train, data.validation, data.test)
    assert data.classes == 10
    assert [part.x.shape for part in parts] == [(1294, 1, 8, 8), (144, 1, 8, 8), (359, 1, 8, 8)]
    assert [part.y.shape for part in parts] == [(1294,), (144,), (359,)]
    everything = np.concatenate([part.x for part in parts])
    assert everything.dtype == np.float32
    assert (everything.min(), everything.max()) == (0, 1)
    for part in parts:  # each class has its share, to within one example
        share = np.bincount(np.concatenate([p.y for p in parts])) * len(part.y) / 1797
        assert np.abs(np.bincount(part.y) - share).max() < 2
    assert everything.sum() == pytest.approx(561718 / 16)  # every image is there once
    np.testing.assert_array_equal(data.test.x, load_digits().test.x)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDependency, match=r"pip install 'netc\[data\]'"):
        load_digits()


@pytest.mark.parametrize(
    ("named", "given", "says"),
    [
        (
            SOURCES["mnist"](),
            None,
            "`mnist` does not ship with netc: point at a folder with its four IDX files with --data",
        ),
        (SOURCES["cifar10"](), None, "point at the folder of its binary version (data_batch_1.bin to"),
        (SOURCES["cifar10"](), ".", "the folder lacks data_batch_1.bin, data_batch_2.bin"),
        (SOURCES["mnist"](), ".", "the folder lacks train-images-idx3-ubyte"),
        (None, None, "names no data; give --data PATH"),
        (None, ".", "holds neither the IDX files of MNIST, nor CIFAR-10's"),
        (Npz("some/where"), None, "some/where: there is no such file"),
        (Csv("some/where"), None, "some/where: there is no such file"),
        (
            Folder("some/where"),
            None,
            "some/where: there is no such folder; it should hold a folder of pictures",
        ),
        (SOURCES["digits"](), "nowhere", "nowhere: there is no such file or folder"),
        (SOURCES["digits"](), __file__, "is neither a folder nor an .npz or .csv file"),
        (SOURCES["digits"](), "none.npz", "none.npz: there is no such file"),
    ],
)
def test_names_that_lead_nowhere(
    named: Source | None, given: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    want = Want((1, 8, 8), 10)
    assert says in refusal(lambda: load(named, want, given=Path(given) if given else None))


# ---- Against the net ----


def dataset(x: Any, y: Any) -> Dataset:
    good = Split(np.zeros((2, *np.shape(x)[1:]), "f4"), np.zeros((2, *np.shape(y)[1:]), np.asarray(y).dtype))
    return Dataset("some.npz", good, good, Split(np.asarray(x, "f4"), np.asarray(y)), None)


IMAGES = np.arange(24.0).reshape(2, 1, 4, 3)


@pytest.mark.parametrize(
    ("x", "wanted"),
    [(IMAGES, (1, 4, 3)), (IMAGES[:, 0], (1, 4, 3)), (IMAGES, (12,)), (IMAGES.reshape(2, 3, 4), (12,))],
)
def test_fit_gives_what_the_net_takes(x: np.ndarray, wanted: tuple[int, ...]) -> None:
    fitted = fit(dataset(x, [0, 1]), Want(wanted, 2))
    assert fitted.test.x.shape == (2, *wanted)
    np.testing.assert_array_equal(fitted.test.x.ravel(), np.arange(24))  # nothing changed its place
    assert fitted.classes == 2


def test_fit_makes_float_targets() -> None:
    fitted = fit(dataset(IMAGES, [3, -1]), Want((1, 4, 3)))
    assert fitted.test.y.dtype == np.float32
    np.testing.assert_array_equal(fitted.test.y, [3, -1])
    assert fit(dataset(IMAGES, [3, -1]), Want((1, 4, 3), None, (1,))).test.y.tolist() == [[3], [-1]]
    says = "targets are a single number, and the train block wants 2"
    assert says in refusal(lambda: fit(dataset(IMAGES, [3, -1]), Want((1, 4, 3), None, (2,))))


NAN = np.where(np.arange(24).reshape(2, 1, 4, 3) == 20, np.nan, IMAGES)


@pytest.mark.parametrize(
    ("x", "y", "wanted", "classes", "says"),
    [
        (np.zeros((2, 1, 28, 28)), [0, 1], (1, 32, 32), 2, "examples are 1x28x28, and the net takes 1x32x32"),
        (np.zeros((2, 28, 28)), [0, 1], (3, 28, 28), 2, "examples are 28x28, and the net takes 3x28x28"),
        (np.zeros((2, 8, 8, 3)), [0, 1], (3, 8, 8), 2, "takes 3x8x8; netc takes channels first"),
        (np.zeros((2, 12)), [0, 1], (1, 4, 3), 2, "examples are 12, and the net takes 1x4x3"),
        (IMAGES, [0, 1], (11,), 2, "examples are 1x4x3, and the net takes 11"),
        (IMAGES, [0, 2], (12,), 2, "example 1 has the label 2, and the net's 2 classes are 0 to 1"),
        (IMAGES, [-1, 0], (12,), 2, "example 0 has the label -1"),
        (IMAGES, [0.0, 1.0], (12,), 2, "targets are floats, where one class label"),
        (IMAGES, [[0, 1], [1, 0]], (12,), 2, "targets are 2 numbers for each example"),
        (IMAGES, [0, 1, 1], (12,), 2, "test data have 2 examples and 3 targets"),
        (IMAGES[:0], np.zeros(0, int), (12,), 2, "test data are empty"),
        (NAN, [0, 1], (12,), 2, "test example 1 holds a value that is not a finite float32"),
        (IMAGES, [0.0, np.inf], (12,), None, "test target 1 holds a value"),
    ],
)
def test_what_does_not_fit(x: Any, y: Any, wanted: tuple[int, ...], classes: int | None, says: str) -> None:
    message = refusal(lambda: fit(dataset(x, y), Want(wanted, classes)))
    assert message.startswith("some.npz: ")
    assert says in message


def test_values_beyond_float32_are_found(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.full((20, 3), 1e39), y=np.arange(20) % 4)
    assert "is not a finite float32" in refusal(lambda: fit(load_npz(path), Want((3,), 4)))


def test_whole_numbers_stay_whole() -> None:
    x = np.array([[2**40 + 1, 3], [5, 0]])
    data = split_three_ways("words", np.tile(x, (10, 1)), np.zeros(20, np.int64))
    found = fit(data, Want((2,), 1, whole=True))
    assert found.train.x.dtype == np.int64
    assert 2**40 + 1 in found.train.x
    halves = split_three_ways("words", np.full((20, 2), 1.5), np.zeros(20, np.int64))
    assert "holds 1.5, and the net takes whole numbers" in refusal(
        lambda: fit(halves, Want((2,), 1, whole=True))
    )
