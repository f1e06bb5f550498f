"""`netc train`: a net trained as its train block says."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from netc.cli.files import (
    STDIN,
    NetFile,
    chosen,
    math_option,
    net_option,
    read_net,
    recompute_option,
    set_option,
)
from netc.cli.output import complain, say, tell
from netc.cli.progress import Progress, figures
from netc.errors import MissingDependency

if TYPE_CHECKING:
    from netc.loading import Compiled, Loaded
    from netc.train.dataset import Dataset
    from netc.train.folder import Origin
    from netc.train.frugal import Recompute
    from netc.train.loop import Epoch
    from netc.train.model import Model
    from netc.types import Math

RUNS = Path("runs")
CURVES_EVERY = 5.0  # seconds: where epochs are short, drawing each would take as long as learning


@click.command(
    "train",
    epilog="Ctrl-C keeps the last finished epoch.  `netc eval` and `netc predict` take the run's folder.",
)
@click.argument("file", type=NetFile(), metavar="[FILE]", required=False)
@net_option
@set_option
@click.option(
    "--data",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The data: MNIST's folder, CIFAR-10's, one with a folder of pictures for each class, or an .npz or .csv file.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run's folder, which is new or empty; if not given, runs/NET or, where that is there, runs/NET-2, -3, ….",
)
@recompute_option
@math_option
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Go on with the run in that folder, which has its FILE, settings and data.",
)
def command(
    file: str | None,
    net: str | None,
    settings: Mapping[str, str],
    data: Path | None,
    device: str,
    out: Path | None,
    recompute: Recompute | None,
    math: Math,
    resume: Path | None,
) -> int:
    """Train a net as its train block says.

    \b
    Example:
      netc train digits
      netc train lenet5 --data mnist/ --set train.epochs=5 --set train.seed=2
      netc train --resume runs/LeNet5 --set train.epochs=10
    """
    if device != "cpu":
        raise MissingDependency(f"the device {device} is not in this version of netc; train on --device cpu")
    if out and resume:
        raise click.UsageError("--resume goes on in its own folder; leave --out away")
    if not file and not resume:
        raise click.UsageError("Missing argument 'FILE'.")
    with user_errors():
        loaded, net = _read(file, net, settings, resume)
        compiled = _trained(loaded.must_be_right(), net)
        origin = _origin(loaded if file else None, data, resume)
        dataset = _data(compiled, origin)
        place = resume or out or _free(compiled.graph.name)
        model = _model(loaded, compiled, dataset, recompute, math)
        return _run(model, compiled, dataset, place, origin, resume is not None)


def _read(
    file: str | None, net: str | None, settings: Mapping[str, str], resume: Path | None
) -> tuple[Loaded, str | None]:
    """The file, or that of the run with the settings it began with; and which net of it."""
    from netc.train.folder import SPEC, source_of

    if file or not resume:
        return read_net(file or "-", settings, net=net), net
    source = source_of(resume)
    net = net or source.net
    return read_net(str(resume / SPEC), {**source.settings, **settings}, net=net), net


def _origin(loaded: Loaded | None, data: Path | None, resume: Path | None) -> Origin:
    """Where the data are: a run that goes on has them where it had them before, unless something else is said."""
    from netc.train.folder import Origin, origin_of

    before = origin_of(resume) if resume else None
    given = data or (before.data if before else None)
    if before and not loaded:
        return Origin(before.base, given)
    assert loaded
    return Origin(Path() if loaded.path == STDIN else Path(loaded.path).parent, given)


@contextmanager
def user_errors() -> Generator[None, None, None]:
    """Data, models and folders that are wrong, as one line and an exit code."""
    from netc.train.checkpoint import ModelError
    from netc.train.dataset import DataError
    from netc.train.folder import FolderError
    from netc.train.loop import Diverged

    try:
        yield
    except (DataError, ModelError, Diverged) as error:
        complain(str(error))
        raise click.exceptions.Exit(1) from error
    except FolderError as error:
        complain(str(error))
        raise click.exceptions.Exit(2) from error


def _trained(loaded: Loaded, name: str | None) -> Compiled:
    """The net to train: the one named, or the only one with a train block."""
    nets = chosen(loaded, name)
    ready = [compiled for compiled in nets.values() if compiled.train]
    if len(ready) == 1:
        (found,) = ready
    elif ready:
        names = ", ".join(c.graph.name for c in ready)
        raise click.UsageError(f"{loaded.path} has train blocks for {names}; say which by --net NAME")
    else:
        what = f"the net {name}" if name else loaded.path
        raise click.UsageError(f"{what} has no train block; `netc init` writes a file that has one")
    if len(found.graph.inputs) != 1:
        raise click.UsageError(
            f"{found.graph.name} has {len(found.graph.inputs)} inputs, and data sets have one; train it in Python"
        )
    return found


def _data(compiled: Compiled, origin: Origin) -> Dataset:
    """The data as the net takes them; a path in the file starts at the file's folder."""
    from netc.train.data import load, wanted

    spec = compiled.train
    assert spec
    if origin.data is None and spec.data is None:
        raise click.UsageError(f"the train block of {compiled.graph.name} names no data; give --data PATH")
    return load(spec.data, wanted(compiled.graph, spec), origin.base, origin.data)


