"""What changed between two nets: layers added, removed and changed, and their totals.

A layer that its author has named is the same layer in both nets.  The others are matched by what they are and where
they stand, as lines of a text are (the longest runs of equal layers first); of what then differs, layers of one kind
are taken for one another in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Final

from netc.analyze.figures import exact
from netc.analyze.figures import size as in_bytes
from netc.analyze.report import NetReport, totals
from netc.analyze.rows import said
from netc.errors import plural
from netc.graph.model import Node
from netc.ir.program import Numbers

SCHEMA: Final = "netc.diff/1"
_TOTALS: Final = (
    ("params", "parameters"), ("trained", "trained"), ("frozen", "frozen"), ("state", "state"), ("macs", "MACs"),
    ("flops", "FLOPs"), ("infer_bytes", "memory to run"), ("train_bytes", "memory to train"), ("depth", "depth"),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Two nets: their nodes that match, and those of each that match none."""

    a: NetReport
    b: NetReport
    pairs: tuple[tuple[Node, Node], ...]
    removed: tuple[Node, ...]
    added: tuple[Node, ...]

    @cached_property
    def changed(self) -> list[tuple[Node, Node]]:
        """Pairs that differ in more than their names."""
        return [(a, b) for a, b in self.pairs if self._aspects(a, b)]

    @cached_property
    def renamed(self) -> list[tuple[Node, Node]]:
        """Pairs that differ only in their paths, and so in the names of their weights."""
        return [(a, b) for a, b in self.pairs if a.path != b.path and not self._aspects(a, b)]

    @cached_property
    def outputs(self) -> tuple[list[str], list[str], list[str]]:
        """Names of outputs that only A has, that only B has, and that stand for another tensor in each."""
        there, _ = self._there
        old, new = self.a.graph.outputs, self.b.graph.outputs
        other = [name for name, node in old.items() if name in new and there.get(node) != new[name]]
        return [name for name in old if name not in new], [name for name in new if name not in old], other

    @property
    def reordered(self) -> bool:
        """Whether both have the same outputs in another order."""
        old, new = list(self.a.graph.outputs), list(self.b.graph.outputs)
        return old != new and sorted(old) == sorted(new)

    @property
    def same(self) -> bool:
        layers = self.removed or self.added or self.changed or self.renamed
        return not (layers or any(self.outputs) or self.reordered)

    def _aspects(self, a: Node, b: Node) -> bool:
        differ = a.describe() != b.describe() or a.type != b.type or a.expansion != b.expansion
        return differ or _own(a) != _own(b) or not self._wired(a, b)

    def _wired(self, a: Node, b: Node) -> bool:
        """Whether both read the same, as far as what they read is in both nets."""
        there, new = self._there
        if len(a.inputs) != len(b.inputs):
            return False
        return all(there.get(i, j) == j or j in new for i, j in zip(a.inputs, b.inputs, strict=True))

    @cached_property
    def _there(self) -> tuple[dict[int, int], frozenset[int]]:
        """Where in B each node of A is, and what B alone has."""
        return {old.id: new.id for old, new in self.pairs}, frozenset(n.id for n in self.added)


def diff(a: NetReport, b: NetReport) -> Difference:
    """Matches the layers of two nets."""
    pairs: list[tuple[Node, Node]] = []
    removed: list[Node] = []
    added: list[Node] = []
    for olds, news in _runs(a.graph.nodes, b.graph.nodes, _key, pairs):
        for some, others in _runs(olds, news, _kind, pairs):
            removed += some
            added += others
    moved = {_key(n): n for n in added if _named(n)}
    for old in list(removed):
        if _named(old) and (new := moved.get(_key(old))):
            pairs.append((old, new))
            removed.remove(old)
            added.remove(new)
    return Difference(a, b, tuple(sorted(pairs, key=lambda p: p[1].id)), tuple(removed), tuple(added))


