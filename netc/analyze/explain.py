"""The arithmetic behind a layer's figures, with its numbers put in."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netc.analyze.facts import Facts
from netc.analyze.figures import UNKNOWN, exact, times
from netc.analyze.receptive import Axis
from netc.analyze.report import activation_bytes
from netc.graph.model import Graph, Node, Weight
from netc.ir.builder import Builder
from netc.ir.program import Equation
from netc.layers import Window, conv, dense, join, pool, transpose_conv
from netc.layers.args import as_tuple
from netc.layers.base import SIDES, Layer, Seen, map_size
from netc.ops.primitive import elements
from netc.ops.windows import reach
from netc.sizes import Size, Undecided, floor_div
from netc.types import ITEM_BYTES, TensorType, physical

Section = tuple[str, list[str]]


def explain(facts: Facts, node: Node) -> str:
    """How each figure of a layer comes about, a section a figure."""
    if node.layer is None:
        return f"{facts.graph.name}.{node.path}: an input of {node.type!r}, which costs nothing"
    graph, layer = facts.graph, node.layer
    inputs = [graph.nodes[i] for i in node.inputs]
    types = tuple(n.type for n in inputs)
    sections: list[Section] = [
        ("input", [f"{n.path} {n.type!r}" for n in inputs]),
        ("output", [*_output(layer, types, node.type), repr(node.type)]),
        ("parameters", _parameters(node)),
        ("MACs", _macs(node, types[0])),
        ("FLOPs", _flops(layer, types, node.expansion.flops)),
        ("memory", [_memory(node)]),
        ("field", _field(facts, node, inputs)),
    ]
    if node.expansion.state:
        kept = [w for w in node.expansion.weights if not w.parameter]
        sections.insert(3, ("state", _weights(kept, node.expansion.state)))
    s = node.span
    head = [f"{graph.name}.{node.path}: {node.describe()}", f"{s.file}:{s.line}:{s.col}"]
    head += [f"in {', '.join(node.trace)}"] if node.scopes else []
    return "\n".join([*head, *(line for section in sections for line in _lines(section))])


def find(graph: Graph, name: str) -> Node | None:
    """The layer of a path (`basic2.conv1`, with the net's name before it or not), or of a tensor's name."""
    path = name.removeprefix(f"{graph.name}.")
    for node in graph.nodes:
        if node.path == path:
            return node
    return graph.node(name) if name in graph.tensors else None


def _parameters(node: Node) -> list[str]:
    """Weights of its own; those of another layer are counted there."""
    if node.owner:
        return [f"0: its weights are those of `{node.owner}`, which counts them"]
    frozen = ["frozen: they are not trained"] if node.expansion.frozen else []
    return [*_weights([w for w in node.expansion.weights if w.parameter], node.expansion.params), *frozen]


def _lines(section: Section) -> list[str]:
    name, lines = section
    return ["", *(f"{name if i == 0 else '':<12}{line}" for i, line in enumerate(lines))]


# ---- Output ---------------------------------------------------------------------------------------------------------


def _output(layer: Layer, types: Sequence[TensorType], out: TensorType) -> list[str]:
    x = types[0]
    match layer:
        case conv.Convolving() | pool.Pooling():
            return _window_sizes(layer, x, out)
        case dense.Flatten():
            return [f"{times(x.shape[1:], '·')} = {_count(out.shape[1:])} numbers in a row"]
        case dense.Dense():
            return [f"out = {layer.out}"]
        case pool.GlobalAvgPool():
            return [f"the mean of {_equals(x.shape[2:])} pixels, for each channel"]
        case join.Concat():
            axis = "NCHW".index(layer.axis)
            return [f"{layer.axis} = {' + '.join(str(t.shape[axis]) for t in types)} = {out.shape[axis]}"]
        case _:
            return []


def _window_sizes(layer: conv.Convolving | pool.Pooling, x: TensorType, out: TensorType) -> list[str]:
    """⌊(I + P − reach) / S⌋ + 1 along both axes; once where they are the same, or where there is one."""
    size = map_size(x)
    frame = layer.frame(size, x.rank)
    up = isinstance(layer, pool.Pooling) and layer.round == "ceil"
    left, right = "⌈⌉" if up else "⌊⌋"
    told: list[str] = []
    for i, k, s, (before, after), d, o in zip(
        size, frame.kernel, frame.stride, frame.pad, frame.dilation, map_size(out), strict=True
    ):
        padded = f"{i} + {before} + {after}" if before or after else str(i)
        spans = f"{reach(k, d)}" if d == 1 else f"({d}·({k} − 1) + 1)"
        held = i + before + after - reach(k, d)
        cut = up and floor_div(held + (s - 1), s) + 1 != o
        late = ", less one window that would start beyond the input" if cut else ""
        told.append(f"{left}({padded} − {spans}) / {s}{right} + 1 = {o}{late}")
    if x.rank == 3:
        return [f"length {told[1]}"]
    if told[0] == told[1]:
        return [f"height and width {told[0]}"]
    return [f"{side} {text}" for side, text in zip(SIDES, told, strict=True)]


# ---- Weights and operations -----------------------------------------------------------------------------------------


def _count(sizes: Sequence[Size]) -> str:
    """How many elements there are; unknown where a symbolic size decides."""
    count = 1
    for size in sizes:
        if not isinstance(size, int):
            return UNKNOWN
        count *= size
    return exact(count)


def _equals(sizes: Sequence[Size]) -> str:
    """`8·8 = 64`; the product alone where a symbolic size decides."""
    count = _count(sizes)
    return times(sizes, "·") if count == UNKNOWN else f"{times(sizes, '·')} = {count}"


def _weights(weights: Sequence[Weight], total: int) -> list[str]:
    if not weights:
        return ["0"]
    told = [
        f"{w.name} {list(w.shape)}: {times(w.shape, '·')} = {w.count:,}"
        if len(w.shape) > 1
        else f"{w.name} {list(w.shape)}: {w.count:,}"
        for w in weights
    ]
    return (
        told if len(weights) == 1 else [*told, f"{' + '.join(f'{w.count:,}' for w in weights)} = {total:,}"]
    )


def _macs(node: Node, x: TensorType) -> list[str]:
    e = node.expansion
    if e.macs == 0:
        return ["0: no weights are multiplied with"]
    weights = [times(w.shape, "·") for w in e.weights if len(w.shape) > 1]
    each = weights[0] if len(weights) == 1 else f"({' + '.join(weights)})"
    transposed = isinstance(node.layer, transpose_conv.ConvTranspose)  # a window for each pixel that goes in
    pixels = (x if transposed else node.type).shape[2:]
    if not pixels:
        return [f"each of {each} weights once{_comes_to(e.macs)}"]
    return [f"{times(pixels, '·')} places · {each} weights{_comes_to(e.macs)}"]


def _comes_to(figure: int | None, unit: str = "") -> str:
    """What a product comes to; nothing where a symbolic size decides, for then it is its own best form."""
    return "" if figure is None else f" = {figure:,}{unit}"


def _flops(layer: Layer, types: tuple[TensorType, ...], total: int | None) -> list[str]:
    """What each primitive of the layer costs."""
    b = Builder(training=False)
    xs = [b.input(f"x{i}", TensorType(physical(t.shape), t.dtype), "data") for i, t in enumerate(types)]
    layer.expand(b, *xs)
    told: list[str] = []
    for eq in b.equations:
        ins, outs = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
        try:
            flops, macs = eq.op.flops(ins, outs, dict(eq.params)), eq.op.macs(ins, outs, dict(eq.params))
        except Undecided:
            told.append(f"{eq.op}: {UNKNOWN}")
            continue
        if macs and flops == 2 * macs:
            told.append(f"{eq.op}: 2 · {macs:,} MACs = {flops:,}")
        elif flops:
            told.append(f"{eq.op}: {_product(eq, flops)}{flops:,}")
    return told if len(told) == 1 else [*told, f"{exact(total)} together"] if told else ["0"]


def _product(eq: Equation, flops: int) -> str:
    """`2·2 numbers · 400 windows = `: what is done how often; nothing where it is not the same each time."""
    kernel = as_tuple(eq.params.get("kernel"))
    results = elements(eq.outputs[0].type)
    if kernel and prod(kernel) * results == flops:
        return f"{times(kernel, '·')} numbers · {results:,} windows = "
    most = max(elements(v.type) for v in (*eq.inputs, *eq.outputs))
    return f"{flops // most} · {most:,} numbers = " if most and flops % most == 0 else ""


def _memory(node: Node) -> str:
    t = node.type
    held = _comes_to(activation_bytes(node), " bytes")
    return f"{times(t.shape[1:], '·')} numbers · {ITEM_BYTES[t.dtype]} bytes{held}"


# ---- Receptive field ------------------------------------------------------------------------------------------------


def _field(facts: Facts, node: Node, inputs: Sequence[Node]) -> list[str]:
    field = facts.fields[node.id]
    if field is None:
        return ["none: no feature map flows into it"]
    if field.axes is None:
        return ["the whole input"]
    assert node.layer
    sight = node.layer.window(inputs[0].type)
    before = [f.axes for f in (facts.fields[n.id] for n in inputs) if f and f.axes]
    told: list[str] = []
    for axis in (1,) if field.line else (0, 1):
        after = field.axes[axis]
        if isinstance(sight, tuple):
            told.append(_through(before[0][axis], sight[1 - axis if field.turned else axis], after))
        elif len(before) > 1:
            told.append(_hull([b[axis] for b in before], after))
        else:
            told.append(f"as before it: {_triple(after)}")
    if told[0] == told[-1]:
        told = told[:1]
    else:
        told = [f"{side}: {', '.join(text.splitlines())}" for side, text in zip(SIDES, told, strict=True)]
    whole = ["and, by a path that sees all, the whole input"] if field.whole else []
    return [line for text in told for line in text.split("\n")] + whole


def _triple(a: Axis) -> str:
    return f"size {a.size}, stride {a.stride}, padding {a.pad}"


def _through(a: Axis, w: Seen, after: Axis) -> str:
    """Araujo, Norris and Sim, 2019: r + d(k − 1)·S, S·s, P + p·S."""
    if not isinstance(w, Window):
        step = f"{w.step}·u" if w.step > 1 else "u"
        first, last = (
            f"⌊({step} + {c}) / {w.over}⌋" if c else f"⌊{step} / {w.over}⌋" for c in (w.low, w.high)
        )
        seen = first if first == last else f"{first} to {last}"
        return f"{_triple(after)}: index u sees {seen}".replace("+ -", "− ")
    if any(p.stairs for p in a.paths):
        return _triple(after)
    if len(a.paths) > 1:
        strides = ", ".join(str(p.stride) for p in a.paths)
        return f"{_triple(after)}, by a window of {w.kernel} over paths of strides {strides}"
    spread = f"{w.dilation}·({w.kernel} − 1)" if w.dilation > 1 else f"({w.kernel} − 1)"
    return (
        f"size {a.size} + {spread}·{a.stride} = {after.size}\n"
        f"stride {a.stride}·{w.stride} = {after.stride}\n"
        f"padding {a.pad} + {w.pad}·{a.stride} = {after.pad}"
    )


def _hull(axes: Sequence[Axis], after: Axis) -> str:
    seen = dict.fromkeys(axes)  # two paths of one field are said once
    joined = " and ".join(f"{a.size} (stride {a.stride}, padding {a.pad})" for a in seen)
    aligned = "" if after.aligned else "; their strides or centres differ, so this is their hull"
    return f"of {joined}: {_triple(after)}{aligned}"
