"""Getting the data that a net is trained on: by name, from a folder of IDX files, or from an .npz file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from netc.errors import MissingDependency
from netc.train.bounded import sizes
from netc.train.dataset import (
    DataError,
    Dataset,
    Floats,
    Labels,
    Split,
    as_floats,
    as_targets,
    split_three_ways,
)
from netc.train.idx import load_idx_folder, read_idx
from netc.train.npz import load_npz

__all__ = [
    "DataError",
    "Dataset",
    "MissingDependency",
    "Split",
    "fit",
    "fit_examples",
    "load",
    "load_digits",
    "load_idx_folder",
    "load_npz",
    "read_idx",
]

# Data sets that a `train` block may name, and that are not netc's to hand out.
_POINTED_AT = {"mnist": "a folder with its four IDX files"}


def load(name: str, source: str | Path | None = None) -> Dataset:
    """The data set that a `train` block calls `name`, or the one at `source`, which wins where it is given.

    A name is `digits`, `mnist` (which needs a source), or a path. A folder is read as MNIST's four IDX files,
    a file as .npz.

    Raises:
        DataError: the name means nothing, or the data are wrong.
        MissingDependency: `digits` without scikit-learn.
    """
    if source is None and name == "digits":
        return load_digits()
    if source is None and name in _POINTED_AT:
        raise DataError(
            f"the data set `{name}` does not ship with netc: point at {_POINTED_AT[name]} with --data DIR"
        )
    path = Path(name if source is None else source)
    if path.is_dir():
        return load_idx_folder(path)
    if path.suffix == ".npz":
        return load_npz(path)
    if path.exists():
        raise DataError(f"{path}: is neither a folder of IDX files nor an .npz file")
    if source is None and path.name == name:
        raise DataError(f"there is no data set `{name}`: netc knows digits and mnist, and takes --data PATH")
    raise DataError(f"{path}: there is no such file or folder")


def load_digits() -> Dataset:
    """Scikit-learn's bundled digits: 1,797 images of handwritten digits, (N, 1, 8, 8), scaled to 0..1.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.

    Raises:
        MissingDependency: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingDependency(
            f"the data set `digits` is bundled with scikit-learn: pip install 'netc[data]' ({error})"
        ) from None
    bundle = cast("Any", datasets.load_digits())
    pixels: npt.NDArray[np.float64] = bundle.images  # (N, 8, 8), whole numbers 0..16
    labels: Labels = bundle.target  # (N,)
    return split_three_ways("digits", as_floats(pixels[:, None] / 16), as_targets(labels))


def fit(
    dataset: Dataset, input_shape: tuple[int, ...], classes: int | None, label_shape: tuple[int, ...] = ()
) -> Dataset:
    """`dataset` as a net takes it, or an error that says what does not fit.

    Images without a channel, (N, H, W), become (N, 1, H, W) for a net that takes one channel, and all images
    are flattened to (N, C·H·W) for a net whose input is flat.

    Args:
        dataset: what `load` gave.
        input_shape: the shape of one example, such as (1, 28, 28) or (784,).
        classes: how many classes the net tells apart; None where targets are not labels, which then become
            float32.
        label_shape: () where an example has one label, (H, W) where each of its pixels has.

    Raises:
        DataError: counts, shapes or labels do not fit, or a value is not finite.
    """
    train, validation, test = (
        _fit_split(f"{dataset.name}: {part}", split, input_shape, classes, label_shape)
        for part, split in (
            ("training", dataset.train),
            ("validation", dataset.validation),
            ("test", dataset.test),
        )
    )
    return Dataset(dataset.name, train, validation, test, classes)


def _fit_split(
    where: str, split: Split, input_shape: tuple[int, ...], classes: int | None, label_shape: tuple[int, ...]
) -> Split:
    if len(split.x) != len(split.y):
        raise DataError(f"{where} data have {len(split.x):,} examples and {len(split.y):,} targets")
    if len(split.x) == 0:
        raise DataError(f"{where} data are empty")
    x = fit_examples(where, split.x, input_shape)
    if classes is not None:
        _check_labels(where, split.y, classes, label_shape)
        return Split(x, split.y)
    targets = split.y.astype(np.float32, copy=False)
    _check_finite(f"{where} target", targets)
    return Split(x, targets)


def fit_examples(where: str, x: Floats, wanted: tuple[int, ...]) -> Floats:
    """Examples in the shape of a net's input.  Raises DataError where they do not fit or are not finite."""
    x = _fit_shape(where, x, wanted)
    _check_finite(f"{where} example", x)
    return x


def _fit_shape(where: str, x: Floats, wanted: tuple[int, ...]) -> Floats:
    found = x.shape[1:]
    without_channel = len(found) == 2 and wanted == (1, *found)
    flat = len(wanted) == 1 and math.prod(found) == wanted[0]
    if found == wanted or without_channel or flat:
        return x.reshape(len(x), *wanted)
    channels_last = len(found) == 3 and wanted == (found[2], found[0], found[1])
    hint = "; netc takes channels first: x.transpose(0, 3, 1, 2)" if channels_last else ""
    raise DataError(f"{where} examples are {sizes(found)}, and the net takes {sizes(wanted)}{hint}")


def _check_finite(what: str, values: Floats) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)  # (N,)
    if not finite.all():
        raise DataError(f"{what} {int(finite.argmin())} holds a value that is not a finite float32")


def _check_labels(where: str, y: Labels | Floats, classes: int, shape: tuple[int, ...]) -> None:
    if y.dtype != np.int64 or y.shape[1:] != shape:
        wanted = f"{sizes(shape)} class labels" if shape else "one class label"
        kind = "floats" if y.dtype != np.int64 else f"{sizes(y.shape[1:])} numbers for each example"
        raise DataError(f"{where} targets are {kind}, where {wanted} for each example was expected")
    rows = y.reshape(len(y), -1)  # (N, labels of an example)
    wrong = (rows < 0) | (rows >= classes)
    if wrong.any():
        at, which = divmod(int(wrong.argmax()), rows.shape[1])
        raise DataError(
            f"{where} example {at} has the label {int(rows[at, which])}, "
            f"and the net's {classes} classes are 0 to {classes - 1}"
        )
