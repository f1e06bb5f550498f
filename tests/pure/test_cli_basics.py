"""What every command shares: help, exit codes, where output goes, encodings, pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from netc.cli.group import COMMANDS
from netc.cli.group import netc as group
from tests.command import CHECKOUT, Command, spawned

GOOD = "net A {\n  input x: [N, 3]\n  y = x -> dense(2)\n  output y\n}\n"
BAD = "net A {\n  input x: [N, 3]\n  y = x -> desne(2)\n  output y\n}\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.net"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.net"
    path.write_text(BAD)
    return path


# ---- Help ------------------------------------------------------------------------------------------------------------


def test_help_lists_every_command(netc: Command) -> None:
    done = netc("--help")
    assert (done.code, done.err) == (0, "")
    for name, (_, line) in COMMANDS.items():
        assert name in done.out
        assert line.split()[0] in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str, netc: Command) -> None:
    short, long = netc(name, "-h"), netc(name, "--help")
    assert (short.code, short.err) == (0, "")
    assert short.out == long.out
    assert f"Example:\n    netc {name}" in short.out or f'eval "$(netc {name}' in short.out
    assert len(max(short.out.splitlines(), key=len)) <= 110


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says_of_itself(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]


def test_version(netc: Command) -> None:
    done = netc("--version")
    assert (done.code, done.out) == (0, "netc 0.1.0\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell: str, netc: Command) -> None:
    done = netc("completion", shell)
    assert done.code == 0
    assert "_NETC_COMPLETE" in done.out


def test_completion_offers_commands_and_specs() -> None:
    def offered(words: str) -> str:
        env = {
            **os.environ,
            "_NETC_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        # click reads the program's name from the first word; the entry point's name is `netc`.
        code = "import sys; sys.argv = ['netc']; from netc.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code], env=env, cwd=CHECKOUT, capture_output=True, text=True
        ).stdout

    assert "plain,report" in offered("netc rep")
    assert "plain,lenet5" in offered("netc report len")


# ---- Exit codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "did you mean `check`?"),
        (["report"], "Missing argument"),
        (["report", "lenet5", "--bacth", "3"], "--batch"),
        (["report", "no-such.net"], "there is no file no-such.net"),
        (["report", "lenet"], "did you mean `lenet5`?"),
        (["report", "/"], "is a folder"),
        (["report", "lenet5", "--net", "LeNet"], "did you mean `LeNet5`?"),
        (["report", "lenet5", "--batch", "0"], "0"),
        (["report", "lenet5", "--set", "classes"], "name=value"),
        (["report", "lenet5", "--input", "3x-2"], "write 3x320x320"),
        (["report", "lenet5", "--net", "LeNet5", "--explain", "c9"], "there is no layer `c9`"),
        (["check"], "Missing argument"),
        (["draw", "lenet5"], "say which by --net"),
        (["specs", "lenet"], "did you mean `lenet5`?"),
        (["train", "vgg"], "no train block"),
        (["train", "digits", "--resume", "no-such-folder"], "no-such-folder"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], said: str, netc: Command) -> None:
    done = netc(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_wrong_file_is_1(bad: Path, netc: Command) -> None:
    for name in ("check", "report", "draw", "train"):
        done = netc(name, bad)
        assert done.code == 1, name
        assert "error[E0202]: unknown layer `desne`" in done.err
        assert "Traceback" not in done.err


def test_what_the_environment_lacks_is_3(netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    done = netc("train", "digits", "--device", "cuda")
    assert (done.code, done.out) == (3, "")
    assert "cuda" in done.err


def test_a_fault_of_netc_is_70_and_one_line(
    good: Path, netc: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("netc.loading.load_file", fail)
    done = netc("check", good)
    assert done.code == 70
    (line,) = done.err.splitlines()
    assert line.startswith("internal error: ZeroDivisionError: of all things; this is a fault of netc")
    for place in (["--debug", "check", good], ["check", good, "--debug"]):
        done = netc(*place)
        assert done.code == 70
        assert "Traceback" in done.err


def test_an_interrupt_is_130(good: Path, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netc.loading.load_file", stop)
    done = netc("check", good)
    assert done.code == 130
    assert done.err.strip() == "interrupted"


# ---- Where output goes -----------------------------------------------------------------------------------------------


def test_standard_input_is_a_file(netc: Command) -> None:
    assert netc("check", "-", stdin=GOOD.encode()).out == "<stdin>: 1 net (A), no mistakes\n"
    assert "dense(2)" in netc("report", "-", stdin=GOOD.encode()).out
    wrong = netc("check", "-", stdin=BAD.encode())
    assert wrong.code == 1
    assert "--> <stdin>:3:12" in wrong.err
    assert netc("check", "-", stdin=b"\xff").code == 1


def test_no_colour_without_a_terminal(bad: Path, netc: Command) -> None:
    done = netc("report", bad)
    assert "\x1b" not in done.out + done.err


def test_a_terminal_without_utf8_gets_plain_signs() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = spawned("report", "resnet", "--net", "ResNet18", env=env)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"3x224x224" in out
    assert b"Basic(64) x2" in out


def test_the_reader_of_a_pipe_may_go() -> None:
    with spawned("report", "vgg", "--json") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_python_m_netc_is_netc() -> None:
    process = spawned("--version")
    assert process.communicate() == (b"netc 0.1.0\n", b"")


def test_train_says_where_a_second_run_goes(netc: Command) -> None:
    assert "runs/NET-2" in netc("train", "--help").out
