"""`netc check`: all errors and warnings of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import click

from netc.cli.files import STDIN, NetFile, read_net
from netc.cli.output import say, say_json, show_diagnostics, tell
from netc.errors import UNTOLD, Diagnostic, NetError, Span, plural, visible

SCHEMA: Final = "netc.check/1"
MOST_NAMED: Final = 20  # nets of a file


@dataclass(frozen=True)
class Checked:
    """What was found in one file."""

    path: str
    nets: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    sources: dict[str, str]

    def count(self, severity: Literal["error", "warning"]) -> int:
        return sum(d.severity == severity for d in self.diagnostics)


@click.command("check", epilog="Exit code 1 if any file has an error, or with --strict a warning.")
@click.argument("files", nargs=-1, required=True, type=NetFile(), metavar="FILE…")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="text (the default), json, or sarif for code hosts.",
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
def command(files: Sequence[str], form: str, strict: bool) -> int:
    """Tell all errors and warnings of files.

    Proves the `expect` lines too, and warns by what lectures and papers advise; a comment `# allow W0201: reason` on
    the line or above its statement silences a warning.  Nothing is trained and no data are read.

    \b
    Example:
      netc check lenet.net
      netc check --format sarif nets/*.net > netc.sarif
    """
    found = [check(file) for file in files]
    if form == "text":
        for one in found:
            _show(one)
    else:
        say_json(as_json(found) if form == "json" else as_sarif(found))
    wrong = any(one.count("error") or (strict and one.count("warning")) for one in found)
    return 1 if wrong else 0


def check(file: str) -> Checked:
    """Reads a file and finds what is wrong with it."""
    try:
        loaded = read_net(file)
    except NetError as error:
        return Checked(STDIN if file == "-" else file, (), error.diagnostics, error.sources)
    found = loaded.diagnostics
    if not loaded.failed:  # advice about a net that is wrong would be noise
        from netc.analyze.advice import advice_of_file

        advice = advice_of_file({name: net.facts for name, net in loaded.nets.items()}, loaded.file)
        found = tuple(sorted((*found, *advice), key=lambda d: (d.span.file, d.span.line, d.span.col, d.code)))
    return Checked(loaded.path, tuple(loaded.nets), found, loaded.sources)


def _show(one: Checked) -> None:
    """Diagnostics on stderr and, where there is none, what was checked on stdout."""
    path = visible(one.path)
    if not one.diagnostics:
        named = ", ".join(one.nets[:MOST_NAMED]) + (", …" if len(one.nets) > MOST_NAMED else "")
        nets = f"{plural(len(one.nets), 'net')} ({named})" if one.nets else "no net"
        say(f"{path}: {nets}, no mistakes")
        return
    show_diagnostics(one.diagnostics, one.sources)
    many = one.diagnostics[-1].code == UNTOLD  # which is no mistake of its own
    counts = [(one.count("error") - many, "error"), (one.count("warning"), "warning")]
    told = ("more than " if many else "") + " and ".join(
        plural(count, noun) for count, noun in counts if count
    )
    tell(f"\n{path}: {told}")


def as_json(found: Sequence[Checked]) -> dict[str, Any]:
    """The object of `netc check --json`."""
    files = [
        {
            "file": one.path,
            "nets": list(one.nets),
            "errors": one.count("error"),
            "warnings": one.count("warning"),
            "diagnostics": [_diagnostic(d) for d in one.diagnostics],
        }
        for one in found
    ]
    return {"schema": SCHEMA, "files": files}


def _diagnostic(d: Diagnostic) -> dict[str, Any]:
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "label": d.label,
        "span": _span(d.span),
        "notes": [{"text": n.text, "span": _span(n.span)} for n in d.notes],
        "trace": list(d.trace),
        "help": d.help,
    }


def _span(s: Span) -> dict[str, Any]:
    return {"file": s.file, "line": s.line, "col": s.col, "end_line": s.end_line, "end_col": s.end_col}


def as_sarif(found: Sequence[Checked]) -> dict[str, Any]:
    """SARIF 2.1.0 (OASIS), as code hosts take it."""
    from netc import __version__

    all_of = [d for one in found for d in one.diagnostics]
    driver = {
        "name": "netc",
        "version": __version__,
        "rules": [_rule(code) for code in sorted({d.code for d in all_of})],
    }
    results = [
        {
            "ruleId": d.code,
            "level": d.severity,
            "message": {"text": f"{d.message}; {d.help}" if d.help else d.message},
            "locations": [_location(d.span, d.label)],
            "relatedLocations": [_location(n.span, n.text) for n in d.notes],
            **({"properties": {"trace": list(d.trace)}} if d.trace else {}),
        }
        for d in all_of
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(code: str) -> dict[str, Any]:
    """A code with what its page says."""
    from netc.explain import code_pages

    page = code_pages().get(code)
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.meaning or page.title},
        "help": {"text": page.text()},
    }


def _location(s: Span, text: str) -> dict[str, Any]:
    from pathlib import Path
    from urllib.parse import quote

    path = Path(s.file)
    region = {
        "startLine": s.line,
        "startColumn": s.col,
        "endLine": s.end_line,
        "endColumn": max(s.end_col, 1),
    }
    place = {
        "artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())},
        "region": region,
    }
    return {"physicalLocation": place, **({"message": {"text": text}} if text else {})}
