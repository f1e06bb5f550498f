"""What the tests of commands share."""

from __future__ import annotations

import pytest

from tests.command import Command


@pytest.fixture
def netc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of netc in this process."""
    for name in ("COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Command(capsys, monkeypatch)
