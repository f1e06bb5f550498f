"""Pictures in a folder for each class."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.errors import MissingDependency
from netc.train.data import Want, load
from netc.train.images import load_image_folder, read_image
from netc.train.sources import Folder
from tests.refusal import refusal

SHAPE = (3, 4, 5)


def picture(path: Path, value: int, size: tuple[int, int] = (5, 4), mode: str = "RGB") -> None:
    """One colour everywhere, but for the pixel in row 1, column 3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (value, 20, 30))
    if size == (5, 4):
        image.putpixel((3, 1), (255, 0, 0))
    image.convert(mode).save(path)


def fill(folder: Path, counts: dict[str, int]) -> None:
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            picture(folder / name / f"{i:03}.png", 10 * label + i)


def test_a_folder_is_split(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 10, "ant": 10, "bee": 5})
    (tmp_path / "README.txt").write_text("where they are from")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "cat" / ".hidden").write_bytes(b"x")
    data = load(Folder(tmp_path.name), Want(SHAPE, 3), tmp_path.parent)
    assert data.names == ("ant", "bee", "cat")
    parts = (data.train, data.validation, data.test)
    assert [len(p.x) for p in parts] == [18, 2, 5]
    assert np.bincount(np.concatenate([p.y for p in parts])).tolist() == [10, 5, 10]
    x, y = np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])
    assert x.shape == (25, *SHAPE)
    first = np.round(255 * x[:, 0, 0, 0]).astype(int)
    written = {0: 1, 1: 2, 2: 0}  # ant, bee and cat were the second, the third and the first
    assert {(int(v) // 10, int(label)) for v, label in zip(first, y, strict=True)} == {
        (written[label], label) for label in range(3)
    }
    np.testing.assert_allclose(x[:, :, 1, 3], np.tile([1, 0, 0], (25, 1)))
    again = load(None, Want(SHAPE, 3), given=tmp_path)
    np.testing.assert_array_equal(again.train.x, data.train.x)


def test_folders_for_training_and_test_are_kept_apart(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 12, "b": 8})
    fill(tmp_path / "test", {"a": 3, "b": 2})
    data = load_image_folder(tmp_path, SHAPE)
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [18, 2, 5]
    assert set(data.validation.y) | set(data.train.y) == {0, 1}
    assert len(set(data.train.y[:6])) == 2  # they are not sorted by class any more
    fill(tmp_path / "validation", {"a": 1, "b": 1})
    data = load_image_folder(tmp_path, SHAPE)
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [20, 2, 5]


def test_grey_and_colour_by_the_channels_of_the_net(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    picture(tmp_path / "b" / "grey.jpg", 128, mode="L")
    picture(tmp_path / "b" / "palette.PNG", 128, mode="P")
    grey = load_image_folder(tmp_path, (1, 4, 5))
    assert grey.train.x.shape[1:] == (1, 4, 5)
    red = (255 * 299 + 500) // 1000  # ITU-R 601-2, as Pillow's page of `convert` says
    np.testing.assert_allclose(255 * grey.test.x[:, 0, 1, 3], red, atol=1)
    assert load_image_folder(tmp_path, SHAPE).train.x.shape[1:] == SHAPE
    flat = load(Folder("."), Want((60,), 2), tmp_path)
    assert flat.train.x.shape[1:] == (60,)
    assert load(Folder("."), Want((20,), 2), tmp_path).train.x.shape[1:] == (20,)


def sixteen_bits(folder: Path) -> None:
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(folder / "a" / "x.png")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: picture(d / "a" / "x.png", 1, (4, 5)), "x.png: is 5x4 pixels, and the net takes 4x5"),
        (lambda d: (d / "a" / "x.png").write_bytes(b"no picture"), "x.png: cannot be read as an image"),
        (lambda d: (d / "a" / "x.bmp").write_bytes(b"BM"), "x.bmp: is no .png, .jpg, .jpeg file"),
        (lambda d: (d / "a" / "more").mkdir(), "more: is no .png"),
        (lambda d: (d / "empty").mkdir(), "empty: holds no picture"),
        (sixteen_bits, "x.png: its pixels are of Pillow's mode I;16, and 8 bits a channel are read"),
        (lambda d: truncate(d / "a" / "000.png"), "000.png: the image is damaged"),
    ],
)
def test_what_is_wrong_is_told(spoil: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    fill(tmp_path, {"a": 6, "b": 6})
    spoil(tmp_path)
    assert says in refusal(lambda: load_image_folder(tmp_path, SHAPE))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    assert "holds no folder" in refusal(lambda: load_image_folder(tmp_path, SHAPE))
    fill(tmp_path, {"a": 1})
    assert "holds one folder, and a folder for each of at least two" in refusal(
        lambda: load_image_folder(tmp_path, SHAPE)
    )
    fill(tmp_path, {"b": 1})
    assert "2 examples are too few" in refusal(lambda: load_image_folder(tmp_path, SHAPE))
    assert "there is no such folder" in refusal(lambda: load_image_folder(tmp_path / "none", SHAPE))
    assert "is a file" in refusal(lambda: load_image_folder(tmp_path / "a" / "000.png", SHAPE))
    assert "takes 2x4x5, which is neither" in refusal(lambda: load_image_folder(tmp_path, (2, 4, 5)))
    assert "takes 7, which is neither" in refusal(lambda: load_image_folder(tmp_path, (7,)))


def test_classes_of_the_test_that_differ(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 2, "b": 2})
    fill(tmp_path / "test", {"a": 2, "c": 2})
    said = refusal(lambda: load_image_folder(tmp_path, SHAPE))
    assert "has not the classes of" in said
    assert said.endswith(": b, c")


def test_headers_are_looked_at_before_any_picture_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"a": 6, "b": 6})
    picture(tmp_path / "b" / "z.png", 1, (9, 9))
    monkeypatch.setattr("netc.train.images._decoded", None)  # which nothing can call
    assert "z.png: is 9x9" in refusal(lambda: load_image_folder(tmp_path, SHAPE))


def test_pillow_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"a": 6, "b": 6})
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingDependency, match="pip install pillow"):
        load_image_folder(tmp_path, SHAPE)


def test_a_picture_that_is_resized(tmp_path: Path) -> None:
    picture(tmp_path / "x.png", 90, (10, 8))
    assert read_image(tmp_path / "x.png", SHAPE, resize=True).tolist()[0] == [[90] * 5] * 4
