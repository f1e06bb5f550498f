"""Models in files: weights by safetensors, and in the file's header the net they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

FORMAT = "netc.model/1"


class ModelError(Exception):
    """A file that is no model of netc, or does not fit its net; the text says what was found."""


def save(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """Writes arrays with a header, whole or not at all."""
    from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

    partial = path.with_name(path.name + ".partial")
    save_file(dict(arrays), partial, metadata={"format": FORMAT, **about})
    partial.replace(path)


def load(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays and the header of a file that `save` wrote.  Raises ModelError where it is none."""
    safetensors: Any = import_module("safetensors")  # ships no types for what is used here
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            about: dict[str, str] = file.metadata() or {}
            arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (safetensors.SafetensorError, OSError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: this is no safetensors file ({error})") from None
    if about.get("format") != FORMAT:
        found = about.get("format", "none")
        raise ModelError(f"{path}: this is no model of netc: its format is {found}, and {FORMAT} is read")
    return arrays, about


def about(net: str, source: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The header of a model: its net's name, the whole `.net` text and the settings it was compiled with."""
    return {"net": net, "source": source, "settings": json.dumps(dict(settings), sort_keys=True)}
