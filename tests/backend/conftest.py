"""Backend tests compile into a cache of their own, shared by the session, so that they always start cold."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netc.backends.cpu import threads


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder inside the session's
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "netc-cache"
    before = os.environ.get("NETC_CACHE_DIR")
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["NETC_CACHE_DIR"] = str(folder)
    yield
    if before is None:
        del os.environ["NETC_CACHE_DIR"]
    else:
        os.environ["NETC_CACHE_DIR"] = before


@pytest.fixture(scope="session", autouse=True)
def all_threads() -> Iterator[None]:
    """Small programs have the threads that they ask for, although waking these takes longer than it saves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "WAKING", 0)
        yield
