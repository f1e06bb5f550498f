"""The meaning of a train block: what is minimised, on which data, how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from netc.errors import Diagnostic, Note, Report, Span
from netc.graph.bind import bind_fields, bind_layer, bind_rule
from netc.graph.evaluate import Evaluator, Failed
from netc.graph.expansion import expansion
from netc.graph.hints import known_as
from netc.graph.model import Graph
from netc.graph.names import dotted
from netc.graph.shapes import tensor_type
from netc.layers import LAYERS, ArgumentError, Layer, LayerError, loss
from netc.layers.activation import Sigmoid, Softmax
from netc.layers.args import LARGEST
from netc.layers.initial import Glorot, Initial
from netc.syntax import ast
from netc.train.augment import AUGMENTATIONS, Augmentation
from netc.train.keys import KEYS, Key
from netc.train.settings import METRICS, Constant, Early, Optimizer, Schedule, Setting, Sgd
from netc.train.sources import Source
from netc.types import TensorType


@dataclass(frozen=True, slots=True)
class Loss:
    """One term of the sum that is minimised; an operand is a tensor of the net or the target, by name."""

    name: str
    layer: Layer
    operands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """The share of examples whose label is among the `k` largest logits."""

    name: str
    k: int
    operands: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """All that a train block says, defaults filled in."""

    net: str
    target: tuple[str, TensorType]
    losses: tuple[Loss, ...]
    metrics: tuple[Metric, ...]
    data: Source | None = None
    init: Initial = field(default_factory=Glorot)
    optimizer: Optimizer = field(default_factory=Sgd)
    schedule: Schedule = field(default_factory=Constant)
    augment: tuple[Augmentation, ...] = ()
    stop: Early | None = None
    batch: int = 32
    epochs: int = 10
    seed: int = 0


#: Losses that contain an activation, which must not be there twice.
_OF_LOGITS: Final[dict[type[Layer], type[Layer]]] = {
    loss.SoftmaxXent: Softmax,
    loss.BinaryCrossEntropyOfLogits: Sigmoid,
}

_LABELS: Final = "labels are a target such as `target label: int[N]`"

S = TypeVar("S", bound=Setting)


def default_spec(graph: Graph) -> TrainSpec:
    """What a net without a train block would be trained by: cross-entropy of its first output where that is a vector,
    else a squared error.  There is no loss where all outputs are whole numbers.
    """
    types = {name: graph.nodes[node].type for name, node in graph.outputs.items()}
    name, t = next(((name, t) for name, t in types.items() if t.dtype != "int"), next(iter(types.items())))
    if t.dtype == "int":
        return TrainSpec(graph.name, ("target", t), (), ())
    if t.rank == 2:
        label = TensorType((t.shape[0],), "int")
        return TrainSpec(
            graph.name,
            ("label", label),
            (Loss("loss", loss.SoftmaxXent(), (name, "label")),),
            (Metric("accuracy", 1, (name, "label")),),
        )
    return TrainSpec(
        graph.name, ("target", t), (Loss("loss", loss.MeanSquaredError(), (name, "target")),), ()
    )


def train_spec(
    block: ast.Train, graph: Graph, settings: Mapping[str, Any], report: Report
) -> TrainSpec | None:
    """The train block of a net; None where it is wrong, with every mistake in `report`."""
    return _Reader(block, graph, settings, report).read()


class _Reader:
    """Reads one train block, setting by setting."""

    def __init__(self, block: ast.Train, graph: Graph, settings: Mapping[str, Any], report: Report) -> None:
        self.block, self.graph, self.report = block, graph, report
        self.at = Evaluator(report, {**settings, **graph.settings}, (f"train {graph.name}",))
        self.lost = graph.lost
        self.target: tuple[str, TensorType] | None = None
        self.losses: list[Loss] = []
        self.named: set[str] = set()  # losses
        self.metrics: list[Metric] = []
        self.values: dict[str, Any] = {}
        self.seen: dict[str, Span] = {}
        self.failed = False

    def read(self) -> TrainSpec | None:
        for statement in self.block.body:  # the target first: losses name it wherever it stands
            if isinstance(statement, ast.Target):
                self._attempt(lambda s=statement: self._target(s))
            elif isinstance(statement, ast.Broken):
                self.failed = True
                self.lost |= statement.defined
        for statement in self.block.body:
            if isinstance(statement, ast.Setting):
                self._attempt(lambda s=statement: self._setting(s))
        if self.failed:
            return None
        if self.target is None or not self.losses:
            what = "target" if self.target is None else "loss"
            example = (
                "target label: int[N]"
                if self.target is None
                else "loss main = [logits, label] -> softmax_xent"
            )
            message = f"the train block of `{self.graph.name}` has no {what}"
            self.report.add(Diagnostic("E0603", message, _head(self.block), help=f"write `{example}`"))
            return None
        metrics = tuple(self.metrics) or tuple(self._accuracy())
        return TrainSpec(self.graph.name, self.target, tuple(self.losses), metrics, **self.values)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Failed:
            self.failed = True

    def _accuracy(self) -> list[Metric]:
        """Where no metric is asked for, a classifier of whole examples is measured by its accuracy."""
        first = self.losses[0]
        of_rows = (
            self.graph.find(first.operands[0]) is not None
            and self.graph.node(first.operands[0]).type.rank == 2
        )
        if isinstance(first.layer, loss.SoftmaxXent) and of_rows:
            return [Metric("accuracy", 1, (first.operands[0], first.operands[1]))]
        return []

    # ---- settings -----------------------------------------------------------------------------------------

    def _target(self, s: ast.Target) -> None:
        if self.target:
            raise self.at.fail("E0204", "a train block has one target", s.span)
        if s.name.id in self.graph.tensors:
            raise self.at.fail("E0204", f"`{s.name.id}` is a tensor of the net already", s.name.span)
        self.target = s.name.id, tensor_type(s.type, self.at)[0]

    def _setting(self, s: ast.Setting) -> None:
        key = s.key.id
        if key not in KEYS:
            help = self.at.near(key, KEYS) or f"a train block has {', '.join(KEYS)}"
            raise self.at.fail("E0203", f"a train block has no setting `{key}`", s.key.span, help=help)
        if key in self.seen and not KEYS[key].often:
            note = Note(self.seen[key], "set here first")
            raise self.at.fail("E0204", f"`{key}` is set twice", s.key.span, notes=(note,))
        self.seen[key] = s.key.span
        if key == "loss":
            self._loss(s)
        elif key == "metric":
            self._metrics(s)
        elif key == "augment":
            self.values[key] = self._augment(s)
        elif s.name or s.chain.steps or s.more:
            raise self.at.fail("E0207", f"`{key}` takes one value", s.span)
        else:
            self.values[key] = self._value(KEYS[key], s.chain.source)

    def _value(self, key: Key, e: ast.Expr) -> Any:
        if key.least is not None:
            return self._count(key.name, e, key.least)
        return bind_rule(e, self.at) if key.name == "init" else self._kind(e, key.kinds, key.name)

    def _count(self, key: str, e: ast.Expr, least: int) -> int:
        value = self.at(e)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
            raise self.at.fail("E0207", f"`{key}` takes an int from {least} to {LARGEST}", e.span)
        return value

    def _kind(self, e: ast.Expr | ast.Step, kinds: Mapping[str, type[S]], what: str) -> S:
        call = ast.Call(e.id, (), e.span, e.span) if isinstance(e, ast.Name) else e
        if not isinstance(call, ast.Call) or call.name not in kinds:
            name = call.name if isinstance(call, ast.Call) else ""
            help = self.at.near(name, kinds) or f"there are {', '.join(map(_needs, kinds.values()))}"
            message = f"unknown {what} `{name}`" if name else f"the name of a known {what} is wanted here"
            raise self.at.fail("E0202", message, e.span, help=help)
        cls = kinds[call.name]
        made = cls(**bind_fields(call, cls.arguments(), self.at))
        try:
            made.check_arguments()
        except LayerError as error:
            place = next((a.span for a in call.arguments if a.name == error.argument), call.span)
            raise self.at.fail(error.code, error.message, place, help=error.help) from None
        return made

    # ---- augmentation -------------------------------------------------------------------------------------

    def _augment(self, s: ast.Setting) -> tuple[Augmentation, ...]:
        if s.name or s.more:
            message = "`augment` takes one step after another, with arrows between them"
            raise self.at.fail("E0207", message, s.span, help="write `augment shift(2) -> rotate(10)`")
        images = self._images(s)
        chain: list[Augmentation] = []
        calls = (s.chain.source, *s.chain.steps)
        for call in calls:
            self._attempt(lambda call=call: chain.append(self._augmentation(call, images)))
        if len(chain) < len(calls):
            raise Failed
        return tuple(chain)

    def _augmentation(
        self, call: ast.Expr | ast.Step, images: Sequence[tuple[str, tuple[int, int]]]
    ) -> Augmentation:
        step = self._kind(call, AUGMENTATIONS, "augmentation")
        for name, (height, width) in images:
            try:
                step.check(height, width)
            except ArgumentError as error:
                message = f"`{step.kind}` {error.message}: `{name}` is {height}×{width}"
                raise self.at.fail("E0604", message, call.span) from None
        return step

    def _images(self, s: ast.Setting) -> list[tuple[str, tuple[int, int]]]:
        """The inputs that hold pictures, with their sizes where these are numbers."""
        inputs = [n for n in self.graph.inputs if pictures(n.type)]
        if not self.graph.inputs:
            raise Failed  # told already: a net has an input
        if not inputs:
            first = self.graph.inputs[0]
            note = Note(first.span, f"{first.type!r}")
            help = "write the input as [N, C, H, W], with `-> flatten` before the first dense layer"
            message = f"`augment` changes pictures, and `{self.graph.name}` takes none"
            raise self.at.fail("E0604", message, s.span, notes=(note,), help=help)
        if self.target and self.target[1].rank > 2:
            message = "`augment` moves pixels, and the target has a value for each pixel, which would stay"
            raise self.at.fail("E0604", message, s.span)
        sizes = [(n.name, n.type.shape[2:]) for n in inputs]
        return [(name, (h, w)) for name, (h, w) in sizes if isinstance(h, int) and isinstance(w, int)]

    # ---- losses and metrics -------------------------------------------------------------------------------

    def _loss(self, s: ast.Setting) -> None:
        step = s.chain.steps[0] if len(s.chain.steps) == 1 else None
        if not isinstance(step, ast.Call) or s.more:
            help = "write `loss main = [logits, label] -> softmax_xent`"
            raise self.at.fail(
                "E0603", "a loss is a list of tensors and one arrow to a loss layer", s.span, help=help
            )
        losses = [k for k, cls in LAYERS.items() if cls.loss]
        if step.name not in losses:
            help = (
                known_as(step.name, losses)
                or self.at.near(step.name, losses)
                or f"there are {', '.join(losses)}"
            )
            raise self.at.fail("E0202", f"unknown loss `{step.name}`", step.name_span, help=help)
        layer = bind_layer(step.name, step, self.at)
        names, types = self._operands(s.chain.source)
        self._fits(layer, names, types, s.chain.source, step)
        name = s.name.id if s.name else "loss" if not self.losses else f"loss{len(self.losses) + 1}"
        if name in self.named:
            raise self.at.fail("E0204", f"two losses are called `{name}`", (s.name or s.key).span)
        self.named.add(name)
        self.losses.append(Loss(name, layer, names))

    def _operands(self, e: ast.Expr) -> tuple[tuple[str, ...], tuple[TensorType, ...]]:
        items = e.items if isinstance(e, ast.ListExpr) else (e,)
        names: list[str] = []
        types: list[TensorType] = []
        for item in items:
            name = dotted(item)
            if not name:
                raise self.at.fail("E0209", "a tensor of the net or the target is named here", item.span)
            if self.target and name == self.target[0]:
                types.append(self.target[1])
            elif self.graph.find(name) is not None:
                types.append(self.graph.node(name).type)
            elif name.split(".")[0] not in self.lost:  # what is lost is told of where it is defined
                known = [*self.graph.tensors, *self.lost, *([self.target[0]] if self.target else [])]
                help = self.at.near(name, known)
                self.at.fail("E0201", f"unknown tensor `{name}`", item.span, help=help)
            names.append(name)
        if len(types) < len(names):
            raise Failed
        return tuple(names), tuple(types)

    def _fits(
        self, layer: Layer, names: tuple[str, ...], types: tuple[TensorType, ...], e: ast.Expr, step: ast.Call
    ) -> None:
        least, most = layer.operands
        if not least <= len(types) <= (most or len(types)):
            message = f"`{layer.kind}` takes {least} tensors, and gets {len(types)}"
            raise self.at.fail("E0307", message, e.span)
        try:
            expansion(layer, types)
        except LayerError as error:
            help = error.help or self._mended(layer, names, types)
            raise self.at.fail(error.code, error.message, e.span, help=help) from None
        first = self.graph.find(names[0])
        before = self.graph.nodes[first] if first is not None else None
        if before and before.layer and isinstance(before.layer, _OF_LOGITS.get(type(layer), ())):
            made = before.layer.kind
            note = Note(before.span, f"{made} is here")
            message = f"`{layer.kind}` takes logits, and gets what a {made} has made of them"
            help = f"give it the tensor before the {made}"
            raise self.at.fail("E0602", message, step.span, notes=(note,), help=help)

    def _mended(self, layer: Layer, names: tuple[str, ...], types: tuple[TensorType, ...]) -> str:
        """How the target, or what it is compared with, is meant; nothing where that is not clear."""
        if not self.target or len(types) != 2 or names[1] != self.target[0]:
            return ""
        given, target = types
        if isinstance(layer, loss.LABELLED):
            if given.rank == 4 and target == TensorType(target.shape[:1], "int"):
                return f"for one label an example, put `gap -> flatten` behind `{names[0]}`"
            wanted = TensorType((*given.shape[:1], *given.shape[2:]), "int")
        else:
            wanted = given
        floats = given.dtype != "int" and given.rank in (2, 4)
        return f"write `target {names[1]}: {wanted!r}`" if floats and target != wanted else ""

    def _metrics(self, s: ast.Setting) -> None:
        calls = [*s.chain.steps, *s.more]
        names, types = self._operands(s.chain.source)
        if len(types) != 2 or types[0].rank != 2 or types[1] != TensorType(types[0].shape[:1], "int"):
            shown = " and ".join(map(repr, types))
            raise self.at.fail(
                "E0601",
                f"a metric needs logits [N, C] and labels int[N], and gets {shown}",
                s.chain.source.span,
                help=_LABELS if len(types) == 2 and types[0].rank == 2 else "",
            )
        for call in calls:
            found = self._kind(call, METRICS, "metric")
            self.metrics.append(Metric(found.name, found.k, (names[0], names[1])))


def pictures(t: TensorType) -> bool:
    """Whether an input of this type is augmented."""
    return t.rank == 4 and t.dtype != "int"


def _needs(kind: type[Setting]) -> str:
    """A name with the arguments that it must be given: `top(k)`."""
    needed = [a.name for a in kind.arguments() if a.required]
    return f"{kind.kind}({', '.join(needed)})" if needed else kind.kind


def _head(block: ast.Train) -> Span:
    """The line of a train block's header."""
    s = block.span
    width = len("train") + (1 + len(block.net.id) if block.net else 0)
    return Span(s.file, s.line, s.col, s.line, s.col + width)
