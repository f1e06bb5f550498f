"""What goes to the terminal: colour where it is wanted, any encoding, diagnostics on stderr."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TextIO

import click

from netc.errors import Diagnostic, render_all

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN: Final = {
    "×": "x", "–": "-", "−": "-", "…": "~", "·": "*", "→": ">", "←": "<", "⌊": "[", "⌋": "]", "⌈": "[", "⌉": "]",
    "’": "'", "“": '"', "”": '"', "≥": ">", "≤": "<", "Σ": "S",
}  # fmt: skip
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


def show_diagnostics(found: Iterable[Diagnostic], sources: Mapping[str, str]) -> None:
    """Diagnostics, each with the lines it quotes, to stderr."""
    text = render_all(found, sources)
    if text:
        tell(_coloured(text) if wants_colour(sys.stderr) else text)


def _coloured(text: str) -> str:
    def paint(m: re.Match[str]) -> str:
        return click.style(m.group(), fg=_COLOURS[m.group(1)], bold=True)

    return _SEVERITY.sub(paint, text)


def complain(message: str, what: str = "error") -> None:
    """One line on stderr: what went wrong, where there is no place in a file to point at."""
    shown = click.style(what, fg="red", bold=True) if wants_colour(sys.stderr) else what
    tell(f"{shown}: {message}")


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
