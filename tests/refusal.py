"""How a test shows that wrong data are refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from netc.train.data import DataError

SMALL = 4 << 20  # bytes; far below what the lying headers promise


def refusal(action: Callable[[], object]) -> str:
    """What the DataError says that `action` must raise, having held little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            action()
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)
