"""Chains: tensors flow through layers, blocks, branches, loops and repeats, and every step becomes nodes."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from typing import Any, Final, cast

from netc.errors import Diagnostic, Note, Report, Span, plural
from netc.graph.bind import bind_layer, bind_own, bind_parameters
from netc.graph.count import Counter, TooMany, too_many
from netc.graph.evaluate import POISON, Evaluator, Failed, LayerValue, TensorValue
from netc.graph.expansion import expansion
from netc.graph.frame import (
    MAX_NESTING,
    TOO_DEEP,
    Definition,
    Flow,
    Frame,
    bound,
    new_name,
)
from netc.graph.hints import known_as, of_operand
from netc.graph.model import PLAIN, Node, Scope
from netc.graph.names import asks_for_a_size, calls, mentioned
from netc.graph.shared import SharedValue, define_shared, share
from netc.graph.split import SPLIT, bind_split, parts
from netc.graph.told import check_operands, located, other_count, reasons, written
from netc.ir.program import Own
from netc.layers import LAYERS, Layer, LayerError, said
from netc.layers.args import as_tuple
from netc.syntax import ast
from netc.syntax.lines import MAX_STEPS

JOINS: Final = {"+": "add", "-": "sub", "*": "mul"}


class Chains:
    """Expands chains into nodes; `nodes` grows in topological order."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.nodes: list[Node] = []
        self.blocks: dict[str, int] = {}  # the results of those that have one, by their paths
        self.expanded: set[Definition] = set()  # blocks that have been
        self.done = 0  # steps
        self.deep = 0  # chains and braces that are being expanded
        self.counter = Counter()
        self.named: dict[int, ast.Assign] = {}  # by its last step: the statement that names what comes out

    def evaluator(self, frame: Frame) -> Evaluator:
        return Evaluator(self.report, frame.scope, frame.trace)

    # ---- statements ---------------------------------------------------------------------------------------

    def assign(self, statement: ast.Assign, frame: Frame) -> None:
        """`y = x -> …`, `l, r = x -> …`: names the results, or poisons the names."""
        names, at = statement.names, self.evaluator(frame)
        try:
            for name in names:
                new_name(name, frame, at)
            # A mistake is placed by the net's own statement, and inside a block by the block's call.
            inner = frame if frame.scopes else replace(frame, trace=(f"{frame.trace[0]}.{names[0].id}",))
            if steps := statement.chain.steps:
                self.named[id(steps[-1])] = statement
            flow = self.chain(statement.chain, inner)
            flows = flow if isinstance(flow, list) else [flow]
            if len(flows) != len(names):
                raise other_count(statement, len(flows), at)
            if len({n.id for n in names}) < len(names):
                raise at.fail("E0204", "a name stands twice left of `=`", names[-1].span)
        except Failed:
            for name in names:
                frame.poison(name)
            return
        for name, value in zip(names, flows, strict=True):
            frame.scope[name.id] = value
            frame.defined[name.id] = name
            if not self.nodes[value.node].tensor:
                self.nodes[value.node] = replace(self.nodes[value.node], tensor=name.id)

    def shared(self, statement: ast.Shared, frame: Frame) -> None:
        """`shared enc = …`: the name of a step, or poison."""
        try:
            define_shared(statement, frame, self.evaluator(frame))
        except Failed:
            frame.poison(statement.name)

    # ---- chains -------------------------------------------------------------------------------------------

    def chain(self, chain: ast.Chain, frame: Frame) -> Flow:
        try:
            flow = self.source(chain.source, frame)
        except Failed:
            frame.used |= mentioned(chain.source)  # what is wrong was to be read
            self.look_on(chain.steps, frame)
            raise
        return self.steps(chain.steps, flow, frame)

    def source(self, e: ast.Expr, frame: Frame) -> Flow:
        """What stands left of the first arrow: tensors, joined by operators or listed."""
        at = self.evaluator(frame)
        match e:
            case ast.Name(name, span):
                frame.used.add(name)
                if below := frame.below(name):
                    help = "a net is written in the order in which its data flows, and has no cycles"
                    notes = (Note(below.span, "defined here"),)
                    raise at.fail(
                        "E0201", f"`{name}` is used before it is defined", span, notes=notes, help=help
                    )
                value = at.lookup(name, span, "tensor")
                if not isinstance(value, TensorValue):
                    raise at.fail("E0209", f"`{name}` is no tensor", span)
                return value
            case ast.ListExpr(items, span):
                if not items:
                    raise at.fail("E0209", "a list before an arrow names at least one tensor", span)
                return [self.single(item, frame) for item in items]
            case ast.Binary(op, left, right, span) if op in JOINS:
                for side in (left, right):
                    if help := of_operand(op, side):
                        what = "a layer" if isinstance(side, ast.Call) else "a number"
                        raise at.fail("E0209", f"`{op}` joins tensors, not {what}", side.span, help=help)
                operands = [self.single(left, frame), self.single(right, frame)]
                layer = LAYERS[JOINS[op]]()
                return self.apply(layer, None, operands, frame, span, places=(left, right))
            case ast.Call(name, _, span, _):
                help = f"`x -> {name}(…)` sends the tensor x through it"
                raise at.fail("E0209", "a chain begins with a tensor, not with a layer", span, help=help)
            case ast.Binary(op, left, right, span):
                help = "tensors are joined by +, - and *, and numbers scale by a layer with given weights"
                raise at.fail("E0209", f"`{op}` joins no tensors", span, help=help)
            case _:
                what = "a number" if isinstance(e, ast.Number) else "this"
                raise at.fail("E0209", f"a chain begins with a tensor, and {what} is none", e.span)

    def single(self, e: ast.Expr, frame: Frame) -> TensorValue:
        flow = self.source(e, frame)
        if isinstance(flow, list):
            raise self.evaluator(frame).fail("E0209", "a list of tensors stands where one is needed", e.span)
        return flow

    def steps(self, steps: tuple[ast.Step, ...], flow: Flow, frame: Frame) -> Flow:
        self.deep += 1
        try:
            for i, step in enumerate(steps):
                try:
                    self._count(step, frame)
                    flow = self.step(step, flow, frame)
                except Failed:
                    self.look_on(steps[i + 1 :], frame)
                    raise
        finally:
            self.deep -= 1
        return flow

    def _count(self, step: ast.Step, frame: Frame) -> None:
        """Holds the limits where the count before the expansion could not know them."""
        at = self.evaluator(frame)
        self.done += 1
        if self.deep > MAX_NESTING:
            raise at.fail("E0821", TOO_DEEP, step.span)
        if self.done > MAX_STEPS:
            raise at.fail("E0820", too_many(self.done), step.span)

    def _room(self, steps: int, step: ast.Step, frame: Frame) -> None:
        """Refuses at once what comes to more steps than are left."""
        if self.done + steps > MAX_STEPS:
            raise self.evaluator(frame).fail("E0820", too_many(self.done + steps), step.span)

    def _ahead(self, steps: tuple[ast.Step, ...], frame: Frame) -> None:
        """Counts what the count before the expansion left out, for it did not know that these steps are taken."""
        try:
            self.counter.ahead(steps, frame, self.done)
        except TooMany as many:
            self.report.add(replace(many.diagnostic, trace=frame.trace))
            raise Failed from None

    def look_on(self, steps: tuple[ast.Step, ...], frame: Frame) -> None:
        """Behind a mistake shapes are unknown, but names and arguments can still be wrong."""
        outside = {id(c) for s in steps for c in calls((s,)) if isinstance(s, ast.Call | ast.Labelled)}
        for call in calls(steps):
            try:
                if isinstance(frame.scope.get(call.name), SharedValue):
                    frame.used.add(call.name)
                elif id(call) in outside and call.name in LAYERS:
                    bind_layer(call.name, call, self.evaluator(frame))
                    bind_own(call.name, call, self.evaluator(frame))
                elif call.name not in LAYERS and call.name not in frame.home.blocks and call.name != SPLIT:
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
                taken = arm
                break
        else:
            taken = step.otherwise
        if taken and any(asks_for_a_size(condition) for condition, _ in step.arms):
            self._ahead(taken, frame)
        return self.steps(taken, flow, frame)

    def _loop(self, step: ast.Loop, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        found = at(step.items)
        if not isinstance(found, list):
            raise at.fail("E0207", f"`for` goes through a list, not {said(found)}", step.items.span)
        items = cast("list[Any]", found)
        self._room(len(items), step, frame)
        for turn, item in enumerate(items, 1):
            values = as_tuple(item) if step.unpacks else (item,)
            if values is None or len(values) != len(step.names):
                wanted = f"({', '.join(step.names)})"
                raise at.fail(
                    "E0207", f"turn {turn} of `for` gives {said(item)} to {wanted}", step.items.span
                )
            inner = replace(frame, trace=(*frame.trace, f"turn {turn} of for"))
            with bound(frame.scope, dict(zip(step.names, values, strict=True))):
                flow = self.steps(step.body, flow, inner)
        return flow

    def _repeat(self, step: ast.Repeat, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        count = at(step.count)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            message = f"`*` repeats a whole number of times, 0 or more, not {said(count)}"
            raise at.fail("E0207", message, step.count.span)
        self._room(count, step, frame)
        for turn in range(1, count + 1):
            self._count(step, frame)
            one = replace(frame, trace=(*frame.trace, f"copy {turn} of {count}")) if count > 1 else frame
            flow = self.step(step.step, flow, one)
        return flow

    # ---- layers and blocks --------------------------------------------------------------------------------

    def call(self, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        value = frame.scope.get(call.name)
        if isinstance(value, LayerValue):  # a parameter of type `layer`
            if call.arguments:
                raise at.fail("E0206", f"`{call.name}` is a layer with its arguments already", call.span)
            call = replace(value.call, span=call.span)
        elif isinstance(value, SharedValue):
            return self._use(value, call, label, flow, frame)
        if call.name in LAYERS:
            if LAYERS[call.name].loss:
                help = "a loss stands in a train block: loss main = [y, target] -> …"
                raise at.fail("E0209", f"`{call.name}` is a loss, not a layer of a net", call.span, help=help)
            layer, own = bind_layer(call.name, call, at), bind_own(call.name, call, at)
            operands = flow if isinstance(flow, list) else [flow]
            return self.apply(layer, label, operands, frame, call.span, call, own=own)
        if call.name in frame.home.blocks:
            return self._block(frame.home.blocks[call.name], call, label, flow, frame)
        if call.name == SPLIT:
            return self._split(call, label, flow, frame)
        raise self._unknown_layer(call, frame)

    def _split(self, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        """`split(2, axis=C)`: a `slice` for each part."""
        at = self.evaluator(frame)
        split = bind_split(call, at)
        if isinstance(flow, list):
            raise at.fail("E0307", f"`split` takes one tensor, and gets {len(flow)}", call.span)
        if label:
            raise at.fail("E0204", "`split` makes several layers, so one label cannot name them", call.span)
        statement = self.named.get(id(call))
        if statement and len(statement.names) != split.parts:  # before they are made, for they may be many
            raise other_count(statement, split.parts, at)
        self._room(split.parts - 1, call, frame)
        self.done += split.parts - 1
        return [
            self.apply(part, None, [flow], frame, call.span, call)
            for part in parts(split, flow.type, call, at)
        ]

    def _unknown_layer(self, call: ast.Call, frame: Frame) -> Failed:
        """Reports a name that is no layer, unless its definition is wrong or it is a parameter of type `layer`."""
        value = frame.scope.get(call.name, frame.home.settings.get(call.name))
        if value is POISON or isinstance(value, LayerValue):
            return Failed()
        frame.used.add(call.name)  # what was meant by it is not unused
        at = self.evaluator(frame)
        shared = (name for name, v in frame.scope.items() if isinstance(v, SharedValue))
        if call.name in frame.home.nets:
            help = "make its body a block, which both nets can use: block Name: x -> y { … }"
            return at.fail("E0202", f"`{call.name}` is a net, and no layer", call.name_span, help=help)
        help = known_as(call.name, LAYERS) or at.near(call.name, LAYERS, (SPLIT,), frame.home.blocks, shared)
        return at.fail("E0202", f"unknown layer `{call.name}`", call.name_span, help=help)

    def apply(
        self,
        layer: Layer,
        label: str | None,
        operands: list[TensorValue],
        frame: Frame,
        span: Span,
        call: ast.Call | None = None,
        places: tuple[ast.Expr, ...] = (),
        own: Own = PLAIN,
    ) -> TensorValue:
        """A node for one layer; where it does not fit, the error points at the argument or operand to blame."""
        check_operands(layer, len(operands), span, self.evaluator(frame))
        try:
            known = expansion(layer, tuple(o.type for o in operands), own)
        except LayerError as error:
            why = [] if self.report.full else reasons(places, operands, frame.scope, self.nodes)
            spans = tuple(e.span for e in places)
            self.report.add(located(error, operands, frame.trace, span, call, spans, why))
            raise Failed from None
        name = label or frame.next_name(layer.kind)
        inputs = tuple(o.node for o in operands)
        node = Node(len(self.nodes), name, frame.scopes, layer, inputs, known, span, frame.trace, own=own)
        self.nodes.append(node)
        return TensorValue(node.id, known.type)

    def _use(self, shared: SharedValue, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        """One use of a shared step: expanded as it is written, with the weights of the first use."""
        at, name = self.evaluator(frame), shared.name.id
        frame.used.add(name)
        if call.arguments:
            raise at.fail("E0206", f"`{name}` is a layer with its arguments already", call.span)
        if label:
            raise at.fail("E0204", f"`{name}` has its name already, so `{label}` cannot name it", call.span)
        shared.uses += 1
        turn = name if shared.uses == 1 else f"{name}@{shared.uses}"
        there = shared.frame
        inner = Frame(there.home, there.scope, there.scopes, frame.trace)
        begin = len(self.nodes)
        if isinstance(shared.step, ast.Call):
            out = self.call(shared.step, turn, flow, inner)
        else:
            inner.scopes = (*there.scopes, Scope(turn, "shared", turn))
            out = self.step(shared.step, flow, inner)
        own = ".".join([s.name for s in there.scopes] + [""])
        share(shared, self.nodes, begin, (own + turn, own + name), call.span, at)
        return out

    def _block(self, called: Definition, call: ast.Call, label: str | None, flow: Flow, frame: Frame) -> Flow:
        at, block = self.evaluator(frame), called.block
        settings = called.home.settings
        values = bind_parameters(call, block.parameters, at, settings, block.name.id)
        self.expanded.add(called)
        operands = flow if isinstance(flow, list) else [flow]
        if len(operands) != len(block.inputs):
            takes = plural(len(block.inputs), "tensor")
            message = f"`{block.name.id}` takes {takes}, and gets {len(operands)}"
            raise at.fail("E0307", message, call.span)
        text = written(call, values)
        name = label or frame.next_name(block.name.id.lower())
        scope = ChainMap[str, Any](dict(values), settings)
        scope.update((i.id, o) for i, o in zip(block.inputs, operands, strict=True))
        inner = Frame(
            called.home,
            scope,
            (*frame.scopes, Scope(name, block.name.id, text)),
            (*frame.trace, text),
            defined={i.id: i for i in block.inputs},
            body=block.body,
        )
        for statement in block.body:
            self._block_statement(statement, inner)
        out = self._results(block, inner)
        if isinstance(out, TensorValue):
            self.blocks[".".join(s.name for s in inner.scopes)] = out.node
        return out

    def _block_statement(self, statement: ast.BlockStatement, frame: Frame) -> None:
        match statement:
            case ast.Assign():
                self.assign(statement, frame)
            case ast.Shared():
                self.shared(statement, frame)
            case ast.Broken():
                frame.lost(statement)

    def _results(self, block: ast.Block, inner: Frame) -> Flow:
        at = self.evaluator(inner)
        results: list[TensorValue] = []
        failed = False
        for name in block.outputs:
            inner.used.add(name.id)
            try:
                if name.id not in inner.scope:
                    message = f"block `{block.name.id}` gives `{name.id}`, and does not define it"
                    help = at.near(name.id, inner.defined)
                    raise at.fail("E0201", message, name.span, help=help)
                value = at.lookup(name.id, name.span)
                if not isinstance(value, TensorValue):
                    raise at.fail("E0209", f"`{name.id}` is no tensor", name.span)
                results.append(value)
            except Failed:
                failed = True
        for ident in inner.unused(inner.used) if not failed else ():
            what = "shared" if isinstance(inner.scope[ident.id], SharedValue) else "tensor"
            message = f"{what} `{ident.id}` is never used"
            self.report.add(Diagnostic("E0501", message, ident.span, help="use it, or remove it"))
        if failed:
            raise Failed
        return results[0] if len(results) == 1 else results
