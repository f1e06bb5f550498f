"""NumPy's .npz files: a zip of .npy arrays, read without pickle and only after their headers were checked."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from netc.train.bounded import check_is_file, check_promise, read_exactly, reading, sizes
from netc.train.dataset import (
    DataError,
    Dataset,
    Examples,
    Split,
    as_floats,
    as_targets,
    count_classes,
    hold_out_last,
    split_three_ways,
)

# Keras' spelling, the reverse, and one piece that is yet to be split.
_SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("x", "y"),
)
_LONGEST_HEADER = 10_000  # characters; what numpy.load allows
# Version 3 differs only in what the fields of records may be called.
_PARSERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ENCRYPTED = 1  # the flag bit of a zip member
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NUMBERS = "biuf"  # NumPy's kinds: truth values, integers and floats


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What one array of the file promises: shape, order of its elements, type, and bytes before them."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def size(self) -> int:
        """Bytes of data after the header."""
        return math.prod(self.shape) * self.dtype.itemsize


def load_npz(path: Path, *, whole: bool = False) -> Dataset:
    """The data set in an .npz file.

    Its arrays are named `x_train`, `y_train`, `x_test`, `y_test` as in Keras' files, or `train_x` and so on,
    or only `x` and `y`, which are split (see `split_three_ways`). Of separate training data the last 5,000
    examples (a tenth of fewer than 50,000) are for validation. Images are (N, C, H, W) or (N, H, W). In x,
    bytes are taken for pixels and scaled to 0..1; any other type keeps its values. In y, whole numbers are
    labels, and floats are targets. With `whole` x stays as it is, for a net that takes whole numbers; `fit` looks
    whether it is.

    Raises:
        DataError: the file is damaged, arrays are missing or do not belong together, or hold no numbers.
    """
    check_is_file(path)
    with reading(path), zipfile.ZipFile(path) as archive:
        names = _spelling(path, {name.removesuffix(".npy") for name in archive.namelist()})
        headers = {name: _header(archive, name, path) for name in names}
        _check_together(path, headers)
        x, y, *test = (_read(archive, name, headers[name], path) for name in names)
    examples = _as_they_are if whole else as_floats
    if not test:
        return split_three_ways(str(path), examples(x), as_targets(y))
    train, validation = hold_out_last(examples(x), as_targets(y))
    held_out = Split(examples(test[0]), as_targets(test[1]))
    return Dataset(str(path), train, validation, held_out, count_classes(train.y, validation.y, held_out.y))


def _as_they_are(x: Examples) -> Examples:
    return x


def _spelling(path: Path, found: set[str]) -> tuple[str, ...]:
    """The names of the arrays, in one of the known spellings. Any other array is an error, not left out."""
    for names in _SPELLINGS:
        if found == set(names):
            return names
    known = "; or ".join(", ".join(names) for names in _SPELLINGS)
    shown = ", ".join(repr(name[:40]) for name in sorted(found)[:6]) + ", …" * (len(found) > 6)
    raise DataError(f"{path}: should hold the arrays {known}; it holds {shown or 'none'}")


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> NpyHeader:
    """The header of the array `name`, of a type and a size that can be read."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise DataError(f"{path}: `{name}` is not a .npy array") from None
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _PACKINGS:
        raise DataError(f"{path}: `{name}` is packed in a way that NumPy never packs")
    with archive.open(member) as stream:
        header = _parse_header(stream, f"{path}: `{name}`")
    found = member.file_size - header.offset
    if found != header.size:
        raise DataError(
            f"{path}: the header of `{name}` promises {header.size:,} bytes of data, "
            f"and the file has {found:,}"
        )
    check_promise(path, header.size, member.compress_size)
    return header


def _parse_header(stream: IO[bytes], where: str) -> NpyHeader:
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = _PARSERS[version](stream, _LONGEST_HEADER)
    except (zipfile.BadZipFile, EOFError, OSError):
        raise
    except Exception:  # noqa: BLE001 (NumPy's parser of a stranger's header can fail in any way)
        raise DataError(f"{where} does not begin with the header of an .npy array") from None
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects, which only pickle can read, and netc never unpickles")
    if dtype.kind not in _NUMBERS:
        raise DataError(f"{where} holds {dtype}, where numbers were expected")
    if not shape or min(shape) < 0:
        raise DataError(f"{where} has the shape {shape}, where one example after another was expected")
    return NpyHeader(shape, fortran, dtype, stream.tell())


def _read(archive: zipfile.ZipFile, name: str, header: NpyHeader, path: Path) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        stream.read(header.offset)
        data = read_exactly(stream, header.size, path)
    flat = np.frombuffer(data, header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _check_together(path: Path, headers: dict[str, NpyHeader]) -> None:
    """The arrays are examples and their targets, as many of each, and the two pairs are of one kind."""
    names = list(headers)
    pairs = [(names[i], names[i + 1]) for i in range(0, len(names), 2)]
    for x, y in pairs:
        examples, targets = headers[x].shape[0], headers[y].shape[0]
        if examples != targets:
            raise DataError(f"{path}: `{x}` has {examples:,} examples and `{y}` {targets:,}")
        fewest = 2 if (x, y) == pairs[0] else 1  # of training data one is held out for validation
        if examples < fewest or 0 in headers[x].shape:
            raise DataError(f"{path}: `{x}` is {sizes(headers[x].shape)}, too little to train or test on")
    for train, test in zip(*pairs, strict=True) if len(pairs) == 2 else ():
        one, other = headers[train], headers[test]
        if one.shape[1:] != other.shape[1:]:
            raise DataError(
                f"{path}: an example of `{train}` is {sizes(one.shape[1:])}, and one of `{test}` "
                f"{sizes(other.shape[1:])}"
            )
    targets = [headers[y].dtype.kind == "f" for _, y in pairs]
    if len(set(targets)) > 1:
        raise DataError(f"{path}: of `{pairs[0][1]}` and `{pairs[1][1]}`, one holds labels and one floats")
