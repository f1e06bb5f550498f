"""From a file's text to nets with all that is known of them: what every command begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from netc import budget
from netc.analyze.backward import backward_flops
from netc.analyze.expect import look_into, prove
from netc.analyze.facts import Facts, Memory
from netc.analyze.report import NetReport
from netc.errors import COMMAND_LINE, Diagnostic, NetError, Note, Report, Span, did_you_mean, nearest
from netc.graph.bind import Outside, read_setting
from netc.graph.elaborate import Elaborated, Imported, elaborate
from netc.graph.model import Graph
from netc.graph.shapes import with_sizes
from netc.lower import folded, forward
from netc.plan import PERSISTENT, plan
from netc.resources import spec_names, spec_path
from netc.sizes import symbols
from netc.syntax import ast
from netc.syntax.imports import find_imports
from netc.syntax.parse import parse, read
from netc.train.keys import KEYS
from netc.train.spec import TrainSpec, default_spec, train_spec
from netc.train.step import training_step, value_and_grad

Sizes = (
    Mapping[str, tuple[int, ...]] | tuple[int, ...]
)  # of one example: by the name of an input, or of the only one


@dataclass(frozen=True)
class Compiled:
    """One net of a file: its graph, its facts, and its train block's meaning if it has one.

    `whole`: no mistake lies in the net, so that its totals mean something and it can be run.
    """

    graph: Graph
    facts: Facts
    train: TrainSpec | None
    whole: bool

    def report(self, batch: int = 1, *, backward: bool = False) -> NetReport:
        """All figures of the net, those of the backward pass if asked for; no memory where it has mistakes."""
        if not self.whole or not self.graph.outputs:
            return NetReport(self.facts, None, batch)
        spec = self.train or default_spec(self.graph)
        memory = measure(self.graph, batch, spec=spec)
        back: Mapping[str, int | None] | None = None
        if backward and memory and spec.losses:
            back = backward_flops(value_and_grad(self.graph, spec, 1, fused=False))
        elif backward:  # a symbolic size decides, or there is no loss
            back = {f"{self.graph.name}.{n.path}": None for n in self.graph.nodes}
        return NetReport(self.facts, memory, batch, back, "" if self.train else _assumed(spec))


def _assumed(spec: TrainSpec) -> str:
    """What trains a net of which nothing is said: `sgd on softmax_xent of logits`; nothing where nothing can."""
    losses = ", ".join(f"{t.layer.kind} of {t.operands[0]}" for t in spec.losses)
    return f"{spec.optimizer.kind} on {losses}" if losses else ""


@dataclass(frozen=True)
class Loaded:
    """A file with everything that was found in it.  `nets` are those that were asked for and could be made, errors
    or not.

    `imports` are the texts of the files that it imports, by their path from its folder.
    """

    path: str
    text: str
    file: ast.File
    nets: Mapping[str, Compiled]
    settings: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...]
    imports: Mapping[str, str] = field(default_factory=dict[str, str])
    imported: Mapping[str, str] = field(default_factory=dict[str, str])  # the same, as diagnostics name them

    @property
    def sources(self) -> dict[str, str]:
        """The text of every file that a diagnostic may lie in."""
        options = "\n".join(_option(*setting) for setting in self.settings.items())
        return {**self.imported, COMMAND_LINE: options, self.path: self.text}

    @property
    def names(self) -> tuple[str, ...]:
        """The nets that the file writes, made or not."""
        return tuple(dict.fromkeys(net.name.id for net in _nets(self.file)))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    @property
    def stands(self) -> bool:
        """Whether no mistake lies in its nets: an `expect` that fails is one in what is said of them."""
        return all(d.code == "E0701" for d in self.diagnostics if d.severity == "error")

    def must_be_right(self) -> Loaded:
        """Itself, or NetError with every error of the file."""
        if self.failed:
            raise NetError(self.diagnostics, self.sources)
        return self


def find(name: str) -> Path:
    """A path, or the spec of that name that ships with netc.  A file of one's own goes first."""
    path = Path(name)
    if path.exists() or path.suffix == ".net" or len(path.parts) > 1:
        return path
    return spec_path(name) or path


