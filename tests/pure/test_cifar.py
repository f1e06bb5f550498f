"""CIFAR-10's binary version, in small files of the same format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.train.cifar import TEST, TRAINING, load_cifar10
from netc.train.data import Want, load
from tests.refusal import refusal

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def record(label: int, first: int) -> bytes:
    """A record as the data set's page describes it: the label, 1,024 red bytes, green ones, blue ones, by rows."""
    red = bytes([first]) + bytes(1022) + bytes([7])  # the first and the last pixel
    return bytes([label]) + red + bytes([2]) * 1024 + bytes([3]) * 1024


def write(folder: Path, records: int = 4) -> None:
    for b, name in enumerate((*TRAINING, TEST)):
        (folder / name).write_bytes(b"".join(record((b + i) % 10, 10 * b + i) for i in range(records)))


def test_records_become_pictures(tmp_path: Path) -> None:
    write(tmp_path)
    data = load_cifar10(tmp_path)
    parts = (data.train, data.validation, data.test)
    assert [p.x.shape for p in parts] == [(18, 3, 32, 32), (2, 3, 32, 32), (4, 3, 32, 32)]
    x = np.concatenate([p.x for p in parts]) * 255
    np.testing.assert_allclose(x[:, 0, 0, 0], [10 * b + i for b in range(6) for i in range(4)], rtol=1e-6)
    assert (x[:, 0, 31, 31].round() == 7).all()
    assert (x[:, 0, 0, 1:].round() == 0).all()
    assert (x[:, 1].round() == 2).all()
    assert (x[:, 2].round() == 3).all()
    y = np.concatenate([p.y for p in parts])
    assert y.tolist() == [(b + i) % 10 for b in range(6) for i in range(4)]
    assert y.dtype == np.int64
    assert data.names == tuple(NAMES)
    assert data.classes == 10


def test_it_is_found_where_its_tar_unpacks_and_by_its_files(tmp_path: Path) -> None:
    inside = tmp_path / "cifar-10-batches-bin"
    inside.mkdir()
    write(inside)
    (inside / "batches.meta.txt").write_text("\n".join(name.upper() for name in NAMES) + "\n\n")
    for folder in (tmp_path, inside):
        data = load(None, Want((3, 32, 32), 10), given=folder)
        assert data.names is not None
        assert data.names[3] == "CAT"
        assert len(data.test.x) == 4


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: (d / TEST).unlink(), "the folder lacks test_batch.bin, of the binary version"),
        (
            lambda d: (d / TRAINING[2]).write_bytes(bytes(3072)),
            "data_batch_3.bin: has 3,072 bytes, which is no",
        ),
        (lambda d: (d / TEST).write_bytes(b""), "test_batch.bin: has 0 bytes"),
        (
            lambda d: (d / TRAINING[1]).write_bytes(record(1, 1) + record(10, 0)),
            "data_batch_2.bin: record 1 has the label 10, and CIFAR-10's are 0 to 9",
        ),
        (
            lambda d: (d / "batches.meta.txt").write_text("cat\ndog\n"),
            "batches.meta.txt: names 2 classes, and CIFAR-10 has 10",
        ),
        (lambda d: ((d / TEST).unlink(), (d / TEST).mkdir()), "test_batch.bin: is a folder"),
    ],
)
def test_what_is_wrong_is_told(spoil: object, says: str, tmp_path: Path) -> None:
    write(tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    assert says in refusal(lambda: load_cifar10(tmp_path))


def test_sizes_are_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / TEST).open("wb") as file:
        file.truncate(8 << 30)  # takes no room on the disk
    assert "test_batch.bin: has 8,589,934,592 bytes" in refusal(lambda: load_cifar10(tmp_path))


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "there is no such folder" in refusal(lambda: load_cifar10(tmp_path / "none"))
    assert "is a file" in refusal(lambda: load_cifar10(tmp_path / "file"))
