"""Where the grammar and the specs that ship with netc lie.

In a wheel they are package data (`netc/data/`); in a source checkout, and so in an editable install, they
are the top-level folders `grammars/` and `specs/`.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(kind: str) -> Path:
    """The folder `grammars` or `specs`."""
    packaged = _PACKAGE / "data" / kind
    return packaged if packaged.is_dir() else _PACKAGE.parent / kind


def grammar_path(name: str) -> Path:
    """The file of the grammar called `name`.

    >>> grammar_path("net").name
    'net.lark'
    """
    return _folder("grammars") / f"{name}.lark"


def spec_names() -> list[str]:
    """The names of the specs that ship with netc, sorted."""
    return sorted(path.stem for path in _folder("specs").glob("*.net"))


def spec_path(name: str) -> Path | None:
    """The file of the spec called `name`, or None if no spec has that name.

    Only names that `spec_names` lists are found, so a name can never lead out of the folder.

    >>> spec_path("../grammars/net") is None
    True
    """
    return _folder("specs") / f"{name}.net" if name in spec_names() else None
