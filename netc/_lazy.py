"""Imports put off until they are used, so that `netc check` starts without NumPy and Numba.

A module whose functions need NumPy, but which the front half imports, writes

    if TYPE_CHECKING:
        import numpy as np
    else:
        np = lazy_module("numpy")

and a package whose public names live in heavy modules writes

    __getattr__, __dir__ = lazy_names(__name__, {"compile": "netc.api"})
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    """Stands for a module, and imports it when an attribute is first asked for."""

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self.__name__), attribute)
        setattr(self, attribute, value)  # from now on found without coming here
        return value


def lazy_module(name: str) -> ModuleType:
    """The module `name`, imported at the first use of one of its attributes.

    >>> lazy_module("math").floor(2.5)
    2
    """
    return sys.modules.get(name) or _LazyModule(name)


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for `package`, whose public names live in the modules that `homes` says.

    >>> get, names = lazy_names("demo", {"floor": "math"})
    >>> get("floor")(2.5), names()
    (2, ['floor'])
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted(homes)

    return get, names
