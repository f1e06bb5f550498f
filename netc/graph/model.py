"""The graph of a net: the user's drawing, one node a layer.  Reports, receptive fields and pictures speak of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from netc.errors import Span
from netc.ir.program import Own
from netc.layers.base import Layer
from netc.types import DType, Shape, TensorType

PLAIN: Final = Own()  # what a layer says of its weights that says nothing


@dataclass(frozen=True, slots=True)
class Weight:
    """What a layer owns: a parameter, trained or frozen, or else a state that it keeps.

    `shape` is that of files: [out, in, R, S].
    """

    name: str
    shape: Shape
    count: int
    trained: bool
    frozen: bool = False

    @property
    def parameter(self) -> bool:
        return self.trained or self.frozen


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is known of a layer from its primitives: the logical type of its result, its weights and its costs.

    `macs` are multiplications by weights, `flops` all operations; forward, one example; None where they depend on a
    symbolic size.
    """

    type: TensorType
    weights: tuple[Weight, ...]
    macs: int | None
    flops: int | None
    multiplies: bool  # it has weights that it multiplies by, so that it counts for the depth
    counted: bool = True  # no: the weights are those of another layer, which counts them

    @property
    def params(self) -> int:
        """Parameters, trained and frozen."""
        return sum(w.count for w in self.weights if w.parameter) if self.counted else 0

    @property
    def frozen(self) -> int:
        return sum(w.count for w in self.weights if w.frozen) if self.counted else 0

    @property
    def state(self) -> int:
        return sum(w.count for w in self.weights if not w.parameter) if self.counted else 0


@dataclass(frozen=True, slots=True)
class Scope:
    """One turn of a block that a node lies in: `basic2`, which is `Basic(128, stride=2)`."""

    name: str
    block: str
    written: str


@dataclass(frozen=True, slots=True)
class Node:
    """An input (`layer` is None) or a layer applied to the results of other nodes.

    `id` is its place in `Graph.nodes`, which are in topological order; `tensor` is the name that the user gave its
    result, or nothing.  `own` is what the layer says of its weights; where they are those of another layer, `owner` is
    its path.
    """

    id: int
    name: str  # within its scope: `c1`, `conv2`
    scopes: tuple[Scope, ...]  # outermost first
    layer: Layer | None
    inputs: tuple[int, ...]
    expansion: Expansion
    span: Span
    trace: tuple[str, ...]
    tensor: str = ""
    own: Own = PLAIN
    owner: str = ""

    @property
    def path(self) -> str:
        """Its place in the net, where its weights are found unless they are another's: `basic2.conv1`."""
        return ".".join([s.name for s in self.scopes] + [self.name])

    @property
    def type(self) -> TensorType:
        return self.expansion.type

    @property
    def kind(self) -> str:
        return self.layer.kind if self.layer else "input"

    def describe(self) -> str:
        """The layer as it would be written, with what it says of its weights."""
        if not self.layer:
            return "input"
        text, own = self.layer.describe(), self.own.describe()
        return f"{text[:-1]}, {own})" if own and text[-1] == ")" else f"{text}({own})" if own else text


@dataclass(frozen=True, slots=True)
class Graph:
    """A net with all blocks expanded, all sizes known but the batch.

    `tensors` are the names of the net's own scope, `settings` the values of its parameters and of the file's; `lost`
    are names whose definition is wrong.
    """

    name: str
    doc: str
    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]
    tensors: Mapping[str, int]
    settings: Mapping[str, Any]
    span: Span
    lost: frozenset[str] = frozenset()

    @property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(n for n in self.nodes if n.layer is None)

    @property
    def dtype(self) -> DType:
        """The float type that the net computes in, which is that of its inputs."""
        return "f64" if any(n.type.dtype == "f64" for n in self.inputs) else "f32"

    def node(self, tensor: str) -> Node:
        return self.nodes[self.tensors[tensor]]


def total(costs: Iterable[int | None]) -> int | None:
    """The sum of costs; None where one of them depends on a symbolic size."""
    out = 0
    for cost in costs:
        if cost is None:
            return None
        out += cost
    return out
