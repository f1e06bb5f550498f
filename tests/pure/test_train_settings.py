"""Schedules, stops and what a train block means."""

from __future__ import annotations

import pytest

from netc.loading import load_text
from netc.train.augment import Flip, Nothing, Rotate, Shift
from netc.train.settings import Adam, Constant, Cosine, Early, Plateau, Power, Sgd, Step
from netc.train.sources import Npz
from netc.train.spec import TrainSpec, default_spec

NET = """
net A {
  input x: [N, 1, 6, 6]
  y = x -> flatten -> dense(3)
  output y
}
"""


def spec(block: str, **settings: str) -> TrainSpec:
    loaded = load_text(NET + block, settings={f"train.{k}": v for k, v in settings.items()})
    loaded.must_be_right()
    found = loaded.nets["A"].train
    assert found is not None
    return found


BLOCK = """
train A {
  data npz("d.npz")
  augment shift(2) -> rotate(10) -> flip
  target t: int[N]
  loss main = [y, t] -> softmax_xent
  optimizer sgd(lr=0.1, momentum=0.9, nesterov=true)
  schedule plateau(factor=0.5, patience=2)
  batch 16
  epochs 4
  stop early(patience=3)
  seed 7
}
"""


def test_a_train_block_says_everything() -> None:
    found = spec(BLOCK)
    assert found.optimizer == Sgd(lr=0.1, momentum=0.9, nesterov=True)
    assert found.schedule == Plateau(factor=0.5, patience=2)
    assert (found.batch, found.epochs, found.seed, found.stop) == (16, 4, 7, Early(3))
    assert found.data == Npz("d.npz")
    assert found.augment == (Shift((2, 2)), Rotate(10), Flip())
    assert [m.name for m in found.metrics] == ["accuracy"]


def test_the_command_line_overrides_any_setting() -> None:
    found = spec(BLOCK, batch="8", optimizer="adam(lr=0.01)", schedule="cosine", augment="none")
    assert (found.batch, found.optimizer, found.schedule) == (8, Adam(lr=0.01), Cosine())
    assert found.augment == (Nothing(),)


def test_a_net_without_a_block_has_a_default() -> None:
    found = default_spec(load_text(NET).must_be_right().nets["A"].graph)
    assert [term.layer.kind for term in found.losses] == ["softmax_xent"]
    assert found.schedule == Constant()


@pytest.mark.parametrize(
    ("schedule", "losses", "wanted"),
    [
        (Constant(), [1.0] * 5, 1.0),
        (Step(every=2, factor=0.1), [1.0] * 5, 0.1**2),  # epochs 3, 4 a tenth; 5, 6 a hundredth
        (Power(p=0.3), [1.0] * 5, 6**-0.3),
        (Cosine(), [1.0] * 5, 0.5),  # half of ten epochs are done
        (Plateau(factor=0.1, patience=3), [3.0, 2.0, 2.1, 2.2, 2.3], 0.1),
        (Plateau(factor=0.1, patience=3), [3.0, 2.0, 2.1, 1.9, 2.3], 1.0),
        (Plateau(factor=0.1, patience=2), [1.0, 1.0, 1.0, 1.0, 1.0], 0.1**2),
    ],
)
def test_the_factor_of_the_sixth_epoch_of_ten(schedule, losses: list[float], wanted: float) -> None:
    assert schedule.at(6, 10, losses) == pytest.approx(wanted)


def test_early_stops_after_its_patience() -> None:
    early = Early(patience=2)
    assert not early.stop([])
    assert not early.stop([1.0, 0.5, 0.6])
    assert early.stop([1.0, 0.5, 0.6, 0.7])
    assert not early.stop([1.0, 0.5, 0.6, 0.4])


def test_adam_corrects_its_bias() -> None:
    scalars = Adam(lr=0.1, beta1=0.9, beta2=0.99).scalars(1, 0.1)
    assert scalars == pytest.approx({"lr": 1.0, "spread": 10.0})
