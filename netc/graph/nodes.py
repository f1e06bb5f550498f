"""Nodes, one at a time: of a layer and its operands, of what stands left of an arrow; and the limits of their number.

What goes through steps that hold others is in `chains.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netc.errors import Note, Report, Span
from netc.graph.count import Counter, TooMany, too_many
from netc.graph.evaluate import POISON, Evaluator, Failed, LayerValue, TensorValue
from netc.graph.expansion import expansion
from netc.graph.frame import MAX_NESTING, TOO_DEEP, Flow, Frame
from netc.graph.hints import known_as, of_operand
from netc.graph.model import PLAIN, Node
from netc.graph.shared import SharedValue
from netc.graph.split import SPLIT
from netc.graph.told import check_operands, located, reasons
from netc.ir.program import Own
from netc.layers import LAYERS, Layer, LayerError
from netc.syntax import ast
from netc.syntax.lines import MAX_STEPS

JOINS: Final = {"+": "add", "-": "sub", "*": "mul"}


class Nodes:
    """Makes nodes; `nodes` grows in topological order."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.nodes: list[Node] = []
        self.done = 0  # steps
        self.deep = 0  # chains and braces that are being expanded
        self.counter = Counter()

    def evaluator(self, frame: Frame) -> Evaluator:
        return Evaluator(self.report, frame.scope, frame.trace)

    # ---- one node -----------------------------------------------------------------------------------------

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

    # ---- names --------------------------------------------------------------------------------------------

    def new_label(self, step: ast.Labelled, frame: Frame) -> None:
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

    def unknown_layer(self, call: ast.Call, frame: Frame) -> Failed:
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

    # ---- limits -------------------------------------------------------------------------------------------

    def count_step(self, step: ast.Step, frame: Frame) -> None:
        """Holds the limits where the count before the expansion could not know them."""
        at = self.evaluator(frame)
        self.done += 1
        if self.deep > MAX_NESTING:
            raise at.fail("E0821", TOO_DEEP, step.span)
        if self.done > MAX_STEPS:
            raise at.fail("E0820", too_many(self.done), step.span)

    def need_room(self, steps: int, step: ast.Step, frame: Frame) -> None:
        """Refuses at once what comes to more steps than are left."""
        if self.done + steps > MAX_STEPS:
            raise self.evaluator(frame).fail("E0820", too_many(self.done + steps), step.span)

    def count_ahead(self, steps: tuple[ast.Step, ...], frame: Frame) -> None:
        """Counts what the count before the expansion left out, for it did not know that these steps are taken."""
        try:
            self.counter.ahead(steps, frame, self.done)
        except TooMany as many:
            self.report.add(replace(many.diagnostic, trace=frame.trace))
            raise Failed from None
