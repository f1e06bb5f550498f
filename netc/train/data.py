"""Getting the data that a net is trained on: from the source that its train block names, or from a path."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from netc.errors import MissingDependency
from netc.graph.model import Graph
from netc.layers.loss import LABELLED
from netc.train.bounded import reading, sizes
from netc.train.cifar import holds_cifar10
from netc.train.dataset import (
    DataError,
    Dataset,
    Examples,
    Floats,
    Labels,
    Split,
    are_whole,
    as_floats,
    as_targets,
    split_three_ways,
)
from netc.train.idx import holds_idx
from netc.train.images import holds_image_folder
from netc.train.sources import Cifar10, Csv, Folder, Mnist, Npz, Source, Want
from netc.train.spec import TrainSpec

__all__ = [
    "DataError",
    "Dataset",
    "MissingDependency",
    "Split",
    "Want",
    "fit",
    "fit_examples",
    "load",
    "load_digits",
    "wanted",
]


def load(named: Source | None, want: Want, base: Path = Path(), given: Path | None = None) -> Dataset:
    """The data set that a train block names, or the one at `given`, which wins; in the shapes that a net takes.

    A folder that is given may be MNIST's, CIFAR-10's, or one with a folder of pictures for each class, a file .npz or
    .csv; which of them is seen from what is there, and where that does not say, from what the block names.

    Args:
        named: the source of the train block, if it has one.
        want: what the net takes.
        base: where the paths of the block begin.
        given: a path from outside.

    Raises:
        DataError: there is nothing, or the data are wrong or do not fit.
        MissingDependency: a package that reads them is not installed.
    """
    if given is not None:
        found, place = _at(given, named)
        return fit(found.read(place, want), want)
    if named is None:
        raise DataError("the train block names no data; give --data PATH")
    if named.holds:
        raise DataError(
            f"the data set `{named.kind}` does not ship with netc: point at {named.holds} with --data DIR"
        )
    return fit(named.read(base, want), want)


def _at(path: Path, named: Source | None) -> tuple[Source, Path]:
    """What reads the file or folder at `path`, and where it is told to begin."""
    if path.is_dir():
        return _folder(path, named), path
    if path.suffix == ".npz":
        return Npz(path.name), path.parent
    if path.suffix == ".csv":
        # The target and the scale of the block hold for another table too.
        known = named if isinstance(named, Csv) else Csv(path.name)
        return replace(known, path=path.name, test=None), path.parent
    if path.exists():
        raise DataError(f"{path}: is neither a folder nor an .npz or .csv file")
    raise DataError(f"{path}: there is no such file or folder")


def _folder(path: Path, named: Source | None) -> Source:
    with reading(path):
        if holds_cifar10(path):
            return Cifar10()
        if holds_idx(path):
            return Mnist()
        if named is not None and named.holds:
            return named  # and says what it lacks
        if holds_image_folder(path):
            return Folder(".")
    raise DataError(
        f"{path}: holds neither the IDX files of MNIST, nor CIFAR-10's .bin files, nor a folder for each class"
    )


def wanted(graph: Graph, spec: TrainSpec) -> Want:
    """What data must be for a net of one input, as its train block says."""
    logits = next((t.operands[0] for t in spec.losses if isinstance(t.layer, LABELLED)), None)
    classes = graph.node(logits).type.dims_after(1)[0] if logits is not None else None
    name, target = spec.target
    image = graph.inputs[0]
    whole = image.type.dtype == "int"
    return Want(image.type.dims_after(1), classes, target.dims_after(1), name, whole)


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


def fit(dataset: Dataset, want: Want) -> Dataset:
    """`dataset` as a net takes it, or an error that says what does not fit.

    Images without a channel, (N, H, W), become (N, 1, H, W) for a net that takes one channel, and all images
    are flattened to (N, C·H·W) for a net whose input is flat. Targets that are no labels become float32, and one
    number an example (N, 1) for a net that has it so.

    Raises:
        DataError: counts, shapes or labels do not fit, or a value is not finite.
    """
    train, validation, test = (
        _fit_split(f"{dataset.name}: {part}", split, want)
        for part, split in (
            ("training", dataset.train),
            ("validation", dataset.validation),
            ("test", dataset.test),
        )
    )
    return Dataset(dataset.name, train, validation, test, want.classes, dataset.names)


def _fit_split(where: str, split: Split, want: Want) -> Split:
    if len(split.x) != len(split.y):
        raise DataError(f"{where} data have {len(split.x):,} examples and {len(split.y):,} targets")
    if len(split.x) == 0:
        raise DataError(f"{where} data are empty")
    x = fit_examples(where, split.x, want.shape, whole=want.whole)
    if want.classes is not None:
        _check_labels(where, split.y, want.classes, want.target)
        return Split(x, split.y)
    targets = split.y.astype(np.float32, copy=False)
    if targets.shape[1:] == () and want.target == (1,):
        targets = targets[:, None]
    if targets.shape[1:] != want.target:
        raise DataError(
            f"{where} targets are {sizes(targets.shape[1:])}, and the train block wants {sizes(want.target)}"
        )
    _check_finite(f"{where} target", targets)
    return Split(x, targets)


def fit_examples(
    where: str, x: Examples, wanted: tuple[int, ...], found: str = "", *, whole: bool = False
) -> Examples:
    """Examples in the shape of a net's input, int64 where it takes whole numbers.

    Raises DataError where they do not fit, are not finite, or are fractions where whole numbers are taken.  `found`
    says what was found, where that is more than the shape of an example.
    """
    x = _fit_shape(x, wanted, found or f"{where} examples are {sizes(x.shape[1:])}")
    _check_finite(f"{where} example", x)
    if not whole:
        return x
    wrong = ~are_whole(x)
    if wrong.any():
        at, which = divmod(int(wrong.argmax()), wrong[0].size)
        raise DataError(
            f"{where} example {at} holds {x[at].reshape(-1)[which]:g}, and the net takes whole numbers"
        )
    return x.astype(np.int64, copy=False)


def _fit_shape(x: Examples, wanted: tuple[int, ...], told: str) -> Examples:
    found = x.shape[1:]
    without_channel = len(found) == 2 and wanted == (1, *found)
    flat = len(wanted) == 1 and math.prod(found) == wanted[0]
    if found == wanted or without_channel or flat:
        return x.reshape(len(x), *wanted)
    channels_last = len(found) == 3 and wanted == (found[2], found[0], found[1])
    hint = "; netc takes channels first: x.transpose(0, 3, 1, 2)" if channels_last else ""
    raise DataError(f"{told}, and the net takes {sizes(wanted)}{hint}")


def _check_finite(what: str, values: Examples) -> None:
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
