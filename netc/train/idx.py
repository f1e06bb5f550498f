"""IDX files, the format of MNIST.

As LeCun's page of the data set describes it: two zero bytes, a code of the element type, the number of
dimensions, each size as a big-endian 32-bit number, then the elements, big-endian, the last index fastest.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from netc.train.bounded import check_is_file, check_promise, read_exactly, reading, sizes
from netc.train.dataset import DataError, Dataset, Split, as_floats, as_targets, count_classes, hold_out_last

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_MOST_DIMENSIONS = 8
_GZIP = b"\x1f\x8b"  # an IDX file begins with two zeros, so the two are never confused


@dataclass(frozen=True, slots=True)
class IdxHeader:
    """What an IDX file promises.

    Attributes:
        type: the element type in NumPy's letters, such as `u1`; big-endian in the file.
        shape: the sizes, the examples first.
    """

    type: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of data after the header."""
        return math.prod(self.shape) * int(self.type[1:])


def read_idx_header(path: Path) -> IdxHeader:
    """The header of an IDX file, gzipped or not, compared with the size of the file.

    Raises:
        DataError: there is no such file, it is no IDX file, or its size does not fit.
    """
    with _opened(path) as (_, header):
        return header


def read_idx(path: Path) -> npt.NDArray[Any]:
    """The array in an IDX file, gzipped or not, in this machine's byte order.

    Raises:
        DataError: as `read_idx_header`, or the data are truncated, damaged or followed by more.
    """
    with _opened(path) as (stream, header):
        data = read_exactly(stream, header.size, path)
    return np.frombuffer(data, f">{header.type}").reshape(header.shape).astype(header.type, copy=False)


@contextmanager
def _opened(path: Path) -> Generator[tuple[IO[bytes], IdxHeader], None, None]:
    """The file's bytes, unpacked and at the first element, and its header, which fits the file's size."""
    check_is_file(path)
    with reading(path), path.open("rb") as raw:
        stored = path.stat().st_size
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        if not packed:
            header = _header(raw, path)
            _check_size(path, header, stored - raw.tell())
            yield raw, header
            return
        with gzip.open(raw) as unpacked:
            stream = cast("IO[bytes]", unpacked)
            header = _header(stream, path)
            check_promise(path, header.size, stored)
            yield stream, header


def _header(stream: IO[bytes], path: Path) -> IdxHeader:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: {len(magic)} bytes are too few for the header of an IDX file")
    zeros, code, dimensions = struct.unpack(">HBB", magic)
    if zeros != 0 or code not in _TYPES:
        raise DataError(f"{path}: is not an IDX file, it begins with {magic.hex(' ')}")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise DataError(f"{path}: has {dimensions} dimensions, and netc reads 1 to {_MOST_DIMENSIONS}")
    rest = stream.read(4 * dimensions)
    if len(rest) < 4 * dimensions:
        raise DataError(f"{path}: the file is truncated within its header")
    return IdxHeader(_TYPES[code], struct.unpack(f">{dimensions}I", rest))


def _check_size(path: Path, header: IdxHeader, found: int) -> None:
    if found != header.size:
        verdict = "is truncated" if found < header.size else "is too long"
        raise DataError(
            f"{path}: the file {verdict}, its header promises {sizes(header.shape)} elements, "
            f"{header.size:,} bytes of data, and it has {found:,}"
        )


def load_idx_folder(path: Path) -> Dataset:
    """The four files of MNIST, and of all data sets that took over its format, from the folder `path`.

    They are named `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and `t10k-…` likewise, or with a dot
    (`train-images.idx3-ubyte`), with or without `.gz`. The last 5,000 training images (a tenth of fewer than
    50,000) are for validation. Pixels are scaled from 0..255 to 0..1; images are (N, 1, H, W).

    All four headers are compared with each other and with the files before any image is read.

    Raises:
        DataError: a file is missing or wrong, or they do not belong together.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such folder; it should hold the four IDX files of MNIST")
    if not path.is_dir():
        raise DataError(f"{path}: is a file, where a folder with the four IDX files of MNIST was expected")
    found = {stem: _find(path, stem, kind) for stem, kind in _FILES.items()}
    missing = [f"{stem}-{_FILES[stem]}" for stem, file in found.items() if file is None]
    if missing:
        raise DataError(f"{path}: the folder lacks {', '.join(missing)} (each may end in .gz)")
    files = {stem: file for stem, file in found.items() if file is not None}
    _check_four(path, files)
    x, y, test_x, test_y = (read_idx(file) for file in files.values())
    train, validation = hold_out_last(as_floats(x[:, None]), as_targets(y))
    test = Split(as_floats(test_x[:, None]), as_targets(test_y))
    return Dataset(str(path), train, validation, test, count_classes(train.y, validation.y, test.y))


_FILES = {
    "train-images": "idx3-ubyte",
    "train-labels": "idx1-ubyte",
    "t10k-images": "idx3-ubyte",
    "t10k-labels": "idx1-ubyte",
}


def holds_idx(folder: Path) -> bool:
    """Whether any of the four files lies in the folder."""
    return any(_find(folder, stem, kind) for stem, kind in _FILES.items())


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    names = (f"{stem}{mark}{kind}{gz}" for mark in "-." for gz in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).exists()), None)


def _check_four(folder: Path, files: dict[str, Path]) -> None:
    headers = {stem: read_idx_header(file) for stem, file in files.items()}
    for stem, header in headers.items():
        rank = 3 if stem.endswith("images") else 1
        if len(header.shape) != rank or header.type != "u1":
            raise DataError(
                f"{files[stem]}: should hold bytes in {rank} dimension{'s' * (rank > 1)}, and holds "
                f"{np.dtype(header.type).name} in {len(header.shape)}"
            )
    for part, fewest in (("train", 2), ("t10k", 1)):
        images, labels = headers[f"{part}-images"].shape, headers[f"{part}-labels"].shape
        if images[0] != labels[0]:
            raise DataError(f"{folder}: {part} has {images[0]:,} images and {labels[0]:,} labels")
        if images[0] < fewest or 0 in images:
            raise DataError(
                f"{files[f'{part}-images']}: holds {images[0]} images of {sizes(images[1:])}, "
                f"and netc needs at least {fewest} that are not empty"
            )
    train, test = headers["train-images"].shape[1:], headers["t10k-images"].shape[1:]
    if train != test:
        raise DataError(f"{folder}: training images are {sizes(train)} and test images {sizes(test)}")
