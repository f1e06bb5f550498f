"""How much memory this process holds, and held at most, by the kernel's count."""

from __future__ import annotations

from pathlib import Path


def resident() -> int:
    """Bytes that are in memory now."""
    return _status("VmRSS")


def peak() -> int:
    """The most bytes that were in memory since the process began or `forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Counts the peak from here: what importing took for a moment is no part of a step.  See proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
