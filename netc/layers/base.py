"""What a layer is: a frozen dataclass whose fields are its arguments and whose `expand` says what it computes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import gcd, isqrt
from typing import Any, ClassVar, Final, Literal, TypeVar

from netc.ir.builder import Builder
from netc.layers.args import LARGEST, Argument, Known, arguments, written
from netc.ops.primitive import Value
from netc.ops.windows import Padding, Pair, Sizes, reach, same_padding
from netc.sizes import Size, Undecided, at_least, lowest, symbols, value
from netc.types import TensorType, logical

SIDES: Final = ("height", "width")


@dataclass(eq=False)  # not frozen: `with` sets the traceback of what passes through it
class LayerError(Exception):
    """A layer that does not fit what flows into it.  `argument` names the field to point at, if one is to blame."""

    code: str
    message: str
    argument: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """How an output index sees its inputs along one axis: from `u·stride − pad`, `kernel` taps `dilation` apart."""

    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1


@dataclass(frozen=True, slots=True)
class Rise:
    """How an output index sees inputs that lie further apart than outputs, along one axis.

    Index u sees ⌊(step·u + low) / over⌋ to ⌊(step·u + high) / over⌋.  Where that is a hull, `writes` is exact: the
    window of outputs that each input adds to, as a `Window` whose inputs are these outputs.
    """

    over: int
    low: int = 0
    high: int = 0
    step: int = 1
    writes: Window | None = None


Seen = Window | Rise
#: Along height and width; `turned` where they change places.
Sight = tuple[Seen, Seen] | Literal["point", "whole", "turned"]


class Layer:
    """The base of all layers.  A subclass is a frozen dataclass under `@layer`; its docstring is its page."""

    kind: ClassVar[str]
    operands: ClassVar[tuple[int, int | None]] = (1, 1)  # how many tensors flow in: at least, at most
    integers: ClassVar[bool] = False  # it moves or compares numbers, so whole ones may flow in and stay whole
    loss: ClassVar[bool] = False  # ends a chain of a train block, and stands nowhere else
    examples: ClassVar[tuple[tuple[str, tuple[TensorType, ...]], ...]] = ()  # (source, logical input types)

    def expand(self, b: Builder, *xs: Value) -> Value:
        """Emits the primitives that compute this layer of channels-last `xs`."""
        raise NotImplementedError

    def window(self, x: TensorType) -> Sight:
        """What one output pixel sees of the first operand, of logical type `x`."""
        return "point"

    def describe(self) -> str:
        """The layer as it would be written, defaults left out: `conv(6, 5, pad=2)`."""
        shown: list[str] = []
        for a in self.arguments():
            value = getattr(self, a.name)
            if a.required:
                shown.append(written(value))
            elif value != a.default:
                shown.append(f"{a.name}={written(value)}")
        return f"{self.kind}({', '.join(shown)})" if shown else self.kind

    @classmethod
    def arguments(cls) -> tuple[Argument, ...]:
        return arguments(cls)

    def settings(self) -> dict[str, Any]:
        """All arguments by name, for the JSON report."""
        return {a.name: getattr(self, a.name) for a in self.arguments()}


LAYERS: Final[dict[str, type[Layer]]] = {}

L = TypeVar("L", bound=type[Layer])


def layer(kind: str):
    """Registers a dataclass as the layer that the language calls `kind`."""

    def register(cls: L) -> L:
        cls.kind = kind
        LAYERS[kind] = cls
        return cls

    return register


# ---- Checks that several layers share --------------------------------------------------------------------


def shown(t: TensorType) -> str:
    """A physical type as the user sees it."""
    return repr(TensorType(logical(t.shape), t.dtype))


NO_MAP: Final = "write it before `flatten`, or make a map by `reshape(channels, height, width)`"
_MOST_DIVISORS: Final = 12


def that_divide(*counts: int) -> str:
    """A help that lists what divides all counts; nothing where that is more than one reads.

    >>> that_divide(6), that_divide(8, 12), that_divide(3, 8)
    ('take one of 1, 2, 3, 6', 'take one of 1, 2, 4', 'only 1 divides 3 and 8')
    """
    common = gcd(*counts)
    if common == 1:
        return f"only 1 divides {' and '.join(map(str, counts))}"
    small = [n for n in range(1, isqrt(min(common, LARGEST)) + 1) if common % n == 0]
    found = sorted({*small, *(common // n for n in small)})
    return f"take one of {', '.join(map(str, found))}" if len(found) <= _MOST_DIVISORS else ""


def has_axes(names: str) -> str:
    """A help that says which axes there are, the batch aside.

    >>> has_axes("HWC"), has_axes("NC")
    ('it has C, H, W', 'it has C')
    """
    found = [axis for axis in "CHWL" if axis in names]
    return f"it has {', '.join(found)}" if found else ""


def need_map(kind: str, x: Value) -> tuple[Size, Size, int]:
    """Height, width and channels of a feature map."""
    if x.type.rank != 4:
        message = f"`{kind}` needs a feature map [N, C, H, W], and gets {shown(x.type)}"
        raise LayerError("E0301", message, help=NO_MAP)
    _, h, w, c = x.type.shape
    return h, w, need_known(kind, c)


def map_size(x: TensorType) -> Sizes:
    """Height and width of a feature map of logical type `x`; a line is a map of height 1."""
    return (x.shape[2], x.shape[3]) if x.rank == 4 else (1, x.shape[2])


def need_known(kind: str, size: Size) -> int:
    """A size that the layer must have as a number."""
    if not isinstance(size, int):
        help = "give the input's size by --input"
        raise LayerError("E0309", f"`{kind}` needs a known size, and this is {size}", help=help)
    return size


def resolve_padding(pad: Known, size: Sizes, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """The padding in numbers: `half` keeps the size at stride 1, `same` gives ⌈in / stride⌉."""
    if pad == "same":
        spans = [reach(k, d) for k, d in zip(kernel, dilation, strict=True)]
        height, width = map(_same, SIDES, size, spans, stride)
        return height, width
    if pad == "half":
        for side, k, d in zip(SIDES, kernel, dilation, strict=True):
            if d * (k - 1) % 2:
                raise LayerError(
                    "E0304",
                    f"`pad=half` needs an odd kernel, and its {side} is {k}: half of {d * (k - 1)} is not whole",
                    "pad",
                    f"write the two sides, as pad=(({d * (k - 1) // 2}, {d * (k - 1) - d * (k - 1) // 2}), …), "
                    "or pad=same",
                )
        half = [d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
        return (half[0], half[0]), (half[1], half[1])
    return pad


def _same(side: str, size: Size, span: int, stride: int) -> Pair:
    try:
        return same_padding(size, span, stride)
    except Undecided:
        raise LayerError(
            "E0308",
            f"`pad=same` at a stride of {stride} pads by what the {side} of {size} leaves over",
            "pad",
            f"say it in a `where` clause, as {_first_symbol(size)} % {stride} == 0, or write the padding in numbers",
        ) from None


def _first_symbol(size: Size) -> str:
    return min(symbol.name for symbol in symbols(size))


def _say_at_least(size: Size, wanted: int) -> str:
    """The `where` clause that makes a symbolic size large enough: by bisection, for sizes never fall."""
    symbol = min(symbols(size), key=lambda s: s.name)
    first = {s.name: s.first() for s in symbols(size)}

    def enough(steps: int) -> bool:
        return value(size, {**first, symbol.name: first[symbol.name] + steps * symbol.modulus}) >= wanted

    steps = bisect_left(range(LARGEST // symbol.modulus), True, key=enough)
    return (
        f"say how large it is at least: where {symbol.name} >= {first[symbol.name] + steps * symbol.modulus}"
    )


def need_window(
    kind: str, size: Sizes, kernel: Pair, pad: Padding, dilation: Pair, over: Pair = (0, 0)
) -> None:
    """A window must fit its padded input, over whose end it may hang by so many pixels."""
    for side, i, k, p, d, o in zip(SIDES, size, kernel, pad, dilation, over, strict=True):
        if not isinstance(i, int):
            if not at_least(i + sum(p) + o, reach(k, d)):
                raise LayerError(
                    "E0302",
                    f"the window of `{kind}` is {reach(k, d)} in {side}, and its input of {i} can be as small as "
                    f"{lowest(i)}",
                    "kernel",
                    _say_at_least(i, reach(k, d) - sum(p)),
                )
            continue
        if reach(k, d) > i + sum(p) + o:
            spans = f"spans {reach(k, d)}" if d > 1 else f"is {k}"
            padded = f" padded to {i + sum(p)}" if sum(p) else ""
            raise LayerError(
                "E0302",
                f"the window of `{kind}` {spans} in {side}, larger than its input of {i}{padded}",
                "kernel",
                f"pad by {-(-(reach(k, d) - i) // 2)} or more, or take a smaller kernel",
            )