def _named(node: Node) -> bool:
    """Whether its author has named it; `conv2` is a name that netc made."""
    return not (node.name.startswith(node.kind) and node.name[len(node.kind) :].isdigit())


def _key(node: Node) -> Hashable:
    return node.path if _named(node) else (node.describe(), node.type)


def _kind(node: Node) -> Hashable:
    return node.kind, _named(node) and node.path


def _runs(
    a: Sequence[Node], b: Sequence[Node], key: Callable[[Node], Hashable], pairs: list[tuple[Node, Node]]
) -> Iterator[tuple[Sequence[Node], Sequence[Node]]]:
    """Adds the nodes of equal keys to the pairs, and gives what lies between them."""
    keys, others = [key(n) for n in a], [key(n) for n in b]
    least = min(len(a), len(b))
    first = next((i for i in range(least) if keys[i] != others[i]), least)
    rest = least - first
    last = next((i for i in range(rest) if keys[-1 - i] != others[-1 - i]), rest)
    pairs += zip(a[:first], b[:first], strict=True)
    pairs += zip(a[len(a) - last :], b[len(b) - last :], strict=True)
    one, two = a[first : len(a) - last], b[first : len(b) - last]
    between: SequenceMatcher[Hashable] = SequenceMatcher(
        None, keys[first : len(a) - last], others[first : len(b) - last], autojunk=False
    )
    for what, i, j, k, m in between.get_opcodes():
        if what == "equal":
            pairs += zip(one[i:j], two[k:m], strict=True)
        else:
            yield one[i:j], two[k:m]


# ---- As JSON -------------------------------------------------------------------------------------------------------


def diff_dict(d: Difference) -> dict[str, Any]:
    """One pair of nets in the object of `netc diff --json`; two figures are those of A and of B."""
    old, new = totals(d.a), totals(d.b)
    return {
        "a": d.a.graph.name,
        "b": d.b.graph.name,
        "same": d.same,
        "totals": {name: [old[name], new[name]] for name, _ in _TOTALS},
        "removed": [_one(n, d.a) for n in d.removed],
        "added": [_one(n, d.b) for n in d.added],
        "changed": [_two(_one(a, d.a), _one(b, d.b)) for a, b in d.changed],
        "renamed": [[a.path, b.path] for a, b in d.renamed],
        "outputs": [list(d.a.graph.outputs), list(d.b.graph.outputs)],
        "redirected": d.outputs[2],
    }


def _one(node: Node, report: NetReport) -> dict[str, Any]:
    e = node.expansion
    return {
        "path": node.path,
        "layer": node.describe(),
        "inputs": [report.graph.nodes[i].path for i in node.inputs],
        "given": node.own.weight,
        "shape": [size if isinstance(size, int) else str(size) for size in node.type.shape],
        "params": e.params,
        "state": e.state,
        "macs": e.macs,
        "line": node.span.line,
    }


