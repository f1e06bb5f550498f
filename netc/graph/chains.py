"""Chains: tensors flow through layers, blocks, branches, loops and repeats, and every step becomes nodes."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from typing import Any, cast

from netc.errors import Diagnostic, Report, plural
from netc.graph.bind import bind_layer, bind_own, bind_parameters
from netc.graph.evaluate import Failed, LayerValue, TensorValue
from netc.graph.frame import (
    Definition,
    Flow,
    Frame,
    bound,
    new_name,
)
from netc.graph.model import Scope
from netc.graph.names import asks_for_a_size, calls, mentioned
from netc.graph.nodes import Nodes
from netc.graph.shared import SharedValue, define_shared, share
from netc.graph.split import SPLIT, bind_split, parts
from netc.graph.told import other_count, written
from netc.layers import LAYERS, said
from netc.layers.args import as_tuple
from netc.syntax import ast


class Chains(Nodes):
    """Expands chains, step after step, and what steps hold."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.blocks: dict[str, int] = {}  # the results of those that have one, by their paths
        self.expanded: set[Definition] = set()  # blocks that have been
        self.named: dict[int, ast.Assign] = {}  # by its last step: the statement that names what comes out

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

    def steps(self, steps: tuple[ast.Step, ...], flow: Flow, frame: Frame) -> Flow:
        self.deep += 1
        try:
            for i, step in enumerate(steps):
                try:
                    self.count_step(step, frame)
                    flow = self.step(step, flow, frame)
                except Failed:
                    self.look_on(steps[i + 1 :], frame)
                    raise
        finally:
            self.deep -= 1
        return flow

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
                    self.unknown_layer(call, frame)
            except Failed:
                continue

    def step(self, step: ast.Step, flow: Flow, frame: Frame) -> Flow:
        match step:
            case ast.Call():
                return self.call(step, None, flow, frame)
            case ast.Labelled():
                self.new_label(step, frame)
                return self.call(step.call, step.label, flow, frame)
            case ast.Branch():
                return self._branch(step, flow, frame)
            case ast.Loop():
                return self._loop(step, flow, frame)
            case ast.Repeat():
                return self._repeat(step, flow, frame)

    def _branch(self, step: ast.Branch, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        for condition, arm in step.arms:
            if at.condition(condition):
                taken = arm
                break
        else:
            taken = step.otherwise
        if taken and any(asks_for_a_size(condition) for condition, _ in step.arms):
            self.count_ahead(taken, frame)
        return self.steps(taken, flow, frame)

    def _loop(self, step: ast.Loop, flow: Flow, frame: Frame) -> Flow:
        at = self.evaluator(frame)
        found = at(step.items)
        if not isinstance(found, list):
            raise at.fail("E0207", f"`for` goes through a list, not {said(found)}", step.items.span)
        items = cast("list[Any]", found)
        self.need_room(len(items), step, frame)
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
        self.need_room(count, step, frame)
        for turn in range(1, count + 1):
            self.count_step(step, frame)
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
        raise self.unknown_layer(call, frame)

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
        self.need_room(split.parts - 1, call, frame)
        self.done += split.parts - 1
        return [
            self.apply(part, None, [flow], frame, call.span, call)
            for part in parts(split, flow.type, call, at)
        ]

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
