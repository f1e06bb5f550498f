"""Tables of numbers between commas (.csv): one column is the target, the others are the example."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from netc.errors import did_you_mean
from netc.train.bounded import LARGEST, check_is_file, reading, sizes
from netc.train.dataset import (
    DataError,
    Dataset,
    Examples,
    Floats,
    Labels,
    Split,
    are_whole,
    as_targets,
    count_classes,
    hold_out_last,
    split_three_ways,
)
from netc.train.sources import Want

_LARGEST = float(np.finfo(np.float32).max)
_LONGEST_LINE = 10_000_000  # characters: more than a million numbers
# As tables write that a number is missing.
_NOT_NUMBERS = ("", "nan", "na", "n/a", "null", "none", "?", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class _Table:
    """The head of a file: what its first line says.

    Attributes:
        path: the file.
        columns: how many there are.
        names: those of the first line, where it has names.
        target: the column of the target, from 0.
    """

    path: Path
    columns: int
    names: tuple[str, ...] | None
    target: int

    def column(self, at: int) -> str:
        """A column in a message: by its number from 1, and its name."""
        return f"column {at + 1}" + (f" (`{self.names[at][:40]}`)" if self.names else "")


def load_csv(
    path: Path,
    test: Path | None,
    want: Want,
    *,
    place: str | None = None,
    column: str | None = None,
    scale: float | None = None,
) -> Dataset:
    """The data set in a table, or in two: one to train on and one for the test.

    Args:
        path: the table.
        test: a second one for the test; without it the first is split (see `split_three_ways`).
        want: what the net takes; as many columns as one example has numbers, and one more, must be there.
        place: `first` or `last`, where the target is.
        column: or the name of the target's column; without either the one called `want.name`, else the last.
        scale: what every number of an example is divided by; None for 255 where the net takes pictures and all are
            whole numbers from 0 to 255, else 1.

    Raises:
        DataError: a cell is no number, lines differ in length, the columns do not fit the net. Lines and columns are
            counted from 1.
    """
    tables = [_head(p, want, place, column) for p in (path, test) if p is not None]
    if want.whole and scale:
        raise DataError(f"{path}: the net takes whole numbers, which scale={scale:g} would divide")
    read = [_read(table, want) for table in tables]
    divisor = scale or (255.0 if len(want.shape) == 3 and all(map(_are_bytes, read, tables)) else 1.0)
    parts = [_split(cells, table, want, divisor) for cells, table in zip(read, tables, strict=True)]
    _check_labels_differ(parts[0][1], tables[0], want)
    if test is None:
        return split_three_ways(str(path), *parts[0])
    if len(parts[0][0]) < 2:
        raise DataError(f"{path}: 1 line is too little to train on, of which one is held out for validation")
    train, validation = hold_out_last(*parts[0])
    held_out = Split(*parts[1])
    return Dataset(str(path), train, validation, held_out, count_classes(train.y, validation.y, held_out.y))


# ---- The head --------------------------------------------------------------------------------------------


@contextmanager
def _text(path: Path) -> Generator[IO[str]]:
    """The file as text; a mark of its byte order, which spreadsheets write, is no part of it."""
    check_is_file(path)
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path}: has {path.stat().st_size:,} bytes, and netc reads at most {LARGEST:,}")
    with reading(path), path.open("rb") as raw:
        try:
            with io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
                yield text
        except UnicodeDecodeError:
            raise DataError(f"{path}: is no text in UTF-8") from None


def _head(path: Path, want: Want, place: str | None, column: str | None) -> _Table:
    """Reads the first line, and refuses what cannot fit the net before anything else is read."""
    with _text(path) as text:
        first = next((cells for _, cells in _lines(text, path)), None)
    if first is None:
        raise DataError(f"{path}: is empty")
    names = tuple(cell.strip() for cell in first) if _are_names(first) else None
    target = _target(path, names, len(first), want, place, column)
    table = _Table(path, len(first), names, target)
    wanted = math.prod(want.shape)
    if len(first) != wanted + 1:
        hint = "; numbers are separated by commas" if len(first) == 1 and ";" in first[0] else ""
        raise DataError(
            f"{path}: line 1 has {len(first):,} columns, and the net takes {sizes(want.shape)}: "
            f"{wanted:,} columns and one for the target{hint}"
        )
    return table


def _target(
    path: Path, names: tuple[str, ...] | None, columns: int, want: Want, place: str | None, column: str | None
) -> int:
    if column is not None:
        if names is None:
            raise DataError(f"{path}: its first line has no names, and the target is to be `{column}`")
        if names.count(column) != 1:
            many = f"{names.count(column)} columns" if column in names else "no column"
            near = did_you_mean(column, names) or f"it has {', '.join(names[:8])}{', …' * (len(names) > 8)}"
            raise DataError(f"{path}: has {many} `{column}`; {near}")
        return names.index(column)
    if place is None and names is not None and names.count(want.name) == 1:
        return names.index(want.name)
    return 0 if place == "first" else columns - 1


def _lines(text: IO[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    reader = csv.reader(iter(lambda: text.readline(_LONGEST_LINE), ""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is no line of a table ({error})") from None


def _are_names(cells: list[str]) -> bool:
    """Whether a first line names columns: one cell at least is a word, and numbers, if any, only count (0, 1, 2, …).

    A line of measurements with a word by mistake is none, so that the mistake is told.
    """
    words = [c for c in cells if c.strip().lower() not in _NOT_NUMBERS and math.isnan(_value(c))]
    others = [c.strip() for c in cells if c not in words]
    return bool(words) and all(c.isdecimal() for c in others) and len(set(others)) == len(others)


def _value(cell: str) -> float:
    """The number in a cell, NaN where there is none, and infinity beyond float32."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if "_" not in cell else math.nan  # Python's 1_000 is nobody's number in a table


