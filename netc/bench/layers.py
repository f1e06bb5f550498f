"""Which layer an equation works for, and in which part of the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from netc.bench.cost import Cost, cost
from netc.graph.model import Graph
from netc.ir.program import Program
from netc.ir.recompute import forward_part
from netc.train.spec import TrainSpec

if TYPE_CHECKING:
    from netc.backends.cpu.roof import Roof

Phase = Literal["forward", "backward", "update"]
PHASES: Final[tuple[Phase, ...]] = ("forward", "backward", "update")


@dataclass(slots=True)
class LayerTime:
    """Seconds and costs of what works for one layer.  `roof` is the least that its equations could take."""

    name: str
    layer: str
    seconds: dict[Phase, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    cost: Cost = field(default_factory=Cost)
    roof: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def rate(self) -> float:
        """Floating-point operations a second."""
        return self.cost.flops / self.total if self.total else 0.0

    @property
    def share(self) -> float:
        """How much of what the machine could do is done: the roof's time by the time taken."""
        return self.roof / self.total if self.total else 0.0


def phases(program: Program) -> list[Phase]:
    """The part of the step that each equation belongs to.

    Updates carry the names of parameters.  What is computed again in the backward pass counts as backward.
    """
    params = {i.name for i in program.by_role("param")}
    return [
        "update" if eq.node in params else "forward" if forward else "backward"
        for eq, forward in zip(program.equations, forward_part(program), strict=True)
    ]


def layer_times(
    program: Program, seconds: Sequence[float], roof: Roof, graph: Graph, spec: TrainSpec, depth: int | None
) -> list[LayerTime]:
    """A row for each layer, in the order of the net; blocks below `depth` levels are one row.

    A fused equation stands with the layer whose result it is, and what a convolution takes along with the convolution.
    """
    told = _names(graph, spec, depth)
    rows: dict[str, LayerTime] = {name: LayerTime(name, layer) for name, layer in told.values()}
    for eq, phase, took in zip(program.equations, phases(program), seconds, strict=True):
        name, layer = _owner(eq.node, phase, told)
        row = rows.setdefault(name, LayerTime(name, layer))
        mine = cost(eq)
        row.seconds[phase] += took
        row.cost += mine
        row.roof += roof.seconds(mine.flops, mine.bytes)
    return [row for row in rows.values() if row.cost.equations]


def _owner(node: str, phase: Phase, told: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    path = node.rpartition(".")[0] if phase == "update" else node
    if path in told:
        return told[path]
    return (
        (path.partition(".")[2], "weights of several layers")
        if phase == "update"
        else ("", "what is between")
    )


def _names(graph: Graph, spec: TrainSpec, depth: int | None) -> dict[str, tuple[str, str]]:
    """For the path that equations carry: the row's name, and the layer or block as it is written."""
    out: dict[str, tuple[str, str]] = {}
    for node in graph.nodes:
        row = (node.path, node.describe())
        if depth is not None and len(node.scopes) > depth:
            scopes = node.scopes[: depth + 1]
            row = (".".join(s.name for s in scopes), scopes[-1].written)
        out[f"{graph.name}.{node.path}"] = row
    for term in (*spec.losses, *spec.metrics):
        described = getattr(term, "layer", None)
        said = described.describe() if described else "metric"
        out[f"train {graph.name}.{term.name}"] = (term.name, said)
    return out
