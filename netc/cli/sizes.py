"""`--input 3x320x320`: the sizes of one example, in place of those that a file has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from netc.graph.model import Node
    from netc.loading import Compiled

Sizes = Mapping[str, tuple[int, ...]]  # by the name of an input, empty where none is said
F = TypeVar("F", bound=Callable[..., Any])


def input_option(command: F) -> F:
    """`--input 3x320x320`, or `--input a=3x32x32` as often as wanted."""
    return click.option(
        "--input",
        "sizes",
        metavar="[NAME=]CxHxW",
        multiple=True,
        callback=_sizes,
        help="Sizes of one example, in place of those that the net's input has; of several inputs, --input a=3x32x32.",
    )(command)


def _sizes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, tuple[int, ...]]:
    out: dict[str, tuple[int, ...]] = {}
    for value in values:
        name, sign, text = value.rpartition("=")
        parts = text.lower().replace("×", "x").split("x")
        right = all(p.isascii() and p.isdecimal() and len(p) <= 9 and int(p) > 0 for p in parts)
        if not (1 <= len(parts) <= 3 and right) or (sign and not name.strip()):
            message = f"`{value}` is no size of one example; write 3x320x320, channels first, or 784"
            raise click.BadParameter(message, ctx, param)
        if name.strip() in out or (out and "" in {name.strip(), *out}):
            message = "give the sizes of each input once: --input 3x32x32, or --input a=3x32x32 --input b=784"
            raise click.BadParameter(message, ctx, param)
        out[name.strip()] = tuple(int(p) for p in parts)
    return out


def check_sizes(nets: Mapping[str, Compiled], sizes: Sizes, *, failed: bool = False) -> None:
    """Wrong usage where sizes do not fit the inputs of a net; where the file `failed`, inputs may be missing."""
    graphs = [compiled.graph for compiled in nets.values()]
    for name, given in sizes.items():
        found = [(g.name, n) for g in graphs for n in g.inputs if name in ("", n.name)]
        if not found and graphs and not failed:
            inputs = ", ".join(dict.fromkeys(f"`{n.name}`" for g in graphs for n in g.inputs))
            raise click.UsageError(f"there is no input `{name}`; there is {inputs}")
        for graph in graphs if not name else ():
            if len(graph.inputs) > 1:
                one = written(graph.inputs[0])
                raise click.UsageError(
                    f"{graph.name} has {len(graph.inputs)} inputs; name the one that is meant, as --input {one}"
                )
        for net, node in found:
            if node.type.shape[1:] != given:
                raise click.UsageError(_misfit(net, node, given))


def written(node: Node) -> str:
    """An input as --input takes it: `a=3xHxW`."""
    return f"{node.name}={'x'.join(map(str, node.type.shape[1:]))}"


def _misfit(net: str, node: Node, given: tuple[int, ...]) -> str:
    text, wanted = "x".join(map(str, given)), len(node.type.shape) - 1
    if len(given) != wanted:
        return f"`{node.name}` of {net} is {node.type!r}, so --input takes {wanted} sizes, and {text} has {len(given)}"
    return f"`{node.name}` of {net} is {node.type!r}: sizes of one name are equal, and {text} gives them two numbers"
