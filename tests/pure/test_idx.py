"""IDX files, real and tiny: what is read, and what is refused before anything large is held."""

from __future__ import annotations

import contextlib
import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc.train.data import DataError, Want, load
from netc.train.idx import load_idx_folder, read_idx
from netc.train.sources import Mnist
from tests.refusal import refusal

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    kind = array.dtype.str[1:]
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[kind], array.ndim, *array.shape)
    return header + array.astype(f">{kind}").tobytes()


def idx_header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


# ---- IDX files ----


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_round_trip(tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]) -> None:
    array = np.array([[1, 2, 3], [-4, 5, 100]]).astype(kind)
    path = tmp_path / "a.idx"
    path.write_bytes(pack(idx_bytes(array)))
    read = read_idx(path)
    assert read.dtype == np.dtype(kind)
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, array)


WHOLE = idx_bytes(np.arange(60, dtype="u1").reshape(5, 4, 3))
PACKED = gzip.compress(WHOLE, mtime=0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "0 bytes are too few"),
        (WHOLE[:3], "3 bytes are too few"),
        (WHOLE[:10], "truncated within its header"),
        (WHOLE[:-1], "is truncated, its header promises 5x4x3 elements, 60 bytes of data, and it has 59"),
        (WHOLE + b"\0\0", "is too long, its header promises 5x4x3 elements, 60 bytes of data, and it has 62"),
        (b"\x00\x01" + WHOLE[2:], "is not an IDX file, it begins with 00 01 08 03"),
        (b"\x00\x00\x0a" + WHOLE[3:], "is not an IDX file"),
        (b"\x89PNG" + WHOLE, "is not an IDX file, it begins with 89 50 4e 47"),
        (idx_header(0x08), "has 0 dimensions"),
        (idx_header(0x08, *[1] * 9) + b"\0", "has 9 dimensions"),
        (idx_header(0x08, 1 << 31) + bytes(100), "promises 2147483648 elements, 2,147,483,648 bytes"),
        (idx_header(0x0E, *[0xFFFFFFFF] * 8), "is truncated"),
        (PACKED[:-9], "truncated"),
        (PACKED[:20], "truncated"),
        (PACKED[:-8] + bytes(8), "damaged: CRC"),
        (PACKED[:30] + b"\xff\xff\xff\xff" + PACKED[34:], "damaged"),
        (PACKED + b"more", "damaged: Not a gzipped file"),
        (
            gzip.compress(WHOLE[:-1], mtime=0),
            "truncated, its header promises 60 bytes of data, and it has 59",
        ),
        (gzip.compress(WHOLE + b"\0", mtime=0), "more data than the 60 bytes"),
        (gzip.compress(WHOLE + bytes(64 << 20), mtime=0), "more data than the 60 bytes"),
        (
            gzip.compress(idx_header(0x08, 1 << 31) + bytes(100), mtime=0),
            "2,147,483,648 bytes, more than its",
        ),
        (gzip.compress(idx_header(0x0E, 1 << 31) + bytes(100), mtime=0), "reads at most 4,294,967,296"),
        (
            gzip.compress(idx_header(0x08, 40 << 20) + bytes(80 << 10), mtime=0) + bytes(1 << 16),
            "truncated, its header",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_wrong_idx_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "wrong.idx"
    path.write_bytes(content)
    message = refusal(lambda: read_idx(path))
    assert message.startswith(f"{path}: ")
    assert says in message


def test_idx_that_is_no_file(tmp_path: Path) -> None:
    assert "is a folder, where a file was expected" in refusal(lambda: read_idx(tmp_path))
    assert "there is no such file" in refusal(lambda: read_idx(tmp_path / "none"))
    assert "not a regular file" in refusal(lambda: read_idx(Path("/dev/zero")))


# ---- Folders of IDX files ----


def write_mnist(folder: Path, mark: str = "-", gz: bool = False, **replaced: np.ndarray | bytes) -> None:
    """Four files of 40 and 10 images of 3x2; `train_images=…` and so on replace a file's content."""
    rng = np.random.default_rng(3)
    content: dict[str, Any] = {
        "train_images": rng.integers(0, 256, (40, 3, 2), dtype="u1"),
        "train_labels": (np.arange(40) % 7).astype("u1"),
        "t10k_images": rng.integers(0, 256, (10, 3, 2), dtype="u1"),
        "t10k_labels": (np.arange(10) % 9).astype("u1"),
        **replaced,
    }
    folder.mkdir(exist_ok=True)
    for key, value in content.items():
        data = value if isinstance(value, bytes) else idx_bytes(value)
        name = f"{key.replace('_', '-')}{mark}idx{3 if key.endswith('images') else 1}-ubyte"
        (folder / (name + ".gz" * gz)).write_bytes(gzip.compress(data) if gz else data)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("gz", [False, True])
def test_idx_folder(tmp_path: Path, mark: str, gz: bool) -> None:
    images = np.arange(240).reshape(40, 3, 2).astype("u1")
    images[0, 0, 0] = 255
    write_mnist(tmp_path, mark, gz, train_images=images)
    data = load(Mnist(), Want((1, 3, 2), 9), given=tmp_path)
    assert data.name == str(tmp_path)
    assert data.classes == 9  # the test labels count too
    assert [part.x.shape for part in (data.train, data.validation, data.test)] == [
        (36, 1, 3, 2),
        (4, 1, 3, 2),
        (10, 1, 3, 2),
    ]
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64
    assert data.train.x[0, 0, 0, 0] == 1.0
    np.testing.assert_array_equal(data.validation.y, np.arange(36, 40) % 7)
    np.testing.assert_array_equal(data.validation.x[:, 0], np.float32(images[36:]) / np.float32(255))


def test_validation_is_the_last_5000_of_many(tmp_path: Path) -> None:
    labels = (np.arange(60_000) % 10).astype("u1")
    write_mnist(tmp_path, train_images=np.zeros((60_000, 3, 2), "u1"), train_labels=labels)
    data = load_idx_folder(tmp_path)
    assert (len(data.train.x), len(data.validation.x)) == (55_000, 5_000)


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        ({"train_labels": np.zeros(39, "u1")}, "train has 40 images and 39 labels"),
        ({"t10k_labels": np.zeros(11, "u1")}, "t10k has 10 images and 11 labels"),
        ({"t10k_images": np.zeros((10, 2, 3), "u1")}, "training images are 3x2 and test images 2x3"),
        (
            {"train_images": np.zeros((40, 6), "u1")},
            "should hold bytes in 3 dimensions, and holds uint8 in 2",
        ),
        (
            {"train_labels": np.zeros(40, "i4")},
            "should hold bytes in 1 dimension, and holds int32 in 1",
        ),
        (
            {"t10k_images": np.zeros((0, 3, 2), "u1"), "t10k_labels": np.zeros(0, "u1")},
            "t10k-images-idx3-ubyte: holds 0 images of 3x2, and netc needs at least 1",
        ),
        (
            {"train_images": np.zeros((1, 3, 2), "u1"), "train_labels": np.zeros(1, "u1")},
            "holds 1 images of 3x2, and netc needs at least 2",
        ),
        ({"train_images": np.zeros((40, 0, 2), "u1")}, "holds 40 images of 0x2"),
        ({"t10k_labels": b"\0\0\x08\x01\0\0\0\x0a"}, "is truncated, its header promises 10 elements"),
        ({"train_images": idx_header(0x08, 1 << 31, 28, 28)}, "is truncated"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, replaced: dict[str, Any], says: str) -> None:
    write_mnist(tmp_path, **replaced)
    message = refusal(lambda: load_idx_folder(tmp_path))
    assert message.startswith(str(tmp_path))
    assert says in message


def test_counts_are_compared_before_images_are_read(tmp_path: Path) -> None:
    images = np.zeros((40, 512, 512), "u1")  # 10 MB
    write_mnist(tmp_path, gz=True, train_images=images, train_labels=np.zeros(41, "u1"))
    assert "train has 40 images and 41 labels" in refusal(lambda: load_idx_folder(tmp_path))


def test_missing_files_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    message = refusal(lambda: load(Mnist(), Want((1, 3, 2), 9), given=tmp_path))
    assert message == (
        f"{tmp_path}: the folder lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte (each may end in .gz)"
    )


def test_folder_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WHOLE)
    assert "is a file, where a folder" in refusal(lambda: load_idx_folder(tmp_path / "file"))
    assert "there is no such folder" in refusal(lambda: load_idx_folder(tmp_path / "none"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_never_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([WHOLE, PACKED]))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, 2 * len(content))) :]
    path = tmp_path / "a.idx"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        read_idx(path)
