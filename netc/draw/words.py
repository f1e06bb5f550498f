"""What a picture says of a layer, a shape or a count, in the few characters that a paper would give it."""

from __future__ import annotations

from typing import Any, Final

from netc.graph.model import Node
from netc.layers.args import written
from netc.layers.base import Layer
from netc.types import TensorType

# The families are the files of netc/layers/: a layer added there is coloured like its kin.
FAMILIES: Final = ("conv", "pool", "dense", "activation", "normalise", "join")
# Told by the shapes, or of no interest in a figure; the tooltip gives the layer as it was written.
_UNSAID: Final = ("pad", "bias", "eps", "momentum", "affine", "scale", "round", "count_pad")
_PLAIN: Final = ("p", "axis", "slope", "form")  # told by the value alone
_SIGNS: Final = {"+": "+", "-": "−", "*": "×"}


def family(node: Node) -> str:
    """The family that gives a node its colour.

    An input is an `end` of the net.
    """
    return family_of(node.layer) if node.layer else "end"


def family_of(layer: Layer) -> str:
    """The family of a layer; `flatten` only writes the same numbers as a row, and belongs to none.

    >>> from netc.layers.dense import Dense, Flatten
    >>> family_of(Dense(10)), family_of(Flatten())
    ('dense', 'other')
    """
    home = type(layer).__module__.rpartition(".")[2]
    return home if home in FAMILIES and layer.kind != "flatten" else "other"


def is_strip(node: Node) -> bool:
    """Whether a node is drawn as a strip of the layer that it follows."""
    return node.layer is not None and (
        family_of(node.layer) in ("activation", "normalise") or node.kind == "flatten"
    )


def brief(layer: Layer) -> str:
    """A layer as figures write it: window, width, stride, then what else is unusual.

    >>> from netc.layers.conv import Conv
    >>> from netc.layers.pool import MaxPool
    >>> brief(Conv(64, (7, 7), stride=(2, 2), pad="half")), brief(MaxPool((3, 3), stride=(2, 2)))
    ('conv 7×7, 64, /2', 'maxpool 3×3, /2')
    >>> brief(Conv(8, (3, 1), groups=2)), brief(MaxPool((2, 2)))
    ('conv 3×1, 8, groups 2', 'maxpool 2×2')
    """
    values = layer.settings()
    usual = {a.name: a.default for a in layer.arguments()}
    parts: list[str] = []
    kernel = values.pop("kernel", None)
    if kernel:
        parts.append("×".join(map(str, kernel)))
    if "out" in values:
        parts.append(str(values.pop("out")))
    stride = values.pop("stride", None)
    if stride and stride not in (usual["stride"], kernel if usual["stride"] is None else None):
        parts.append(f"/{_side(stride)}")
    for name, value in values.items():
        if name not in _UNSAID and value != usual[name]:
            parts.append(_side(value) if name in _PLAIN else f"{name} {_side(value)}")
    return f"{layer.kind} {', '.join(parts)}".rstrip()


def _side(value: Any) -> str:
    return written(value).replace(", ", "×").strip("()") if isinstance(value, tuple) else written(value)


def sign(layer: Layer) -> str:
    """The operator of a join that has one, else nothing: `+` for add."""
    return _SIGNS.get(str(getattr(layer, "sign", "")), "")


def shape(t: TensorType) -> str:
    """A type without its batch: channels, height, width.

    >>> from netc.types import N
    >>> shape(TensorType((N, 6, 28, 28))), shape(TensorType((N,), "int"))
    ('6×28×28', 'int 1')
    """
    sizes = "×".join(map(str, t.shape[1:])) or "1"
    return sizes if t.dtype == "f32" else f"{t.dtype} {sizes}"


def count(n: int) -> str:
    """A count: exact below a million, then to three digits.

    >>> count(61_706), count(2_359_808), count(102_760_448), count(999_999_999)
    ('61,706', '2.36 M', '103 M', '1.00 G')
    """
    if n < 1_000_000:
        return f"{n:,}"
    units = (("M", 10**6), ("G", 10**9), ("T", 10**12))
    unit, size = next((u for u in units if n / u[1] < 999.5), units[-1])
    value = n / size
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def given_name(node: Node) -> str:
    """The name of a layer where the user gave one; `conv2` is a name that netc made."""
    made = node.name.startswith(node.kind) and node.name[len(node.kind) :].isdigit()
    return "" if made else node.name
