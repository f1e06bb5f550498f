"""Machine code of kernels: compiled once, kept in files, and checked before it is used.

A file holds one kernel for one signature: the SHA-256 of what follows, the kernel's symbol, a line break, and the
object file that LLVM made.  A process that finds what it needs compiles nothing, and needs no Numba.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from netc.backends.cpu.call import Along
from netc.backends.cpu.emit import Kernel, folders, imported, written
from netc.cache import write_atomically
from netc.errors import WrongSetting

Kind = str | int  # of an argument: "float32[]" an array, "float32" a number, 3 a tuple of so many ints
_PLAIN: Final[dict[str, Any]] = {"int": 0, "float": 0.0}
_DIGEST: Final = hashlib.sha256().digest_size


def kinds(args: Iterable[Any]) -> tuple[Kind, ...]:
    """What a signature depends on, in words that travel.

    >>> import numpy as np
    >>> kinds((0, np.zeros(2, np.float32), np.float32(1), (1, 2)))
    ('int', 'float32[]', 'float32', 2)
    """
    return tuple(_kind(a) for a in args)


def _kind(value: Any) -> Kind:
    if isinstance(value, tuple):
        return len(value)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, Along):
        return 2
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return type(value).__name__
    return f"{dtype}[]" if value.ndim else str(dtype)


def _example(kind: Kind) -> Any:
    """A value of that kind."""
    import numpy as np

    if isinstance(kind, int):
        return (0,) * kind
    if kind.endswith("[]"):
        return np.empty(0, kind[:-2])
    return _PLAIN[kind] if kind in _PLAIN else np.dtype(kind).type(0)


def machine_code(kernel: Kernel, signature: tuple[Kind, ...]) -> tuple[str, bytes]:
    """The symbol of a kernel and the object file that defines it; compiled where no folder has it.

    Raises WrongSetting where it has to be compiled and Numba is told not to.
    """
    for folder in folders():
        found = machine_code_of(_file(folder, kernel.source.stem, kernel.name, signature))
        if found and has_what_it_calls(found[1]):
            return found
    return compiled(written(kernel.source), kernel.name, signature)


def is_kept(kernel: Kernel, signature: tuple[Kind, ...]) -> bool:
    """Whether there is a file for the kernel."""
    return any(_file(f, kernel.source.stem, kernel.name, signature).exists() for f in folders())


def compiled(path: Path, name: str, signature: tuple[Kind, ...]) -> tuple[str, bytes]:
    """The machine code of function `name` of a file of kernels, compiled by Numba and kept beside it."""
    from numba import config, typeof  # pyright: ignore[reportUnknownVariableType]

    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        raise WrongSetting("NUMBA_DISABLE_JIT is set, but netc has Numba compile its kernels: unset it")
    kernel = getattr(imported(path), name)
    types = tuple(typeof(_example(kind)) for kind in signature)
    kernel.compile(types)
    result = kernel.overloads[types]
    symbol: str = result.fndesc.llvm_func_name
    result.library.get_pointer_to_function(symbol)  # now it is machine code
    code: bytes = result.library.serialize_using_object_code()[2][0]
    content = symbol.encode() + b"\n" + code
    with suppress(OSError):
        write_atomically(
            _file(path.parent, path.stem, name, signature), hashlib.sha256(content).digest() + content
        )
    return symbol, code


def _file(folder: Path, stem: str, name: str, signature: tuple[Kind, ...]) -> Path:
    words = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
    return folder / f"{stem}.{name}.{words}.o"


def machine_code_of(path: Path) -> tuple[str, bytes] | None:
    """What a file holds; None where it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        return None
    symbol, _, code = content.partition(b"\n")
    return symbol.decode(), code


def has_what_it_calls(code: bytes) -> bool:
    """Whether all that machine code calls is in the process.

    Numba, where it is there, loads Intel's library of logarithms and powers of vectors, and has LLVM call it; once
    that is gone, such kernels are compiled again.  All else, the libraries of C and of mathematics, is always there.
    """
    return b"__svml_" not in code or bool(import_module("numba").config.USING_SVML)
