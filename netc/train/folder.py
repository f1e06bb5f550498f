"""The folder of a run: what training leaves behind, each file whole or not there.

model.safetensors   weights, with the net's text in the header
state.safetensors   the optimiser's memory, for --resume
spec.net            the file that was trained, and beside it the files that it imports
run.json            where its data are (netc.run/1)
report.json         its report (netc.report/1)
metrics.jsonl       one line an epoch
result.json         loss and metrics on the test data, at the end
net.svg, curves.svg pictures
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from netc import draw
from netc.train import checkpoint
from netc.train.curves import curves
from netc.train.loop import Epoch
from netc.train.model import Model

MODEL: Final = "model.safetensors"
STATE: Final = "state.safetensors"
SPEC: Final = "spec.net"
ORIGIN: Final = "run.json"
PICTURE: Final = "net.svg"
SCHEMA: Final = "netc.run/1"


class FolderError(Exception):
    """A run folder that cannot be made or read; the text names it and says why."""


@dataclass(frozen=True)
class Origin:
    """Where the paths of a run's train block begin, and which path was given in their place, if one was."""

    base: Path
    data: Path | None = None


def note_origin(folder: Path, origin: Origin) -> None:
    """Keeps where the data are, as paths from the run's folder, so that both may be moved together."""

    def seen(path: Path) -> str:
        return os.path.relpath(path.resolve(), folder.resolve())

    told = {
        "schema": SCHEMA,
        "base": seen(origin.base),
        "data": seen(origin.data) if origin.data else None,
    }
    write(folder / ORIGIN, json.dumps(told, indent=2) + "\n")


def origin_of(run: Path) -> Origin:
    """Where the data of a run are: of its folder, or of a model.  A model that is alone has them beside itself.

    Raises FolderError where the run's note of it is damaged.
    """
    folder = run if run.is_dir() else run.parent
    try:
        told = json.loads((folder / ORIGIN).read_text("utf-8"))
        base, data = told["base"], told["data"]
        if told["schema"] != SCHEMA or not isinstance(base, str) or not isinstance(data, str | None):
            raise ValueError("it is of another schema")
    except FileNotFoundError:
        return Origin(folder)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise FolderError(f"{folder / ORIGIN}: cannot be read ({error})") from None
    return Origin(_shorter(folder / base), _shorter(folder / data) if data else None)


def _shorter(path: Path) -> Path:
    """The same path without its `..`, from here where it lies below."""
    whole = path.resolve()
    return Path(os.path.relpath(whole)) if whole.is_relative_to(Path.cwd()) else whole


def begin(folder: Path, model: Model, report: Mapping[str, Any], origin: Origin) -> None:
    """Makes the folder with all that is known before training.  Raises FolderError where it holds a run already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            go_on = ", or go on with it by --resume" if (folder / STATE).exists() else ""
            raise FolderError(f"{folder} is not empty: name another by --out{go_on}")
        _write_source(folder, model.source)
        note_origin(folder, origin)
        write(folder / "report.json", json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise FolderError(f"{folder}: cannot be written ({error.strerror})") from None


def draw_net(folder: Path, model: Model) -> None:
    """Draws the net.  Raises MissingDependency where no Graphviz works."""
    draw.render(draw.to_dot(model.graph), folder / PICTURE)


def _write_source(folder: Path, source: checkpoint.Source) -> None:
    """The file that is trained, as spec.net, and the files that it imports where it looks for them."""
    for name, text in source.imports.items():
        if name == SPEC:
            raise FolderError(
                "a run keeps its file as spec.net, and that imports a spec.net: rename one of them"
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, text)
    write(folder / SPEC, source.text)


def keep(folder: Path, model: Model, done: Sequence[Epoch]) -> None:
    """Writes what the last epoch left: weights, metrics, and in one file all that --resume needs."""
    model.save(folder / MODEL)
    records = [epoch.record() for epoch in done]
    write(folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    steps = {"steps": np.array([model.steps], np.int64)}
    about = {"net": model.graph.name, "metrics": json.dumps(records)}
    about["classes"] = json.dumps(model.source.classes)  # whose numbers must stay theirs
    checkpoint.save(folder / STATE, model.weights() | model.slots() | steps, about)


def draw_curves(folder: Path, done: Sequence[Epoch]) -> None:
    """Draws loss and accuracy over the epochs done; it takes a tenth of a second."""
    curves([epoch.record() for epoch in done], folder / "curves.svg")


def finish(folder: Path, result: Mapping[str, float]) -> None:
    """Writes what the finished model reaches on the test data."""
    write(folder / "result.json", json.dumps(dict(result), indent=2) + "\n")


def model_of(run: Path) -> Path:
    """The file of a run's model, of its folder, or that file itself.  Raises ModelError where no epoch wrote it."""
    if not run.is_dir():
        return run
    _check_begun(run)
    return run / MODEL


def _check_begun(folder: Path) -> None:
    if (folder / ORIGIN).exists() and not (folder / MODEL).exists():
        raise checkpoint.ModelError(
            f"{folder}: the run ended before its first epoch did, so it has no model; train anew, into another folder"
        )


def source_of(folder: Path) -> checkpoint.Source:
    """Which net the run in a folder trains.  Raises FolderError or ModelError where it holds none."""
    _, about = checkpoint.load(model_of(folder))
    try:
        return checkpoint.Source.of(about)
    except ValueError as error:
        raise FolderError(f"{folder / MODEL}: its header does not say which net it is ({error})") from None


def resume(folder: Path, model: Model) -> list[Epoch]:
    """Puts back weights and memory of a run, and gives the epochs it has done.

    Raises FolderError or ModelError where the folder holds no run of this net.
    """
    _check_begun(folder)
    arrays, about = checkpoint.load(folder / STATE)
    if about.get("net") != model.graph.name:
        raise FolderError(f"{folder} holds a run of {about.get('net')}, not of {model.graph.name}")
    try:
        done = [_epoch(record) for record in json.loads(about["metrics"])]
        model.steps = int(arrays.pop("steps")[0])
        slots = {name: arrays.pop(name) for name in model.slots() if name in arrays}
        model.set_weights(arrays)
        _check_classes(tuple(json.loads(about["classes"])), model.source.classes)
    except (ValueError, KeyError) as error:
        raise FolderError(f"{folder}: the run cannot be resumed ({error})") from None
    model.set_slots(slots)
    return done


def _check_classes(before: tuple[str, ...], now: tuple[str, ...]) -> None:
    if before != now:
        raise ValueError(f"its classes are {', '.join(before)}, and those of the data are {', '.join(now)}")


def _epoch(record: dict[str, float]) -> Epoch:
    fixed = ("epoch", "lr", "seconds")
    train = {k: v for k, v in record.items() if k not in fixed and not k.startswith("val_")}
    validation = {k.removeprefix("val_"): v for k, v in record.items() if k.startswith("val_")}
    return Epoch(int(record["epoch"]), record["lr"], train, validation, record["seconds"])


def write(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    with checkpoint.whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
