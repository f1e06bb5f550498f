"""Kernel sources become files whose names are hashes of all that their machine code depends on.

Each kernel file is whole: what it imports from this folder is pasted into it, flags and intrinsics included.  Its name
hashes its text, the versions of Numba, llvmlite and Python, and the processor, so what is kept under that name is
either right or never looked at.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Final

from netc.cache import cache_dir, tell_unusable, write_atomically
from netc.locks import Lock

_HOME: Final = "netc.backends.cpu."
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Source:
    """The whole text of a kernel file.  `source.name` is its kernel of that name."""

    stem: str  # of the file's name
    text: str = field(repr=False, compare=False)  # the stem holds its hash

    def __getattr__(self, name: str) -> Kernel:
        if name.startswith("__"):
            raise AttributeError(name)
        return Kernel(self, name)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function of a kernel file, which nobody may have compiled yet."""

    source: Source
    name: str


@cache
def kernels(name: str) -> Source:
    """The kernels of `netc/backends/cpu/kernels/<name>.py`."""
    return load(name, (Path(__file__).parent / "kernels" / f"{name}.py").read_text("utf-8"))


@cache
def load(name: str, text: str) -> Source:
    """The kernels of this text; `name` is only for readers."""
    whole = pasted(text)
    return Source(f"{name}_{digest(whole)}", whole)


def pasted(text: str, seen: set[str] | None = None) -> str:
    """`text` with the sources of what it imports from this folder in place of the imports, each once."""
    seen = set() if seen is None else seen
    lines = text.split("\n")
    out: list[str] = []
    at = 0
    for module, first, after in _imports(text):
        out += lines[at:first]
        at = after
        if module not in seen:
            seen.add(module)
            source = Path(__file__).parent / f"{module.removeprefix(_HOME)}.py"
            out.append(pasted(source.read_text("utf-8"), seen))
    return "\n".join([*out, *lines[at:]])


@cache
def _imports(text: str) -> tuple[tuple[str, int, int], ...]:
    """What a source imports from this folder: the module, and the lines, counted from 0, that say so."""
    return tuple(
        (node.module, node.lineno - 1, node.end_lineno or node.lineno)
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_HOME)
    )


def digest(text: str) -> str:
    """32 hexadecimal digits for a text on this machine, under these versions."""
    return hashlib.sha256("\0".join([text, *machine()]).encode()).hexdigest()[:32]


@cache
def machine() -> tuple[str, ...]:
    """What compiled code depends on beside its source: Numba's settings are variables of the environment, and a file
    in the folder that a process starts in.
    """
    from netc.backends.cpu.target import CPU_FEATURES, CPU_NAME

    versions = [version(name) for name in ("numba", "llvmlite", "numpy")]
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    with suppress(OSError):  # mostly there is none
        settings.append(Path(".numba_config.yaml").read_text("utf-8", "replace"))
    return (*versions, sys.version, platform.machine(), CPU_NAME, CPU_FEATURES, *settings)


def folders() -> Iterator[Path]:
    """Where kernels are kept: in the cache, and where that cannot be used in a folder of this process."""
    try:
        yield _cache_folder()
    except OSError as error:
        tell_unusable(error)
    yield _private_folder()


def written(source: Source) -> Path:
    """The file of the source, for Numba to compile and for readers.

    Raises OSError where no folder can be written.
    """
    for folder in folders():
        path = folder / f"{source.stem}.py"
        try:
            if not path.exists() or path.read_text("utf-8") != source.text:
                write_atomically(path, source.text.encode())
            return path
        except OSError as error:
            tell_unusable(error)
    raise OSError("neither the cache folder nor the temporary folder can be written")


def _cache_folder() -> Path:
    folder = cache_dir() / "kernels"
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} may be written by others")
    return folder


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="netc-kernels-")  # mode 0700, removed when the process ends


def _private_folder() -> Path:
    return Path(_temporary().name)


def imported(path: Path) -> ModuleType:
    """The file of a source, run as a module: its kernels are functions of Numba."""
    name = f"netc_kernels_{path.stem}"
    with _lock:
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules[name] = module
        return sys.modules[name]
