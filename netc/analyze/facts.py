"""The figures of a net: what the report prints and what `expect` lines are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from netc.analyze.receptive import Field, fields
from netc.graph.model import Graph, Node, total


@dataclass(frozen=True)
class Memory:
    """Bytes that prediction and training allocate, from the plans of the programs that would run.

    A predictor keeps the weights, for they are asked for and may be set, and beside them what it folded of them and
    their statistics.
    What a kernel borrows for the time of one equation depends on the backend, and is not counted.
    """

    infer: int
    train: int | None  # None where nothing can be trained


@dataclass(frozen=True)
class Facts:
    """Totals and receptive fields of one net, each computed when first asked for.

    `memory` gives the bytes of inference and training, from the plans of the programs that would run.
    """

    graph: Graph
    measure: Callable[[Graph], Memory | None]

    @cached_property
    def params(self) -> int:
        return sum(n.expansion.params for n in self.graph.nodes)

    @cached_property
    def frozen(self) -> int:
        return sum(n.expansion.frozen for n in self.graph.nodes)

    @cached_property
    def state(self) -> int:
        return sum(n.expansion.state for n in self.graph.nodes)

    @cached_property
    def macs(self) -> int | None:
        """Multiplications by weights, forward, one example; None where a symbolic size decides."""
        return total(n.expansion.macs for n in self.graph.nodes)

    @cached_property
    def flops(self) -> int | None:
        """All operations, forward, one example; one MAC is two; None where a symbolic size decides."""
        return total(n.expansion.flops for n in self.graph.nodes)

    @cached_property
    def bytes(self) -> Memory | None:
        return self.measure(self.graph)

    @property
    def memory(self) -> int | None:
        """Bytes that training at batch 1 allocates; None where a symbolic size decides."""
        return self.bytes.train if self.bytes else None

    @cached_property
    def fields(self) -> tuple[Field | None, ...]:
        return fields(self.graph)

    @cached_property
    def depth(self) -> int:
        """Layers that multiply by weights, on the longest path from an input to an output."""
        so_far: list[int] = []
        for node in self.graph.nodes:
            before = max((so_far[i] for i in node.inputs), default=0)
            so_far.append(before + node.expansion.multiplies)
        return max((so_far[i] for i in self.graph.outputs.values()), default=0)

    @cached_property
    def last_map(self) -> Node | None:
        """The last feature map that sees, gates aside, a bounded part of the input."""
        for node in reversed(self.graph.nodes):
            field = self.fields[node.id]
            if node.layer and node.type.rank in (3, 4) and field and field.axes:
                return node
        return None
