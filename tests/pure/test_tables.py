"""Tables of numbers: heads, targets, splits, and where a mistake is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.layers.args import Word
from netc.train.data import Dataset, Want, load
from netc.train.sources import Csv
from tests.refusal import refusal

WANT = Want((2,), 3, name="label")


def rows(n: int = 20) -> list[str]:
    """x, 10 · x and a label."""
    return [f"{i},{10 * i},{i % 3}" for i in range(n)]


def read(folder: Path, lines: list[str], want: Want = WANT, end: str = "\n", **options: Any) -> Dataset:
    (folder / "t.csv").write_text(end.join(lines) + end, encoding="utf-8", newline="")
    return load(Csv("t.csv", **options), want, folder)


def everything(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All examples and targets, in the order of their first numbers."""
    parts = (data.train, data.validation, data.test)
    x, y = np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])
    order = x.reshape(len(x), -1)[:, 0].argsort()
    return x[order], y[order]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("head", "options"),
    [
        ([], {}),
        ([], {"target": Word("last")}),
        (["a,b,label"], {}),
        (["a,b,c"], {}),
        (['"the a", b ,label'], {"target": "label"}),
        (["\ufeffa,b,label"], {}),
        (["", "a,0,1"], {}),
    ],
)
def test_the_last_column_is_the_target(tmp_path: Path, head: list[str], options: Any, end: str) -> None:
    x, y = everything(read(tmp_path, [*head, *rows()], end=end, **options))
    assert x.tolist() == [[i, 10 * i] for i in range(20)]
    assert y.tolist() == [i % 3 for i in range(20)]
    assert (x.dtype, y.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ([], {"target": Word("first")}),
        (["label,a,b"], {}),  # as the train block calls its target
        (["species,a,b"], {"target": "species"}),
        (["label,0,1"], {"target": Word("first")}),
    ],
)
def test_another_column_is_the_target(tmp_path: Path, head: list[str], options: Any) -> None:
    lines = [f"{i % 3},{i},{10 * i}" for i in range(20)]
    x, y = everything(read(tmp_path, [*head, *lines], **options))
    assert x.tolist() == [[i, 10 * i] for i in range(20)]
    assert y.tolist() == [i % 3 for i in range(20)]


def test_a_table_is_split_as_other_data_are_and_one_for_the_test_is_kept_apart(tmp_path: Path) -> None:
    data = read(tmp_path, rows(50))
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [36, 4, 10]
    (tmp_path / "other.csv").write_text("a,b,c\n7,8,2\n9,10,0\n")
    data = read(tmp_path, rows(50), test="other.csv")
    assert [len(p.x) for p in (data.train, data.validation, data.test)] == [45, 5, 2]
    assert data.test.x.tolist() == [[7, 8], [9, 10]]
    assert data.test.y.tolist() == [2, 0]


def test_pictures_are_numbers_in_a_row(tmp_path: Path) -> None:
    lines = [f"{i % 3},{i},0,0,255" for i in range(20)]
    want = Want((1, 2, 2), 3)
    x, _ = everything(read(tmp_path, lines, want, target=Word("first")))
    assert x.shape == (20, 1, 2, 2)
    np.testing.assert_allclose(x[:, 0, 0, 0], np.arange(20) / 255)
    assert (x[:, 0, 1, 1] == 1).all()
    x, _ = everything(read(tmp_path, lines, want, target=Word("first"), scale=5.0))
    assert (x[:, 0, 1, 1] == 51).all()
    x, _ = everything(read(tmp_path, lines, Want((4,), 3), target=Word("first")))
    assert x.max() == 255  # columns of a dense net are as they are
    small = [line.replace("255", "0.5") for line in lines]
    assert everything(read(tmp_path, small, want, target=Word("first")))[0].max() == 19


def test_targets_of_regression_are_numbers(tmp_path: Path) -> None:
    lines = [f"{i},{10 * i},{i / 4}" for i in range(20)]
    data = read(tmp_path, lines, Want((2,), None, (1,)))
    assert data.train.y.shape == (14, 1)
    x, y = everything(data)
    np.testing.assert_allclose(y[:, 0], x[:, 0] / 4)
    assert read(tmp_path, rows(), Want((2,), None, ())).train.y.dtype == np.float32


