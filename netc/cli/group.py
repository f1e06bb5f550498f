"""The group `netc`: its options, and its commands by name, each imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from netc import __version__

# Name, module and the line that `netc --help` shows.  The line is the first of the command's own help; it stands
# here so that the help imports nothing (a test compares the two).
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "init": ("init", "Write a first .net file, with comments, that trains on digits."),
    "check": ("check", "Tell all errors and warnings of files."),
    "report": ("report", "Show shapes, parameters, MACs, receptive fields and memory, layer by layer."),
    "diff": ("diff", "Tell what changed between two nets: layers, shapes, totals."),
    "explain": (
        "explain",
        "Show the page of a part of the language, a layer, a loss, a setting, or of the code of an error or a warning.",
    ),
    "draw": ("draw", "Draw a net as svg, png, pdf or dot."),
    "fmt": ("fmt", "Format files in netc's one style."),
    "train": ("train", "Train a net as its train block says."),
    "eval": ("eval", "Measure a trained model on data."),
    "predict": ("predict", "Classify arrays and images by a trained model."),
    "bench": ("bench", "Time a step and each of its layers against the machine's roofline."),
    "specs": ("specs", "List the specs that ship with netc."),
    "completion": ("completion", "Print the completion script of a shell."),
}


class Lazy(click.Group):
    """A group whose commands lie in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module: Any = import_module(f"netc.cli.{COMMANDS[cmd_name][0]}")
        return module.command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, with the nearest command where there is none of that name."""
        from netc.errors import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"there is no command `{args[0]}`" + (f"; {near}" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A FILE is a .net file, the name of a spec that ships with netc (`netc specs`), or - for standard input."
    "  `netc COMMAND -h` shows an example of each command.",
)
@click.version_option(__version__, "--version", message="netc %(version)s")
@click.option("--debug", is_flag=True, help="Show a Python traceback with every error.")
def netc(debug: bool) -> None:
    """From a network in one text file to facts, pictures and a trained model.

    \b
    Example:
      netc init tiny && netc check tiny.net && netc report tiny.net
      netc train digits
    """
