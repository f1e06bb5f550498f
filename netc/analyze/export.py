"""The report for other programs and documents: CSV and Markdown, one row a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from netc.analyze.figures import exact, pair, size, times
from netc.analyze.report import NetReport, net_dict
from netc.analyze.table import assumed_text, symbolic_text
from netc.graph.model import Node, total

CSV: Final = (
    "net", "path", "kind", "layer", "inputs", "shape", "params", "macs", "flops", "bytes",
    "field", "stride", "pad", "line",
)  # fmt: skip
_BACK: Final = "backward_flops"  # the last column, where it is asked for
_MARKDOWN: Final = ("name", "layer", "output", "parameters", "MACs", "field", "stride", "pad", "memory")


def csv_text(reports: Iterable[NetReport]) -> str:
    """All layers of all nets, with a first line that names the columns."""
    import csv
    from io import StringIO

    out, told = StringIO(), list(reports)
    columns = (*CSV, _BACK) if any(report.backward is not None for report in told) else CSV
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for report in told:
        for node, layer in _layers(report):
            rf = _known(layer["rf"])
            row = {
                **layer,
                "net": report.graph.name,
                "path": node.path,
                "layer": node.describe(),
                "inputs": " ".join(layer["inputs"]),
                "shape": "x".join(map(str, layer["shape"])),
                "field": _field(rf),
                "stride": pair(rf.get("stride")),
                "pad": pair(rf.get("pad")),
                "line": layer["span"]["line"],
            }
            writer.writerow([row[name] for name in columns])
    return out.getvalue()


def markdown_text(reports: Iterable[NetReport]) -> str:
    """A heading, a table and the totals for each net."""
    return "\n".join(_net(report) for report in reports)


def _net(report: NetReport) -> str:
    f, m = report.facts, report.memory
    titles = _MARKDOWN if report.backward is None else (*_MARKDOWN, "backward FLOPs")
    rows = [_row(node, layer) for node, layer in _layers(report)]
    rule = ["---" if title in ("name", "layer") else "---:" for title in titles]
    table = [titles, rule, *rows]
    held = (
        f", {size(m.infer)} to run and {size(m.train)} to train at a batch of {report.batch:,}{assumed_text(report)}"
        if m
        else ""
    )
    totals = (
        f"{f.params:,} parameters and {f.state:,} numbers of state, {exact(f.macs)} MACs, {exact(f.flops)} FLOPs "
        f"(one MAC is two FLOPs){held}."
    )
    if report.backward is not None:
        totals += f"  All gradients take {exact(total(report.backward.values()))} FLOPs, the loss's too."
    doc = [report.graph.doc, ""] if report.graph.doc else []
    lines = [f"| {' | '.join(_cell(c) for c in row)} |" for row in table]
    missing = ["", f"{symbolic_text(report)}."] if report.symbols else []
    return "\n".join([f"## {report.graph.name}", "", *doc, *lines, "", totals, *missing, ""])


def _row(node: Node, layer: Mapping[str, Any]) -> list[str]:
    rf = _known(layer["rf"])
    shape = times(node.type.shape[1:])
    figures = [exact(layer["params"]), exact(layer["macs"])]
    return [
        node.path, f"`{node.describe()}`", shape, *figures,
        _field(rf), pair(rf.get("stride")), pair(rf.get("pad")), size(layer["bytes"]),
        *([exact(layer[_BACK])] if _BACK in layer else []),
    ]  # fmt: skip


def _layers(report: NetReport) -> list[tuple[Node, dict[str, Any]]]:
    nodes = [n for n in report.graph.nodes if n.layer]
    return list(zip(nodes, net_dict(report)["layers"], strict=True))


def _known(rf: dict[str, Any] | None) -> dict[str, Any]:
    return rf or {}


def _field(rf: Mapping[str, Any]) -> str:
    return "whole" if rf.get("global") else pair(rf.get("size"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
