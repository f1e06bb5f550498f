"""`netc fmt`: files in netc's one style."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from netc.cli.files import STDIN, NetFile, read_stdin
from netc.cli.output import say, show_diagnostics
from netc.errors import NetError


@click.command("fmt", epilog="Comments stay.  A file with syntax errors is left as it is, with exit code 1.")
@click.argument("files", nargs=-1, required=True, type=NetFile(), metavar="FILE…")
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit code 1 if a file would change."
)
def command(files: Sequence[str], only_check: bool) -> int:
    """Format files in netc's one style.

    - formats standard input to standard output.

    \b
    Example:
      netc fmt lenet.net
      netc fmt --check nets/*.net
    """
    return max(_format(file, only_check) for file in files)


def _format(file: str, only_check: bool) -> int:
    """Formats one file; the exit code."""
    from netc.syntax.format import format_text
    from netc.syntax.parse import read

    try:
        text = read_stdin() if file == "-" else read(file)
        new = format_text(text, STDIN if file == "-" else file)
    except NetError as error:
        show_diagnostics(error.diagnostics, error.sources)
        return 1
    if file == "-" and not only_check:
        say(new, end="")
        return 0
    # Line ends and a byte order mark are part of what is formatted, and `read` may have dropped them.
    changes = new != text if file == "-" else new.encode() != Path(file).read_bytes()
    if not changes:
        return 0
    if only_check:
        say(f"{STDIN if file == '-' else file}: would be formatted")
        return 1
    replace_text(Path(file), new)
    say(f"{file}: formatted")
    return 0


def replace_text(path: Path, text: str) -> None:
    """Replaces a file's text, whole or not at all; its permissions stay, and a link goes on pointing to it."""
    target = path.resolve()
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        shutil.copymode(target, partial)
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
