"""What the README shows is what the commands print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SHOWN = re.findall(r"```console\n\$ netc ([^\n]+)\n(.*?)```", README, re.DOTALL)
FILES = re.findall(r"<!-- file (\S+)\n(.*?)-->", README, re.DOTALL)
NETS = re.findall(r"```\n((?:netc 1\n|block |net ).*?)```", README, re.DOTALL)


def run(folder: Path, arguments: list[str]) -> str:
    for name, text in FILES:
        (folder / name).write_text(text, "utf-8")
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "netc", *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=environment,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_the_readme_shows(tmp_path: Path, command: str, shown: str) -> None:
    assert run(tmp_path, shlex.split(command)).strip() == shown.strip()


@pytest.mark.parametrize("text", NETS, ids=[text.split("\n")[0] for text in NETS])
def test_a_file_that_is_shown_is_right(tmp_path: Path, text: str) -> None:
    (tmp_path / "shown.net").write_text(text, "utf-8")
    assert "no mistakes" in run(tmp_path, ["check", "shown.net"])


def test_a_net_is_drawn_into_the_file_that_is_named(tmp_path: Path) -> None:
    named = re.search(r"netc draw tiny\.net +# (\S+)", README)
    assert named
    run(tmp_path, ["init", "tiny"])
    run(tmp_path, ["draw", "tiny.net"])
    assert [path.name for path in tmp_path.glob("*.svg")] == [named[1]]


def test_every_command_is_in_the_table(tmp_path: Path) -> None:
    listed = set(re.findall(r"`netc ([a-z]+)", README))
    helped = run(tmp_path, ["--help"])
    commands = re.search(r"Commands:\n(.*?)\n\n", helped, re.DOTALL)
    assert commands
    for name in re.findall(r"^  ([a-z]+) ", commands[1], re.MULTILINE):
        assert name in listed | {"completion"}, name