@pytest.mark.parametrize(
    ("lines", "options", "says"),
    [
        ([], {}, "t.csv: is empty"),
        (["a,b,label"], {}, "t.csv: has no line of numbers"),
        ([*rows(3), "1,x2,0"], {}, "t.csv: line 4, column 2: `x2` is no finite number"),
        (["a,b,label", "", *rows(3), "1,,0"], {}, "line 6, column 2 (`b`): is empty"),
        ([*rows(3), "nan,2,0"], {}, "line 4, column 1: `nan` is no finite number"),
        ([*rows(3), "1e39,2,0"], {}, "line 4, column 1: `1e39` is no finite number"),
        ([*rows(3), "1_0,2,0"], {}, "line 4, column 1: `1_0` is no finite number"),
        ([*rows(3), "1,2"], {}, "line 4 has 2 columns, and the first line 3"),
        ([*rows(3), "1,2,0,4"], {}, "line 4 has 4 columns, and the first line 3"),
        (["5.1,x,0", *rows(3)], {}, "line 1, column 2: `x` is no finite number"),  # and no name of a column
        (["5.1,,0", *rows(3)], {}, "line 1, column 2: is empty"),
        ([*rows(3), '"1,2,0'], {}, "line 4 is no line of a table (unexpected end of data)"),
        (["1,2,3,4"], {}, "line 1 has 4 columns, and the net takes 2: 2 columns and one for the target"),
        (
            ["1;2;0"] * 20,
            {},
            "has 1 columns, and the net takes 2: 2 columns and one for the target; numbers are",
        ),
        ([*rows(15), "1,2,3"], {}, "line 16, column 3: the label is 3, and the net's 3 classes are 0 to 2"),
        (["a,b,c", *rows(15), "1,2,-1"], {}, "line 17, column 3 (`c`): the label is -1"),
        ([*rows(15), "1,2,0.5"], {}, "line 16, column 3: the label is 0.5"),
        (
            ["1,2,0"] * 20,
            {},
            "column 3, the target, is 0 in every line; another column is named by target=first",
        ),
        (rows(), {"target": "label"}, "its first line has no names, and the target is to be `label`"),
        (["a,b,kind", *rows()], {"target": "kimd"}, "has no column `kimd`; did you mean `kind`?"),
        (["a,b,b", *rows()], {"target": "b"}, "has 2 columns `b`"),
        (rows(5), {}, "5 examples are too few to split"),
        (rows(), {"test": "none.csv"}, "none.csv: there is no such file"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, lines: list[str], options: Any, says: str
) -> None:
    said = refusal(lambda: read(tmp_path, lines, **options))
    assert says in said
    assert said.startswith(str(tmp_path))


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"1,2,0\n\xff\xfe,3,4\n")
    assert "t.csv: is no text in UTF-8" in refusal(lambda: load(Csv("t.csv"), WANT, tmp_path))
    (tmp_path / "t.csv").write_bytes(b"\0" * 100)
    assert "t.csv: line 1" in refusal(lambda: load(Csv("t.csv"), WANT, tmp_path))
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(8 << 30)
    assert "netc reads at most" in refusal(lambda: load(Csv("t.csv"), WANT, tmp_path))


def test_the_columns_are_looked_at_before_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2\n" + "1,2,0\n" * 500_000)
    assert "line 1 has 2 columns" in refusal(lambda: load(Csv("t.csv"), WANT, tmp_path))


def test_a_table_from_outside_keeps_what_the_block_says_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(f"{i % 3},{i},{10 * i}" for i in range(20)))
    named = Csv("elsewhere.csv", target=Word("first"), test="gone.csv")
    x, y = everything(load(named, WANT, given=tmp_path / "t.csv"))
    assert x.tolist() == [[i, 10 * i] for i in range(20)]
    assert y.tolist() == [i % 3 for i in range(20)]
