"""`netc draw`: a net as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import click

from netc.cli.files import file_argument, net_option, only, read_net, set_option
from netc.cli.output import say
from netc.cli.sizes import Sizes, check_sizes, input_option

LONGEST_NAME: Final = 100  # of a picture's file that takes the net's name; systems allow 255 bytes


@click.command("draw", epilog="Without -o the picture is NET.svg in the current folder.  `-o -` prints DOT.")
@file_argument
@click.option("-o", "--out", metavar="PATH", help="Where to: .svg, .png, .pdf or .dot.")
@net_option
@set_option
@input_option
@click.option(
    "--depth", type=click.IntRange(0), help="How many levels of blocks are opened; all if not given."
)
@click.option("--theme", type=click.Choice(["paper", "dark"]), default="paper", show_default=True)
@click.option(
    "--rankdir", type=click.Choice(["TB", "LR"]), default="TB", show_default=True, help="Down or across."
)
@click.option(
    "--fold/--no-fold", default=True, help="Draw equal blocks in a row once, marked ×3 (the default)."
)
def command(
    file: str,
    out: str | None,
    net: str | None,
    settings: Mapping[str, str],
    sizes: Sizes,
    depth: int | None,
    theme: Literal["paper", "dark"],
    rankdir: Literal["TB", "LR"],
    fold: bool,
) -> None:
    """Draw a net as svg, png, pdf or dot.

    \b
    Example:
      netc draw lenet5 --net LeNet5 -o lenet5.svg
      netc draw resnet --net ResNet34 --depth 1 --rankdir LR -o resnet.pdf
    """
    from netc.draw import PictureError, TooLargeError, render, to_dot

    compiled = only(read_net(file, settings, sizes, net).must_be_right(), net)
    check_sizes({net or "": compiled}, sizes)
    graph = compiled.graph
    path = Path(out or f"{graph.name[:LONGEST_NAME]}.svg")
    laid_out = out != "-" and path.suffix.lower() != ".dot"
    try:
        dot = to_dot(graph, depth=depth, theme=theme, rankdir=rankdir, fold=fold, limit=laid_out)
        if out == "-":
            say(dot, end="")
            return
        render(dot, path)
    except TooLargeError as error:
        raise click.ClickException(str(error)) from None
    except PictureError as error:
        raise click.UsageError(str(error)) from None
    say(f"{graph.name} is drawn in {path}")
