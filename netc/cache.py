"""Where netc keeps what it can make again: parse tables, and the code that the CPU backend generates.

The folder belongs to the user alone, because code is run from it: one that others may write to is refused.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


def cache_dir() -> Path:
    """`$NETC_CACHE_DIR`, else `$XDG_CACHE_HOME/netc`, else `~/.cache/netc`; made on the first use, mode 0700.

    Raises OSError where it cannot be made, belongs to another user, or may be written by others.
    """
    folder = _wanted()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.stat()
    if hasattr(os, "getuid") and state.st_uid != os.getuid():
        raise PermissionError(
            f"the cache folder {folder} belongs to another user; set NETC_CACHE_DIR to one of yours"
        )
    if os.name == "posix" and state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"the cache folder {folder} may be written by others: chmod 700 {folder}")
    return folder


_told: list[str] = []  # the warning, once it is written


def tell_unusable(error: OSError) -> None:
    """Warns on stderr, once a process, that the cache folder cannot be used, which costs time each run."""
    if _told:
        return
    why = f"the cache folder {_wanted()} cannot be written: {error.strerror}" if error.errno else str(error)
    _told.append(why)
    sys.stderr.write(f"warning: {why}; what netc compiles is compiled again in each run\n")


def write_atomically(path: Path, data: bytes) -> None:
    """Writes the file whole or not at all, so that another process never reads half of it.

    Raises OSError where the folder cannot be written.
    """
    import tempfile  # 8 ms, and most runs only read

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _wanted() -> Path:
    own = os.environ.get("NETC_CACHE_DIR")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    # The XDG base directory specification: a relative path is invalid and is to be ignored.
    if shared and Path(shared).is_absolute():
        return Path(shared) / "netc"
    try:
        return Path.home() / ".cache" / "netc"
    except RuntimeError as error:  # no home folder is known for this user
        raise FileNotFoundError("no home folder; set NETC_CACHE_DIR") from error
