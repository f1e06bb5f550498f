"""`netc eval`: what a trained model reaches on data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

import click

from netc.cli.output import say
from netc.cli.progress import figures
from netc.cli.train import fitted, user_errors

SCHEMA: Final = "netc.eval/1"

run_argument: Final = click.argument("run", type=click.Path(exists=True, path_type=Path), metavar="RUN")


@click.command("eval", epilog="RUN is the folder of a run, or a model.safetensors file.")
@run_argument
@click.option("--data", metavar="PATH", help="The data, where they are not those that the file names.")
@click.option(
    "--part",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which part of the data.",
)
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def command(run: Path, data: str | None, part: Literal["test", "validation", "train"], as_json: bool) -> None:
    """Measure a trained model on data.

    \b
    Example:
      netc eval runs/Digits
      netc eval runs/LeNet5 --data mnist/ --json
    """
    with user_errors():
        from netc.api import load_model
        from netc.train.data import load

        model = load_model(run, train=False)
        named = model.spec.data
        if named is None and data is None:
            raise click.UsageError(f"the train block of {model.graph.name} names no data; give --data PATH")
        kind = (named.path or named.kind) if named else str(data)
        found = fitted(model.graph, model.spec, load(kind, data))
        split = {"test": found.test, "validation": found.validation, "train": found.train}[part]
        result = model.evaluate(split.x, split.y)
    if as_json:
        facts = {"net": model.graph.name, "data": found.name, "part": part, "examples": len(split.x)}
        say(json.dumps({"schema": SCHEMA, **facts, "metrics": result}, indent=2))
    else:
        say(f"{model.graph.name} on {len(split.x):,} examples ({part}) of {found.name}: {figures(result)}")
