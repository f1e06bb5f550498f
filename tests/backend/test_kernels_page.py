"""The benchmark of single products: that it runs, and what it writes into the page of the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import kernels
from benchmarks.kernels import MARKERS, PAGE, Layer
from benchmarks.speed.table import between_markers
from netc.backends.cpu.roof import Roof

SMALL = (
    ("direct", Layer("", 2, 4, 6, 8, 3)),
    ("strided", Layer("", 2, 4, 6, 8, 3, 2, math="fast")),
    ("depthwise", Layer("", 2, 4, 6, 4, 3, 1, 4)),
    ("dense", Layer("", 3, 5, 0, 7)),
)


def test_the_page_has_a_line_for_each_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("\n".join(["before", *MARKERS, "after\n"]))
    monkeypatch.setattr(kernels, "PAGE", page)
    monkeypatch.setattr(kernels, "_PAGE", SMALL)
    monkeypatch.setattr(kernels, "LONG_ENOUGH", 0)
    kernels.write_page(Roof(1, 1e11, 1e10))
    lines = page.read_text("utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "1 thread of" in lines[2]
    assert [line.split(" | ")[:2] for line in lines[6:-2]] == [
        ["| direct", "3 × 3: 4 → 8, 6², 2"],
        ["| strided", "3 × 3, stride 2: 4 → 8, 6², 2"],
        ["| depthwise", "3 × 3: 4, 6², 2"],
        ["| dense", "5 → 7, 3"],
    ]
    assert all(line.count("%)") == 3 for line in lines[6:-2])  # forward, by data and by weights


def test_the_page_of_the_backend_has_the_markers() -> None:
    between_markers(PAGE.read_text("utf-8"), "new", *MARKERS)
