"""Chains: tensors flow through layers, blocks, branches, loops and repeats, and every step becomes nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from netc.errors import Diagnostic, Note, Report, Span, did_you_mean, nearest
from netc.graph.bind import bind_layer, bind_parameters
from netc.graph.evaluate import POISON, Evaluator, Failed, LayerValue, TensorValue
from netc.graph.expansion import expansion
from netc.graph.model import Node, Scope
from netc.graph.names import calls
from netc.layers import LAYERS, Layer, LayerError, said
from netc.layers.args import as_tuple
from netc.syntax import ast

MAX_NODES: Final = 200_000
MAX_STEPS: Final = 1_000_000  # how often a step may be expanded, all repeats multiplied
JOINS: Final = {"+": "add", "-": "sub", "*": "mul"}

Flow = TensorValue | list[TensorValue]  # what stands before an arrow


@dataclass(slots=True)
class Frame:
    """One body under expansion: a net's, or one turn of a block's."""

    scope: dict[str, Any]
    scopes: tuple[Scope, ...]
    trace: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter[str])  # how many of each kind have been named
    labels: dict[str, Span] = field(default_factory=dict[str, Span])
    defined: dict[str, ast.Ident] = field(default_factory=dict[str, ast.Ident])
    used: set[str] = field(default_factory=set[str])
    copies: int = 1  # how many times this body stands in the net, as far as it is known


class Chains:
    """Expands chains into nodes; `nodes` grows in topological order."""

    def __init__(self, report: Report, blocks: Mapping[str, ast.Block], settings: Mapping[str, Any]) -> None:
        self.report = report
        self.blocks = blocks
        self.settings = settings
        self.nodes: list[Node] = []
        self.expanded: set[str] = set()  # blocks that have been

    def evaluator(self, frame: Frame) -> Evaluator:
        return Evaluator(self.report, frame.scope, frame.trace)

    # ---- statements ---------------------------------------------------------------------------------------

    def assign(self, statement: ast.Assign, frame: Frame) -> None:
        """`y = x -> …`: names the result, or poisons the name."""
        (name, *more) = statement.names
        at = self.evaluator(frame)
        try:
            self.new_name(name, frame)
            # A mistake is placed by the net's own statement, and inside a block by the block's call.
            inner = frame if frame.scopes else replace(frame, trace=(f"{frame.trace[0]}.{name.id}",))
            flow = self.chain(statement.chain, inner)
            if more:
                raise at.fail(
                    "E0199",
                    "several names left of `=` have no meaning in this version of netc",
                    statement.names[1].span,
                )
            if isinstance(flow, list):
                help = "join them: -> concat, -> add"
                raise at.fail(
                    "E0209", f"`{name.id}` would be a list of tensors", statement.chain.span, help=help
                )
        except Failed:
            frame.scope[name.id] = POISON
            frame.defined.setdefault(name.id, name)
            for other in more:
                frame.scope[other.id] = POISON
            return
        frame.scope[name.id] = flow
        frame.defined[name.id] = name
        if not self.nodes[flow.node].tensor:
            self.nodes[flow.node] = replace(self.nodes[flow.node], tensor=name.id)

    def new_name(self, name: ast.Ident, frame: Frame) -> None:
        if name.id in frame.defined:
            note = Note(frame.defined[name.id].span, "first given here")
            at = self.evaluator(frame)
            raise at.fail(
                "E0204", f"`{name.id}` is given twice: a name is assigned once", name.span, notes=(note,)
            )

    # ---- chains -------------------------------------------------------------------------------------------

    def chain(self, chain: ast.Chain, frame: Frame) -> Flow:
        try:
            flow = self.source(chain.source, frame)
        except Failed:
            self.look_on(chain.steps, frame)
            raise
        return self.steps(chain.steps, flow, frame)

    def source(self, e: ast.Expr, frame: Frame) -> Flow:
        """What stands left of the first arrow: tensors, joined by operators or listed."""
        at = self.evaluator(frame)
        match e:
            case ast.Name(name, span):
                frame.used.add(name)
                value = at.lookup(name, span, "tensor")
                if not isinstance(value, TensorValue):
                    raise at.fail("E0209", f"`{name}` is no tensor", span)
                return value
            case ast.ListExpr(items, span):
                if not items:
                    raise at.fail("E0209", "a list before an arrow names at least one tensor", span)
                return [self.single(item, frame) for item in items]
            case ast.Binary(op, left, right, span) if op in JOINS:
                operands = [self.single(left, frame), self.single(right, frame)]
                layer = LAYERS[JOINS[op]]()
                return self.apply(layer, None, operands, frame, span, places=(left.span, right.span))
            case ast.Call(name, _, span, _):
                help = f"`x -> {name}(…)` sends the tensor x through it"
                raise at.fail("E0209", "a chain begins with a tensor, not with a layer", span, help=help)
            case _:
                raise at.fail("E0209", "a chain begins with a tensor", e.span)

    def single(self, e: ast.Expr, frame: Frame) -> TensorValue:
        flow = self.source(e, frame)
        if isinstance(flow, list):
            raise self.evaluator(frame).fail("E0209", "a list of tensors stands where one is needed", e.span)
        return flow

    def steps(self, steps: tuple[ast.Step, ...], flow: Flow, frame: Frame) -> Flow:
        for i, step in enumerate(steps):
            try:
                flow = self.step(step, flow, frame)
            except Failed:
                self.look_on(steps[i + 1 :], frame)
                raise
        return flow

    def look_on(self, steps: tuple[ast.Step, ...], frame: Frame) -> None:
        """Behind a mistake shapes are unknown, but names and arguments can still be wrong."""
        outside = {id(c) for s in steps for c in calls((s,)) if isinstance(s, ast.Call | ast.Labelled)}
        for call in calls(steps):
            try:
                if id(call) in outside and call.name in LAYERS:
                    bind_layer(call.name, call, self.evaluator(frame))
                elif call.name not in LAYERS and call.name not in self.blocks:
                    self._unknown_layer(call, frame)
            except Failed:
                continue

    def step(self, step: ast.Step, flow: Flow, frame: Frame) -> Flow:
        match step:
            case ast.Call():
                return self.call(step, None, flow, frame)
            case ast.Labelled():
                self._new_label(step, frame)
                return self.call(step.call, step.label, flow, frame)
            case ast.Branch():
                return self._branch(step, flow, frame)
            case ast.Loop():
                return self._loop(step, flow, frame)
            case ast.Repeat():
                return self._repeat(step, flow, frame)

    def _new_label(self, step: ast.Labelled, frame: Frame) -> None:
        s = step.span
        place = Span(s.file, s.line, s.col, s.line, s.col + len(step.label))
        if step.label in frame.labels:
            first = frame.labels[step.label]
            at = self.evaluator(frame)
            if first == place:
                message = f"the label `{step.label}` would name several layers"
                help = "it stands in a repetition: leave it out, or make the repeated layers a block"
                raise at.fail("E0204", message, place, help=help)
            notes = (Note(first, "first given here"),)
            raise at.fail("E0204", f"the label `{step.label}` is given twice", place, notes=notes)
        frame.labels[step.label] = place

    def _branch(self, step: ast.Branch, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        for condition, arm in step.arms:
            if at.condition(condition):
                return self.steps(arm, flow, frame)
        return self.steps(step.otherwise, flow, frame)

    def _loop(self, step: ast.Loop, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        found = at(step.items)
        if not isinstance(found, list):
            raise at.fail("E0207", f"`for` goes through a list, not {said(found)}", step.items.span)
        items = cast("list[Any]", found)
        inner = self._multiplied(frame, len(items), step.items.span)
        for turn, item in enumerate(items, 1):
            values = as_tuple(item) if step.unpacks else (item,)
            if values is None or len(values) != len(step.names):
                wanted = f"({', '.join(step.names)})"
                raise at.fail(
                    "E0207", f"turn {turn} of `for` gives {said(item)} to {wanted}", step.items.span
                )
            scope = {**frame.scope, **dict(zip(step.names, values, strict=True))}
            flow = self.steps(
                step.body, flow, replace(inner, scope=scope, trace=(*frame.trace, f"turn {turn} of for"))
            )
        return flow

    def _repeat(self, step: ast.Repeat, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        count = at(step.count)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            message = f"`*` repeats a whole number of times, 0 or more, not {said(count)}"
            raise at.fail("E0207", message, step.count.span)
        inner = self._multiplied(frame, count, step.count.span)
        for _ in range(count):
            flow = self.step(step.step, flow, inner)
        return flow

    def _multiplied(self, frame: Frame, times: int, span: Span) -> Frame:
        """The frame of a body that stands `times` times in this one, if that is not too often."""
        copies = frame.copies * max(times, 1)
        if copies > MAX_STEPS or times > MAX_STEPS:
            message = f"this would be expanded {copies:,} times, and the limit is {MAX_STEPS:,}"
            raise self.evaluator(frame).fail("E0820", message, span)
        return replace(frame, copies=copies)

    # ---- layers and blocks --------------------------------------------------------------------------------

    def call(self, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        value = frame.scope.get(call.name)
        if isinstance(value, LayerValue):  # a parameter of type `layer`
            if call.arguments:
                raise at.fail("E0206", f"`{call.name}` is a layer with its arguments already", call.span)
            call = replace(value.call, span=call.span)
        if call.name in LAYERS:
            if LAYERS[call.name].loss:
                help = "a loss stands in a train block: loss main = [y, target] -> …"
                raise at.fail("E0209", f"`{call.name}` is a loss, not a layer of a net", call.span, help=help)
            layer = bind_layer(call.name, call, at)
            operands = flow if isinstance(flow, list) else [flow]
            return self.apply(layer, label, operands, frame, call.span, call)
        if call.name in self.blocks:
            return self._block(self.blocks[call.name], call, label, flow, frame)
        raise self._unknown_layer(call, frame)

    def _unknown_layer(self, call: ast.Call, frame: Frame) -> Failed:
        """Reports a name that is no layer, unless its definition is wrong or it is a parameter of type `layer`."""
        value = frame.scope.get(call.name, self.settings.get(call.name))
        if value is POISON or isinstance(value, LayerValue):
            return Failed()
        help = did_you_mean(call.name, [*LAYERS, *self.blocks])
        at = self.evaluator(frame)
        return at.fail("E0202", f"unknown layer `{call.name}`", call.name_span, help=help)

    def apply(
        self,
        layer: Layer,
        label: str | None,
        operands: list[TensorValue],
        frame: Frame,
        span: Span,
        call: ast.Call | None = None,
        places: tuple[Span, ...] = (),
    ) -> TensorValue:
        """A node for one layer; where it does not fit, the error points at the argument or operand to blame."""
        self._operand_count(layer, operands, frame, span)
        if len(self.nodes) >= MAX_NODES:
            raise self.evaluator(frame).fail("E0820", f"a net has at most {MAX_NODES:,} layers", span)
        try:
            known = expansion(layer, tuple(o.type for o in operands))
        except LayerError as error:
            self.report.add(_located(error, operands, frame.trace, span, call, places))
            raise Failed from None
        name = label or self._next_name(layer.kind, frame)
        inputs = tuple(o.node for o in operands)
        node = Node(len(self.nodes), name, frame.scopes, layer, inputs, known, span, frame.trace)
        self.nodes.append(node)
        return TensorValue(node.id, known.type)

    def _operand_count(self, layer: Layer, operands: list[TensorValue], frame: Frame, span: Span) -> None:
        least, most = layer.operands
        if least <= len(operands) <= (most or len(operands)):
            return
        takes = "one tensor" if most == 1 else f"{least} tensors" if most else f"{least} tensors or more"
        help = "join them: -> concat, -> add" if most == 1 else "list them: [a, b]"
        message = f"`{layer.kind}` takes {takes}, and gets {len(operands)}"
        raise self.evaluator(frame).fail("E0307", message, span, help=help)

    def _next_name(self, kind: str, frame: Frame) -> str:
        while True:
            frame.counts[kind] += 1
            name = f"{kind}{frame.counts[kind]}"
            if name not in frame.labels:
                return name

    def _block(self, block: ast.Block, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        values = bind_parameters(call, block.parameters, at, dict(self.settings), block.name.id)
        self.expanded.add(block.name.id)
        operands = flow if isinstance(flow, list) else [flow]
        if len(operands) != len(block.inputs):
            message = f"`{block.name.id}` takes {len(block.inputs)} tensors, and gets {len(operands)}"
            raise at.fail("E0307", message, call.span)
        written = _written(call, values)
        name = label or self._next_name(block.name.id.lower(), frame)
        scope = {**self.settings, **values}
        scope.update((i.id, o) for i, o in zip(block.inputs, operands, strict=True))
        inner = Frame(
            scope,
            (*frame.scopes, Scope(name, block.name.id, written)),
            (*frame.trace, written),
            defined={i.id: i for i in block.inputs},
            copies=frame.copies,
        )
        for statement in block.body:
            self._block_statement(statement, inner)
        return self._results(block, inner)

    def _block_statement(self, statement: ast.BlockStatement, frame: Frame) -> None:
        match statement:
            case ast.Assign():
                self.assign(statement, frame)
            case ast.Shared():
                message = "`shared` is in the language, but has no meaning in this version of netc"
                self.report.add(Diagnostic("E0199", message, statement.span))
                frame.scope[statement.name.id] = POISON
            case ast.Broken():
                for name in statement.names:
                    frame.scope.setdefault(name, POISON)
                    frame.used.add(name)

    def _results(self, block: ast.Block, inner: Frame) -> Flow:
        at = self.evaluator(inner)
        results: list[TensorValue] = []
        failed = False
        for name in block.outputs:
            inner.used.add(name.id)
            try:
                if name.id not in inner.scope:
                    message = f"block `{block.name.id}` gives `{name.id}`, and does not define it"
                    help = did_you_mean(name.id, inner.defined)
                    raise at.fail("E0201", message, name.span, help=help)
                value = at.lookup(name.id, name.span)
                if not isinstance(value, TensorValue):
                    raise at.fail("E0209", f"`{name.id}` is no tensor", name.span)
                results.append(value)
            except Failed:
                failed = True
        meant = misspelt(inner.used, inner)
        for name, place in inner.defined.items():
            if name not in inner.used | meant and inner.scope.get(name) is not POISON and not failed:
                help = "use it, or remove it"
                self.report.add(Diagnostic("E0501", f"tensor `{name}` is never used", place.span, help=help))
        if failed:
            raise Failed
        return results[0] if len(results) == 1 else results


def misspelt(read: set[str], frame: Frame) -> set[str]:
    """Names of the body that were meant by names that it does not have; a slip of the pen leaves nothing unused."""
    found = {nearest(name, frame.defined) for name in read if name not in frame.scope}
    return {name for name in found if name}


def _written(call: ast.Call, values: Mapping[str, Any]) -> str:
    """A block's call with its values put in: `Basic(128, stride=2)`."""
    names = iter(values)
    shown: list[str] = []
    for a in call.arguments:
        name = a.name or next(names)
        value = values[name]
        text = value.call.name if isinstance(value, LayerValue) else said(value)
        shown.append(f"{a.name}={text}" if a.name else text)
    return f"{call.name}({', '.join(shown)})" if shown else call.name


def _located(
    error: LayerError,
    operands: list[TensorValue],
    trace: tuple[str, ...],
    span: Span,
    call: ast.Call | None,
    places: tuple[Span, ...],
) -> Diagnostic:
    """A layer's complaint at its place: the operands of an operator, the argument to blame, or the whole call."""
    if places:
        labels = [repr(o.type) for o in operands]
        notes = tuple(Note(s, label) for s, label in zip(places[1:], labels[1:], strict=True))
        return Diagnostic(error.code, error.message, places[0], labels[0], notes, trace, error.help)
    at = span
    for argument in call.arguments if call else ():
        if argument.name == error.argument:
            at = argument.span
    shapes = " and ".join(repr(o.type) for o in operands)
    return Diagnostic(error.code, error.message, at, f"gets {shapes}", (), trace, error.help)
