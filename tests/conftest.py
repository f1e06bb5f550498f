"""What all tests share: the marker of each folder, and how hypothesis draws."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests.command import Command

_TESTS = Path(__file__).parent
_MARKERS = ("pure", "backend", "oracle", "golden", "e2e", "browser", "gpu")

# Compiling makes the first example slow, so no example has a deadline. CI draws the same examples every
# time; a developer's runs go on exploring.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("dev"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the name of its folder: `pytest -m pure` runs tests/pure."""
    for item in items:
        if not item.path.is_relative_to(_TESTS):
            continue  # a doctest of netc/
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder not in _MARKERS:
            raise pytest.UsageError(f"{item.path}: a test lies in one of tests/{{{','.join(_MARKERS)}}}")
        item.add_marker(folder)


@pytest.fixture
def netc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of netc in the test's own process."""
    for name in ("COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Command(capsys, monkeypatch)
