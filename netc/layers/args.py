"""The arguments of a layer: what a field of its dataclass accepts, and how a value of the language becomes one.

@dataclass(frozen=True)
class Dense(Layer):
    out: int = integer(at_least=1)
    bias: bool = boolean(default=True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, Final, Literal, cast

from netc.errors import visible
from netc.ops.windows import Padding, Pair

Sides = Padding | Pair  # ((top, bottom), (left, right)); (height, width) of a map, (left, right) of a line
Known = Padding | Literal["half", "same"]
Pad = Sides | Literal["half", "same"]
LARGEST: Final = 2**31 - 1  # sizes and counts beyond are mistakes; their products still fit an int64


@dataclass(frozen=True, slots=True)
class Word:
    """A bare name in an argument that is no parameter: `half`, `floor`, `C`."""

    id: str


class Numbers(tuple[float, ...]):
    """A list of numbers in an argument."""

    __slots__ = ()


@dataclass(eq=False)  # not frozen: `with` sets the traceback of what passes through it
class ArgumentError(Exception):
    """A value that an argument does not take; the text completes "`stride` …"."""

    message: str


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument as the language sees it."""

    name: str
    kind: str  # in words: "an int of at least 1"
    convert: Callable[[Any], Any]
    words: tuple[str, ...]
    default: Any  # MISSING where it must be given
    default_text: str

    @property
    def required(self) -> bool:
        return self.default is MISSING


def _spec(
    kind: str, convert: Callable[[Any], Any], default: Any, words: tuple[str, ...] = (), text: str = ""
) -> Any:
    metadata = {"kind": kind, "convert": convert, "words": words, "text": text}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@cache  # a class has one answer, and a large net asks for it with every layer
def arguments(layer: type) -> tuple[Argument, ...]:
    """The arguments of a layer in their order, read off its fields."""
    out: list[Argument] = []
    for f in fields(layer):
        m = f.metadata
        text = m["text"] or ("" if f.default is MISSING else written(f.default))
        out.append(Argument(f.name, m["kind"], m["convert"], m["words"], f.default, text))
    return tuple(out)


def as_tuple(value: Any) -> tuple[Any, ...] | None:
    """The value if it is a tuple: `isinstance` alone leaves a type checker with unknown items."""
    return cast("tuple[Any, ...]", value) if isinstance(value, tuple) else None