def _two(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return {name: [a[name], b[name]] for name in a}


# ---- As text -------------------------------------------------------------------------------------------------------


def diff_text(d: Difference) -> str:
    """A heading, the layers in the order of B, and the totals that differ."""
    a, b = d.a.graph, d.b.graph
    head = a.name if a.name == b.name else f"{a.name} → {b.name}"
    if d.same:
        return f"{head}: no layer differs"
    counts = [
        (len(d.removed), "removed"), (len(d.added), "added"), (len(d.changed), "changed"), (len(d.renamed), "renamed"),
    ]  # fmt: skip
    told = ", ".join(f"{plural(count, 'layer')} {what}" for count, what in counts if count)
    layers, outputs = _layers(d), _outputs(d)
    between = [""] if layers and outputs else []
    return "\n".join([f"{head}: {told or 'other outputs'}", "", *layers, *between, *outputs, *_differing(d)])


def _outputs(d: Difference) -> list[str]:
    removed, added, other = d.outputs
    out = [f"- output {name}" for name in removed] + [f"+ output {name}" for name in added]
    for name in other:
        a, b = (n.graph.nodes[n.graph.outputs[name]] for n in (d.a, d.b))
        out.append(f"~ output {name}: that of {a.path} → that of {b.path}")
    if d.reordered:
        out.append(f"~ outputs: {', '.join(d.a.graph.outputs)} → {', '.join(d.b.graph.outputs)}")
    return out


def _layers(d: Difference) -> list[str]:
    changed = {b.id: (a, b) for a, b in d.changed}
    added = {n.id for n in d.added}
    gone = list(d.removed)
    old = {b.id: a.id for a, b in d.pairs}
    ends = [len(d.a.graph.nodes)]  # the next node of A that B has too, from each node of B on
    for node in reversed(d.b.graph.nodes):
        ends.append(old.get(node.id, ends[-1]))
    out: list[str] = []
    for node in d.b.graph.nodes:
        while gone and gone[0].id < ends[len(d.b.graph.nodes) - node.id]:
            out.append(_line("-", gone.pop(0)))
        if node.id in added:
            out.append(_line("+", node))
        elif node.id in changed:
            out.append(_change(*changed[node.id]))
    return out + [_line("-", n) for n in gone]


def _line(sign: str, n: Node) -> str:
    params = f", {n.expansion.params:,} parameters" if n.expansion.params else ""
    return f"{sign} {n.path}: {n.describe()}, {said(n)}{params}"


def _change(a: Node, b: Node) -> str:
    path = a.path if a.path == b.path else f"{a.path} → {b.path}"
    told = [_arrow(a.describe(), b.describe())]
    if a.type != b.type:
        told.append(_arrow(said(a), said(b)))
    if a.expansion.params != b.expansion.params:
        told.append(f"{_arrow(exact(a.expansion.params), exact(b.expansion.params))} parameters")
    if len(told) == 1 and a.expansion.flops != b.expansion.flops:
        told.append(f"{_arrow(exact(a.expansion.flops), exact(b.expansion.flops))} FLOPs")
    if a.own.weight is not None and b.own.weight is not None and _own(a) != _own(b):
        told.append(_given(a.own.weight, b.own.weight))
    if len(told) == 1 and a.describe() == b.describe():
        told.append("reads another tensor")
    return f"~ {path}: {', '.join(told)}"


def _given(a: Numbers, b: Numbers) -> str:
    """How many of the weights that both give differ, and the first."""
    old, new = list(_flat(a)), list(_flat(b))
    if len(old) != len(new):
        return f"{len(old):,} → {len(new):,} given weights"
    (at, one, other), *more = [(at, i, j) for (at, i), (_, j) in zip(old, new, strict=True) if i != j]
    place = "".join(f"[{i}]" for i in at)
    verb = "differ" if more else "differs"
    return (
        f"{plural(1 + len(more), 'given weight')} {verb}: {place} {one:g} → {other:g}{', …' if more else ''}"
    )


def _own(node: Node) -> Hashable:
    """What a layer says of its weights; axes of size 1 may be written or left out."""
    own = node.own
    return replace(own, weight=None), own.weight and tuple(number for _, number in _flat(own.weight))


def _flat(numbers: Numbers, at: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every number with its place."""
    if isinstance(numbers, tuple):
        for i, item in enumerate(numbers):
            yield from _flat(item, (*at, i))
    else:
        yield at, numbers


def _arrow(a: str, b: str) -> str:
    return a if a == b else f"{a} → {b}"


def _differing(d: Difference) -> list[str]:
    old, new = totals(d.a), totals(d.b)
    lead = max(len(title) for _, title in _TOTALS) + 2
    out: list[str] = []
    for name, title in _TOTALS:
        a, b = old[name], new[name]
        if a == b:
            continue
        shown = in_bytes if name.endswith("_bytes") else exact
        share = f" ({'+' if b > a else '−'}{abs(b - a) / a:.1%})" if a and b is not None else ""
        out.append(f"{title:<{lead}}{shown(a)} → {shown(b)}{share}")
    return ["", *out] if out else []
