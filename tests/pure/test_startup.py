"""What `check` and `report` import on the largest specs: nothing that is slow, and of rich nothing into a pipe."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netc.resources import spec_names, spec_path
from tests.command import CHECKOUT

SLOW = {
    "numpy",
    "numba",
    "matplotlib",
    "sklearn",
    "scipy",
    "safetensors",
    "PIL",
    "llvmlite",
    "lark",
    "asyncio",
}
LARGEST = max(spec_names(), key=lambda name: (spec_path(name) or CHECKOUT).stat().st_size)


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a command has imported when it ends."""
    code = (
        "import sys; from netc.cli.run import run; "
        f"code = run({list(arguments)!r}); sys.stderr.write(' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stderr.split()}


@pytest.fixture(scope="module", autouse=True)
def grammar_tables() -> None:
    """Lark makes the grammar's tables once for a user; they are there from here on."""
    imported("check", "lenet5")


@pytest.mark.parametrize("spec", sorted({LARGEST, "resnet", "vgg"}))
@pytest.mark.parametrize(
    "options", [("check",), ("report",), ("report", "--json"), ("report", "--batch", "32", "--backward")]
)
def test_nothing_slow_is_imported(spec: str, options: tuple[str, ...]) -> None:
    command, *rest = options
    found = imported(command, spec, *rest)
    assert "netc" in found
    assert found & (SLOW | {"rich"}) == set()


@pytest.mark.parametrize(
    "options", [("--help",), ("--version",), ("specs",), ("fmt", "--check", "specs/lenet5.net")]
)
def test_small_commands_import_little(options: tuple[str, ...]) -> None:
    assert imported(*options) & SLOW == set()


def test_help_imports_no_command() -> None:
    code = "import sys; from netc.cli.run import run; run(['--help']); sys.exit('netc.cli.report' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=True)
