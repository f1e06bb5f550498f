"""A class for each pixel: labels keep their rows and columns from the data to the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.train.data import Want, fit
from netc.train.dataset import DataError, split_three_ways
from tests.command import Command

TEXT = """
net Pixels {
  input image: [N, 2, 3, 5]
  logits = image -> conv(4, 3, pad=half) -> gn(2) -> gelu -> conv(3, 1)
  output logits
}
train Pixels {
  target label: int[N, 3, 5]
  loss main = [logits, label] -> LOSS
  optimizer adam(lr=0.03)
  batch 16
  epochs 15
}
"""


def model(loss: str, backend: str) -> netc.Model:
    return netc.compile(netc.parse(TEXT.replace("LOSS", loss)), backend=backend)  # type: ignore[arg-type]


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 2, 3, 5)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)  # (N, H, W)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_the_loss_is_that_of_each_pixel(data: tuple[np.ndarray, np.ndarray], backend: str) -> None:
    x, label = data
    net = model("softmax_xent", backend)
    logits = np.asarray(net.predict(x), np.float64)  # (N, C, H, W)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    wanted = -np.take_along_axis(log_p, label[:, None], 1).mean()
    assert net.evaluate(x, label)["loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "loss", ["softmax_xent", "softmax_xent(smoothing=0.1, class_weights=[1, 2, 3])", "hinge"]
)
def test_it_learns(data: tuple[np.ndarray, np.ndarray], loss: str) -> None:
    history = model(loss, "cpu").fit(*data)
    assert history[-1] < 0.7 * history[0]


def test_labels_must_be_classes_at_every_pixel(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, label = data
    label[7, 2, 4] = 3
    with pytest.raises(ValueError, match="from 0 to 3, and there are 3 classes"):
        model("hinge", "numpy").fit(x, label)
    found = split_three_ways("d", x, label)
    with pytest.raises(DataError, match="has the label 3, and the net's 3 classes"):
        fit(found, Want((2, 3, 5), 3, (3, 5)))
    with pytest.raises(DataError, match="are 3x5 numbers for each example, where one class label"):
        fit(found, Want((2, 3, 5), 4))
    assert fit(found, Want((2, 3, 5), 4, (3, 5))).classes == 4


@pytest.mark.parametrize("loss", ["nll", "hinge"])
def test_whole_numbers_reach_every_loss_of_labels(
    loss: str, netc: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "net A {\n  input x: [N, 4]\n  y = x -> dense(3) -> log_softmax\n  output y\n}\n"
        f'train A {{\n  data npz("d.npz")\n  target t: int[N]\n  loss [y, t] -> {loss}\n  epochs 1\n  batch 8\n}}\n'
    )
    Path("a.net").write_text(text, encoding="utf-8")
    rng = np.random.default_rng(0)
    np.savez("d.npz", x=rng.normal(size=(40, 4)).astype(np.float32), y=rng.integers(0, 3, 40))
    done = netc("train", "a.net", "--out", "run")
    assert done.code == 0, done.err
