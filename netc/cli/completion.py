"""`netc completion`: what makes a shell complete netc's commands, options, files and specs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netc.cli.output import say


@click.command("completion", epilog="Put the line of the example into the start-up file of your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      eval "$(netc completion bash)"
      netc completion fish > ~/.config/fish/completions/netc.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click knows the three
    say(kind(ctx.find_root().command, {}, "netc", "_NETC_COMPLETE").source())
