"""Pictures in files: one for `netc predict`, and a folder of them for each class as a data set."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from netc.errors import MissingDependency
from netc.train.bounded import check_is_file, reading, sizes
from netc.train.dataset import DataError, Dataset, Split, as_floats, hold_out_last, split_three_ways

Pixels = npt.NDArray[np.uint8]
Shape = tuple[int, ...]

_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_MODES: Final = {1: "L", 3: "RGB"}  # Pillow's modes by how many channels they have
# What Pillow turns into L and RGB as one would expect; it cuts off what its modes of more than 8 bits hold.
_READ: Final = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
_PARTS: Final = ("train", "validation", "test")
_OF_THE_SYSTEM: Final = ("thumbs.db", "desktop.ini")


class WrongSize(DataError):
    """A picture of another size than the net takes."""


# ---- One picture -----------------------------------------------------------------------------------------


def pillow() -> Any:
    """Pillow's module `Image`, which is typed only in part.  Raises MissingDependency where it is not installed."""
    try:
        return import_module("PIL.Image")
    except ImportError:
        raise MissingDependency("reading images needs Pillow: pip install pillow") from None


def read_image(path: Path, shape: Shape, resize: bool = False) -> Pixels:
    """A picture as `(C, H, W)` bytes, grey for one channel and RGB for three.

    Raises:
        DataError: it is no picture.
        WrongSize: it is not of that size, to which `resize` brings it.
        MissingDependency: Pillow is not installed.
    """
    image = pillow()
    if len(shape) != 3 or shape[0] not in _MODES:
        raise DataError(f"{path}: the net takes {sizes(shape)}, which is no image; give an .npy file")
    height, width = shape[1:]
    with _opened(path) as opened:
        found = opened.size[1], opened.size[0]
        if found != (height, width) and not resize:
            raise WrongSize(f"{path}: is {sizes(found)} pixels, and the net takes {height}x{width}")
        picture = _decoded(path, opened, _MODES[shape[0]])
    if found != (height, width):
        picture = picture.resize((width, height), image.Resampling.BILINEAR)
    pixels: Any = np.asarray(picture, np.uint8)  # (H, W) or (H, W, C)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _opened(path: Path) -> Any:
    """The picture with its header read and nothing else."""
    image = pillow()
    check_is_file(path)
    try:
        opened = image.open(path)
    except (image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: cannot be read as an image ({_reason(error)})") from None
    if opened.mode not in _READ:
        opened.close()
        raise DataError(
            f"{path}: its pixels are of Pillow's mode {opened.mode}, and 8 bits a channel are read"
        )
    return opened


def _decoded(path: Path, opened: Any, mode: str) -> Any:
    try:
        return opened.convert(mode)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"{path}: the image is damaged ({_reason(error)})") from None


def _reason(error: BaseException) -> str:
    """What went wrong in one line; Pillow's text of an unknown file repeats its path."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it is none of those that Pillow knows" if "cannot identify image file" in text else text


# ---- A folder for each class -----------------------------------------------------------------------------


def holds_image_folder(folder: Path) -> bool:
    """Whether there are folders in the folder, as for classes."""
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


def load_image_folder(folder: Path, wanted: Shape) -> Dataset:
    """Pictures in a folder for each class, or in such folders within `train`, `test` and perhaps `validation`.

    Pictures are (N, C, H, W), grey or RGB as the net's channels say, scaled to 0..1. All headers are looked at before
    any picture is read.

    Args:
        folder: where they are.
        wanted: one example of the net, (C, H, W), or (C·H·W,) for a flat input.

    Raises:
        DataError: a picture is damaged or of another size, a class is missing or empty.
        MissingDependency: Pillow is not installed.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise DataError(f"{folder}: {what}; it should hold a folder of pictures for each class")
    with reading(folder):
        return _load(folder, wanted)


def _load(folder: Path, wanted: Shape) -> Dataset:
    parts = {part: folder / part for part in _PARTS if (folder / part).is_dir()}
    if "train" not in parts or "test" not in parts:
        names, files = _classes(folder)
        x, y = _read(files, _shape_of(files, wanted))
        whole = split_three_ways(str(folder), as_floats(x), y)
        return Dataset(whole.name, whole.train, whole.validation, whole.test, len(names), names)
    found = {part: _classes(place) for part, place in parts.items()}
    names = found["train"][0]
    for part, (others, _) in found.items():
        if others != names:
            odd = sorted(set(others) ^ set(names))
            raise DataError(f"{parts[part]}: has not the classes of {parts['train']}: {', '.join(odd[:5])}")
    shape = _shape_of([pair for _, files in found.values() for pair in files], wanted)
    splits = {part: _split(files, shape) for part, (_, files) in found.items()}
    train, validation = splits["train"], splits.get("validation")
    if validation is None:
        train, validation = _held_out(folder, train)
    return Dataset(str(folder), train, validation, splits["test"], len(names), names)


def _held_out(folder: Path, train: Split) -> tuple[Split, Split]:
    """Training data and their end, after a shuffle that is always the same: they come sorted by class."""
    if len(train.x) < 2:
        raise DataError(
            f"{folder}: 1 picture to train on is too few, of which one is held out for validation"
        )
    rows = np.random.default_rng(0).permutation(len(train.x))  # (N,)
    return hold_out_last(train.x[rows], train.y[rows])


def _split(files: list[tuple[Path, int]], shape: Shape) -> Split:
    x, y = _read(files, shape)
    return Split(as_floats(x), y)


def _classes(folder: Path) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """The names of the classes, sorted, and every picture with its label."""
    places = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(places) < 2:
        raise DataError(
            f"{folder}: holds {'one folder' if places else 'no folder'}, and a folder for each of at least two "
            "classes is wanted"
        )
    files: list[tuple[Path, int]] = []
    for label, place in enumerate(places):
        inside = [(path, label) for path in sorted(place.iterdir()) if not _is_of_the_system(path)]
        if not inside:
            raise DataError(f"{place}: holds no picture")
        for path, _ in inside:
            if path.suffix.lower() not in _SUFFIXES or path.is_dir():
                raise DataError(
                    f"{path}: is no {', '.join(_SUFFIXES)} file, and lies among pictures of a class"
                )
        files += inside
    return tuple(place.name for place in places), files


def _is_of_the_system(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _OF_THE_SYSTEM


def _shape_of(files: list[tuple[Path, int]], wanted: Shape) -> Shape:
    """(C, H, W) of all pictures, by their headers, which must fit what the net takes."""
    shape = wanted
    if len(wanted) == 1:  # flat: the first picture says what its numbers are
        with _opened(files[0][0]) as first:
            plane = first.size[1], first.size[0]
        shape = (wanted[0] // math.prod(plane) if math.prod(plane) else 0, *plane)
    if len(shape) != 3 or shape[0] not in _MODES or math.prod(shape) != math.prod(wanted):
        raise DataError(
            f"{files[0][0]}: the net takes {sizes(wanted)}, which is neither one channel (grey) nor three "
            "(RGB) of such a picture"
        )
    for path, _ in files:
        with _opened(path) as opened:
            found = opened.size[1], opened.size[0]
        if found != shape[1:]:
            raise WrongSize(f"{path}: is {sizes(found)} pixels, and the net takes {sizes(shape[1:])}")
    return shape


def _read(files: list[tuple[Path, int]], shape: Shape) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Pictures (N, C, H, W) and their labels (N,)."""
    x = np.empty((len(files), *shape), np.uint8)
    for row, (path, _) in zip(x, files, strict=True):
        row[...] = read_image(path, shape)
    return x, np.array([label for _, label in files], np.int64)
