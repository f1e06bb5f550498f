"""Files of .npz, real and tiny: what is read, and what is refused before anything large is held."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc.train.data import DataError, Want, load
from netc.train.npz import load_npz
from tests.refusal import refusal

X = np.arange(20 * 12, dtype="f8").reshape(20, 1, 4, 3)
Y = np.arange(20) % 4


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_x", "train_y", "test_x", "test_y")])  # fmt: skip
def test_npz(tmp_path: Path, save: Callable[..., None], names: tuple[str, ...]) -> None:
    path = tmp_path / "data.npz"
    save(path, **dict(zip(names, (X, Y, X[:5] + 1, Y[:5]), strict=True)))
    data = load(None, Want((1, 4, 3), 4), given=path)
    assert data.classes == 4
    assert (len(data.train.x), len(data.validation.x), len(data.test.x)) == (18, 2, 5)
    assert data.train.x.dtype == np.float32
    np.testing.assert_array_equal(data.train.x, X[:18])  # floats are left as they are
    np.testing.assert_array_equal(data.validation.y, Y[18:])
    np.testing.assert_array_equal(data.test.x, X[:5] + 1)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda x: x.astype(">f4"), lambda x: x.astype("i2")])
def test_npz_element_orders_and_types(tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x_train=change(X), y_train=Y[:, None], x_test=change(X), y_test=Y.astype("u1")[:, None])
    data = load_npz(path)
    np.testing.assert_array_equal(data.test.x, X)
    np.testing.assert_array_equal(data.test.y, Y)  # a column of labels is a row of them
    assert data.test.y.dtype == np.int64


def test_npz_bytes_are_scaled(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    pixels = np.array([0, 51, 255] * 80, "u1").reshape(20, 4, 3)
    np.savez(path, x=pixels, y=Y)
    assert set(np.unique(load_npz(path).train.x)) == {np.float32(0), np.float32(0.2), np.float32(1)}


def test_npz_in_one_piece_is_split(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    x = np.arange(100.0)[:, None]
    np.savez(path, x=x, y=np.repeat([0, 1], [80, 20]))
    first, second = load_npz(path), load_npz(path)
    parts = (first.train, first.validation, first.test)
    assert [len(part.x) for part in parts] == [72, 8, 20]
    assert sorted(np.concatenate([part.x for part in parts])[:, 0]) == sorted(x[:, 0])
    assert (first.test.y == 1).sum() == 4  # a fifth of each class
    np.testing.assert_array_equal(first.test.x, second.test.x)


def test_npz_with_float_targets(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=np.linspace(0, 1, 40).reshape(20, 2))
    data = load_npz(path)
    assert data.classes is None
    assert data.train.y.dtype == np.float32
    assert data.train.y.shape[1:] == (2,)


class Unpickled:
    """Says so when a pickle of it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("an array was unpickled",)


def lying(shape: tuple[int, ...], descr: str, data: bytes) -> bytes:
    """An .npz file in which the header of x does not tell the truth."""
    out, member = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"shape": shape, "fortran_order": False, "descr": descr})
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", member.getvalue() + data)
        archive.writestr("y.npy", npy(Y))
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array)
    return out.getvalue()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is damaged: File is not a zip file"),
        (npz(x=X, y=Y)[:-30], "is damaged"),
        (pickle.dumps(Unpickled()), "is damaged: File is not a zip file"),
        (npz(x=np.array([Unpickled()] * 20), y=Y), "`x` holds Python objects"),
        (zipped(x=pickle.dumps(Unpickled()), y=npy(Y)), "`x` does not begin with the header"),
        (zipped(x=b"", y=npy(Y)), "`x` does not begin with the header"),
        (zipped(x=b"\x93NUMPY\x01\x00\xff\x00" + b"(" * 255, y=npy(Y)), "`x` does not begin with the header"),
        (npz(x=np.zeros(20, "f4,i4"), y=Y), "`x` holds [('f0', '<f4'), ('f1', '<i4')], where numbers"),
        (npz(x=np.array(["a"] * 20), y=Y), "`x` holds <U1, where numbers were expected"),
        (npz(x=X * 1j, y=Y), "`x` holds complex128"),
        (npz(x=np.float32(1), y=Y), "`x` has the shape ()"),
        (npz(x=X, y=Y[:-1]), "`x` has 20 examples and `y` 19"),
        (npz(x=X[:0], y=Y[:0]), "`x` is 0x1x4x3, too little"),
        (npz(x=X[:9], y=Y[:9]), "9 examples are too few to split, at least 10 are needed"),
        (npz(x=X), "it holds 'x'"),
        (npz(x=X, y=Y, z=Y), "it holds 'x', 'y', 'z'"),
        (npz(**{f"a{i}": Y for i in range(9)}), "'a5', …"),
        (npz(), "it holds none"),
        (npz(x_train=X, y_train=Y, x_test=X[:, :, :3], y_test=Y), "one of `x_test` 1x3x3"),
        (npz(x_train=X, y_train=Y, x_test=X, y_test=Y * 1.0), "one holds labels and one floats"),
        (npz(x_train=X, y_train=Y, x_test=X, y_test=Y[:3]), "`x_test` has 20 examples and `y_test` 3"),
        (lying((1 << 31,), "<f8", bytes(64)), "promises 17,179,869,184 bytes of data, and the file has 64"),
        (lying((20, 2), "<f8", bytes(319)), "promises 320 bytes of data, and the file has 319"),
        (lying((20, 2), "<f8", bytes(321)), "promises 320 bytes of data, and the file has 321"),
        (lying((20, -2), "<f8", b""), "`x` has the shape (20, -2)"),
    ],
)  # fmt: skip
def test_wrong_npz_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "wrong.npz"
    path.write_bytes(content)
    message = refusal(lambda: load_npz(path))
    assert message.startswith(f"{path}: ")
    assert says in message


def test_npz_whose_directory_lies_about_sizes(tmp_path: Path) -> None:
    """The directory of the zip promises 2 GiB as well, and only the compressed size gives it away."""
    content = lying((1 << 28,), "<f8", b"")
    honest = zipfile.ZipFile(io.BytesIO(content)).getinfo("x.npy")
    claimed = honest.file_size + (1 << 31)
    at = content.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    assert struct.unpack_from("<I", content, at) == (honest.file_size,)
    path = tmp_path / "wrong.npz"
    path.write_bytes(content[:at] + struct.pack("<I", claimed) + content[at + 4 :])
    assert "2,147,483,648 bytes, more than its" in refusal(lambda: load_npz(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_never_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(npz(x=X, y=Y))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, 2 * len(content))) :]
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        load_npz(path)
