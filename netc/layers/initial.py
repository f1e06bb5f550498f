"""How weights are drawn before training: `init he`, `init=normal(0.01)`.

A rule draws what a layer multiplies by.  Biases begin at 0 and scales at 1, whatever the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from netc.layers.args import Argument, arguments, number, written

_INF: Final = float("inf")
Dims = tuple[int, ...]


class Initial:
    """The base of all rules: knows its arguments, and how it is written."""

    kind: ClassVar[str]

    @classmethod
    def arguments(cls) -> tuple[Argument, ...]:
        return arguments(cls)

    def __str__(self) -> str:
        shown = [written(getattr(self, a.name)) for a in self.arguments()]
        return f"{self.kind}({', '.join(shown)})" if shown else self.kind

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        """A float32 array of that shape, from a NumPy generator."""
        raise NotImplementedError


def _normal(rng: Any, shape: Dims, deviation: float) -> Any:
    return rng.standard_normal(shape, "float32") * deviation


def _uniform(rng: Any, shape: Dims, limit: float) -> Any:
    return (2 * rng.random(shape, "float32") - 1) * limit


@dataclass(frozen=True)
class He(Initial):
    """Normal, variance 2 / fan_in.  Source: He et al., Delving Deep into Rectifiers, 2015."""

    kind = "he"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _normal(rng, shape, (2 / fan_in) ** 0.5)


@dataclass(frozen=True)
class Glorot(Initial):
    """Uniform, variance 2 / (fan_in + fan_out).  Source: Glorot and Bengio, 2010."""

    kind = "glorot"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _uniform(rng, shape, (6 / (fan_in + fan_out)) ** 0.5)


@dataclass(frozen=True)
class Lecun(Initial):
    """Normal, variance 1 / fan_in.  Source: LeCun et al., Efficient BackProp, 1998."""

    kind = "lecun"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _normal(rng, shape, (1 / fan_in) ** 0.5)


@dataclass(frozen=True)
class Zeros(Initial):
    """All 0: for the last layer of a residual branch; a net of such layers learns nothing, its units stay alike."""

    kind = "zeros"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _normal(rng, shape, 0.0)


@dataclass(frozen=True)
class Normal(Initial):
    """Normal with mean 0 and standard deviation `std`."""

    std: float = number(low=0, high=_INF, default=0.01, open_low=True)

    kind = "normal"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _normal(rng, shape, self.std)


@dataclass(frozen=True)
class Uniform(Initial):
    """Uniform from −`limit` to `limit`."""

    limit: float = number(low=0, high=_INF, default=0.05, open_low=True)

    kind = "uniform"

    def draw(self, rng: Any, shape: Dims, fan_in: int, fan_out: int) -> Any:
        return _uniform(rng, shape, self.limit)


INITS: Final[dict[str, type[Initial]]] = {k.kind: k for k in (He, Glorot, Lecun, Zeros, Normal, Uniform)}
