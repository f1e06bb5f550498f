"""`netc specs`: the specs that ship with netc."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from netc.analyze.table import GAP, cut
from netc.cli.output import say, say_json, width
from netc.errors import did_you_mean
from netc.resources import spec_names, spec_path

SCHEMA: Final = "netc.specs/1"
LEAST: Final = 4  # characters of a name


@click.command("specs", epilog="A spec's name works wherever a file does.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the specs that ship with netc.

    With a NAME, print that one.

    \b
    Example:
      netc specs
      netc specs lenet5 > my.net
    """
    if name is not None:
        path = spec_path(name)
        if path is None:
            near = did_you_mean(name, spec_names()) or f"there are {', '.join(spec_names())}"
            raise click.UsageError(f"there is no spec `{name}`; {near}")
        say(path.read_text(encoding="utf-8"), end="")
        return
    found = [_spec(each) for each in spec_names()]
    if as_json:
        say_json({"schema": SCHEMA, "specs": found})
    else:
        _table(found)


def _spec(name: str) -> dict[str, Any]:
    from netc.loading import load_file

    loaded = load_file(name)
    nets = [
        {
            "name": net,
            "doc": compiled.graph.doc,
            "params": compiled.facts.params,
            "macs": compiled.facts.macs,
            "trains": compiled.train is not None,
        }
        for net, compiled in loaded.nets.items()
    ]
    return {"name": name, "path": loaded.path, "nets": nets}


def _table(found: list[dict[str, Any]]) -> None:
    """One line a net, its text and names cut to the terminal; figures are never cut."""
    lines = [("spec", "net", "parameters", "")]
    for spec in found:
        for i, net in enumerate(spec["nets"]):
            name = spec["name"] if i == 0 else ""
            lines.append((name, net["name"], f"{net['params']:,}", net["doc"].partition("\n")[0]))
    a, b, c = (max(len(line[i]) for line in lines) for i in range(3))
    limit = width(sys.stdout)
    if limit is not None:
        b = min(b, max(limit - a - c - 2 * GAP, LEAST))
        a = min(a, max(limit - b - c - 2 * GAP, LEAST))
    gap = " " * GAP
    for name, net, params, doc in lines:
        text = f"{cut(name, a):<{a}}{gap}{cut(net, b):<{b}}{gap}{params:>{c}}"
        room = len(doc) if limit is None else limit - len(text) - GAP
        say(f"{text}{gap}{cut(doc, room)}".rstrip() if room > 0 else text)
