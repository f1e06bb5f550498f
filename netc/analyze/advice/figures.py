"""Advice from figures: receptive fields, pixels that are lost, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netc.analyze.advice.study import Study, advice, sides, windows
from netc.errors import Diagnostic, plural
from netc.graph.model import Node
from netc.layers.base import SIDES, Window
from netc.ops.windows import reach

LARGE: Final = 1_000_000  # parameters from which on it matters where they are
LINES: Final = ("row", "column")


def small_field(about: Study) -> Iterator[Diagnostic]:
    """W0101: a pixel of the last map sees less than half of the input, and then everything is mixed at once.

    E. Sokolov, Foundations of Deep Learning, lecture 3: Convolutional Networks, 2025, where a picture of 512 by 512
    needs very many layers; A. Araujo, W. Norris and J. Sim, Computing Receptive Fields of Convolutional Neural
    Networks, 2019.
    """
    node = about.facts.last_map
    images = [n for n in about.graph.inputs if n.type.rank == 4]
    if node is None or len(images) != 1:
        return
    field, size = about.facts.fields[node.id], sides(images[0])
    ends = (about.facts.fields[i] for i in about.graph.outputs.values())
    if field is None or field.whole or field.line or field.local is None or size is None:
        return
    if not any(end and end.whole for end in ends):  # a map that comes out may be meant to be local
        return
    if all(2 * seen >= side for seen, side in zip(field.local, size, strict=True)):
        return
    seen, of = "×".join(map(str, field.local)), "×".join(map(str, size))
    yield advice(
        "W0101",
        node,
        f"a pixel of the last feature map sees {seen} of an input of {of}",
        f"sees {seen}",
        "let windows see more: a stride or a pool earlier, a dilation, or more layers (Sokolov, lecture 3, 2025)",
    )


def unread_pixels(about: Study) -> Iterator[Diagnostic]:
    """W0102: pixels of an input that no output depends on.

    A. Araujo, W. Norris and J. Sim, Computing Receptive Fields of Convolutional Neural Networks, 2019: a stride
    larger than the window leaves gaps.
    """
    losing: list[tuple[Node, str, bool]] = []
    for image in about.graph.inputs:
        read, size = about.read[image.id], sides(image)
        if read is None or size is None:
            continue
        lost = [side - mask.bit_count() for mask, side in zip(read, size, strict=True)]
        told = [f"{n} of {side} {line}s" for n, side, line in zip(lost, size, LINES, strict=True) if n]
        if told:
            trailing = all(mask.bit_length() == mask.bit_count() for mask in read)
            losing.append((image, " and ".join(told), trailing))
    leftover = any(True for _ in leftover_pixels(about)) if losing else False
    leaping = [
        (n, "its stride is larger than its window") for n in about.layers if losing and _leaps(about, n)
    ]
    for image, told, trailing in losing:
        if not (trailing and leftover):
            yield advice(
                "W0102",
                image,
                f"no output depends on {told} of `{image.name}`",
                "not all of it is read",
                "take a smaller stride, a larger window, or a pool in its place (Araujo, Norris and Sim, 2019)",
                leaping[:1],
            )


def _leaps(about: Study, node: Node) -> bool:
    return any(w and w.stride > reach(w.kernel, w.dilation) for w in windows(node, about.before(node)))


def leftover_pixels(about: Study) -> Iterator[Diagnostic]:
    """W0103: rows or columns at the end of a map that a stride leaves over, and nothing else reads.

    V. Dumoulin and F. Visin, A Guide to Convolution Arithmetic for Deep Learning, 2016, section 2.4.
    """
    for node in about.layers:
        source = about.before(node)
        size, made, read = sides(source), sides(node), about.read[source.id]
        if size is None or made is None or read is None:
            continue
        told: list[str] = []
        for w, side, count, mask, line in zip(windows(node, source), size, made, read, LINES, strict=True):
            over = _over(w, side, count) if w else 0
            if over and mask and side - mask.bit_length() == over:
                told.append(f"the last {line}" if over == 1 else f"the last {plural(over, line)}")
        if told:
            height, width = size
            yield advice(
                "W0103",
                node,
                f"the windows of `{node.kind}` leave {' and '.join(told)} of {height}×{width} over",
                f"gets {source.type!r}",
                "pad, change the stride, or let a pool hang over by round=ceil (Dumoulin and Visin, 2016)",
            )


def _over(w: Window, size: int, count: int) -> int:
    """How many inputs lie behind the last window of several; 0 where windows have gaps anyway."""
    span = reach(w.kernel, w.dilation)
    if w.stride == 1 or w.stride > span:
        return 0
    return max(size - ((count - 1) * w.stride - w.pad + span), 0)


def heavy_dense(about: Study) -> Iterator[Diagnostic]:
    """W0104: a dense layer after a flattened map that holds most of a large net's parameters.

    E. Sokolov, Foundations of Deep Learning, lecture 2: Backpropagation, Convolution, 2022; M. Lin, Q. Chen and
    S. Yan, Network in Network, 2013.
    """
    params = about.facts.params
    for node in about.layers:
        own = node.expansion.params
        if node.kind != "dense" or own < LARGE or 2 * own <= params:
            continue
        before = about.before(node)
        if before.kind != "flatten" or not any(n.kind == "conv" for n in about.layers):
            continue
        image = about.before(before)
        if image.type.rank == 4 and image.type.shape[2:] != (1, 1):
            side = " and ".join(f"{s} in {name}" for s, name in zip(image.type.shape[2:], SIDES, strict=True))
            yield advice(
                "W0104",
                node,
                f"this layer holds {100 * own // params} % of the net's {params:,} parameters",
                f"{own:,} parameters",
                "shrink the map before it, or take the mean of each channel: gap -> flatten (Lin, Chen and Yan, 2013)",
                [(before, f"the map is {side}")],
            )
