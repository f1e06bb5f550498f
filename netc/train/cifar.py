"""CIFAR-10 in its published binary version.

As the page of the data set describes it: a file is records of one byte, the label, and 3,072 bytes, the pixels: 1,024
red, then green, then blue ones, row by row.  Its tar unpacks to a folder cifar-10-batches-bin.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netc.train.bounded import LARGEST, check_is_file, read_exactly, reading
from netc.train.dataset import DataError, Dataset, Split, as_floats, as_targets, hold_out_last

TRAINING = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = "test_batch.bin"
_NAMES = "batches.meta.txt"
_UNPACKED = "cifar-10-batches-bin"  # what the published tar makes
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_LONGEST = 10_000  # bytes of the file of names


def holds_cifar10(folder: Path) -> bool:
    """Whether any of the files lies in the folder, or in the one that the published tar makes there."""
    return any((place / name).exists() for place in _places(folder) for name in (*TRAINING, TEST))


def load_cifar10(folder: Path) -> Dataset:
    """CIFAR-10 from the folder with its six files, or from the one around it.

    The last 5,000 training pictures (a tenth of fewer than 50,000) are for validation. Pixels are scaled from 0..255 to
    0..1; pictures are (N, 3, 32, 32). The sizes of all files are looked at before any is read.

    Raises:
        DataError: a file is missing, truncated or holds a label that is none.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise DataError(f"{folder}: {what}; it should be the folder with the six .bin files of CIFAR-10")
    place = next((p for p in _places(folder) if (p / TRAINING[0]).exists()), folder)
    missing = [name for name in (*TRAINING, TEST) if not (place / name).exists()]
    if missing:
        raise DataError(f"{place}: the folder lacks {', '.join(missing)}, of the binary version of CIFAR-10")
    counts = {name: _count(place / name) for name in (*TRAINING, TEST)}
    names = _names(place / _NAMES)
    x, y = _read([place / name for name in TRAINING], sum(counts[name] for name in TRAINING))
    test_x, test_y = _read([place / TEST], counts[TEST])
    train, validation = hold_out_last(as_floats(x), as_targets(y))
    test = Split(as_floats(test_x), as_targets(test_y))
    return Dataset(str(folder), train, validation, test, len(names), names)


def _places(folder: Path) -> tuple[Path, Path]:
    return folder, folder / _UNPACKED


def _count(path: Path) -> int:
    """How many records a file holds, by its size."""
    check_is_file(path)
    size = path.stat().st_size
    if size == 0 or size % _RECORD or size > LARGEST:
        raise DataError(
            f"{path}: has {size:,} bytes, which is no whole number of records of {_RECORD:,} bytes, "
            "a label and 3x32x32 pixels"
        )
    return size // _RECORD


def _names(path: Path) -> tuple[str, ...]:
    """The names of the classes, those of the data set where the file is not there."""
    if not path.exists():
        return _CLASSES
    check_is_file(path)
    with reading(path), path.open("rb") as file:
        lines = file.read(_LONGEST).decode("utf-8", "replace").split("\n")
    names = tuple(line.strip() for line in lines if line.strip())
    if len(set(names)) != len(_CLASSES) or len(names) != len(_CLASSES):
        raise DataError(f"{path}: names {len(names)} classes, and CIFAR-10 has {len(_CLASSES)}")
    return names


def _read(paths: list[Path], count: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Pictures (count, 3, 32, 32) and labels (count,), as bytes."""
    records = np.empty((count, _RECORD), np.uint8)
    at = 0
    for path in paths:
        with reading(path), path.open("rb") as file:
            size = path.stat().st_size
            held = np.frombuffer(read_exactly(file, size, path), np.uint8).reshape(-1, _RECORD)
        wrong = held[:, 0] >= len(_CLASSES)
        if wrong.any():
            which = int(wrong.argmax())
            raise DataError(
                f"{path}: record {which} has the label {held[which, 0]}, and CIFAR-10's are 0 to "
                f"{len(_CLASSES) - 1}"
            )
        records[at : at + len(held)] = held
        at += len(held)
    return records[:, 1:].reshape(count, *_SHAPE), records[:, 0]
