"""`netc eval`: what a trained model reaches on data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from netc.cli.output import say
from netc.cli.progress import figures
from netc.cli.train import user_errors

if TYPE_CHECKING:
    from netc.train.dataset import Dataset
    from netc.train.predictor import Predictor

SCHEMA: Final = "netc.eval/1"

views_option: Final = click.option(
    "--tta",
    "views",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Average over N looks at each example: as it is, and N - 1 times changed as `augment` says.",
)
run_argument: Final = click.argument("run", type=click.Path(exists=True, path_type=Path), metavar="RUN")


@click.command("eval", epilog="RUN is the folder of a run, or a model.safetensors file.")
@run_argument
@click.option(
    "--data",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The data, where they are not those of the run.",
)
@click.option(
    "--part",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which part of the data.",
)
@views_option
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def command(
    run: Path, data: Path | None, part: Literal["test", "validation", "train"], views: int, as_json: bool
) -> None:
    """Measure a trained model on data.

    \b
    Example:
      netc eval runs/Digits
      netc eval runs/LeNet5 --data mnist/ --json
      netc eval runs/LeNet5 --tta 8
    """
    with user_errors():
        from netc.api import load_model
        from netc.train.data import load, wanted
        from netc.train.folder import origin_of

        model = load_model(run, train=False)
        check_views(model, views)
        origin = origin_of(run)
        given = data or origin.data
        if model.spec.data is None and given is None:
            raise click.UsageError(f"the train block of {model.graph.name} names no data; give --data PATH")
        found = load(model.spec.data, wanted(model.graph, model.spec), origin.base, given)
        check_classes(model, found)
        split = {"test": found.test, "validation": found.validation, "train": found.train}[part]
        result = model.evaluate(split.x, split.y, views=views)
    if as_json:
        facts: dict[str, object] = {"net": model.graph.name, "data": found.name, "part": part}
        facts |= {"examples": len(split.x), "views": views}
        say(json.dumps({"schema": SCHEMA, **facts, "metrics": result}, indent=2))
    else:
        seen = f", each seen {views} times" if views > 1 else ""
        counted = f"{len(split.x):,} examples ({part}) of {found.name}{seen}"
        say(f"{model.graph.name} on {counted}: {figures(result)}")


def check_views(model: Predictor, views: int) -> None:
    """Raises UsageError where there is nothing to average over."""
    if views > 1 and not model.spec.augment:
        raise click.UsageError(
            f"the train block of {model.graph.name} has no `augment`, which says what --tta averages over"
        )


def check_classes(model: Predictor, data: Dataset) -> None:
    """Raises DataError where the same number is another class in the data and in the model."""
    from netc.train.dataset import DataError

    known, found = model.source.classes, data.names
    if known and found and known != found:
        raise DataError(
            f"{data.name}: has the classes {', '.join(found)}, and the model tells apart {', '.join(known)}"
        )
