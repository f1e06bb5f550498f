"""Text to tokens, with the limits that hold before anything is parsed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from netc.errors import Diagnostic, NetError, Span
from netc.syntax.ast import Comment
from netc.syntax.tables import tables

MAX_BYTES = 4 << 20  # the largest spec that ships has 10 KB
MAX_TOKENS = 1_000_000  # a chain of 100,000 convolutions has 700,000
_MAX_STRAY = 20  # told characters; a binary file has thousands

# Characters that are not seen, or that show the text in another order than it is read (CVE-2021-42574).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
    "|\r(?!\n)"
)


class Token(NamedTuple):
    type: str  # the terminal's name in the grammar
    text: str
    line: int
    col: int

    @property
    def end(self) -> int:
        """The column after it; a line end takes none."""
        return self.col + (0 if self.type == "_NL" else len(self.text))

    def span(self, path: str) -> Span:
        return Span(path, self.line, self.col, self.line, self.end)


def read(path: str | Path) -> str:
    """The text of a file; a byte order mark at its start is dropped.

    Raises NetError (E08xx) where it cannot be read, is too large, or is not UTF-8.
    """
    start = Span(str(path), 1, 1, 1, 1)
    try:
        if not S_ISREG((there := Path(path)).stat().st_mode) and not there.is_dir():
            # Whoever opens a pipe waits for somebody who writes into it.
            message = f"cannot read `{path}`: it is a pipe or a device, and a regular file is wanted"
            raise NetError([Diagnostic("E0801", message, start)])
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise NetError(
            [Diagnostic("E0801", f"cannot read `{path}`: {reason[0].lower()}{reason[1:]}", start)]
        ) from error
    return decode(data, str(path))


def decode(data: bytes, path: str) -> str:
    """`read`, of bytes that are there already."""
    if len(data) > MAX_BYTES:
        raise NetError([_too_large(Span(path, 1, 1, 1, 1))])
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").removeprefix("\ufeff")
        line, col = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Span(path, line, col, line, col + 1)
        message = f"this file is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        shown = data.decode("utf-8", "replace").removeprefix("\ufeff")
        help_ = "a `.net` file is text; save it as UTF-8"
        raise NetError([Diagnostic("E0803", message, place, help=help_)], {path: shown}) from error


def too_large(text: str, path: str) -> Diagnostic | None:
    """The diagnostic of a text over the limit of 4 MiB."""
    # A character takes one byte at least, so most texts need no encoding to be counted.
    if len(text) * 4 <= MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) <= MAX_BYTES:
        return None
    return _too_large(Span(path, 1, 1, 1, 1))


def _too_large(place: Span) -> Diagnostic:
    return Diagnostic("E0802", f"this file is larger than {MAX_BYTES >> 20} MiB, the most netc reads", place)


def unseen(text: str, path: str) -> tuple[Diagnostic, ...]:
    """One diagnostic for each line with characters that cannot be seen, in comments and strings too."""
    found: list[Diagnostic] = []
    if _UNSEEN.search(text) is None:
        return ()
    for number, line in enumerate(text.split("\n"), 1):
        at = _UNSEEN.search(line + "\n")
        if at is None:
            continue
        if len(found) == _MAX_STRAY:
            break
        place = Span(path, number, at.start() + 1, number, at.start() + 2)
        message = f"the character U+{ord(at.group()):04X} cannot be seen, and is not allowed in a `.net` file"
        found.append(Diagnostic("E0804", message, place, help="delete it"))
    return tuple(found)


def too_many(tokens: Sequence[Token], path: str) -> Diagnostic | None:
    """The diagnostic of a text with more than MAX_TOKENS tokens, which would take too long to parse."""
    if len(tokens) <= MAX_TOKENS:
        return None
    message = f"this file has more than {MAX_TOKENS:,} numbers, names and signs, the most netc reads"
    return Diagnostic("E0802", message, tokens[MAX_TOKENS].span(path))


def scan(text: str, path: str) -> tuple[list[Token], list[Comment]]:
    """The tokens of the text, the last one `$END`, and its comments.  Never fails: BAD takes what is left.

    Line ends that follow one another are one `_NL`.  It stops behind MAX_TOKENS.
    """
    t = tables()
    tokens: list[Token] = []
    comments: list[Comment] = []
    line, start = 1, 0
    for match in _pattern().finditer(text):
        kind, word = match.lastgroup or "BAD", match.group()
        if kind == "NAME":
            kind = t.keywords.get(word, kind)
        col = match.start() - start + 1
        if kind == "_NL":
            if tokens and tokens[-1].type != "_NL":
                tokens.append(Token(kind, word, line, col))
            line += word.count("\n")
            start = match.end()
        elif kind == "COMMENT":
            word = word.rstrip()
            alone = not tokens or tokens[-1].line != line or tokens[-1].type == "_NL"
            comments.append(Comment(word, Span(path, line, col, line, col + len(word)), alone))
        elif kind not in t.ignored:
            tokens.append(Token(kind, word, line, col))
            if len(tokens) > MAX_TOKENS:
                break
    tokens.append(Token("$END", "", line, len(text) - start + 1))
    return tokens, comments


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in tables().terminals))
