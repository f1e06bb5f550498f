"""Where a chain stands while it is expanded: its file, its body, and what the names there mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from netc.errors import MOST_TOLD, Note, Span, nearest
from netc.graph.evaluate import POISON, Evaluator, TensorValue
from netc.graph.model import Scope
from netc.syntax import ast

MAX_NESTING: Final = 64  # blocks and braces in one another; each takes up to seven of Python's 1,000 frames
TOO_DEEP: Final = f"blocks and braces stand in one another more than {MAX_NESTING} deep"

Flow = TensorValue | list[TensorValue]  # what stands before an arrow


@dataclass(slots=True)
class Home:
    """One file: the blocks that its chains may call, imported ones too, and the values of its parameters."""

    blocks: dict[str, Definition] = field(default_factory=dict[str, "Definition"])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    nets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A block, and the file whose names it sees."""

    block: ast.Block
    home: Home


Names = MutableMapping[str, Any]  # a body's own, over those of its file


@contextmanager
def bound(scope: Names, values: Mapping[str, Any]) -> Generator[None]:
    """Gives names their values for a while; a copy of the scope would cost as much as all its names."""
    before = {name: scope[name] for name in values if name in scope}
    scope.update(values)
    try:
        yield
    finally:
        for name in values:
            if name in before:
                scope[name] = before[name]
            else:
                del scope[name]


@dataclass(slots=True)
class Frame:
    """One body under expansion: a net's, or one turn of a block's."""

    home: Home
    scope: Names
    scopes: tuple[Scope, ...]
    trace: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter[str])  # how many of each kind have been named
    labels: dict[str, Span] = field(default_factory=dict[str, Span])
    defined: dict[str, ast.Ident] = field(default_factory=dict[str, ast.Ident])
    used: set[str] = field(default_factory=set[str])
    body: tuple[ast.NetStatement, ...] = ()  # where a name that is not there yet may be defined
    assigned: dict[str, ast.Ident] = field(
        default_factory=dict[str, ast.Ident]
    )  # by the body, once that is asked

    def poison(self, name: ast.Ident) -> None:
        """The name stands for something wrong, which is told already."""
        self.scope[name.id] = POISON
        self.defined.setdefault(name.id, name)

    def lost(self, line: ast.Broken) -> None:
        """What a line that did not parse would define is told of there; what else it names may be used there."""
        for name in line.defined:
            self.scope.setdefault(name, POISON)
        self.used |= line.names

    def below(self, name: str) -> ast.Ident | None:
        """Where the body assigns a name that it does not know yet."""
        if name in self.scope:
            return None
        if not self.assigned:
            found = (i for s in self.body if isinstance(s, ast.Assign) for i in s.names)
            for ident in found:
                self.assigned.setdefault(ident.id, ident)
        return self.assigned.get(name)

    def unused(self, read: set[str]) -> list[ast.Ident]:
        """What the body defines and nothing reads; a slip of the pen, told already, leaves nothing unused."""
        slips = sorted(name for name in read if name not in self.scope and name not in self.labels)[
            :MOST_TOLD
        ]
        used = read | {nearest(name, self.defined) for name in slips}
        return [
            ident
            for name, ident in self.defined.items()
            if name not in used and self.scope.get(name) is not POISON
        ]

    def next_name(self, kind: str) -> str:
        """`conv2`: the kind and its place among its kind, past the labels of the body."""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.labels:
                return name


def new_name(name: ast.Ident, frame: Frame, at: Evaluator) -> None:
    """A name of the body is assigned once."""
    if name.id in frame.defined:
        notes = (Note(frame.defined[name.id].span, "first given here"),)
        raise at.fail("E0204", f"`{name.id}` is given twice: a name is assigned once", name.span, notes=notes)
