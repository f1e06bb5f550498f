"""From the syntax tree to graphs: names get their meaning, blocks are expanded, every tensor its type.

All mistakes of a file are reported in one run.  A name whose definition is wrong is poisoned: its use is no second
mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netc.errors import Diagnostic, Note, Report
from netc.graph.bind import bind_parameters, layer_or_value, typed
from netc.graph.chains import Chains, Frame, misspelt
from netc.graph.evaluate import POISON, Evaluator, Failed, TensorValue
from netc.graph.model import Expansion, Graph, Node
from netc.graph.names import calls, tensors
from netc.graph.shapes import tensor_type
from netc.layers import LAYERS
from netc.syntax import ast
from netc.types import N


@dataclass(slots=True)
class Elaborated:
    """The nets of a file, by name, and what the file itself defines."""

    graphs: dict[str, Graph] = field(default_factory=dict[str, Graph])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    used: set[str] = field(default_factory=set[str])  # settings given from outside that something took
    expanded: set[str] = field(default_factory=set[str])  # blocks that some net uses


def elaborate(file: ast.File, given: Mapping[str, Any], report: Report) -> Elaborated:
    """All nets of a file.  `given` are settings from outside (`--set classes=10`), which go before defaults."""
    out = Elaborated()
    blocks: dict[str, ast.Block] = {}
    seen: dict[str, ast.Ident] = {}
    for item in file.items:
        match item:
            case ast.Import():
                _later(report, "`import`", item)
            case ast.Param():
                _define(item.parameter.name, seen, report)
                _file_param(item.parameter, given, out, report)
            case ast.Block():
                _define(item.name, seen, report)
                blocks[item.name.id] = item
            case ast.Net():
                _define(item.name, seen, report)
            case ast.Broken():
                out.settings |= dict.fromkeys(item.names, POISON)
            case _:
                pass
    for name in _recursion(blocks, report):
        del blocks[name]
        out.settings[name] = POISON
    for item in file.items:
        if isinstance(item, ast.Net):
            graph = _net(item, file, blocks, given, out, report)
            if graph:
                out.graphs[item.name.id] = graph
    for name in blocks.keys() - out.expanded:
        _look_into(blocks[name], Chains(report, blocks, out.settings))
    return out


def _look_into(block: ast.Block, chains: Chains) -> None:
    """A block that no net has expanded has no shapes, but its layers must be there."""
    names = [*(p.name.id for p in block.parameters), *(i.id for i in block.inputs)]
    names += [i.id for s in block.body if isinstance(s, ast.Assign) for i in s.names]
    frame = Frame({**chains.settings, **dict.fromkeys(names, POISON)}, (), (f"block {block.name.id}",))
    for statement in block.body:
        if isinstance(statement, ast.Assign):
            chains.look_on(statement.chain.steps, frame)


def _later(report: Report, what: str, at: Any) -> None:
    report.add(
        Diagnostic("E0199", f"{what} is in the language, but has no meaning in this version of netc", at.span)
    )


def _define(name: ast.Ident, seen: dict[str, ast.Ident], report: Report) -> None:
    if name.id in seen:
        first = Note(seen[name.id].span, "first defined here")
        report.add(Diagnostic("E0204", f"`{name.id}` is defined twice", name.span, notes=(first,)))
    elif name.id in LAYERS:
        report.add(Diagnostic("E0204", f"`{name.id}` is the name of a layer", name.span))
    seen.setdefault(name.id, name)


def _file_param(p: ast.Parameter, given: Mapping[str, Any], out: Elaborated, report: Report) -> None:
    at = Evaluator(report, out.settings)
    name = p.name.id
    try:
        if name in given:
            out.used.add(name)
            out.settings[name] = typed(p, given[name], p.default or ast.Name(name, p.name.span), at)
        elif p.default is None:
            raise at.fail(
                "E0205", f"`{name}` has no value", p.span, help=f"give it one, here or by --set {name}=…"
            )
        else:
            out.settings[name] = typed(p, layer_or_value(p, p.default, at), p.default, at)
    except Failed:
        out.settings[name] = POISON


def _recursion(blocks: Mapping[str, ast.Block], report: Report) -> list[str]:
    """Blocks that would expand themselves, by whatever way, each an error."""
    found: list[str] = []
    called = {
        name: {c.name for s in block.body if isinstance(s, ast.Assign) for c in calls(s.chain.steps)}
        for name, block in blocks.items()
    }
    for name in list(blocks):
        reached: set[str] = set()
        todo = [c for c in called[name] if c in blocks]
        while todo:
            callee = todo.pop()
            if callee not in reached:
                reached.add(callee)
                todo += [c for c in called.get(callee, ()) if c in blocks]
        if name in reached:
            message = f"block `{name}` expands itself, so it would never end"
            report.add(Diagnostic("E0503", message, blocks[name].name.span))
            called[name] = set()
            found.append(name)
    return found


# ---- A net -----------------------------------------------------------------------------------------------


def _net(
    net: ast.Net,
    file: ast.File,
    blocks: Mapping[str, ast.Block],
    given: Mapping[str, Any],
    out: Elaborated,
    report: Report,
) -> Graph | None:
    settings = _net_settings(net, given, out, report)
    if settings is None:
        return None
    frame = Frame(dict(settings), (), (net.name.id,))
    chains = Chains(report, blocks, out.settings)
    outputs: dict[str, int] = {}
    listed: dict[str, ast.Ident] = {}
    broken = False
    for statement in net.body:
        match statement:
            case ast.Input():
                _input(statement, frame, chains, report)
            case ast.Assign():
                chains.assign(statement, frame)
            case ast.Output():
                for name in statement.names:
                    _output(name, frame, chains, outputs, listed)
            case ast.Shared():
                _later(report, "`shared`", statement)
                frame.scope[statement.name.id] = POISON
            case ast.Broken():
                broken = True
                for name in statement.names:
                    frame.scope.setdefault(name, POISON)
                    frame.used.add(name)
            case ast.Expect():
                pass  # proved once the graph is known
    if not listed and not broken:
        ends = [name for name in frame.defined if name not in frame.used] or ["NAME"]
        help = f"add `output {', '.join(ends)}`"
        report.add(Diagnostic("E0502", f"net `{net.name.id}` has no output", net.name.span, help=help))
    else:
        _unused(net, file, frame, report)
    tensors = {k: v.node for k, v in frame.scope.items() if isinstance(v, TensorValue)}
    out.expanded |= chains.expanded
    lost = frozenset(k for k, v in frame.scope.items() if v is POISON)
    return Graph(net.name.id, net.doc, tuple(chains.nodes), outputs, tensors, settings, net.span, lost)


def _net_settings(
    net: ast.Net, given: Mapping[str, Any], out: Elaborated, report: Report
) -> dict[str, Any] | None:
    names = {p.name.id for p in net.parameters}
    out.used |= names & given.keys()
    at = Evaluator(report, out.settings)
    # What is given from outside is typed like an argument, and blamed on the parameter's own place.
    own = dict(out.settings)
    try:
        for p in net.parameters:
            if p.name.id in given:
                own[p.name.id] = typed(p, given[p.name.id], ast.Name(p.name.id, p.name.span), at)
        rest = tuple(p for p in net.parameters if p.name.id not in given)
        for p in rest:
            if p.default is None:
                name = p.name.id
                message = f"the parameter `{name}` of net `{net.name.id}` has no value"
                raise at.fail("E0205", message, p.span, help=f"give it one, here or by --set {name}=…")
        call = ast.Call(net.name.id, (), net.name.span, net.name.span)
        return own | bind_parameters(call, rest, at, own, net.name.id)
    except Failed:
        return None


def _input(statement: ast.Input, frame: Frame, chains: Chains, report: Report) -> None:
    name = statement.name
    frame.scope.setdefault("N", N)
    try:
        chains.new_name(name, frame)
        at = Evaluator(report, frame.scope, frame.trace)
        t, sizes = tensor_type(statement.type, at, statement.where)
        frame.scope.update(sizes)
    except Failed:
        frame.scope[name.id] = POISON
        return
    node = Node(
        len(chains.nodes),
        name.id,
        (),
        None,
        (),
        Expansion(t, (), 0, 0, False),
        statement.span,
        frame.trace,
        name.id,
    )
    chains.nodes.append(node)
    frame.scope[name.id] = TensorValue(node.id, t)
    frame.defined[name.id] = name


def _output(
    name: ast.Ident, frame: Frame, chains: Chains, outputs: dict[str, int], listed: dict[str, ast.Ident]
) -> None:
    at = chains.evaluator(frame)
    try:
        if name.id in listed:
            note = Note(listed[name.id].span, "listed here first")
            raise at.fail("E0204", f"`{name.id}` is an output twice", name.span, notes=(note,))
        listed[name.id] = name
        frame.used.add(name.id)
        value = at.lookup(name.id, name.span, "tensor")
        if not isinstance(value, TensorValue):
            raise at.fail("E0209", f"`{name.id}` is no tensor", name.span)
        outputs[name.id] = value.node
    except Failed:
        return


def _unused(net: ast.Net, file: ast.File, frame: Frame, report: Report) -> None:
    """A tensor that nothing reads is a mistake; what a train block of this net reads counts."""
    read = set(frame.used)
    for item in file.items:
        if isinstance(item, ast.Train) and (item.net is None or item.net.id == net.name.id):
            read |= {
                name for s in item.body if isinstance(s, ast.Setting) for name in tensors(s.chain.source)
            }
        elif isinstance(item, ast.Broken):
            read |= item.names
    meant = misspelt(read, frame)
    for name, at in frame.defined.items():
        if name not in read | meant and frame.scope.get(name) is not POISON:
            what = (
                "input" if any(isinstance(s, ast.Input) and s.name.id == name for s in net.body) else "tensor"
            )
            report.add(
                Diagnostic(
                    "E0501",
                    f"{what} `{name}` is never used",
                    at.span,
                    help="use it, list it as an output, or remove it",
                )
            )
