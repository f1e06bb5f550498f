"""Kernel sources become files whose names are hashes of all that their machine code depends on.

Numba caches compiled code beside the file it came from and does not see changes in flags, globals, callees or
intrinsics.  So each kernel file is whole: what it imports from this folder is pasted into it.  Its name
hashes its text, the versions of Numba, llvmlite and Python, and the processor, so an entry is either right or
never looked at.
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
import threading
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Final

from netc.cache import cache_dir, tell_unusable, write_atomically

_HOME: Final = "netc.backends.cpu."
_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


@cache
def kernels(name: str) -> ModuleType:
    """The compiled form of `netc/backends/cpu/kernels/<name>.py`."""
    return load(name, (Path(__file__).parent / "kernels" / f"{name}.py").read_text("utf-8"))


def load(name: str, text: str) -> ModuleType:
    """A module with this text, from the cache; `name` is only for readers.  Compiled at the first call."""
    whole = pasted(text)
    stem = f"{name}_{digest(whole)}"
    with _lock:
        if stem not in _loaded:
            _loaded[stem] = import_file(_written(stem, whole))
        return _loaded[stem]


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
    """What compiled code depends on beside its source."""
    from netc.backends.cpu.target import CPU_FEATURES, CPU_NAME

    versions = [version(name) for name in ("numba", "llvmlite", "numpy")]
    return (*versions, sys.version, platform.machine(), CPU_NAME, CPU_FEATURES)


def _written(stem: str, text: str) -> Path:
    """The file, in the cache or, where that cannot be used, in a folder of this process."""
    for folder in (_cache_folder, _private_folder):
        try:
            path = folder() / f"{stem}.py"
            # Numba asks for the file's time, so one that is right already must not be written again.
            if not path.exists() or path.read_text("utf-8") != text:
                write_atomically(path, text.encode())
            _must_be_writable(path.parent)
            return path
        except OSError as error:
            if folder is _cache_folder:
                tell_unusable(error)
    raise OSError("neither the cache folder nor the temporary folder can be written")


def _cache_folder() -> Path:
    folder = cache_dir() / "kernels"
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder} may be written by others")
    return folder


def _must_be_writable(folder: Path) -> None:
    """Numba caches into `__pycache__`; where it cannot, it refuses to compile at all."""
    beside = folder / "__pycache__"
    beside.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryFile(dir=beside):
        pass


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="netc-kernels-")  # mode 0700, removed when the process ends


def _private_folder() -> Path:
    return Path(_temporary().name)


def import_file(path: Path) -> ModuleType:
    """Runs a file of kernels as a module, in `sys.modules`, where Numba looks for the functions it loads."""
    name = f"netc_kernels_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
