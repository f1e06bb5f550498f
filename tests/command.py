"""Commands run inside the test's own process, and in processes of their own."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from netc.cli.run import run

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """Runs `netc` with arguments; output goes to no terminal."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Done:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = run([str(a) for a in arguments])
        out, err = self.capsys.readouterr()
        return Done(code, out, err)


def spawned(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
    """`python -m netc …` as a process of its own, its output in pipes."""
    command = [sys.executable, "-m", "netc", *map(str, arguments)]
    # What a shell runs in the background ignores SIGINT, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )
