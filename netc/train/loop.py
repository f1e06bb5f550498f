"""The loop over epochs, as a stream of events that a command or a test watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from netc.train.data import Dataset
from netc.train.model import Model, batches


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch is done: the `number`th of `count` in its epoch."""

    epoch: int
    number: int
    count: int
    loss: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch is done.  `train` are means over its batches while they were learned, `validation` after it."""

    epoch: int
    lr: float
    train: dict[str, float]
    validation: dict[str, float]
    seconds: float  # of training, evaluation not counted

    def record(self) -> dict[str, float]:
        """One line of metrics.jsonl."""
        named = {f"val_{name}": value for name, value in self.validation.items()}
        return {"epoch": self.epoch, "lr": self.lr, **self.train, **named, "seconds": round(self.seconds, 4)}


class Diverged(Exception):
    """The loss is no longer a number."""


def run(model: Model, data: Dataset, history: Sequence[float] = ()) -> Iterator[Batch | Epoch]:
    """Trains by the model's train block.  `history` are the validation losses of epochs already done.

    Raises Diverged where a loss is not finite.
    """
    spec = model.spec
    losses = list(history)
    for epoch in range(len(losses) + 1, spec.epochs + 1):
        model.lr_factor = spec.schedule.at(epoch, spec.epochs, losses)
        begun = perf_counter()
        totals: dict[str, float] = {}
        count = max(len(data.train.x) // spec.batch, 1)
        for number, rows in enumerate(batches(len(data.train.x), spec.batch, spec.seed, epoch), 1):
            found = model.train_batch(data.train.x[rows], data.train.y[rows])
            if not np.isfinite(found["loss"]):
                raise Diverged(
                    f"the loss is {found['loss']} in epoch {epoch}, batch {number}: the learning rate "
                    f"{spec.optimizer.lr * model.lr_factor:g} is too high, or the data are not scaled"
                )
            for name, value in found.items():
                totals[name] = totals.get(name, 0.0) + value / count
            yield Batch(epoch, number, count, found["loss"])
        seconds = perf_counter() - begun
        validation = model.evaluate(data.validation.x, data.validation.y)
        losses.append(validation["loss"])
        yield Epoch(epoch, spec.optimizer.lr * model.lr_factor, totals, validation, seconds)
        if spec.stop and spec.stop.stop(losses):
            return
