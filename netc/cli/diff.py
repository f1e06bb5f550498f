"""`netc diff`: what changed between two nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from netc.cli.files import NetFile, chosen, read_net, set_option
from netc.cli.output import exit_code, say, say_json, show_diagnostics
from netc.cli.sizes import Sizes, check_sizes, input_option
from netc.errors import NetError

if TYPE_CHECKING:
    from netc.analyze.diff import Difference
    from netc.loading import Compiled, Loaded

Pair = tuple["Compiled", "Compiled"]


@click.command(
    "diff", epilog="Exit code 0 whether they differ or not; 1 if a file is wrong, such as in an `expect`."
)
@click.argument("a", type=NetFile(), metavar="A")
@click.argument("b", type=NetFile(), metavar="B")
@click.option(
    "--net",
    "nets",
    metavar="NAME",
    multiple=True,
    help="The net to compare; given twice, that of A and that of B.",
)
@set_option
@input_option
@click.option("--json", "as_json", is_flag=True, help="The differences as JSON.")
def command(
    a: str,
    b: str,
    nets: Sequence[str],
    settings: Mapping[str, str],
    sizes: Sizes,
    as_json: bool,
) -> int:
    """Tell what changed between two nets: layers, shapes, totals.

    Nets of one name are compared, or the only ones of two files.  Layers are marked - removed, + added, ~ changed.
    An `expect` that fails is told below.

    \b
    Example:
      netc diff old.net new.net
      netc diff lenet5 lenet5 --net LeNet5 --net LeNet5_1998
    """
    from netc.analyze.diff import SCHEMA, diff, diff_dict

    if a == b == "-":
        raise click.UsageError("standard input can be one of the two, not both")
    if len(nets) > 2:
        raise click.UsageError("--net names one net, or one of A and one of B")
    of_a, of_b = (nets[0], nets[-1]) if nets else (None, None)
    old, new = (read_net(f, settings, sizes, net) for f, net in ((a, of_a), (b, of_b)))
    wrong = [loaded for loaded in (old, new) if loaded.failed]
    mistakes = tuple(dict.fromkeys(d for loaded in wrong for d in loaded.diagnostics))
    sources = {path: text for loaded in wrong for path, text in loaded.sources.items()}
    if not all(loaded.stands for loaded in wrong):
        raise NetError(mistakes, sources)
    pairs, only_a, only_b = _pairs(old, new, nets)
    for one, other in pairs:
        check_sizes({"a": one, "b": other}, sizes)
    found = [diff(one.report(), other.report()) for one, other in pairs]
    if as_json:
        nets_json = [diff_dict(d) for d in found]
        out = {
            "schema": SCHEMA,
            "a": old.path,
            "b": new.path,
            "nets": nets_json,
            "only_a": only_a,
            "only_b": only_b,
        }
        say_json(out)
    else:
        say(_text(found, old, new, only_a, only_b))
    show_diagnostics(mistakes, sources)
    return exit_code(mistakes)


def _text(
    found: Sequence[Difference], old: Loaded, new: Loaded, only_a: Sequence[str], only_b: Sequence[str]
) -> str:
    from netc.analyze.diff import diff_text

    parts = [diff_text(d) for d in found]
    parts += [f"{name}: only in {old.path}" for name in only_a] + [
        f"{name}: only in {new.path}" for name in only_b
    ]
    return "\n\n".join(parts)


def _pairs(old: Loaded, new: Loaded, names: Sequence[str]) -> tuple[list[Pair], list[str], list[str]]:
    """The nets to compare, and the names that only one of the files has."""
    if names:
        return [(chosen(old, names[0])[names[0]], chosen(new, names[-1])[names[-1]])], [], []
    for loaded in (old, new):
        if not loaded.nets:
            raise click.UsageError(f"{loaded.path} has no net")
    if len(old.nets) == len(new.nets) == 1:
        return [(next(iter(old.nets.values())), next(iter(new.nets.values())))], [], []
    both = [name for name in old.nets if name in new.nets]
    if not both:
        raise click.UsageError("the files have no net of the same name; say which by --net A --net B")
    pairs = [(old.nets[name], new.nets[name]) for name in both]
    return pairs, [n for n in old.nets if n not in both], [n for n in new.nets if n not in both]
