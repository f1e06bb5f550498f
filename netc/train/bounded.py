"""Reading files that may be wrong: no more is held than a file really has.

A header is a promise. It is compared with the size of the file before anything is allocated for it, and
what is compressed is unpacked piece by piece, so that memory grows only with bytes that came.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from netc.train.dataset import DataError

LARGEST = 4 << 30  # bytes of one array; all of it is held in memory
# Deflate cannot do better than 258 bytes for two bits (RFC 1951: a match is at most 258 long).
MOST_PER_BYTE = 1032
_PIECE = 1 << 20
# What zipfile raises about a damaged directory: its own error, and those of versions, names and offsets
# that make no sense.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error)


@contextmanager
def reading(path: Path) -> Generator[None, None, None]:
    """Turns what the system, gzip or zip raises about the file at `path` into a DataError."""
    try:
        yield
    except EOFError:
        raise DataError(f"{path}: the file is truncated, its compressed data end too early") from None
    except (gzip.BadGzipFile, zlib.error, *_ZIP_ERRORS) as error:
        raise DataError(f"{path}: the file is damaged: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def check_is_file(path: Path) -> None:
    """Raises DataError unless `path` is a regular file (a pipe or a device might never end)."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder, where a file was expected")
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if not path.is_file():
        raise DataError(f"{path}: is not a regular file")


def check_promise(path: Path, promised: int, packed: int) -> None:
    """Raises DataError if `packed` bytes of deflated data cannot hold the `promised` bytes."""
    if promised > LARGEST:
        raise DataError(f"{path}: its header promises {promised:,} bytes, and netc reads at most {LARGEST:,}")
    if promised > packed * MOST_PER_BYTE:
        raise DataError(
            f"{path}: its header promises {promised:,} bytes, "
            f"more than its {packed:,} compressed bytes can hold"
        )


def read_exactly(stream: IO[bytes], size: int, path: Path) -> bytearray:
    """The next `size` bytes, which must be the last ones.

    Raises:
        DataError: the stream holds fewer bytes or more.
    """
    held = bytearray()
    while len(held) < size:
        piece = stream.read(min(_PIECE, size - len(held)))
        if not piece:
            raise DataError(
                f"{path}: the file is truncated, its header promises {size:,} bytes of data, "
                f"and it has {len(held):,}"
            )
        held += piece
    if stream.read(1):
        raise DataError(f"{path}: there is more data than the {size:,} bytes that its header promises")
    return held


def sizes(shape: tuple[int, ...]) -> str:
    """A shape as people write it: 28x28; a single number has no name of its own."""
    return "x".join(map(str, shape)) if shape else "a single number"
