"""Models in files: weights by safetensors, and in the file's header the net they belong to."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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

    with whole(path) as partial:
        save_file(dict(arrays), partial, metadata={"format": FORMAT, **about})


@contextmanager
def whole(path: Path) -> Generator[Path, None, None]:
    """A path to write to, which becomes `path` when all is written; a signal meanwhile leaves what was there before."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


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


@dataclass(frozen=True)
class Source:
    """Which net a model is: its name, the whole `.net` text, the settings, and the texts of imported files by path.

    `classes` are the names of what it tells apart, in the order of its logits; nothing where nobody named them.
    `largest` is the largest absolute value among its training inputs; None where it is not known.
    """

    net: str
    text: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    imports: Mapping[str, str] = field(default_factory=dict[str, str])
    classes: tuple[str, ...] = ()
    largest: float | None = None

    def about(self) -> dict[str, str]:
        """It as the header of a model."""
        out = {
            "net": self.net,
            "source": self.text,
            "settings": json.dumps(dict(self.settings), sort_keys=True),
        }
        out |= {"imports": json.dumps(dict(self.imports), sort_keys=True)} if self.imports else {}
        out |= {"classes": json.dumps(self.classes)} if self.classes else {}
        return out | ({"largest": repr(self.largest)} if self.largest is not None else {})

    @staticmethod
    def of(about: Mapping[str, str]) -> Source:
        """Reads such a header.  Raises ValueError where it does not say which net it is."""
        if "net" not in about or "source" not in about:
            raise ValueError("it names no net")
        settings, imports = (_texts(about.get(name, "{}")) for name in ("settings", "imports"))
        classes = _names(about.get("classes", "[]"))
        largest = float(about["largest"]) if "largest" in about else None
        return Source(about["net"], about["source"], settings, imports, classes, largest)


def _texts(text: str) -> dict[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise ValueError("its settings or imports are no texts by name")
    return found  # pyright: ignore[reportUnknownVariableType]


def _names(text: str) -> tuple[str, ...]:
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(v, str) for v in found):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("its classes are no list of names")
    return tuple(found)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
