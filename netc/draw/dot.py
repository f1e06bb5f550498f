"""A graph as Graphviz text: the same graph gives the same text, byte for byte."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from netc.draw import words
from netc.draw.arrows import Arrow, Place, arrows, box_name, output_name
from netc.draw.boxes import Box, Item, boxes, layout
from netc.draw.effort import QUICK, check_size, is_large
from netc.draw.theme import FONT, THEMES, Theme
from netc.errors import middle, plural
from netc.graph.model import Graph, Node, Scope, total

TEXT: Final = 11.0  # points
SMALL: Final = 9.0  # an HTML-like label takes whole points only
LONGEST: Final = 2000  # characters of a tooltip: Graphviz reads no string of more than 16,384 bytes
LONGEST_LINE: Final = 120  # characters of a label
WIDTH: Final = 150  # of a layer's box at least, so that a chain of them stands in one column


def to_dot(
    graph: Graph,
    *,
    depth: int | None = None,
    theme: Literal["paper", "dark"] = "paper",
    rankdir: Literal["TB", "LR"] = "TB",
    fold: bool = True,
    limit: bool = False,
) -> str:
    """The picture of a net in the DOT language.

    `depth` is how many levels of blocks are opened: 0 draws each block as one box, None opens all.  `fold` draws
    equal blocks that follow one another once, marked `×3`.  `limit`: raises TooLargeError where Graphviz could not lay
    the picture out in reasonable time.
    """
    plan = layout(graph, depth=depth, fold=fold)
    ways = arrows(graph, plan)
    if limit:
        check_size(len(boxes(plan.items)), ways)
    pen = _Pen(graph, THEMES[theme], rankdir, ways.junctions, is_large(ways))
    body = [
        *pen.head(plan.items),
        *pen.items(plan.items, "  "),
        *(pen.output(name, node) for name, node in graph.outputs.items()),
        *(pen.arrow(a) for a in ways.arrows),
    ]
    return "\n".join([f"digraph {quoted(graph.name)} {{", *body, "}", ""])


# ---- Text of the user in the text of Graphviz ------------------------------------------------------------


def _printable(text: str) -> str:
    """Text without what Graphviz would take for a command.

    `\\N` and `\\G` are put in twice in tooltips and once in HTML-like labels, so that no number of backslashes is right
    for all versions; U+2216 looks the same and means nothing.
    """
    return "".join(c if c.isprintable() else " " for c in text).replace("\\", "\N{SET MINUS}")


def quoted(text: str) -> str:
    """A string of DOT, where `&` would begin an entity.

    >>> print(quoted('a & "b"'))
    "a &amp; \\"b\\""
    """
    text = middle(text, LONGEST)
    escaped = _printable(text).replace("&", "&amp;").replace('"', '\\"')
    return f'"{escaped}"'


def html(text: str) -> str:
    """Text inside an HTML-like label.

    >>> html('if a < b & "c"')
    'if a &lt; b &amp; &quot;c&quot;'
    """
    text = middle(text, LONGEST_LINE)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return _printable(text)


def _font(text: str, *, size: float | None = None, color: str | None = None, bold: bool = False) -> str:
    """A run of text; empty text gives nothing, for Graphviz takes no empty run."""
    if not text:
        return ""
    inner = f"<B>{html(text)}</B>" if bold else html(text)
    look = (f' POINT-SIZE="{size:g}"' if size else "") + (f' COLOR="{color}"' if color else "")
    return f"<FONT{look}>{inner}</FONT>" if look else inner


def _attributes(pairs: Iterable[tuple[str, str]]) -> str:
    """Values that begin with `<` are labels already; all others are quoted."""
    return ", ".join(f"{k}={v if v.startswith('<') else quoted(v)}" for k, v in pairs)


# ---- The parts of the picture ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pen:
    graph: Graph
    theme: Theme
    rankdir: str
    junctions: Mapping[Place, tuple[str, ...]]
    quick: bool  # is drawn with straight arrows

    @property
    def upright(self) -> bool:
        return self.rankdir == "TB"

    def head(self, items: Sequence[Item]) -> list[str]:
        t = self.theme
        graph = [
            ("rankdir", self.rankdir),
            ("bgcolor", t.background),
            ("fontname", FONT),
            ("fontsize", f"{TEXT:g}"),
            ("fontcolor", t.text),
            ("labelloc", "b"),
            ("label", self._caption(items)),
            ("tooltip", _summary(self.graph)),
            ("nodesep", "0.3"),
            ("ranksep", "0.18" if self.upright else "0.3"),
            ("pad", "0.15"),
            *(QUICK if self.quick else ()),
        ]
        node = [
            ("shape", "plain"),
            ("fontname", FONT),
            ("fontsize", f"{TEXT:g}"),
            ("fontcolor", t.text),
            ("color", t.line),
        ]
        edge = [
            ("color", t.line),
            ("fontcolor", t.faint),
            ("fontname", FONT),
            ("fontsize", f"{SMALL:g}"),
            ("arrowsize", "0.6"),
            ("penwidth", "0.9"),
        ]
        return [
            f"  {what} [{_attributes(a)}];" for what, a in (("graph", graph), ("node", node), ("edge", edge))
        ]

    def _caption(self, items: Sequence[Item]) -> str:
        """Name, doc, totals, and what the small figures are."""
        t, g = self.theme, self.graph
        one_column = self.upright and all(isinstance(i, Box) for i in items)
        width = 48 if one_column else 76
        params = sum(n.expansion.params for n in g.nodes)
        macs = total(n.expansion.macs for n in g.nodes)
        costs = f", {words.count(macs)} MACs" if macs is not None else ""  # a symbolic size decides
        first = g.doc.split("\n\n")[0]  # what it is; paragraphs after that are for the file's reader
        doc = textwrap.wrap(" ".join(first.split()), width, max_lines=3, placeholder=" …")
        lines = [
            _font(g.name, size=TEXT + 2, bold=True),
            "<BR/>".join(_font(line) for line in doc),
            _font(f"{params:,} parameters{costs}", size=TEXT - 1),
        ]
        if params:
            key = "right of a layer: its parameters" if self.upright else "below a layer: its parameters"
            sizes = "channels × height × width" if any(n.type.rank == 4 for n in g.nodes) else "sizes"
            lines.append(_font(f"{key}; at the arrows: {sizes}", size=SMALL, color=t.faint))
        rows = '<TR><TD HEIGHT="6"></TD></TR>' + "".join(
            f"<TR><TD>{line}</TD></TR>" for line in lines if line
        )
        return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">{rows}</TABLE>>'

    # ---- boxes and blocks

    def items(self, items: Sequence[Item], indent: str) -> list[str]:
        out: list[str] = []
        for item in items:
            if isinstance(item, Box):
                out.append(indent + self.box(item))
                continue
            scope = item.scopes[-1]
            name = "cluster_" + ".".join(s.name for s in item.scopes)
            look = [
                ("label", f"<{self._block_title(scope, item.times)}>"),
                ("labelloc", "t"),
                ("labeljust", "r" if self.upright else "l"),  # away from the arrow that comes in
                ("style", "rounded,filled"),
                ("fillcolor", self.theme.group),
                ("color", self.theme.group_line),
                ("margin", "9"),
                ("tooltip", self._where(item.scopes, item.times)),
            ]
            out.append(f"{indent}subgraph {quoted(name)} {{")
            out.append(f"{indent}  graph [{_attributes(look)}];")
            out += [f"{indent}  {self._junction(name)}" for name in self.junctions.get(item.scopes, ())]
            out += self.items(item.items, indent + "  ")
            out.append(f"{indent}}}")
        return out

    def _junction(self, name: str) -> str:
        look = [("shape", "point"), ("width", "0.04"), ("color", self.theme.line), ("tooltip", " ")]
        return f"{quoted(name)} [{_attributes(look)}];"

    def _block_title(self, scope: Scope, times: int) -> str:
        title = _font(_cut(scope.written), size=TEXT - 1)
        return f"{title} {_font(f'×{times}', bold=True)}" if times > 1 else title

    def _where(self, scopes: Sequence[Scope], times: int) -> str:
        path = ".".join([self.graph.name, *(s.name for s in scopes)])
        return f"{path}: {scopes[-1].written}" + (f", {times} in a row" if times > 1 else "")

    def box(self, box: Box) -> str:
        n = box.lead
        if box.block:
            tooltip = f"{self._where(box.block, box.times)}; {box.params:,} parameters"
        else:
            tooltip = "; ".join(self._said(m) for m in box.nodes)
        if n.layer is None:
            look = self._end(_font(n.name, bold=True), words.shape(n.type))
        elif box.block:
            look = [("label", self._table(box, self._block_title(box.block[-1], box.times), "block"))]
        elif words.family(n) == "join":
            look = self._join(box)
        else:
            look = [("label", self._table(box, self._layer_title(box), words.family(n)))]
        return f"{box_name(box)} [{_attributes([*look, ('tooltip', tooltip)])}];"

    def _said(self, n: Node) -> str:
        """A layer in a tooltip: its path, itself, its result, its line."""
        name = f" ({n.tensor})" if n.tensor and n.tensor != n.name else ""
        params = f", {n.expansion.params:,} parameters" if n.expansion.params else ""
        place = f"{PurePath(n.span.file).name}:{n.span.line}"
        return f"{self.graph.name}.{n.path}{name}: {n.describe()} → {n.type!r}{params}, {place}"

    def _end(self, title: str, shape: str) -> list[tuple[str, str]]:
        """An input or an output."""
        small = _font(shape, size=SMALL, color=self.theme.faint)
        rows = "</TD><TD>" if self.upright else "</TD></TR><TR><TD>"
        table = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="{3 if self.upright else 0}" CELLPADDING="1">'
        return [
            ("label", f"<{table}<TR><TD>{title}{rows}{small}</TD></TR></TABLE>>"),
            ("shape", "box"),
            ("style", "rounded,filled"),
            ("fillcolor", self.theme.fills["end"]),
            ("height", "0.28"),
            ("margin", "0.1,0.02"),
        ]

    def _layer_title(self, box: Box) -> str:
        assert box.lead.layer
        name = words.given_name(box.lead)
        title = (_font(f"{name} ", bold=True) if name else "") + _font(words.brief(box.lead.layer))
        return f"{title} {_font(f'×{box.times}', bold=True)}" if box.times > 1 else title

    def _table(self, box: Box, title: str, family: str) -> str:
        """The title with the parameters at its right; beneath it the strips, side by side."""
        t = self.theme
        strips = () if box.block else box.nodes[1:]
        params = _font(words.count(box.params), size=SMALL, color=t.faint) if box.params else ""
        fill = t.fills[family]
        wide = f' WIDTH="{WIDTH}"' if self.upright else ""
        row = f'<TD COLSPAN="{max(1, len(strips))}" BGCOLOR="{fill}" CELLPADDING="2"{wide}>'
        rows = [f"<TR>{row}{self._pair(title, params)}</TD></TR>"]
        if strips:
            rows.append(f"<TR>{''.join(self._strip(n) for n in strips)}</TR>")
        look = f'BORDER="0" CELLBORDER="1" CELLSPACING="0" COLOR="{t.line}"'
        return f"<<TABLE {look}>{''.join(rows)}</TABLE>>"

    def _pair(self, title: str, params: str) -> str:
        """A title and its small figure: side by side, or one below the other where the net runs from left to right."""
        plain = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2">'
        if not params:
            return f"{plain}<TR><TD>{title}</TD></TR></TABLE>"
        if not self.upright:
            return f'{plain}<TR><TD>{title}</TD></TR><TR><TD CELLPADDING="0">{params}</TD></TR></TABLE>'
        return f'{plain}<TR><TD ALIGN="LEFT">{title}</TD><TD ALIGN="RIGHT">{params}</TD></TR></TABLE>'

    def _strip(self, n: Node) -> str:
        assert n.layer
        fill = self.theme.fills[words.family(n)]
        return f'<TD BGCOLOR="{fill}" CELLPADDING="1">{_font(words.brief(n.layer), size=SMALL)}</TD>'

    def _join(self, box: Box) -> list[tuple[str, str]]:
        """A small circle with its operator, a slim bar for concat; strips make it a row."""
        layer = box.lead.layer
        assert layer
        sign = words.sign(layer)
        if sign and len(box.nodes) == 1:
            return [
                ("label", f"<{_font(sign, size=TEXT + 2)}>"),
                ("shape", "circle"),
                ("fixedsize", "true"),
                ("width", "0.27"),
                ("style", "filled"),
                ("fillcolor", self.theme.fills["join"]),
            ]
        t = self.theme
        strips = box.nodes[1:]
        text = _font(sign, size=TEXT + 1, bold=True) if sign else _font(words.brief(layer), size=SMALL + 1)
        wide = f' WIDTH="{40 if sign else 96}"' if self.upright else ""
        look = f'COLSPAN="{max(1, len(strips))}" BGCOLOR="{t.fills["join"]}" CELLPADDING="1"{wide}'
        rows = f"<TR><TD {look}>{text}</TD></TR>"
        if strips:
            rows += f"<TR>{''.join(self._strip(n) for n in strips)}</TR>"
        look = f'BORDER="0" CELLBORDER="1" CELLSPACING="0" COLOR="{t.line}"'
        return [("label", f"<<TABLE {look}>{rows}</TABLE>>")]

    # ---- arrows

    def output(self, name: str, node: int) -> str:
        n = self.graph.nodes[node]
        look = [
            *self._end(_font(name, bold=True), words.shape(n.type)),
            ("tooltip", f"output {name}: {n.type!r}"),
        ]
        return f"  {quoted(output_name(name))} [{_attributes(look)}];"

    def arrow(self, a: Arrow) -> str:
        look = [("tooltip", repr(a.type))]
        label = [words.shape(a.type)] if a.labelled else []
        if a.times > 1:
            label.append("twice" if a.times == 2 else f"{a.times} times")
        if label:
            look.append(("label", f" {', '.join(label)}"))
        if a.through:
            look.append(("arrowhead", "none"))
        if a.weight > 1:
            look.append(("weight", str(a.weight)))
        return f"  {quoted(a.source)} -> {quoted(a.target)} [{_attributes(look)}];"


def _summary(graph: Graph) -> str:
    """The picture in a sentence, for those who cannot see it."""
    params = sum(n.expansion.params for n in graph.nodes)
    layers = sum(n.layer is not None for n in graph.nodes)
    ins = ", ".join(f"{n.name} {n.type!r}" for n in graph.inputs)
    outs = ", ".join(f"{name} {graph.nodes[i].type!r}" for name, i in graph.outputs.items())
    doc = f" {' '.join(graph.doc.split())}" if graph.doc else ""
    return f"{graph.name}: {plural(layers, 'layer')}, {params:,} parameters, from {ins} to {outs}.{doc}"


_WIDEST_TITLE: Final = 44  # characters; a longer call is cut, and whole in the tooltip


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST_TITLE else text[: _WIDEST_TITLE - 2] + " …"
