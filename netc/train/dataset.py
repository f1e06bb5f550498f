"""What a data set is, and how data can be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Examples = npt.NDArray[Any]  # float32, or int64 where a net takes whole numbers

LARGEST_WHOLE = 2**53  # from here on a float64 has no fractions, and not every whole number

TOO_FEW = 10  # examples that cannot be split three ways


class DataError(Exception):
    """The data are wrong. The message is one sentence with the path and what was wanted and found."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Examples and what they should give.

    Attributes:
        x: (N, C, H, W), or (N, C) for flat data; int64 where the net takes whole numbers.
        y: (N,) class labels, or (N, ...) targets.
    """

    x: Examples
    y: Labels | Floats


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set in the three parts that training needs.

    Attributes:
        name: the word or the path by which the user named it; messages begin with it.
        train: what the weights are fitted to.
        validation: what is watched while training, never fitted to.
        test: what is looked at once, at the end.
        classes: one more than the largest label, or None where the targets are not labels.
        names: what the classes are called, in the order of their labels, or None where nobody says.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int | None
    names: tuple[str, ...] | None = None


def as_floats(x: npt.NDArray[Any]) -> Floats:
    """`x` as float32. Bytes are taken for pixels and scaled to 0..1; any other type keeps its values."""
    if x.dtype == np.uint8:
        return np.divide(x, np.float32(255), dtype=np.float32)
    with np.errstate(over="ignore"):  # what leaves float32 becomes inf, which `fit` reports
        return x.astype(np.float32, copy=False)


def are_whole(x: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """For each element whether it is a whole number that an int64 can hold."""
    if x.dtype.kind != "f":
        return np.asarray(x <= np.iinfo(np.int64).max)
    return (x == np.rint(x)) & (np.abs(x) < LARGEST_WHOLE)


def as_targets(y: npt.NDArray[Any]) -> Labels | Floats:
    """Whole numbers as int64 labels (a column of them as a row), and any other as float32 targets."""
    if y.dtype.kind == "f":
        return as_floats(y)
    return y.reshape(len(y)).astype(np.int64) if y.shape == (len(y), 1) else y.astype(np.int64)


def count_classes(*targets: Labels | Floats) -> int | None:
    """One more than the largest label, or None where there are no labels."""
    if any(y.dtype != np.int64 for y in targets):
        return None
    return 1 + max(int(y.max(initial=-1)) for y in targets)


def hold_out_last(x: Examples, y: Labels | Floats) -> tuple[Split, Split]:
    """Training data without its end, and the end: 5,000 examples, or a tenth of fewer than 50,000."""
    held = min(5_000, max(1, len(x) // 10))
    return Split(x[:-held], y[:-held]), Split(x[-held:], y[-held:])


def split_three_ways(name: str, x: Examples, y: Labels | Floats) -> Dataset:
    """A data set that came in one piece: a fifth is for testing, a tenth of the rest for validation.

    The same data are always split alike. Labels are stratified: each part has its share of each class, to
    within one example.

    Raises:
        DataError: fewer than ten examples.
    """
    if len(x) < TOO_FEW:
        raise DataError(f"{name}: {len(x)} examples are too few to split, at least {TOO_FEW} are needed")
    shuffled = np.random.default_rng(0).permutation(len(x))  # (N,)
    if y.ndim == 1 and y.dtype == np.int64:
        shuffled = shuffled[np.argsort(y[shuffled], kind="stable")]
    # Every fifth of a list sorted by class takes a fifth of each class.
    is_test = np.arange(len(x)) % 5 == 2
    rest = shuffled[~is_test]
    is_validation = np.arange(len(rest)) % 10 == 5

    def part(indices: npt.NDArray[np.intp]) -> Split:
        indices = np.sort(indices)  # the order in which they came, not that of the classes
        return Split(x[indices], y[indices])

    train, validation, test = part(rest[~is_validation]), part(rest[is_validation]), part(shuffled[is_test])
    return Dataset(name, train, validation, test, count_classes(y))