def _free(net: str) -> Path:
    """runs/NET, or with the first number at its end that no run has."""
    path, number = RUNS / net, 1
    while path.exists():
        number += 1
        path = RUNS / f"{net}-{number}"
    return path


def _model(
    loaded: Loaded, compiled: Compiled, data: Dataset, recompute: Recompute | None, math: Math
) -> Model:
    """The net as a model that knows what its classes are called, and how large the numbers are that it sees."""
    from netc.api import Net
    from netc.api import compile as compile_net

    model = compile_net(Net(loaded, compiled.graph.name), recompute=recompute, math=math)
    x = data.train.x
    largest = max(float(x.max()), -float(x.min())) if x.dtype.kind == "f" else None
    model.source = replace(model.source, classes=data.names or (), largest=largest)
    return model


def _run(model: Model, compiled: Compiled, data: Dataset, out: Path, origin: Origin, again: bool) -> int:
    from netc.analyze.report import report_dict
    from netc.train import folder

    report = compiled.report(model.spec.batch)
    done: list[Epoch] = []
    if again:
        done = folder.resume(out, model)
        folder.note_origin(out, origin)
    else:
        folder.begin(out, model, report_dict([report]), origin)
        _draw(model, out)
    _introduce(compiled, data, out, done)
    try:
        _train(model, data, out, done)
    except BaseException:
        kept = (
            f"epoch {done[-1].epoch} is kept in {out}"
            if done
            else f"no epoch was finished; {out} has no model"
        )
        go_on = f"; go on with it by --resume {out}" if done else ""
        tell(kept + go_on)
        raise
    result = model.evaluate(data.test.x, data.test.y)
    folder.finish(out, result)
    say(f"test: {figures(result)}")
    picture = f"{folder.PICTURE}, " if (out / folder.PICTURE).exists() else ""
    say(f"the run lies in {out}: model.safetensors, metrics.jsonl, curves.svg, {picture}report.json")
    return 0


def _draw(model: Model, out: Path) -> None:
    """The net as a picture; a machine that cannot draw can train."""
    from netc.draw import TooLargeError
    from netc.train import folder

    try:
        folder.draw_net(out, model)
    except (MissingDependency, TooLargeError) as error:
        complain(f"the run has no {folder.PICTURE}: {error}", "warning")


def _introduce(compiled: Compiled, data: Dataset, out: Path, done: list[Epoch]) -> None:
    """What is trained on what: the report's totals, and the sizes of the data."""
    from netc.analyze.table import totals_text

    spec = compiled.train
    assert spec
    counts = [
        f"{len(part.x):,} {what}"
        for part, what in (
            (data.train, "to learn from"),
            (data.validation, "for validation"),
            (data.test, "for the test"),
        )
    ]
    rows = {
        compiled.graph.name: f"into {out}" + (f", after epoch {done[-1].epoch}" if done else ""),
        "data": f"{data.name}: {', '.join(counts)}",
        **({"augment": " -> ".join(a.describe() for a in spec.augment)} if spec.augment else {}),
        "optimizer": f"{spec.optimizer.describe()}, {spec.schedule.describe()}, batch {spec.batch}, seed {spec.seed}",
    }
    say(totals_text(compiled.report(spec.batch), rows))
    say("")


def _train(model: Model, data: Dataset, out: Path, done: list[Epoch]) -> None:
    """Trains, writes what each epoch leaves, and adds it to `done`."""
    from netc.train import folder
    from netc.train.loop import Epoch, run

    history = [epoch.validation["loss"] for epoch in done]
    drawn = 0.0
    try:
        with Progress(model.spec.epochs) as progress:
            for event in run(model, data, history):
                if not isinstance(event, Epoch):
                    progress.batch(event)
                    continue
                folder.keep(out, model, [*done, event])
                done.append(event)
                progress.epoch(event)
                if perf_counter() - drawn > CURVES_EVERY:
                    folder.draw_curves(out, done)
                    drawn = perf_counter()
    finally:
        if done:
            folder.draw_curves(out, done)