# ---- The numbers -----------------------------------------------------------------------------------------


def _read(table: _Table, want: Want) -> Examples:
    """All cells, (N, columns), in float64 where whole numbers must not be rounded.

    What NumPy's reader refuses is looked for line by line, to say where it is.
    """
    options: dict[str, Any] = {"comments": None, "delimiter": ",", "quotechar": '"', "ndmin": 2}
    with _text(table.path) as text, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no line of numbers, which is told below
        try:
            dtype = np.float64 if want.whole else np.float32
            cells: Examples = np.loadtxt(text, dtype, skiprows=_lines_of_head(table), **options)
        except ValueError:
            cells = np.empty((0, 0), np.float32)
    if not len(cells) or cells.shape[1] != table.columns or not np.isfinite(cells).all():
        raise _first_mistake(table)
    return cells


def _lines_of_head(table: _Table) -> int:
    """The lines to skip: empty ones and that of the names."""
    if table.names is None:
        return 0
    with _text(table.path) as text:
        return next(_lines(text, table.path))[0]


def _first_mistake(table: _Table) -> DataError:
    """The first line or cell that is wrong."""
    last = 0
    with _text(table.path) as text:
        lines = _lines(text, table.path)
        if table.names is not None:
            next(lines)
        for last, cells in lines:
            if len(cells) != table.columns:
                return DataError(
                    f"{table.path}: line {last} has {len(cells):,} columns, and the first line {table.columns:,}"
                )
            for at, cell in enumerate(cells):
                if not abs(_value(cell)) <= _LARGEST:
                    said = f"`{cell.strip()[:40]}` is no finite number" if cell.strip() else "is empty"
                    return DataError(f"{table.path}: line {last}, {table.column(at)}: {said}")
    if last:
        return DataError(f"{table.path}: is no table of numbers that NumPy can read")
    return DataError(f"{table.path}: has no line of numbers")


def _are_bytes(cells: Examples, table: _Table) -> bool:
    """Whether all numbers of the examples are whole and from 0 to 255, and not all 0 or 1."""
    x = np.delete(cells, table.target, axis=1)
    return bool(x.min() >= 0 and 1 < x.max() <= 255 and (x == np.rint(x)).all())


def _split(cells: Examples, table: _Table, want: Want, scale: float) -> tuple[Examples, Labels | Floats]:
    """Examples in the shape of the net's input, and targets."""
    x = np.delete(cells, table.target, axis=1)  # (N, features)
    if want.whole:
        x = _wholes(x, table)
    else:
        x /= np.float32(scale)
    y = cells[:, table.target]  # (N,)
    if want.classes is None:
        return x.reshape(-1, *want.shape), y.astype(np.float32, copy=False)
    wrong = (y != np.rint(y)) | (y < 0) | (y >= want.classes)
    if wrong.any():
        line = _line_of(table, int(wrong.argmax()))
        raise DataError(
            f"{table.path}: line {line}, {table.column(table.target)}: the label is {y[wrong][0]:g}, and the "
            f"net's {want.classes} classes are 0 to {want.classes - 1}"
        )
    return x.reshape(-1, *want.shape), as_targets(y.astype(np.int64))


def _wholes(x: Examples, table: _Table) -> Labels:
    """The examples as int64; an error at the first fraction."""
    wrong = ~are_whole(x)
    if wrong.any():
        row, at = divmod(int(wrong.argmax()), x.shape[1])
        column = table.column(at + (at >= table.target))
        raise DataError(
            f"{table.path}: line {_line_of(table, row)}, {column}: {x[row, at]:g}, where the net takes whole numbers"
        )
    return x.astype(np.int64)


def _line_of(table: _Table, row: int) -> int:
    """The line of the file that holds a row."""
    with _text(table.path) as text:
        lines = [number for number, _ in _lines(text, table.path)]
    return lines[row + (table.names is not None)]


def _check_labels_differ(y: Labels | Floats, table: _Table, want: Want) -> None:
    """A column that holds one label only is most likely not the target: the last pixel of MNIST is always 0."""
    if want.classes is not None and (y == y[0]).all():
        raise DataError(
            f"{table.path}: {table.column(table.target)}, the target, is {y[0]} in every line; "
            'another column is named by target=first or target="name"'
        )
