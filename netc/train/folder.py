"""The folder of a run: what training leaves behind, each file whole or not there.

model.safetensors   weights, with the net's text in the header
state.safetensors   the optimiser's memory, for --resume
spec.net            the file that was trained, and beside it the files that it imports
report.json         its report (netc.report/1)
metrics.jsonl       one line an epoch
result.json         loss and metrics on the test data, at the end
net.svg, curves.svg pictures
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


class FolderError(Exception):
    """A run folder that cannot be made or read; the text names it and says why."""


def begin(folder: Path, model: Model, report: Mapping[str, Any]) -> None:
    """Makes the folder with all that is known before training.  Raises FolderError where it holds a run already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderError(f"{folder} is not empty: name another by --out, or go on with it by --resume")
        _write_source(folder, model.source)
        write(folder / "report.json", json.dumps(report, indent=2) + "\n")
        draw.render(draw.to_dot(model.graph), folder / "net.svg")
    except OSError as error:
        raise FolderError(f"{folder}: cannot be written ({error.strerror})") from None


def _write_source(folder: Path, source: checkpoint.Source) -> None:
    """The file that is trained, as spec.net, and the files that it imports where it looks for them."""
    for name, text in source.imports.items():
        if name == "spec.net":
            raise FolderError(
                "a run keeps its file as spec.net, and that imports a spec.net: rename one of them"
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, text)
    write(folder / "spec.net", source.text)


def keep(folder: Path, model: Model, done: Sequence[Epoch]) -> None:
    """Writes what the last epoch left: weights, metrics, and in one file all that --resume needs."""
    model.save(folder / MODEL)
    records = [epoch.record() for epoch in done]
    write(folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    steps = {"steps": np.array([model.steps], np.int64)}
    about = {"net": model.graph.name, "metrics": json.dumps(records)}
    checkpoint.save(folder / STATE, model.weights() | model.slots() | steps, about)


def draw_curves(folder: Path, done: Sequence[Epoch]) -> None:
    """Draws loss and accuracy over the epochs done; it takes a tenth of a second."""
    curves([epoch.record() for epoch in done], folder / "curves.svg")


def finish(folder: Path, result: Mapping[str, float]) -> None:
    """Writes what the finished model reaches on the test data."""
    write(folder / "result.json", json.dumps(dict(result), indent=2) + "\n")


def resume(folder: Path, model: Model) -> list[Epoch]:
    """Puts back weights and memory of a run, and gives the epochs it has done.

    Raises FolderError or ModelError where the folder holds no run of this net.
    """
    arrays, about = checkpoint.load(folder / STATE)
    if about.get("net") != model.graph.name:
        raise FolderError(f"{folder} holds a run of {about.get('net')}, not of {model.graph.name}")
    try:
        done = [_epoch(record) for record in json.loads(about["metrics"])]
        model.steps = int(arrays.pop("steps")[0])
        slots = {name: arrays.pop(name) for name in model.slots() if name in arrays}
        model.set_weights(arrays)
    except (ValueError, KeyError) as error:
        raise FolderError(f"{folder}: the run cannot be resumed ({error})") from None
    model.set_slots(slots)
    return done


def _epoch(record: dict[str, float]) -> Epoch:
    fixed = ("epoch", "lr", "seconds")
    train = {k: v for k, v in record.items() if k not in fixed and not k.startswith("val_")}
    validation = {k.removeprefix("val_"): v for k, v in record.items() if k.startswith("val_")}
    return Epoch(int(record["epoch"]), record["lr"], train, validation, record["seconds"])


def write(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
