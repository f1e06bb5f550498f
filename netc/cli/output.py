"""What goes to the terminal: colour where it is wanted, any encoding, diagnostics on stderr."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO

import click

from netc.errors import COMMAND_LINE, Diagnostic, render_all, visible

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN: Final = {
    "×": "x", "–": "-", "−": "-", "…": "~", "·": "*", "→": ">", "←": "<", "⌊": "[", "⌋": "]", "⌈": "[", "⌉": "]",
    "’": "'", "“": '"', "”": '"', "≥": ">", "≤": "<", "Σ": "S",
}  # fmt: skip
# Controls and what turns the direction of writing (CVE-2021-42574); JSON itself escapes U+0000 to U+001F.
_UNSEEN: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_COLOURS: Final = {"error": "red", "warning": "yellow"}
_SEVERITY: Final = re.compile(r"^(error|warning)\[(\w+)\]", re.MULTILINE)


class ReaderGone(Exception):
    """Nobody reads the output any more.  click would make exit code 1 of Python's own exception."""


def take_any_encoding() -> None:
    """Makes stdout and stderr write what their encoding lacks in a plain way, instead of failing."""
    codecs.register_error("netc", _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # a test's stream may be no text stream of a file
            reconfigure(errors="netc")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


def hold_nothing() -> None:
    """Sends what is still buffered nowhere, after the reader of a pipe has gone; Python flushes stdout when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it, through a terminal that moves its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Whether colours are wanted: on a terminal without NO_COLOR."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width(stream: TextIO) -> int | None:
    """How many columns there are; None where the text goes to no terminal and nobody says (COLUMNS)."""
    if is_terminal(stream) or os.environ.get("COLUMNS", "").isdigit():
        return max(shutil.get_terminal_size().columns, 1)
    return None


def console(stream: TextIO) -> Console:
    """A console of rich's for a stream, of its width."""
    from rich.console import Console

    system = "auto" if wants_colour(stream) else None
    return Console(
        file=stream, width=width(stream), color_system=system, highlight=False, legacy_windows=False
    )


MOST_ALIKE: Final = 10  # pieces of advice of one code that a reader is shown; the others are places


def show_diagnostics(found: Iterable[Diagnostic], sources: Mapping[str, str]) -> None:
    """Diagnostics, each with the lines it quotes, to stderr; of very many pieces of the same advice the first."""
    of: dict[str, list[Diagnostic]] = {}
    shown: list[Diagnostic] = []
    for d in found:
        alike = of.setdefault(d.code, [])
        alike.append(d)
        if d.severity == "error" or len(alike) <= MOST_ALIKE:
            shown.append(d)
    parts = [render_all(shown, sources)] if shown else []
    parts += [
        _more(code, alike[MOST_ALIKE:])
        for code, alike in of.items()
        if alike[0].severity == "warning" and len(alike) > MOST_ALIKE
    ]
    text = "\n\n".join(parts)
    if text:
        tell(_coloured(text) if wants_colour(sys.stderr) else text)


def exit_code(found: Iterable[Diagnostic]) -> int:
    """1 where a file has an error, 2 where the command line alone has any: wrong usage."""
    places = {d.span.file == COMMAND_LINE for d in found if d.severity == "error"}
    return 0 if not places else 2 if places == {True} else 1


def _more(code: str, rest: Sequence[Diagnostic]) -> str:
    """One line in the place of many pieces of advice."""
    lines = list(dict.fromkeys(d.span.line for d in rest))
    places = ", ".join(map(str, lines[:MOST_ALIKE])) + (", …" if len(lines) > MOST_ALIKE else "")
    line = "line" if len(lines) == 1 else "lines"
    return f"warning[{code}]: the same {len(rest):,} times more, in {line} {places}; --format json lists them all"


def _coloured(text: str) -> str:
    def paint(m: re.Match[str]) -> str:
        return click.style(m.group(), fg=_COLOURS[m.group(1)], bold=True)

    return _SEVERITY.sub(paint, text)


def complain(message: str, what: str = "error") -> None:
    """One line on stderr: what went wrong, where there is no place in a file to point at."""
    shown = click.style(what, fg=_COLOURS.get(what, "red"), bold=True) if wants_colour(sys.stderr) else what
    tell(f"{shown}: {_each_line(message)}")


def _each_line(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def say_json(value: object) -> None:
    """An object as JSON, to stdout.  What cannot be seen is escaped: the data are the same, and harm no terminal."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    say(text if text.isascii() else _UNSEEN.sub(lambda m: f"\\u{ord(m.group()):04x}", text))


def say(text: str, end: str = "\n") -> None:
    """A result, to stdout."""
    # Not `click.echo`, which sends UTF-8 to a stream that says it takes ASCII.
    try:
        sys.stdout.write(text + end)
    except BrokenPipeError:
        raise ReaderGone from None


def tell(text: str) -> None:
    """A remark, to stderr."""
    sys.stderr.write(f"{text}\n")