def load_file(
    name: str,
    settings: Mapping[str, str] | None = None,
    sizes: Sizes | None = None,
    only: str | None = None,
) -> Loaded:
    """Reads and compiles a file or a shipped spec.  Raises NetError only where it cannot be read at all."""
    path = find(name)
    if Path(name).name == name and not path.exists():
        message = f"cannot read `{name}`: there is no such file, nor a spec of that name"
        near = did_you_mean(name.removesuffix(".net"), spec_names()) or f"there are {', '.join(spec_names())}"
        raise NetError([Diagnostic("E0801", message, Span(name, 1, 1, 1, 1), help=near)])
    return load_text(read(str(path)), str(path), settings, sizes, only=only)


def load_text(
    text: str,
    path: str = "<text>",
    settings: Mapping[str, str] | None = None,
    sizes: Sizes | None = None,
    imports: Mapping[str, str] | None = None,
    only: str | None = None,
) -> Loaded:
    """Compiles a text.  `settings` are those of the command line: `classes`, `depth`, `train.batch`.

    `sizes`, those of one example by the name of an input, go before the ones that a net writes; without a name
    they are those of the only input of a net.  Nets that they do not fit stay as they are.  An `expect` is a claim
    about the net as its file has it, so it is not held against other settings and sizes.  `imports` are the texts of
    what it imports, which else are read from the folder of `path`.  With `only`, the name of a net, no other net and
    no train block of another is looked at, so that their mistakes are not found.
    """
    given = settings or {}
    budget.begin()
    file, found = parse(text, path)
    if sizes:
        file = _resized(file, sizes if isinstance(sizes, Mapping) else {"": sizes})
    report = Report()
    for diagnostic in found:
        report.add(diagnostic)
    values = _outside(given)
    found_there = find_imports(file, report, imports)
    made = elaborate(file, values, report, Imported(tuple(found_there.files), found_there.links), only)
    _all_taken(values, made, file, only, report)
    nets = {net.name.id: net for net in _nets(file)}
    blocks = _train_blocks(file, made, given, only, report)
    misread = any(
        d.severity == "error" for d in found
    )  # parts of the file are left out, so its facts mean little
    compiled: dict[str, Compiled] = {}
    for name, graph in made.graphs.items():
        spec = train_spec(blocks[name], graph, made.settings, report) if name in blocks else None
        facts = Facts(graph, partial(measure, spec=spec))
        whole = not report.fails(graph.name, graph.span)
        if whole and not misread and not values and not sizes:
            prove(nets[name], graph, facts, report)
        elif not values and not sizes:
            look_into(nets[name], graph, report)
        compiled[name] = Compiled(graph, facts, spec, whole)
    diagnostics = report.sorted()
    return Loaded(path, text, file, compiled, given, diagnostics, found_there.texts, found_there.sources)


def _nets(file: ast.File) -> list[ast.Net]:
    return [item for item in file.items if isinstance(item, ast.Net)]


def _resized(file: ast.File, sizes: Mapping[str, tuple[int, ...]]) -> ast.File:
    """The file with other sizes of inputs in every net that they fit."""
    settings = {i.parameter.name.id for i in file.items if isinstance(i, ast.Param)}

    def net(item: ast.Net) -> ast.Net:
        inputs = [s.name.id for s in item.body if isinstance(s, ast.Input)]
        only = {inputs[0]: sizes[""]} if len(inputs) == 1 and "" in sizes else {}
        return with_sizes(item, {**sizes, **only}, settings)

    return replace(file, items=tuple(net(i) if isinstance(i, ast.Net) else i for i in file.items))


def measure(graph: Graph, batch: int = 1, *, spec: TrainSpec | None = None) -> Memory | None:
    """Bytes of prediction and of training, as the plans of their programs place them.

    None where a size is symbolic: what is not known cannot be planned.
    """
    if any(symbols(size) for n in graph.inputs for size in n.type.shape[1:]):
        return None
    spec = spec or default_spec(graph)
    training = plan(training_step(graph, spec, batch)).peak_bytes if spec.losses else None
    return Memory(_to_run(graph, batch), training)


