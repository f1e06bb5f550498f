"""Data sets from real, tiny files: what is read, and what is refused before anything large is held."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc.train.data import (
    DataError,
    Dataset,
    MissingDependency,
    Split,
    fit,
    load,
    load_digits,
    load_idx_folder,
    load_npz,
    read_idx,
)

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
SMALL = 4 << 20  # bytes; far below what the lying headers promise


def idx_bytes(array: np.ndarray) -> bytes:
    kind = array.dtype.str[1:]
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[kind], array.ndim, *array.shape)
    return header + array.astype(f">{kind}").tobytes()


def idx_header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def refusal(action: Callable[[], object]) -> str:
    """What the DataError says that `action` must raise, having held little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            action()
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


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
        (gzip.compress(WHOLE[:-1]), "truncated, its header promises 60 bytes of data, and it has 59"),
        (gzip.compress(WHOLE + b"\0"), "more data than the 60 bytes"),
        (gzip.compress(WHOLE + bytes(64 << 20)), "more data than the 60 bytes"),
        (gzip.compress(idx_header(0x08, 1 << 31) + bytes(100)), "2,147,483,648 bytes, more than its"),
        (gzip.compress(idx_header(0x0E, 1 << 31) + bytes(100)), "reads at most 4,294,967,296"),
        (
            gzip.compress(idx_header(0x08, 40 << 20) + bytes(80 << 10)) + bytes(1 << 16),
            "truncated, its header",
        ),
    ],
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
    data = load("mnist", tmp_path)
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
    message = refusal(lambda: load("mnist", tmp_path))
    assert message == (
        f"{tmp_path}: the folder lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte (each may end in .gz)"
    )


def test_folder_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WHOLE)
    assert "is a file, where a folder" in refusal(lambda: load_idx_folder(tmp_path / "file"))
    assert "there is no such folder" in refusal(lambda: load_idx_folder(tmp_path / "none"))


# ---- NumPy's .npz files ----

X = np.arange(20 * 12, dtype="f8").reshape(20, 1, 4, 3)
Y = np.arange(20) % 4


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_x", "train_y", "test_x", "test_y")])  # fmt: skip
def test_npz(tmp_path: Path, save: Callable[..., None], names: tuple[str, ...]) -> None:
    path = tmp_path / "data.npz"
    save(path, **dict(zip(names, (X, Y, X[:5] + 1, Y[:5]), strict=True)))
    data = load("folder-or-file", path)
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
    whole, name, read = data.draw(
        st.sampled_from([
            (npz(x=X, y=Y), "a.npz", load_npz),
            (WHOLE, "a.idx", read_idx),
            (PACKED, "a.idx.gz", read_idx),
        ])
    )  # fmt: skip
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, 2 * len(content))) :]
    path = tmp_path / name
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        read(path)


# ---- By name ----


def test_digits() -> None:
    data = load("digits")
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
    ("name", "source", "says"),
    [
        (
            "mnist",
            None,
            "`mnist` does not ship with netc: point at a folder with its four IDX files with --data",
        ),
        ("digitz", None, "there is no data set `digitz`"),
        ("some/where", None, "some/where: there is no such file or folder"),
        ("digits", "nowhere", "nowhere: there is no such file or folder"),
        ("digits", __file__, "is neither a folder of IDX files nor an .npz file"),
        ("none.npz", None, "none.npz: there is no such file"),
    ],
)
def test_names_that_lead_nowhere(name: str, source: str | None, says: str) -> None:
    assert says in refusal(lambda: load(name, source))


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
    fitted = fit(dataset(x, [0, 1]), wanted, 2)
    assert fitted.test.x.shape == (2, *wanted)
    np.testing.assert_array_equal(fitted.test.x.ravel(), np.arange(24))  # nothing changed its place
    assert fitted.classes == 2


def test_fit_makes_float_targets() -> None:
    fitted = fit(dataset(IMAGES, [3, -1]), (1, 4, 3), None)
    assert fitted.test.y.dtype == np.float32
    np.testing.assert_array_equal(fitted.test.y, [3, -1])


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
    message = refusal(lambda: fit(dataset(x, y), wanted, classes))
    assert message.startswith("some.npz: ")
    assert says in message


def test_values_beyond_float32_are_found(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.full((20, 3), 1e39), y=Y)
    assert "is not a finite float32" in refusal(lambda: fit(load_npz(path), (3,), 4))
