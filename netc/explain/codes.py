"""Pages of error and advice codes: what it means, an example that has it, the mend, the source.

They stand in `pages/*.md`, a section a code.  `Mend: a → b` replaces what is between the first and between the last
backquotes; the example with all its mends is a right file.  Where no file on a page can show the mistake, both are said
in words.  Several files in one example are parted by comments with their names: `# blocks.net`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, Final

PAGES: Final = Path(__file__).parent / "pages"
_SECTION: Final = re.compile(r"^## (?P<code>[EW]\d{4}): (?P<title>.+)$", re.MULTILINE)
_MEND: Final = re.compile(r"^Mend: `(.+)` → `(.+)`$", re.MULTILINE)
_SHOWN: Final = re.compile(r"^Example: (.+)$", re.MULTILINE)
_REMEDY: Final = re.compile(r"^Mend: (.+)$", re.MULTILINE)  # what is no replacement
_SOURCE: Final = re.compile(r"^Source: (.+)$", re.MULTILINE)
EXAMPLE: Final = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)


@dataclass(frozen=True)
class CodePage:
    """One code.  `wrong` is a file that gets it; where no file can show it, `shown` and `remedy` say it in words."""

    code: str
    title: str
    meaning: str
    wrong: str
    mends: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    shown: str = ""
    remedy: str = ""

    @property
    def right(self) -> str:
        """The example with its mends."""
        text = self.wrong
        for old, new in self.mends:
            text = text.replace(old, new.replace("; ", "\n  "))
        return text

    @property
    def kind(self) -> str:
        return "advice" if self.code.startswith("W") else "error"

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "title": self.title,
            "meaning": self.meaning,
            "sources": list(self.sources),
            "wrong": self.wrong or None,
            "right": self.right or None,
            "example": self.shown or None,
            "mend": self.remedy or None,
        }

    def text(self) -> str:
        parts = [f"{self.code}: {self.title}"]
        if self.meaning:
            parts.append(self.meaning)
        if self.wrong:
            parts.append("Example\n" + indent(self.wrong.rstrip(), "  "))
        elif self.shown:
            parts.append(f"Example\n  {self.shown}")
        if self.mends:
            parts.append("Mend\n" + "\n".join(f"  {old}  →  {new}" for old, new in self.mends))
        elif self.remedy:
            parts.append(f"Mend\n  {self.remedy}")
        if self.kind == "advice":
            where = "on the line, or alone above the line or the statement that it is of"
            parts.append(f"Silence\n  # allow {self.code}: your reason        {where}")
        parts += ["Source\n" + "\n".join(f"  {source}" for source in self.sources)] if self.sources else []
        return "\n\n".join(parts)


@lru_cache(maxsize=1)
def code_pages() -> dict[str, CodePage]:
    """All pages by their codes, in the order of the files."""
    out: dict[str, CodePage] = {}
    for path in sorted(PAGES.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        heads = list(_SECTION.finditer(text))
        for i, head in enumerate(heads):
            end = heads[i + 1].start() if i + 1 < len(heads) else len(text)
            out[head["code"]] = _page(head["code"], head["title"], text[head.end() : end])
    return out


def _page(code: str, title: str, body: str) -> CodePage:
    example = EXAMPLE.search(body)
    wrong = dedent(example[0]).strip("\n") + "\n" if example else ""
    meaning = body if not example else body.replace(example[0], "\n")
    for pattern in (_SHOWN, _MEND, _REMEDY, _SOURCE):
        meaning = pattern.sub("", meaning)
    mends = tuple((old, new) for old, new in _MEND.findall(body))
    shown, remedy = (found[1] if (found := p.search(body)) else "" for p in (_SHOWN, _REMEDY))
    sources = tuple(_SOURCE.findall(body))
    return CodePage(code, title, meaning.strip(), wrong, mends, sources, shown, "" if mends else remedy)
