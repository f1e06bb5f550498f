"""`netc explain`: the page of a part of the language, a layer, a setting, an error or a piece of advice."""

from __future__ import annotations

import sys
from typing import Final

import click

from netc.cli.output import say, say_json, width
from netc.errors import did_you_mean

SCHEMA: Final = "netc.explain/1"


@click.command("explain", epilog="Without a NAME it lists all pages.")
@click.argument("name", required=False, metavar="[NAME|CODE]")
@click.option("--json", "as_json", is_flag=True, help="The page, or the list, as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """Show the page of a part of the language, a layer, a loss, a setting, or of the code of an error or a warning.

    \b
    Example:
      netc explain block
      netc explain conv
      netc explain E0302
    """
    from netc.explain import argument_pages, code_pages, pages, topics

    if name is None:
        _list(as_json)
        return
    codes, names, arguments = code_pages(), pages(), argument_pages()
    parts = {n: topic for topic in topics() for n in topic.names}
    found = codes.get(name.upper()) or names.get(name.lower()) or parts.get(name.lower())
    found = found or arguments.get(name) or arguments.get(name.lower())
    if found is None:
        near = did_you_mean(name, [*parts, *names, *codes, *arguments]) or "netc explain lists them all"
        raise click.UsageError(f"there is no page of `{name}`; {near}")
    if as_json:
        say_json({"schema": SCHEMA, **found.to_dict()})
    else:
        say(found.text())


def _list(as_json: bool) -> None:
    """Every page with its first line."""
    from netc.analyze.table import cut
    from netc.explain import code_pages, pages, topics

    codes = {c.code: c.title for c in code_pages().values()}
    names = {p.name: (p.what, " ".join(p.about.split("\n\n")[0].split())) for p in pages().values()}
    if as_json:
        parts = {n: topic.title for topic in topics() for n in topic.names}
        out = {
            "schema": SCHEMA,
            "language": parts,
            "names": {n: what for n, (what, _) in names.items()},
            "codes": codes,
        }
        say_json(out)
        return
    limit = width(sys.stdout)
    lead = max(len(name) for name in names) + 2
    groups = {"the language": [f"  {', '.join(t.names)}: {t.title}" for t in topics()]}
    for name, (what, line) in names.items():
        groups.setdefault(what, []).append(f"  {name:<{lead}}{line}")
    for code, title in codes.items():
        what = "advice" if code.startswith("W") else "mistakes"
        groups.setdefault(what, []).append(f"  {code:<{lead}}{title}")
    lines = [
        line
        for what, rows in groups.items()
        for line in (
            f"{what.removeprefix('a ').removeprefix('an ').removeprefix('the ').capitalize()}:",
            *rows,
            "",
        )
    ]
    for line in lines[:-1]:
        say(line if limit is None else cut(line, limit))
