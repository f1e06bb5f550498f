"""`netc report`: the figures of nets."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from netc.cli.files import chosen, file_argument, net_option, read_net, set_option
from netc.cli.output import complain, console, exit_code, is_terminal, say, say_json, show_diagnostics, width
from netc.cli.sizes import Sizes, check_sizes, input_option

if TYPE_CHECKING:
    from netc.analyze.report import NetReport
    from netc.loading import Compiled, Loaded

FORMATS = ("table", "json", "csv", "md")


@click.command("report", epilog="A file with mistakes is reported as far as it goes, with exit code 1.")
@file_argument
@net_option
@set_option
@input_option
@click.option(
    "--batch", type=click.IntRange(1, 2**20), default=1, help="The batch that memory is counted for (1)."
)
@click.option(
    "--depth", type=click.IntRange(0), help="How many levels of blocks the table opens; all if not given."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    help="table (the default), json, csv or md.",
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--explain", "layer", metavar="LAYER", help="Show the arithmetic behind the figures of one layer."
)
@click.option(
    "--rf",
    "place",
    metavar="LAYER[i,j]",
    help="Show what of the input one index of a layer sees: rows and columns from 0.",
)
@click.option("--backward", is_flag=True, help="Add the FLOPs of each layer's backward pass.")
def command(
    file: str,
    net: str | None,
    settings: Mapping[str, str],
    sizes: Sizes,
    batch: int,
    depth: int | None,
    form: str,
    layer: str | None,
    place: str | None,
    backward: bool,
) -> int:
    """Show shapes, parameters, MACs, receptive fields and memory, layer by layer.

    The table opens blocks and shows equal ones in a row once, marked ×3; the other formats have one row for each
    layer.  MACs and FLOPs are those of one example, forward.

    \b
    Example:
      netc report lenet5
      netc report resnet --net ResNet34 --depth 0 --input 3x320x320 --batch 32
      netc report lenet5 --net LeNet5 --explain c1
      netc report lenet5 --net LeNet5 --rf c3[0,9]
    """
    loaded = read_net(file, settings, sizes, net)
    nets = chosen(loaded, net)
    check_sizes(nets, sizes, failed=loaded.failed)
    try:
        if layer is not None:
            _explain(nets, layer)
        elif place is not None and nets:
            _region(nets, place, form)
        elif nets:
            reports = [compiled.report(batch, backward=backward) for compiled in nets.values()]
            _show(reports, form, depth)
    except click.UsageError as error:
        if not loaded.failed:
            raise
        complain(f"{error.message}{_behind(error.message, nets, loaded, net)}")
    show_diagnostics(loaded.diagnostics, loaded.sources)
    if not loaded.nets and not loaded.failed:
        raise click.UsageError(f"{loaded.path} has no net")
    return exit_code(loaded.diagnostics)


def _behind(message: str, nets: Mapping[str, Compiled], loaded: Loaded, net: str | None) -> str:
    """A layer that is not there may stand behind a mistake, where a net that is asked has one."""
    whole = all(compiled.whole for compiled in nets.values()) and (net or len(nets) == len(loaded.names))
    return ", or it stands behind a mistake" if message.startswith("there is no layer") and not whole else ""


def _show(reports: Sequence[NetReport], form: str, depth: int | None) -> None:
    if form == "json":
        from netc.analyze.report import report_dict

        say_json(report_dict(reports))
    elif form in ("csv", "md"):
        from netc.analyze.export import csv_text, markdown_text

        say(csv_text(reports) if form == "csv" else markdown_text(reports), end="")
    else:
        from netc.analyze.table import print_table, table_text

        for i, report in enumerate(reports):
            if i:
                say("")
            if is_terminal(sys.stdout):
                print_table(console(sys.stdout), report, depth=depth, width=width(sys.stdout))
            else:
                say(table_text(report, depth=depth, width=width(sys.stdout)))


def _region(nets: Mapping[str, Compiled], place: str, form: str) -> None:
    """Told of every net that has such a layer; wrong usage where none has."""
    from netc.analyze.region import SCHEMA, NoRegion, Region, region, region_dict, region_text
    from netc.errors import short

    if form not in ("table", "json"):
        raise click.UsageError(f"--rf has no {form}; it prints text, or --json")
    found: list[Region] = []
    wrong = ""
    for compiled in nets.values():
        try:
            found.append(region(compiled.facts, place))
        except NoRegion as error:
            wrong = wrong or str(error)
    if not found:
        raise click.UsageError(short(wrong))
    if form == "json":
        regions = [region_dict(r) for r in found]
        say_json({"schema": SCHEMA, "regions": regions})
    else:
        say("\n\n".join(map(region_text, found)))


def _explain(nets: Mapping[str, Compiled], layer: str) -> None:
    from netc.analyze.explain import explain, find
    from netc.analyze.unfound import no_layer
    from netc.errors import short

    found = [(c, node) for c in nets.values() if (node := find(c.graph, layer))]
    if not found and nets:
        paths = [n.path for c in nets.values() for n in c.graph.nodes]
        raise click.UsageError(short(no_layer(layer, paths)))
    say("\n\n".join(explain(c.facts, node) for c, node in found))
