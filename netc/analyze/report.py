"""The report of a net as plain values: the JSON object `netc.report/1` that every other form is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from netc.analyze.facts import Facts, Memory
from netc.analyze.receptive import Field
from netc.errors import Span
from netc.graph.model import Graph, Node, total
from netc.layers.base import Layer
from netc.sizes import Form, symbols
from netc.types import ITEM_BYTES, Shape

SCHEMA: Final = "netc.report/1"


@dataclass(frozen=True)
class NetReport:
    """What is reported of a net: its facts, and the bytes that it takes at a batch size.

    `memory` is None where the net has mistakes or a symbolic size, so that there is no program to measure.
    `backward` are FLOPs of the backward pass by the path of the layer, where they are asked for; each is None where
    a size is symbolic.
    """

    facts: Facts
    memory: Memory | None
    batch: int = 1
    backward: Mapping[str, int | None] | None = None

    @property
    def graph(self) -> Graph:
        return self.facts.graph

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the sizes, the batch aside, that are not known: `("H", "W")`."""
        found = (symbols(size) for n in self.graph.inputs for size in n.type.shape[1:])
        return tuple(sorted({s.name for some in found for s in some}))

    def backward_of(self, node: Node) -> int | None:
        """FLOPs of a layer's backward pass; 0 where they are not asked for, None where a symbolic size decides."""
        return (self.backward or {}).get(f"{self.graph.name}.{node.path}", 0)


def report_dict(reports: Iterable[NetReport]) -> dict[str, Any]:
    """The object of `netc report --json`; `report.schema.json` beside this file describes it."""
    return {"schema": SCHEMA, "nets": [net_dict(r) for r in reports]}


def net_dict(report: NetReport) -> dict[str, Any]:
    """One net's part of it."""
    g, fields = report.graph, report.facts.fields
    return {
        "name": g.name,
        "doc": g.doc,
        "inputs": [_tensor(n.name, n) for n in g.inputs],
        "outputs": [_tensor(name, g.nodes[i]) for name, i in g.outputs.items()],
        "totals": totals(report),
        "layers": [
            _layer(n, n.layer, g, fields[n.id])
            | ({"backward_flops": report.backward_of(n)} if report.backward is not None else {})
            for n in g.nodes
            if n.layer
        ],
    }


def totals(report: NetReport) -> dict[str, int | None]:
    """Sums over the net.  Weights that several layers share count once."""
    f, memory = report.facts, report.memory
    return {
        "params": f.params,
        "trained": f.params - f.frozen,
        "frozen": f.frozen,
        "state": f.state,
        "macs": f.macs,
        "flops": f.flops,
        "infer_bytes": memory.infer if memory else None,
        "train_bytes": memory.train if memory else None,
        "depth": f.depth,
        "batch": report.batch,
    } | ({"backward_flops": total(report.backward.values())} if report.backward is not None else {})


def activation_bytes(node: Node) -> int | None:
    """Bytes of a layer's result, one example; None where a symbolic size decides."""
    if not all(isinstance(size, int) for size in node.type.shape[1:]):
        return None
    return node.type.per_example * ITEM_BYTES[node.type.dtype]


def _tensor(name: str, node: Node) -> dict[str, Any]:
    return {"name": name, "shape": _shape(node.type.shape), "dtype": node.type.dtype}


def _layer(node: Node, layer: Layer, graph: Graph, field: Field | None) -> dict[str, Any]:
    e = node.expansion
    return {
        "name": node.name,
        "kind": node.kind,
        "path": f"{graph.name}.{node.path}",
        "args": arguments(layer),
        "inputs": [graph.nodes[i].path for i in node.inputs],
        "shape": _shape(node.type.shape),
        "params": e.params,
        "macs": e.macs,
        "flops": e.flops,
        "bytes": activation_bytes(node),
        "rf": _field(field),
        "span": _span(node.span),
    }


def arguments(layer: Layer) -> dict[str, Any]:
    """A layer's arguments by name; one that stands for another argument (a pool's stride) has its value."""
    values = layer.settings()
    meant = {a.name: values.get(a.default_text) for a in layer.arguments() if values[a.name] is None}
    return {name: _plain(value) for name, value in (values | meant).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Form):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]


def _shape(shape: Shape) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in shape]


def _sides(sides: Sequence[int | Fraction] | None) -> list[int | str] | None:
    """Along height and width, or along the length; a fraction, the stride of what is enlarged, as `"1/2"`."""
    return [n if isinstance(n, int) else str(n) for n in sides] if sides else None


def _field(field: Field | None) -> dict[str, Any] | None:
    """The receptive field; None where no feature map flows into the layer."""
    if field is None:
        return None
    return {
        "size": _sides(field.size),
        "stride": _sides(field.stride),
        "pad": _sides(field.pad),
        "aligned": field.aligned,
        "global": field.whole,
        "local": _sides(field.local),
    }


def _span(span: Span) -> Mapping[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "col": span.col,
        "end_line": span.end_line,
        "end_col": span.end_col,
    }
