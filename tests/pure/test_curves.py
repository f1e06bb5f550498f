"""The curves of a run as a picture."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netc.train.curves import curves

SVG = "{http://www.w3.org/2000/svg}"


def metrics(epochs: int, *names: str) -> list[dict[str, float]]:
    return [
        {"epoch": e, "seconds": 1.0} | {n: 1 / (e + i) for i, n in enumerate(names)}
        for e in range(1, epochs + 1)
    ]


def words(path: Path) -> list[str]:
    return [t.text or "" for t in ElementTree.parse(path).iter(f"{SVG}text")]


def lines(path: Path) -> int:
    """How many curves there are: their groups are numbered together with axes' ticks, their colours are not."""
    return len(re.findall(r"stroke: #(?:2f6fb0|c9562e); stroke-width: 1.5", path.read_text()))


ALL = ("loss", "val_loss", "accuracy", "val_accuracy")


@pytest.mark.parametrize("epochs", [1, 2, 200])
@pytest.mark.parametrize(
    ("names", "panels"), [(ALL, 2), (("loss",), 1), (("loss", "val_loss"), 1), (("loss", "accuracy"), 2)]
)
def test_one_panel_a_metric_and_one_curve_a_series(
    epochs: int, names: tuple[str, ...], panels: int, tmp_path: Path
) -> None:
    path = tmp_path / "curves.svg"
    curves(metrics(epochs, *names), path)
    said = words(path)
    assert said.count("epoch") == panels
    assert ("accuracy" in said) == (panels == 2)
    assert ("validation" in said) == any(n.startswith("val_") for n in names)
    assert lines(path) == 2 * len(names)  # each once more in the legend


def test_epochs_are_whole(tmp_path: Path) -> None:
    for epochs in (1, 2, 3):
        curves(metrics(epochs, "loss"), tmp_path / "c.svg")
        axis = (
            (tmp_path / "c.svg")
            .read_text()
            .split('id="matplotlib.axis_1"')[1]
            .split('id="matplotlib.axis_2"')[0]
        )
        ticks = re.findall(r">([\d.]+)</text>", axis)
        assert ticks
        assert not any("." in t for t in ticks)


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_the_same_metrics_give_the_same_file(form: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        curves(metrics(5, *ALL), tmp_path / f"{name}.{form}")
    assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_no_epoch_and_a_loss_that_is_no_number(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves([], tmp_path / "none.svg")
        curves([*metrics(2, "loss"), {"epoch": 3, "loss": float("nan")}], tmp_path / "nan.svg")
        curves([{"epoch": 1, "loss": float("inf")}], tmp_path / "inf.svg")
    assert "epoch" in words(tmp_path / "none.svg")


def test_nothing_global_is_left(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    curves(metrics(2, *ALL), tmp_path / "c.svg")
    assert dict(mpl.rcParams) == before
