"""What several commands take: a file, a net of it, settings, sizes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from netc.errors import did_you_mean
from netc.resources import spec_names

if TYPE_CHECKING:
    from netc.loading import Compiled, Loaded

STDIN: Final = "<stdin>"


class NetFile(click.ParamType[str] if TYPE_CHECKING else click.ParamType):
    """A `.net` file that is there, a spec's name, or `-`.  Its value is the path, `-` for standard input."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netc.loading import find

        if value == "-":
            return value
        path = find(value)
        if path.is_dir():
            self.fail(f"{value} is a folder, and a file is wanted", param, ctx)
        if not path.exists():
            self.fail(f"there is no file {value}{_or_spec(value)}", param, ctx)
        if not path.is_file():
            self.fail(
                f"{value} is a pipe or a device; a regular file is wanted, or - for standard input",
                param,
                ctx,
            )
        return str(path)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        specs = [CompletionItem(name) for name in spec_names() if name.startswith(incomplete)]
        return [*specs, CompletionItem(incomplete, type="file")]


def _or_spec(value: str) -> str:
    """The end of the sentence `there is no file …`: which spec may be meant."""
    if len(Path(value).parts) > 1:
        return ""
    near = did_you_mean(value.removesuffix(".net"), spec_names())
    return f", nor a spec of that name; {near or 'netc specs lists them'}"


def _settings(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"`{value}` is not of the form name=value", ctx, param)
        out[name.strip()] = text.strip()
    return out


F = TypeVar("F", bound=Callable[..., Any])

file_argument: Final = click.argument("file", type=NetFile(), metavar="FILE")


def net_option(command: F) -> F:
    """`--net NAME`"""
    return click.option(
        "--net", "net", metavar="NAME", help="The net of that name, where the file has several."
    )(command)


def set_option(command: F) -> F:
    """`--set k=v`, as often as wanted."""
    return click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_settings,
        help="Set a parameter of the file or net (classes=10), or a setting of its train block (train.batch=128).",
    )(command)


def recompute_option(command: F) -> F:
    """`--recompute cheap|all`"""
    return click.option(
        "--recompute",
        type=click.Choice(["cheap", "all"]),
        help="Train in less memory and more time: compute activations again going back, all or those that cost little.",
    )(command)


def math_option(command: F) -> F:
    """`--math fast|strict`"""
    return click.option(
        "--math",
        type=click.Choice(["fast", "strict"]),
        default="fast",
        show_default=True,
        help="Whether convolutions may take fewer multiplications (Winograd), which rounds about ten times more.",
    )(command)


def read_net(
    file: str,
    settings: Mapping[str, str] | None = None,
    sizes: Mapping[str, tuple[int, ...]] | None = None,
    net: str | None = None,
) -> Loaded:
    """The file, or the one net of it that is asked for, compiled, whatever mistakes it has.

    Raises NetError only where it cannot be read at all.
    """
    from netc.loading import load_file, load_text

    if file != "-":
        return load_file(file, settings, sizes, net)
    return load_text(read_stdin(), STDIN, settings, sizes, only=net)


def read_stdin() -> str:
    """The text on standard input, under the limits that hold for a file."""
    from netc.syntax.scan import MAX_BYTES, decode

    return decode(sys.stdin.buffer.read(MAX_BYTES + 1), STDIN)


def chosen(loaded: Loaded, name: str | None) -> dict[str, Compiled]:
    """The nets to speak of: the one named, or all."""
    if name is None:
        return dict(loaded.nets)
    if name not in loaded.nets:
        if loaded.failed and name in loaded.names:
            return {}  # it is there, and too wrong to be made; its errors say why
        near = did_you_mean(name, loaded.names)
        have = f"it has {', '.join(loaded.names)}" if loaded.names else "it has none"
        raise click.UsageError(f"{loaded.path} has no net `{name}`; {near or have}")
    return {name: loaded.nets[name]}


def only(loaded: Loaded, name: str | None) -> Compiled:
    """The one net to work on; wrong usage where it is not said which of several."""
    nets = chosen(loaded, name)
    if len(nets) == 1:
        return next(iter(nets.values()))
    if not nets:
        raise click.UsageError(f"{loaded.path} has no net")
    raise click.UsageError(f"{loaded.path} has the nets {', '.join(nets)}; say which by --net NAME")
