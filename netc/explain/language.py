"""Pages of the language itself: `for`, `where`, `expect`.  They stand in `pages/language.md`, a section a topic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from textwrap import dedent, indent
from typing import Any, Final

from netc.explain.codes import EXAMPLE, PAGES

_SECTION: Final = re.compile(r"^## (?P<names>.+?): (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Topic:
    """One part of the language, under each of its names."""

    names: tuple[str, ...]
    title: str
    about: str
    example: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "title": self.title,
            "about": self.about,
            "example": self.example or None,
        }

    def text(self) -> str:
        parts = [f"{', '.join(self.names)}: {self.title}", self.about]
        parts += ["Example\n" + indent(self.example.rstrip(), "  ")] if self.example else []
        return "\n\n".join(parts)


@lru_cache(maxsize=1)
def topics() -> tuple[Topic, ...]:
    """All topics, in the order in which one would read them."""
    text = (PAGES / "language.md").read_text(encoding="utf-8")
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return tuple(_topic(head, text[head.end() : end]) for head, end in zip(heads, ends, strict=True))


def _topic(head: re.Match[str], body: str) -> Topic:
    example = EXAMPLE.search(body)
    code = dedent(example[0]).strip("\n") + "\n" if example else ""
    about = body.replace(example[0], "\n") if example else body
    return Topic(tuple(head["names"].split(", ")), head["title"], about.strip(), code)
