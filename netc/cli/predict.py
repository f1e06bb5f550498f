"""`netc predict`: classes of arrays and images, with their probabilities."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from netc.cli.eval import check_views, run_argument, views_option
from netc.cli.output import complain, say
from netc.cli.train import user_errors
from netc.errors import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netc.train.predictor import Predictor
    from netc.types import TensorType

SCHEMA: Final = "netc.predict/1"
_FAR: Final = (
    8  # times as large: pictures of 0..255 or 0..16 beside those of 0..1, and no dark or bright ones
)
MAX_BYTES: Final = 4 << 30  # of one array


@click.command("predict", epilog="RUN is the folder of a run, or a model.safetensors file.")
@run_argument
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="INPUT…",
)
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="How many classes are told."
)
@views_option
@click.option("--resize", is_flag=True, help="Bring images to the size of the net's input.")
@click.option("--json", "as_json", is_flag=True, help="The classes as JSON.")
def command(run: Path, inputs: Sequence[Path], top: int, views: int, resize: bool, as_json: bool) -> None:
    """Classify arrays and images by a trained model.

    An INPUT is an .npy or .npz file with one example or several, channels first, or an image.  Bytes are taken
    for pixels and scaled to 0..1, as in training.

    \b
    Example:
      netc predict runs/Digits seven.png
      netc predict runs/LeNet5 images.npy --top 1 --json
    """
    with user_errors():
        from netc.api import load_model
        from netc.train.dataset import DataError

        model = load_model(run, train=False)
        _check_classifier(model, run)
        check_views(model, views)
        taken = model.graph.inputs[0].type
        found: list[dict[str, Any]] = []
        for path in inputs:
            try:
                x = _examples(path, taken, resize)
                _compare(path, x, model.source.largest)
                chances = model.classify(x, views=views)  # (N, classes)
            except ValueError as error:
                raise DataError(f"{path}: {error}") from None
            found += [_named(path, i, row, top, model.source.classes) for i, row in enumerate(chances)]
    if as_json:
        say(json.dumps({"schema": SCHEMA, "net": model.graph.name, "inputs": found}, indent=2))
        return
    several = {one["input"] for one in found if one["index"] > 0}
    for one in found:
        place = f"{one['input']}[{one['index']}]" if one["input"] in several else one["input"]
        told = [f"{c.get('name', c['class'])} ({c['probability']:.1%})" for c in one["classes"]]
        say(f"{place}: {', '.join(told)}")


def _check_classifier(model: Predictor, run: Path) -> None:
    """Raises UsageError where there are no classes to tell."""
    if not model.classifies:
        raise click.UsageError(
            f"{run}: {model.graph.name} tells no classes, for none of its outputs goes into a softmax_xent loss; "
            f'in Python, netc.load_model("{run}").predict(x) gives its outputs'
        )


def _named(
    path: Path, index: int, chances: NDArray[np.float64], top: int, names: Sequence[str]
) -> dict[str, Any]:
    """The classes of the largest probabilities, the most probable first, with their names where they have any."""
    best = chances.argsort(kind="stable")[::-1][:top]
    classes: list[dict[str, Any]] = []
    for c in best:
        name = {"name": names[c]} if names else {}
        classes.append({"class": int(c), **name, "probability": float(chances[c])})
    return {"input": str(path), "index": index, "classes": classes}


def _compare(path: Path, x: NDArray[Any], trained: float | None) -> None:
    """Warns of numbers far larger or smaller than those of the training, which tell of another scale."""
    if trained is None or x.dtype.kind != "f" or not x.size:
        return
    largest = max(float(x.max()), -float(x.min()))
    if largest > _FAR * trained or 0 < largest < trained / _FAR:
        complain(
            f"{path} holds numbers up to {largest:.3g}, and the net was trained on numbers up to {trained:.3g}: "
            "are they scaled alike?",
            "warning",
        )


# ---- Inputs ---------------------------------------------------------------------------------------------------------


def _examples(path: Path, taken: TensorType, resize: bool) -> NDArray[Any]:
    """The examples in a file, as a net takes them.  Raises DataError where they do not fit the net."""
    from netc.train.bounded import sizes
    from netc.train.data import fit_examples
    from netc.train.dataset import as_floats

    suffix, shape, whole = path.suffix.lower(), taken.dims_after(1), taken.dtype == "int"
    array = _array(path) if suffix in (".npy", ".npz") else _image(path, shape, resize)
    x = array if whole else as_floats(array)
    single = [shape, shape[1:]] if shape[0] == 1 else [shape]  # a grey image may lack its channel
    one = x.shape in single or (len(shape) == 1 and x.ndim != 2 and x.size == shape[0]) or x.ndim == 0
    if one:
        return fit_examples(f"{path}:", x[None], shape, whole=whole)
    found = f"{path}: an array of {sizes(x.shape)} is {plural(len(x), 'example')} of {sizes(x.shape[1:])}"
    return fit_examples(f"{path}:", x, shape, found, whole=whole)


def _array(path: Path) -> NDArray[Any]:
    """The array of an .npy file, or the one called `x`, or the only one, of an .npz file."""
    import numpy as np

    from netc.train.dataset import DataError

    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with zipfile.ZipFile(path) as archive:
                if max((m.file_size for m in archive.infolist()), default=0) > MAX_BYTES:
                    raise DataError(f"{path}: holds more than {MAX_BYTES >> 30} GiB in one array")
            with np.load(path, allow_pickle=False) as arrays:
                names = list(arrays)
                if "x" not in names and len(names) != 1:
                    raise DataError(
                        f"{path}: holds {', '.join(names) or 'nothing'}; one array is wanted, or `x`"
                    )
                array = arrays["x" if "x" in names else names[0]]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as a NumPy array ({error})") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: holds {array.dtype}, where numbers were expected")
    return array


def _image(path: Path, shape: tuple[int, ...], resize: bool) -> NDArray[Any]:
    """An image as `(C, H, W)` bytes."""
    from netc.train.dataset import DataError
    from netc.train.images import WrongSize, read_image

    try:
        return read_image(path, shape, resize)
    except WrongSize as error:
        raise DataError(f"{error}; --resize fits it") from None