def _to_run(graph: Graph, batch: int) -> int:
    """Bytes of a predictor: weights as they came and as they were folded, and the memory of both its programs."""
    program = forward(graph, batch)
    programs = folded(program)
    stay = (i for p in (program, *programs) for i in p.inputs if i.role in PERSISTENT)
    kept = {i.name: i.value.type.nbytes for i in stay}
    return sum(kept.values()) + sum(p.arena_bytes + p.fed_bytes for p in map(plan, programs))


def _option(name: str, value: str) -> str:
    """A setting as the command line has it, in one line."""
    return f"--set {name}={value}".replace("\n", " ")


def _outside(given: Mapping[str, str]) -> dict[str, Outside]:
    """The settings of the file and its nets, with their places on the command line."""
    out: dict[str, Outside] = {}
    for line, (name, text) in enumerate(given.items(), 1):
        if not name.startswith("train."):
            first = len("--set ") + 1
            end = first + len(name)
            ident = ast.Ident(name, Span(COMMAND_LINE, line, first, line, end))
            place = Span(COMMAND_LINE, line, end + 1, line, end + 1 + len(text))
            out[name] = Outside(ident, read_setting(text), place)
    return out


def _all_taken(
    values: Mapping[str, Outside], made: Elaborated, file: ast.File, only: str | None, report: Report
) -> None:
    """A setting from outside that nothing takes is a mistake."""
    known = [i.parameter.name.id for i in file.items if isinstance(i, ast.Param)]
    known += [p.name.id for net in _nets(file) if only in (None, net.name.id) for p in net.parameters]
    trains = any(isinstance(item, ast.Train) for item in file.items)
    for name, setting in values.items():
        if name not in made.used:
            near = nearest(name, known) or (trains and (key := nearest(name, KEYS)) and f"train.{key}")
            have = f"it has {', '.join(known)}" if known else "it has none"
            help = f"did you mean `{near}`?" if near else have
            message = f"the file has no setting `{name}`"
            report.add(Diagnostic("E0203", message, setting.name.span, help=help))


def _train_blocks(
    file: ast.File, made: Elaborated, given: Mapping[str, str], only: str | None, report: Report
) -> dict[str, ast.Train]:
    """The train block of each net, with the settings of the command line put in."""
    nets = [net.name.id for net in _nets(file)]
    out: dict[str, ast.Train] = {}
    for item in file.items:
        if not isinstance(item, ast.Train):
            continue
        name = item.net.id if item.net else nets[0] if len(nets) == 1 else None
        place = item.net.span if item.net else item.span
        if only is not None and name in nets and name != only:
            continue
        if name is None:
            help = "write its name: train NAME { … }"
            report.add(Diagnostic("E0603", "it is not said which net this trains", place, help=help))
        elif name not in nets:
            help = did_you_mean(name, nets)
            report.add(Diagnostic("E0201", f"unknown net `{name}`", place, help=help))
        elif name in out:
            first = out[name].net or out[name]
            notes = (Note(first.span, "the first one"),)
            report.add(Diagnostic("E0204", f"net `{name}` has two train blocks", place, notes=notes))
        elif name in made.graphs:
            out[name] = _overridden(item, given, report)
    return out


def _overridden(block: ast.Train, given: Mapping[str, str], report: Report) -> ast.Train:
    """The block with each `train.KEY=VALUE` in the place of its line.

    What is parsed in its place has its line and columns on the command line, so that spans lie there.
    """
    body = list(block.body)
    for line, (name, value) in enumerate(given.items()):
        if not name.startswith("train."):
            continue
        key = name.removeprefix("train.")
        option = _option(name, value)
        start = len("--set train.")
        written = option[start:].replace("=", " ", 1)
        text = "\n" * line + "train {".ljust(start) + written + " }\n"
        file, found = parse(text, COMMAND_LINE)
        for diagnostic in found:
            report.add(diagnostic)
        made = file.items[0]
        if found or not isinstance(made, ast.Train):
            continue
        body = [s for s in body if not (isinstance(s, ast.Setting) and s.key.id == key)] + list(made.body)
    return ast.Train(block.net, tuple(body), block.doc, block.span)