def written(value: Any) -> str:
    """A field's value as one would write it in a `.net` file.

    >>> written((3, 3)), written(((1, 1), (1, 1))), written(((0, 0), (0, 1))), written(True), written("half")
    ('3', '1', '((0, 0), (0, 1))', 'true', 'half')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Numbers):
        return f"[{', '.join(f'{v:g}' for v in value)}]"
    if (items := as_tuple(value)) is not None:
        parts = [written(v) for v in items]
        if len(set(parts)) == 1 and not parts[0].startswith("("):
            return parts[0]
        if any(part.startswith("(") for part in parts):  # if one side is written out, the other is
            parts = [
                f"({', '.join(map(written, pair))})" if (pair := as_tuple(v)) else written(v) for v in items
            ]
        return f"({', '.join(parts)})"
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---- Kinds of arguments ----------------------------------------------------------------------------------


def _as_int(value: Any, at_least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentError(f"takes an int, not {said(value)}")
    if not at_least <= value <= LARGEST:
        raise ArgumentError(f"is {value}, and must be from {at_least} to {LARGEST}")
    return value


def said(value: Any) -> str:
    """A value of the language in an error message."""
    if isinstance(value, Word):
        return f"`{value.id}`"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{visible(value)}"'
    if isinstance(value, list):
        return "a list"
    if (items := as_tuple(value)) is not None:
        return f"({', '.join(map(said, items))})"
    if isinstance(value, float):
        shown = f"{value:g}"
        return f"{shown}.0" if shown.lstrip("-").isdigit() else shown  # 3.0 is no int
    return str(value)


def integer(*, at_least: int = 0, default: Any = MISSING, default_text: str = "") -> Any:
    """A whole number."""
    kind = f"an int of at least {at_least}"
    return _spec(kind, lambda v: _as_int(v, at_least), default, text=default_text)


def boolean(*, default: Any = MISSING) -> Any:
    """`true` or `false`."""

    def convert(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ArgumentError(f"takes true or false, not {said(value)}")
        return value

    return _spec("true or false", convert, default, ("true", "false"))


def number(
    *,
    low: float,
    high: float,
    default: Any = MISSING,
    open_low: bool = False,
    closed_high: bool = False,
    default_text: str = "",
    else_say: str = "",
) -> Any:
    """A number from `low` to `high`; `low` is exclusive where `open_low`, `high` unless `closed_high`.

    `else_say` is what the message of another number ends with.
    """

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ArgumentError(f"takes a number, not {said(value)}")
        above = low < value if open_low else low <= value
        if not (above and (value <= high if closed_high else value < high)):
            raise ArgumentError(f"is {said(value)}, and must be {bounds}{else_say}")
        return float(value)

    first = f"greater than {low:g}" if open_low else f"at least {low:g}"
    second = f"at most {high:g}" if closed_high else f"less than {high:g}"
    bounds = first if high == float("inf") else f"{first} and {second}"
    return _spec(f"a number {bounds}", convert, default, text=default_text)


def numbers(*, what: str, default_text: str) -> Any:
    """A list of numbers of at least 0, as `[1, 0.5]`; empty where nothing is given."""

    def convert(value: Any) -> Numbers:
        items = cast("list[Any]", value) if isinstance(value, list) else []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, int | float) or not item >= 0:
                raise ArgumentError(f"takes numbers of at least 0, and one of them is {said(item)}")
        if not items:
            raise ArgumentError(f"takes {what}, not {said(value)}")
        return Numbers(map(float, items))

    return _spec(what, convert, Numbers(), text=default_text)


def word(*choices: str, default: Any = MISSING) -> Any:
    """One of a few bare words, as `floor` or `ceil`."""

    def convert(value: Any) -> str:
        if not isinstance(value, Word) or value.id not in choices:
            raise ArgumentError(f"takes {' or '.join(f'`{c}`' for c in choices)}, not {said(value)}")
        return value.id

    return _spec(" or ".join(choices), convert, default, choices)


def text(*, what: str, default: Any = MISSING, words: tuple[str, ...] = (), default_text: str = "") -> Any:
    """A text in quotes, or one of a few bare words, which stay words; `what` says what is wanted."""

    def convert(value: Any) -> str | Word:
        if isinstance(value, Word) and value.id in words:
            return value
        if not isinstance(value, str) or not value:
            raise ArgumentError(f"takes {what}, not {said(value)}")
        return value

    return _spec(what, convert, default, words, default_text)


def _as_pair(value: Any, at_least: int) -> Pair:
    items = as_tuple(value)
    if items and len(items) == 2:
        return _as_int(items[0], at_least), _as_int(items[1], at_least)
    if isinstance(value, tuple | list):
        raise ArgumentError(f"takes an int or (height, width), not {said(value)}")
    side = _as_int(value, at_least)
    return side, side


def pair(*, at_least: int = 1, default: Any = MISSING, default_text: str = "") -> Any:
    """An int for both axes, or `(height, width)`."""
    kind = f"an int of at least {at_least}, or (height, width)"
    return _spec(kind, lambda v: _as_pair(v, at_least), default, text=default_text)


_SIDES: Final = "an int, (h, w) or ((t, b), (l, r))"
_PADDING: Final = "an int, (h, w), ((t, b), (l, r)), valid, half or same"
_LENGTH: Final = "; along a length (left, right)"


def _are_sides(value: Any, deep: int = 2) -> bool:
    """Whether a value is an int, two of them, or two pairs of them, whatever the ints are."""
    items = as_tuple(value)
    if items is None:
        return isinstance(value, int) and not isinstance(value, bool)
    alike = len({isinstance(side, tuple) for side in items}) == 1
    return deep > 0 and len(items) == 2 and alike and all(_are_sides(side, deep - 1) for side in items)


def _as_sides(value: Any, kind: str = _SIDES) -> Sides:
    if not _are_sides(value):
        raise ArgumentError(f"takes {kind}, not {said(value)}")
    items = as_tuple(value)
    if items and len(items) == 2 and all(isinstance(side, tuple) for side in items):
        return _as_pair(items[0], 0), _as_pair(items[1], 0)
    first, second = _as_pair(value, 0)
    return (first, second) if first != second else ((first, first), (second, second))


def sides(*, default: Any = MISSING) -> Any:
    """An int for every side, `(h, w)`, or `((t, b), (l, r))`; along a length `(left, right)`."""
    return _spec(_SIDES + _LENGTH, _as_sides, default)


def _as_padding(value: Any) -> Pad:
    if isinstance(value, Word):
        if value.id == "valid":
            return (0, 0), (0, 0)
        if value.id in ("half", "same"):
            return value.id
    return _as_sides(value, _PADDING)


def padding() -> Any:
    """`0`, an int, `(h, w)`, `((t, b), (l, r))`, `valid`, `half` or `same`; along a length also `(left, right)`."""
    return _spec(_PADDING + _LENGTH, _as_padding, ((0, 0), (0, 0)), ("valid", "half", "same"))
