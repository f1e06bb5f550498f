"""What a train block may name: optimisers, schedules, stops and metrics, each a frozen dataclass.

Their fields are the arguments, as with layers; what they do stands with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar, Final

from netc import ops
from netc.ir.builder import Builder
from netc.layers.args import Argument, arguments, boolean, integer, number, written
from netc.layers.base import LayerError
from netc.ops.primitive import Value

_INF: Final = float("inf")


class Setting:
    """The base of all of them: knows its arguments, and how it is written."""

    kind: ClassVar[str]

    @classmethod
    def arguments(cls) -> tuple[Argument, ...]:
        return arguments(cls)

    def check_arguments(self) -> None:
        """Raises LayerError, with the argument to blame, where arguments do not go together."""

    def describe(self) -> str:
        shown = [f"{a.name}={written(getattr(self, a.name))}" for a in self.arguments()]
        return f"{self.kind}({', '.join(shown)})" if shown else self.kind


# ---- Optimisers: equations that turn a parameter and its gradient into the next parameter ----------------


class Optimizer(Setting):
    """Emits the update of one parameter, and says the scalars that a step needs."""

    lr: float

    def scalars(self, step: int, lr: float) -> dict[str, float]:
        """The numbers of step 1, 2, … that the program takes as inputs."""
        return {"lr": lr}

    def update(self, b: Builder, name: str, w: Value, g: Value) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay.

    g ← g + weight_decay · w;  v ← momentum · v + g;  w ← w − lr · v, or with Nesterov w ← w − lr · (g + momentum · v).
    Source: Sutskever et al., 2013, as PyTorch computes it.
    """

    lr: float = number(low=0, high=_INF, default=0.01, open_low=True)
    momentum: float = number(low=0, high=1, default=0.0)
    nesterov: bool = boolean(default=False)
    weight_decay: float = number(low=0, high=_INF, default=0.0)

    kind = "sgd"

    def check_arguments(self) -> None:
        if self.nesterov and not self.momentum:
            message = "`nesterov` of `sgd` needs a momentum greater than 0"
            raise LayerError("E0207", message, "nesterov", "write momentum=0.9, or leave nesterov away")

    def update(self, b: Builder, name: str, w: Value, g: Value) -> None:
        if self.weight_decay:
            g = b(ops.add, g, b(ops.scale, w, factor=self.weight_decay))
        if self.momentum:
            v = b.slot(f"{name}.momentum", w)
            new = b(ops.add, b(ops.scale, v, factor=self.momentum), g)
            b.update(v, new)
            g = b(ops.add, g, b(ops.scale, new, factor=self.momentum)) if self.nesterov else new
        b.update(w, b(ops.sub, w, b(ops.mul, g, b.scalar("lr"))))


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps divided by a running root mean square of the gradient.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  w ← w − lr / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε).
    Source: Kingma and Ba, 2015, algorithm 1; `weight_decay` is added to the gradient.
    """

    lr: float = number(low=0, high=_INF, default=0.001, open_low=True)
    beta1: float = number(low=0, high=1, default=0.9)
    beta2: float = number(low=0, high=1, default=0.999)
    eps: float = number(low=0, high=_INF, default=1e-8, open_low=True)
    weight_decay: float = number(low=0, high=_INF, default=0.0)

    kind = "adam"

    def scalars(self, step: int, lr: float) -> dict[str, float]:
        return {
            "lr": lr / (1 - self.beta1**step),
            "spread": 1 / (1 - self.beta2**step) ** 0.5,
        }

    def update(self, b: Builder, name: str, w: Value, g: Value) -> None:
        if self.weight_decay:
            g = b(ops.add, g, b(ops.scale, w, factor=self.weight_decay))
        old_m, old_v = b.slot(f"{name}.mean", w), b.slot(f"{name}.square", w)
        m = b(ops.add, b(ops.scale, old_m, factor=self.beta1), b(ops.scale, g, factor=1 - self.beta1))
        v = b(
            ops.add,
            b(ops.scale, old_v, factor=self.beta2),
            b(ops.scale, b(ops.mul, g, g), factor=1 - self.beta2),
        )
        b.update(old_m, m)
        b.update(old_v, v)
        below = b(ops.shift, b(ops.mul, b(ops.root, v), b.scalar("spread")), offset=self.eps)
        b.update(w, b(ops.sub, w, b(ops.mul, b(ops.div, m, below), b.scalar("lr"))))


# ---- Schedules: the learning rate of an epoch ------------------------------------------------------------


class Schedule(Setting):
    """A factor on the optimiser's learning rate."""

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        """The factor of `epoch` (1, 2, …) of `epochs`, given the validation losses of the epochs before it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    kind = "constant"

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        return 1.0


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by `factor` after each `every` epochs."""

    every: int = integer(at_least=1)
    factor: float = number(low=0, high=_INF, default=0.1, open_low=True)

    kind = "step"

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        return self.factor ** ((epoch - 1) // self.every)


@dataclass(frozen=True)
class Power(Schedule):
    """η₀ / tᵖ in epoch t.  Source: E. Sokolov, Foundations of Deep Learning, 2022, lecture 2 (0.1 / t^0.3)."""

    p: float = number(low=0, high=_INF, default=0.3)

    kind = "power"

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        return epoch**-self.p


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine, from the rate down towards 0.  Source: Loshchilov and Hutter, 2017."""

    kind = "cosine"

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        return (1 + cos(pi * (epoch - 1) / epochs)) / 2


@dataclass(frozen=True)
class Plateau(Schedule):
    """Multiplied by `factor` whenever the validation loss has not fallen for `patience` epochs."""

    factor: float = number(low=0, high=1, default=0.1, open_low=True)
    patience: int = integer(at_least=1, default=3)

    kind = "plateau"

    def at(self, epoch: int, epochs: int, losses: Sequence[float]) -> float:
        best, waited, drops = _INF, 0, 0
        for loss in losses:
            waited = 0 if loss < best else waited + 1
            best = min(best, loss)
            if waited == self.patience:
                drops, waited = drops + 1, 0
        return self.factor**drops


@dataclass(frozen=True)
class Early(Setting):
    """Stops when the validation loss has not fallen for `patience` epochs."""

    patience: int = integer(at_least=1, default=5)

    kind = "early"

    def stop(self, losses: Sequence[float]) -> bool:
        best = min(range(len(losses)), key=lambda i: losses[i], default=0)
        return len(losses) - 1 - best >= self.patience


# ---- Metrics: shares of examples that are told right -----------------------------------------------------


class Metric(Setting):
    """Counts an example whose label is among its `k` largest logits."""

    k: int

    @property
    def name(self) -> str:
        """As it is called in what a run prints and writes."""
        return self.kind


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of examples whose largest logit is that of their label."""

    kind = "accuracy"
    k = 1


@dataclass(frozen=True)
class Top(Metric):
    """The share of examples whose label is among the `k` largest logits; `top(5)` is ImageNet's."""

    k: int = integer(at_least=1)

    kind = "top"
    example = "top(2)"

    @property
    def name(self) -> str:
        return f"top{self.k}"


def _by_name(*kinds: type[Any]) -> dict[str, type[Any]]:
    return {k.kind: k for k in kinds}


OPTIMIZERS: Final[dict[str, type[Optimizer]]] = _by_name(Sgd, Adam)
SCHEDULES: Final[dict[str, type[Schedule]]] = _by_name(Constant, Step, Power, Cosine, Plateau)
STOPS: Final[dict[str, type[Early]]] = _by_name(Early)
METRICS: Final[dict[str, type[Metric]]] = _by_name(Accuracy, Top)
