"""A net that learns: a predictor with the programs of training beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from netc.graph.model import Graph
from netc.ir.program import Program
from netc.runtime import Backend, Executable
from netc.train.frugal import Recompute
from netc.train.predictor import STEPS, Array, Predictor, moved, numbers
from netc.train.spec import TrainSpec
from netc.train.step import training_step, value_and_grad
from netc.types import DType, Math

Kind = Literal["train", "grad"]


class Model(Predictor):
    """A trainable model.  Arrays go in and come out as NumPy arrays in `(N, C, H, W)`.

    `steps` counts the updates made; `lr_factor` is what the schedule multiplies the learning rate by.  `recompute` says
    what the backward pass computes again, so that memory need not hold it: `cheap` no contraction, `all` what helps.
    """

    def __init__(
        self,
        graph: Graph,
        spec: TrainSpec,
        *,
        backend: Backend = "cpu",
        threads: int | None = None,
        dtype: DType | None = None,
        math: Math = "fast",
        recompute: Recompute | None = None,
    ) -> None:
        self.recompute: Recompute | None = recompute
        self.steps = 0
        self.lr_factor = 1.0
        self._programs: dict[tuple[Kind, int], Executable] = {}
        super().__init__(graph, spec, backend=backend, threads=threads, dtype=dtype, math=math)

    def _first(self) -> Program:
        return training_step(self.graph, self.spec, 1, self.dtype)

    def program(self, kind: Kind, batch: int) -> Executable:
        """The program of a kind at a batch size, compiled when it is first wanted."""
        if (kind, batch) not in self._programs:
            make: dict[Kind, Callable[[], Program]] = {
                "train": lambda: training_step(self.graph, self.spec, batch, self.dtype, self.recompute),
                "grad": lambda: value_and_grad(self.graph, self.spec, batch, self.dtype, self.recompute),
            }
            self._programs[kind, batch] = self._compiled(make[kind]())
        return self._programs[kind, batch]

    def slots(self) -> dict[str, Array]:
        """Copies of what the optimiser remembers, in the inner layout."""
        return {name: self.buffers[name].copy() for name, i in self._kept.items() if i.role == "slot"}

    def set_slots(self, slots: Mapping[str, Array]) -> None:
        """Replaces what the optimiser remembers, where name and shape agree; what is missing starts anew."""
        for name, i in self._kept.items():
            if i.role == "slot" and name in slots and slots[name].shape == self.buffers[name].shape:
                self.buffers[name][...] = slots[name]

    # ---- what it does -------------------------------------------------------------------------------------

    def train_step(self, x: Any, y: Any) -> float:
        """One batch, one update, as the train block says; the loss before the update."""
        return self.train_batch(x, y)["loss"]

    def train_batch(self, x: Any, y: Any) -> dict[str, float]:
        """`train_step` with the metrics of the batch beside its loss."""
        feeds = self._augmented(self._feeds(x, y), self.steps, STEPS)
        exe = self.program("train", self._batch(feeds))
        self.steps += 1
        rate = self.spec.optimizer.lr * self.lr_factor
        feeds |= self.spec.optimizer.scalars(self.steps, rate)
        try:
            return numbers(exe.run(self._with_counter(feeds, exe)))
        finally:
            self.version += 1  # also where it was cut short: some weights may have moved

    def value_and_grad(self, x: Any, y: Any) -> tuple[float, dict[str, Array]]:
        """The loss of a batch in training mode and its gradient by every parameter; nothing changes."""
        feeds = self._feeds(x, y)
        exe = self.program("grad", self._batch(feeds))
        out = exe.run(self._with_counter(feeds, exe))
        params = {name: i for name, i in self._kept.items() if i.role == "param"}
        grads = {name: moved(out[f"grad {name}"], i.door) for name, i in params.items()}
        return float(out["loss"]), grads

    def fit(self, x: Any, y: Any, *, epochs: int | None = None) -> list[float]:
        """Trains on arrays for a number of epochs (the train block's); the mean loss of each epoch.

        Examples are shuffled by the seed; a last batch that is not full is left out of its epoch.
        """
        feeds = self._feeds(x, y)
        count = self._batch(feeds)
        history: list[float] = []
        for epoch in range(1, (epochs or self.spec.epochs) + 1):
            self.lr_factor = self.spec.schedule.at(epoch, epochs or self.spec.epochs, history)
            losses = [
                self.train_batch({n: a[rows] for n, a in feeds.items() if n != self.spec.target[0]},
                                 feeds[self.spec.target[0]][rows])["loss"]
                for rows in batches(count, self.spec.batch, self.spec.seed, epoch)
            ]  # fmt: skip
            history.append(float(np.mean(losses)))
        return history

    def _with_counter(self, feeds: dict[str, Any], exe: Executable) -> dict[str, Any]:
        """Adds the number of the step, where something random asks for it, and drops what the program ignores."""
        feeds = {name: value for name, value in feeds.items() if name in exe}
        return feeds | ({"step": self.spec.seed * 2**32 + self.steps} if "step" in exe else {})


def batches(count: int, batch: int, seed: int, epoch: int) -> Iterator[Array]:
    """The rows of each batch of an epoch: shuffled, all of one size, what is left over at the end left out."""
    rows = np.random.default_rng([seed, epoch]).permutation(count)
    size = min(batch, count)
    for start in range(0, count - size + 1, size):
        yield rows[start : start + size]
