"""What to say of a layer that is asked for and is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from netc.errors import did_you_mean

_SHOWN: Final = 3  # layers of a block


def no_layer(name: str, paths: Iterable[str]) -> str:
    """The sentence about a name that none of the layers at `paths` has; of a block it names the layers.

    >>> no_layer("basic1", ["conv1", "basic1.conv1", "basic1.bn1"])
    '`basic1` is a block, and its layers are `basic1.conv1`, `basic1.bn1`'
    >>> no_layer("basic1.cnv1", ["basic8.bn1", "basic1.conv1"])
    'there is no layer `basic1.cnv1`; did you mean `basic1.conv1`?'
    """
    known = list(paths)
    inside = [path for path in known if path.startswith(f"{name}.")]
    if inside:
        shown = ", ".join(f"`{path}`" for path in inside[:_SHOWN]) + (", …" if len(inside) > _SHOWN else "")
        return f"`{name}` is a block, and its layers are {shown}"
    near = did_you_mean(name, _alike(name, known)) or "the report names them all"
    return f"there is no layer `{name}`; {near}"


def _alike(name: str, known: Sequence[str]) -> Sequence[str]:
    """Those in the same block where there are any, else those as deep in blocks."""
    block = name.rpartition(".")[0]
    return [p for p in known if p.rpartition(".")[0] == block] or [
        p for p in known if p.count(".") == name.count(".")
    ]
