"""From the syntax tree to graphs: names get their meaning, blocks are expanded, every tensor its type.

All mistakes of a file are reported in one run.  A name whose definition is wrong is poisoned: its use is no second
mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from netc.errors import Diagnostic, Note, Report, did_you_mean
from netc.graph.bind import Outside, bind_parameters, from_outside, layer_or_value, typed
from netc.graph.chains import Chains
from netc.graph.circles import circles
from netc.graph.count import TooMany, count
from netc.graph.evaluate import POISON, Evaluator, Failed, TensorValue
from netc.graph.frame import Definition, Frame, Home, new_name
from netc.graph.model import Expansion, Graph, Node
from netc.graph.names import calls, labels, tensors
from netc.graph.shapes import tensor_type
from netc.graph.shared import SharedValue
from netc.layers import LAYERS
from netc.syntax import ast
from netc.types import N, TensorType

MOST_ENDS: Final = 5  # tensors that nothing reads, in a suggestion


@dataclass(slots=True)
class Elaborated:
    """The nets of a file, by name, and what the file itself defines."""

    graphs: dict[str, Graph] = field(default_factory=dict[str, Graph])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    used: set[str] = field(default_factory=set[str])  # settings given from outside that something took
    expanded: set[Definition] = field(default_factory=set[Definition])  # blocks that some net uses


@dataclass(frozen=True, slots=True)
class Imported:
    """The files that a file imports, each after those that it imports itself.

    `links` says which one an import means, by the file that it stands in and the path that is written there; one
    that could not be read is missing, and told already.
    """

    files: tuple[ast.File, ...] = ()
    links: Mapping[tuple[str, str], ast.File] = field(default_factory=dict[tuple[str, str], ast.File])


def elaborate(
    file: ast.File,
    given: Mapping[str, Outside],
    report: Report,
    imported: Imported | None = None,
    only: str | None = None,
) -> Elaborated:
    """All nets of a file, or the one called `only`.

    `given` are settings from outside (`--set classes=10`), which go before defaults.
    """
    out = Elaborated()
    imported = imported or Imported()
    homes: dict[str, Home] = {}
    for other in imported.files:
        homes[other.path] = _home(other, homes, imported, {}, out, report)
    home = _home(file, homes, imported, given, out, report)
    out.settings = home.settings
    reads = _reads(file)
    for item in file.items:
        if isinstance(item, ast.Net) and only in (None, item.name.id):
            graph = _net(item, reads, home, given, out, report)
            if graph:
                out.graphs[item.name.id] = graph
    for called in home.blocks.values():
        if called not in out.expanded and called.home is home:
            _look_into(called, Chains(report))
    return out


@dataclass(slots=True)
class _Reads:
    """What the train blocks of a file read, of any net and of one; what is broken may read all of its names."""

    of_all: set[str] = field(default_factory=set[str])
    of_net: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def _reads(file: ast.File) -> _Reads:
    out = _Reads()
    for item in file.items:
        if isinstance(item, ast.Broken):
            out.of_all |= item.names
        elif isinstance(item, ast.Train):
            names = {n for s in item.body if isinstance(s, ast.Setting) for n in tensors(s.chain.source)}
            known = out.of_net.setdefault(item.net.id, set()) if item.net else out.of_all
            known |= names
    return out


def _home(
    file: ast.File,
    homes: Mapping[str, Home],
    imported: Imported,
    given: Mapping[str, Outside],
    out: Elaborated,
    report: Report,
) -> Home:
    """What a file defines and imports."""
    home = Home(nets=frozenset(item.name.id for item in file.items if isinstance(item, ast.Net)))
    seen: dict[str, ast.Ident] = {}
    for item in file.items:
        match item:
            case ast.Import():
                for name in item.names:
                    _define(name, seen, report)
                other = imported.links.get((file.path, item.path.value))
                _import(item, other, homes[other.path] if other else None, home, report)
            case ast.Param():
                _define(item.parameter.name, seen, report)
                _file_param(item.parameter, given, home, out, report)
            case ast.Block():
                _define(item.name, seen, report)
                home.blocks[item.name.id] = Definition(item, home)
            case ast.Net():
                _define(item.name, seen, report)
            case ast.Broken():
                home.settings |= dict.fromkeys(item.defined, POISON)
            case _:
                pass
    own = {name: d.block for name, d in home.blocks.items() if d.home is home}
    for name in _recursion(own, report):
        del home.blocks[name]
        home.settings[name] = POISON
    return home


def _import(item: ast.Import, file: ast.File | None, other: Home | None, home: Home, report: Report) -> None:
    """Blocks and parameters of another file, each under its own name."""
    for name in item.names:
        if file and other and name.id in other.blocks:
            home.blocks[name.id] = other.blocks[name.id]
        elif file and other and name.id in other.settings:
            home.settings[name.id] = other.settings[name.id]
        else:
            home.settings[name.id] = POISON
            if file and other:
                _not_there(name, item, file, other, report)


def _not_there(name: ast.Ident, item: ast.Import, file: ast.File, other: Home, report: Report) -> None:
    nets = [i.name.id for i in file.items if isinstance(i, ast.Net)]
    message = f"`{item.path.value}` has no block or parameter `{name.id}`"
    help = "" if report.full else did_you_mean(name.id, [*other.blocks, *other.settings])
    if name.id in nets:
        help = f"`{name.id}` is a net, and blocks and parameters are imported; make it a block"
    report.add(Diagnostic("E0201", message, name.span, help=help))


def _look_into(called: Definition, chains: Chains) -> None:
    """A block that no net has expanded has no shapes, but its layers must be there."""
    block = called.block
    names = [*(p.name.id for p in block.parameters), *(i.id for i in block.inputs)]
    names += [i.id for s in block.body if isinstance(s, ast.Assign) for i in s.names]
    names += [s.name.id for s in block.body if isinstance(s, ast.Shared)]
    scope = {**called.home.settings, **dict.fromkeys(names, POISON)}
    frame = Frame(called.home, scope, (), (f"block {block.name.id}",))
    for statement in block.body:
        if isinstance(statement, ast.Assign):
            chains.look_on(statement.chain.steps, frame)
        elif isinstance(statement, ast.Shared):
            chains.look_on((statement.step,), frame)


def _define(name: ast.Ident, seen: dict[str, ast.Ident], report: Report) -> None:
    if name.id in seen:
        first = Note(seen[name.id].span, "first defined here")
        report.add(Diagnostic("E0204", f"`{name.id}` is defined twice", name.span, notes=(first,)))
    elif name.id in LAYERS:
        report.add(Diagnostic("E0204", f"`{name.id}` is the name of a layer", name.span))
    seen.setdefault(name.id, name)


def _file_param(
    p: ast.Parameter, given: Mapping[str, Outside], home: Home, out: Elaborated, report: Report
) -> None:
    at = Evaluator(report, home.settings)
    name = p.name.id
    try:
        if name in given:
            out.used.add(name)
            home.settings[name] = from_outside(p, given[name], at)
        elif p.default is None:
            raise at.fail(
                "E0205", f"`{name}` has no value", p.span, help=f"give it one, here or by --set {name}=…"
            )
        else:
            home.settings[name] = typed(p, layer_or_value(p, p.default, at), p.default, at)
    except Failed:
        home.settings[name] = POISON


def _recursion(blocks: Mapping[str, ast.Block], report: Report) -> list[str]:
    """Blocks that would expand themselves, by whatever way: one error a circle."""
    called = {name: {c.name for s in block.body for c in calls(_steps(s))} for name, block in blocks.items()}
    found: list[str] = []
    for circle in circles(called):
        found += circle
        for name in circle:
            if name == circle[0] or name in called[name]:  # the others end where the first one is mended
                message = f"block `{name}` expands itself, so it would never end"
                report.add(Diagnostic("E0503", message, blocks[name].name.span))
    return found


def _steps(statement: ast.BlockStatement) -> tuple[ast.Step, ...]:
    match statement:
        case ast.Assign():
            return statement.chain.steps
        case ast.Shared():
            return (statement.step,)
        case ast.Broken():
            return ()


# ---- A net -----------------------------------------------------------------------------------------------


def _net(
    net: ast.Net,
    reads: _Reads,
    home: Home,
    given: Mapping[str, Outside],
    out: Elaborated,
    report: Report,
) -> Graph | None:
    settings = _net_settings(net, given, out, report)
    if settings is None:
        return None
    try:
        count(net.body, settings, home, net.name.id)
    except TooMany as many:
        report.add(many.diagnostic)
        return None
    frame = Frame(home, dict(settings), (), (net.name.id,), body=net.body)
    chains = Chains(report)
    outputs: dict[str, int] = {}
    listed: dict[str, ast.Ident] = {}
    for statement in net.body:
        _statement(statement, frame, chains, outputs, listed, report)
    broken = any(isinstance(s, ast.Broken) for s in net.body)
    if not listed and not broken:
        ends = [
            name
            for name in frame.defined
            if name not in frame.used and not isinstance(frame.scope[name], SharedValue)
        ] or ["NAME"]
        shown = ", ".join(ends[:MOST_ENDS]) + (", …" if len(ends) > MOST_ENDS else "")
        help = f"add `output {shown}`"
        report.add(Diagnostic("E0502", f"net `{net.name.id}` has no output", net.name.span, help=help))
    else:
        _unused(net, reads, frame, report)
    tensors = {k: v.node for k, v in frame.scope.items() if isinstance(v, TensorValue)}
    out.expanded |= chains.expanded
    lost = frozenset(k for k, v in frame.scope.items() if v is POISON)
    if report.fails(net.name.id, net.span):  # then a layer may be missing, and is told of
        named = {n.name for n in chains.nodes if not n.scopes} | chains.blocks.keys()
        lost |= {label for s in net.body for label in labels(_net_steps(s))} - named
    return Graph(
        net.name.id, net.doc, tuple(chains.nodes), outputs, tensors, settings, net.span, lost, chains.blocks
    )


def _net_steps(statement: ast.NetStatement) -> tuple[ast.Step, ...]:
    return _steps(statement) if isinstance(statement, ast.Assign | ast.Shared) else ()


def _statement(
    statement: ast.NetStatement,
    frame: Frame,
    chains: Chains,
    outputs: dict[str, int],
    listed: dict[str, ast.Ident],
    report: Report,
) -> None:
    match statement:
        case ast.Input():
            _input(statement, frame, chains, report)
        case ast.Assign():
            chains.assign(statement, frame)
        case ast.Output():
            for name in statement.names:
                _output(name, frame, chains, outputs, listed)
        case ast.Shared():
            chains.shared(statement, frame)
        case ast.Broken():
            frame.lost(statement)
        case ast.Expect():
            pass  # proved once the graph is known


def _net_settings(
    net: ast.Net, given: Mapping[str, Outside], out: Elaborated, report: Report
) -> dict[str, Any] | None:
    names = {p.name.id for p in net.parameters}
    out.used |= names & given.keys()
    at = Evaluator(report, out.settings)
    own = dict(out.settings)
    try:
        for p in net.parameters:
            if p.name.id in given:
                own[p.name.id] = from_outside(p, given[p.name.id], at)
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
        new_name(name, frame, chains.evaluator(frame))
        at = Evaluator(report, frame.scope, frame.trace)
        t, sizes = tensor_type(statement.type, at, statement.where)
        frame.scope.update(sizes)
        _check_float(statement, t, chains.nodes, at)
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


def _check_float(statement: ast.Input, t: TensorType, before: Sequence[Node], at: Evaluator) -> None:
    """A net computes in one float type, that of its inputs."""
    other = next((n for n in before if t.dtype != "int" and n.type.dtype not in ("int", t.dtype)), None)
    if other:
        message = f"a net computes in one float type, and `{statement.name.id}` is {t.dtype}"
        notes = (Note(other.span, f"this is {other.type.dtype}"),)
        help = f"write {other.type.dtype}[…] here, or {t.dtype}[…] there"
        raise at.fail("E0301", message, statement.type.span, notes=notes, help=help)


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


def _unused(net: ast.Net, reads: _Reads, frame: Frame, report: Report) -> None:
    """A tensor that nothing reads is a mistake; what a train block of this net reads counts."""
    read = frame.used | reads.of_all | reads.of_net.get(net.name.id, set[str]())
    inputs = {s.name.id for s in net.body if isinstance(s, ast.Input)}
    for ident in frame.unused(read):
        name, help = ident.id, "use it, list it as an output, or remove it"
        what = "input" if name in inputs else "tensor"
        if isinstance(frame.scope[name], SharedValue):
            what, help = "shared", "use it, or remove it"
        report.add(Diagnostic("E0501", f"{what} `{name}` is never used", ident.span, help=help))
