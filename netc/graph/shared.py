"""`shared enc = Embed(64)`: one set of weights, however often it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netc.errors import Note, Span
from netc.graph.evaluate import Evaluator
from netc.graph.frame import Frame, new_name
from netc.graph.model import Node, Weight
from netc.graph.names import mentioned
from netc.layers import LAYERS
from netc.syntax import ast

Owned = Mapping[str, tuple[str, tuple[Weight, ...]]]  # by path under the shared name: layer kind and weights


@dataclass(slots=True, eq=False)
class SharedValue:
    """`shared enc = Embed(64)`: a step whose weights are those of its first use."""

    name: ast.Ident
    step: ast.Step
    frame: Frame  # as it was where the step is written
    uses: int = 0
    first: Span | None = None
    weights: Owned = field(default_factory=dict[str, "tuple[str, tuple[Weight, ...]]"])

    def __str__(self) -> str:
        return f"the shared `{self.name.id}`"

    __repr__ = __str__


def define_shared(statement: ast.Shared, frame: Frame, at: Evaluator) -> None:
    """Gives a shared step its name; it is expanded where it is used."""
    name = statement.name
    new_name(name, frame, at)
    if name.id in LAYERS or name.id in frame.home.blocks:
        what = "layer" if name.id in LAYERS else "block"
        raise at.fail("E0204", f"`{name.id}` is the name of a {what}", name.span)
    frame.labels.setdefault(name.id, name.span)
    # What the step looks up, as it is here: names that are given later are not meant.
    seen = {n: frame.scope[n] for n in mentioned(statement.step) if n in frame.scope}
    here = Frame(frame.home, seen, frame.scopes, frame.trace)
    frame.scope[name.id] = SharedValue(name, statement.step, here)
    frame.defined[name.id] = name


def share(
    shared: SharedValue, nodes: list[Node], begin: int, paths: tuple[str, str], span: Span, at: Evaluator
) -> None:
    """Gives the layers since `begin` the weights of the first use, which must be alike.

    `paths` are where this use stands and where the first one does.
    """
    here, first = paths
    found: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for node in nodes[begin:]:
        owner = node.owner or node.path
        inside = owner == here or owner.startswith(here + ".")
        if not inside or not node.expansion.weights:
            continue
        rest = owner.removeprefix(here)
        found[rest] = node.kind, node.expansion.weights
        if shared.first:
            again = replace(node.expansion, counted=False)
            nodes[node.id] = replace(node, owner=first + rest, expansion=again)
    if shared.first is None:
        shared.first, shared.weights = span, found
    elif found != shared.weights:
        raise at.fail(
            "E0401",
            f"`{shared.name.id}` has other weights here: {_difference(found, shared.weights)}",
            span,
            help="give both uses tensors with equal channels, or make it a block",
            notes=(Note(shared.first, "first used here"),),
        )


def _difference(here: Any, first: Any) -> str:
    """The first weights that two uses do not agree in."""
    for path in [*here, *first]:
        if here.get(path) != first.get(path):
            texts = [_owned(path, uses.get(path)) for uses in (here, first)]
            return f"{texts[0]}, and {texts[1]} at its first use"
    return "none"


def _owned(path: str, found: tuple[str, tuple[Any, ...]] | None) -> str:
    if found is None:
        return f"no `{path.lstrip('.')}`"
    kind, weights = found
    return f"{kind} {', '.join(str(list(w.shape)) for w in weights)}"
