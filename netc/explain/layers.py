"""Pages of layers, losses, settings and what these name, read off their declarations.

Arguments, formula, shape, source, an example: nothing is written here a second time.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import lru_cache
from textwrap import indent
from typing import Any, Final

from netc.graph.split import SPLIT, Split
from netc.layers import LAYERS, Layer
from netc.layers.args import Argument, arguments
from netc.train.keys import KEYS, Key
from netc.train.settings import Setting
from netc.train.spec import TrainSpec
from netc.types import TensorType

# What makes a loss's first operand out of the input x of the same shape; by default tanh, which keeps any shape.
_BEFORE: Final[Mapping[str, str]] = {"nll": "log_softmax", "bce": "sigmoid"}
_FLAT: Final = (4,)
_PICTURE: Final = (1, 8, 8)
_NAMES: Final = ("x", "z", "u", "v")
#: What the names are that a line of a train block takes; losses are layers, and told of with them.
_KINDS: Final = {
    "data": "a source of data of a train block",
    "metric": "a metric of a train block",
    "init": "a rule for weights before training",
    "optimizer": "an optimizer of a train block",
    "schedule": "a schedule of a train block",
    "augment": "an augmentation of a train block",
    "stop": "when a train block stops",
}


@dataclass(frozen=True)
class Page:
    """One name of the language.  `what` says which kind of name it is: layer, loss, optimizer, …

    `takes` is what a setting takes in words, and `choices` the names that it takes with their first lines.
    """

    name: str
    what: str
    about: str
    arguments: tuple[Argument, ...]
    operands: tuple[int, int | None] | None
    example: str
    takes: str = ""
    choices: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_dict(self) -> dict[str, Any]:
        arguments = [_told(a) for a in self.arguments]
        about: dict[str, Any] = {
            "name": self.name,
            "what": self.what,
            "about": self.about,
            "arguments": arguments,
            "example": self.example,
        }
        return about | ({"choices": dict(self.choices)} if self.choices else {})

    def text(self) -> str:
        parts = [f"{self.name}: {self.what}", self.about]
        if self.arguments:
            shown = [_shown(a) for a in self.arguments]
            lead = max(map(len, shown)) + 2
            lines = [f"  {s:<{lead}}{a.kind}" for s, a in zip(shown, self.arguments, strict=True)]
            parts.append("Arguments\n" + "\n".join(lines))
        elif not (self.takes or self.choices):
            parts.append("It takes no arguments.")
        if any(a.name == "kernel" for a in self.arguments):
            parts.append("Kernel, stride, padding and what else windows have: netc explain window")
        if "Weights: " in self.about:
            parts.append("And of its weights: init, frozen, weight (netc explain weight)")
        if self.choices:
            lead = max(map(len, self.choices)) + 2
            parts.append("\n".join(["Takes", *(f"  {n:<{lead}}{line}" for n, line in self.choices.items())]))
        if self.takes:
            parts.append(self.takes)
        if self.operands and self.operands != (1, 1):
            least, most = self.operands
            count = (
                f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            )
            parts.append(f"It takes {count} tensors, as a list: [a, b] -> {self.name}")
        parts.append("Example\n" + indent(self.example.rstrip(), "  "))
        return "\n\n".join(parts)


@dataclass(frozen=True)
class ArgumentPage:
    """An argument, or a word that an argument takes, and the pages of what has it."""

    name: str
    uses: tuple[tuple[str, Argument], ...]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "uses": [{"of": of, **_told(a)} for of, a in self.uses]}

    def text(self) -> str:
        what = "an argument" if any(a.name == self.name for _, a in self.uses) else "a value of an argument"
        rows = [(of, _shown(a), a.kind) for of, a in self.uses]
        leads = [max(len(row[i]) for row in rows) + 2 for i in (0, 1)]
        lines = [f"  {of:<{leads[0]}}{shown:<{leads[1]}}{kind}" for of, shown, kind in rows]
        return "\n\n".join([f"{self.name}: {what}", "\n".join(["Of", *lines]), self._where])

    @property
    def _where(self) -> str:
        names = list(dict.fromkeys(of for of, _ in self.uses))
        return f"What it means there: netc explain {names[0] if len(names) == 1 else 'NAME, with one of these names'}"


@lru_cache(maxsize=1)
def argument_pages() -> dict[str, ArgumentPage]:
    """All arguments and the words that they take, by their names."""
    uses: dict[str, list[tuple[str, Argument]]] = {}
    for page in pages().values():
        for a in page.arguments:
            for name in (a.name, *a.words):
                uses.setdefault(name, []).append((page.name, a))
    return {name: ArgumentPage(name, tuple(of)) for name, of in uses.items()}


def _told(a: Argument) -> dict[str, Any]:
    return {"name": a.name, "takes": a.kind, "default": None if a.required else a.default_text}


def _shown(a: Argument) -> str:
    return a.name if a.required else f"{a.name}={a.default_text}"


@lru_cache(maxsize=1)
def pages() -> dict[str, Page]:
    """All pages by their names: layers, losses, `split`, and what a train block names."""
    out: dict[str, Page] = {}
    for name, cls in LAYERS.items():
        what = "a loss of a train block" if cls.loss else "a layer"
        out[name] = Page(name, what, _about(cls), cls.arguments(), cls.operands, example(cls))
    split = "net Example {\n  input x: [N, 6, 8, 8]\n  a, b = x -> split(2)\n  y = a + b\n  output y\n}\n"
    out[SPLIT] = Page(
        SPLIT, "a step that gives several tensors", _about(Split), arguments(Split), None, split
    )
    for key in KEYS.values():
        out[key.name] = _setting(key)
        for name, cls in key.kinds.items():
            if key.name in _KINDS:
                line = f"{key.name} {_call(name, cls)}"
                line = f"metric [y, label] -> {_call(name, cls)}" if key.name == "metric" else line
                takes: tuple[int, ...] = getattr(cls, "takes", _PICTURE if key.name == "augment" else _FLAT)
                text = _trained(line, takes)
                out[name] = Page(name, _KINDS[key.name], _about(cls), cls.arguments(), None, text)
    return out


def _setting(key: Key) -> Page:
    """The page of a word that begins a line of a train block."""
    choices = {name: _first(_about(cls)) for name, cls in key.kinds.items()}
    takes = f"It takes an int of at least {key.least}." if key.least is not None else key.takes
    default = next((_default(f) for f in fields(TrainSpec) if f.name == key.name), "")
    takes = f"{takes} Where it is not said: {default}.".strip() if default else takes
    text = _trained(key.example, _PICTURE if key.name in ("augment", "data") else _FLAT)
    return Page(key.name, "a setting of a train block", key.about, (), None, text, takes, choices)


def _default(f: Field[Any]) -> str:
    """What a train block that does not say it has, as it would be written; nothing where there is none."""
    value = f.default if f.default_factory is MISSING else f.default_factory()
    if value is MISSING or value is None or value == ():
        return ""
    return value.describe() if isinstance(value, Setting) else str(value)


def _first(about: str) -> str:
    """The first sentence or line."""
    return " ".join(about.split("\n\n")[0].split()).split(".  ")[0].split(". ")[0].rstrip(".")


def _about(cls: type[Any]) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def _call(name: str, cls: type[Any]) -> str:
    """As the class says, or with a number for each argument that must be given."""
    needed = [a for a in cls.arguments() if a.required]
    call = f"{name}({', '.join(f'{a.name}=5' for a in needed)})" if needed else name
    return getattr(cls, "example", call)


def _trained(line: str, takes: tuple[int, ...]) -> str:
    """A net that takes such examples, with a train block that has this line."""
    shape = ", ".join(map(str, ("N", *takes)))
    flat = "flatten -> " if len(takes) > 1 else ""
    lines = ["target label: int[N]", "loss main = [y, label] -> softmax_xent"]
    lines = [*(old for old in lines if old.split()[0] != line.split()[0]), line]
    block = "".join(f"  {line}\n" for line in sorted(lines, key=lambda line: line.split()[0] != "target"))
    return (
        f"net Example {{\n  input x: [{shape}]\n  y = x -> {flat}dense(8) -> relu -> dense(3)\n  output y\n}}\n\n"
        f"train Example {{\n{block}}}\n"
    )


def example(cls: type[Layer], number: int = 0) -> str:
    """One of a layer's examples as a whole file."""
    call, types = cls.examples[number]
    if cls.loss:
        return _loss(cls.kind, call, types)
    names = _NAMES[: len(types)]
    source = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    inputs = "\n".join(f"  input {name}: {t!r}" for name, t in zip(names, types, strict=True))
    return f"net Example {{\n{inputs}\n  y = {source} -> {call}\n  output y\n}}\n"


def _loss(kind: str, call: str, types: tuple[TensorType, ...]) -> str:
    first, target = types
    return (
        f"net Example {{\n  input x: {first!r}\n  y = x -> {_BEFORE.get(kind, 'tanh')}\n  output y\n}}\n\n"
        f"train Example {{\n  target t: {target!r}\n  loss main = [y, t] -> {call}\n}}\n"
    )
