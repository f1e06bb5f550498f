"""Pages of layers, losses and settings, read off their classes: arguments, formula, shape, source, an example."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from textwrap import indent
from typing import Any, Final

from netc.graph.split import SPLIT, Split
from netc.layers import LAYERS, Layer
from netc.layers.args import Argument, arguments
from netc.layers.initial import INITS
from netc.train.settings import OPTIMIZERS, SCHEDULES, STOPS
from netc.types import TensorType

# What makes a loss's first operand out of the input x of the same shape; by default tanh, which keeps any shape.
_BEFORE: Final[Mapping[str, str]] = {"nll": "log_softmax", "bce": "sigmoid"}
_NAMES: Final = ("x", "z", "u", "v")


@dataclass(frozen=True)
class Page:
    """One name of the language.  `what` says which kind of name it is: layer, loss, optimizer, …"""

    name: str
    what: str
    about: str
    arguments: tuple[Argument, ...]
    operands: tuple[int, int | None] | None
    example: str

    def text(self) -> str:
        parts = [f"{self.name}: {self.what}", self.about]
        if self.arguments:
            shown = [f"{a.name}={a.default_text}" if not a.required else a.name for a in self.arguments]
            lead = max(map(len, shown)) + 2
            lines = [f"  {s:<{lead}}{a.kind}" for s, a in zip(shown, self.arguments, strict=True)]
            parts.append("Arguments\n" + "\n".join(lines))
        else:
            parts.append("It takes no arguments.")
        if "Weights: " in self.about:
            parts.append("And of its weights: init, frozen, weight (netc explain weight)")
        if self.operands and self.operands != (1, 1):
            least, most = self.operands
            count = (
                f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            )
            parts.append(f"It takes {count} tensors, as a list: [a, b] -> {self.name}")
        parts.append("Example\n" + indent(self.example.rstrip(), "  "))
        return "\n\n".join(parts)


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
    registries: tuple[tuple[str, str, Mapping[str, type[Any]]], ...] = (
        ("optimizer", "an optimizer of a train block", OPTIMIZERS),
        ("schedule", "a schedule of a train block", SCHEDULES),
        ("stop", "when a train block stops", STOPS),
        ("init", "a rule for weights before training", INITS),
    )
    for key, what, registry in registries:
        for name, cls in registry.items():
            out[name] = Page(
                name, what, _about(cls), cls.arguments(), None, _trained(f"{key} {_call(name, cls)}")
            )
    return out


def _about(cls: type[Any]) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def _call(name: str, cls: type[Any]) -> str:
    """With a number for each argument that must be given."""
    needed = [a for a in cls.arguments() if a.required]
    return f"{name}({', '.join(f'{a.name}=5' for a in needed)})" if needed else name


def _trained(line: str) -> str:
    """A net with a train block that has this line."""
    return (
        "net Example {\n  input x: [N, 4]\n  y = x -> dense(8) -> relu -> dense(3)\n  output y\n}\n\n"
        f"train Example {{\n  target label: int[N]\n  loss main = [y, label] -> softmax_xent\n  {line}\n}}\n"
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
