"""One run of the command line: every way it can end becomes an exit code and, where one is needed, one message."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from netc.cli.output import (
    ReaderGone,
    complain,
    exit_code,
    hold_nothing,
    show_diagnostics,
    take_any_encoding,
    tell,
)
from netc.errors import MissingDependency, NetError, WrongSetting

FAULT = 70  # EX_SOFTWARE of sysexits.h
PIPE = 128 + signal.SIGPIPE
_YOUNG = 200_000  # new objects between two collections: a compiler makes many, and hardly a cycle among them


class Terminated(BaseException):
    """SIGTERM has come."""


def run(arguments: Sequence[str]) -> int:
    """Runs a command; its exit code.  Writes to sys.stdout and sys.stderr, and never raises."""
    from netc.cli.group import netc

    take_any_encoding()
    gc.set_threshold(_YOUNG)
    before = signal.signal(signal.SIGTERM, _terminate)
    rest = [a for a in arguments if a != "--debug"]  # it may stand anywhere
    try:
        result = netc.main(rest, prog_name="netc", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BaseException as error:  # noqa: BLE001 - this is where every error ends
        return _ended(error, debug=len(rest) < len(arguments))
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: Any) -> None:
    raise Terminated


def _ended(error: BaseException, *, debug: bool) -> int:
    """The exit code of what ended the run, once its message is written."""
    try:
        if debug and not isinstance(error, (SystemExit, click.exceptions.Exit)):
            traceback.print_exception(error)
        return _told(error)
    except BrokenPipeError:
        hold_nothing()
        return PIPE
    except KeyboardInterrupt:
        return 130


def _told(error: BaseException) -> int:
    """Writes what there is to say of an error."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case NetError():
            show_diagnostics(error.diagnostics, error.sources)
            return exit_code(error.diagnostics)
        case click.ClickException():
            error.show()
            return error.exit_code
        case WrongSetting() | MissingDependency():
            complain(str(error))
            return 2 if isinstance(error, WrongSetting) else 3
        case KeyboardInterrupt() | click.Abort():
            tell("interrupted")
            return 130
        case Terminated():
            tell("terminated")
            return 143
        case BrokenPipeError() | ReaderGone():
            hold_nothing()
            return PIPE
        case OSError() if error.filename is not None:
            complain(f"{os.fspath(error.filename)}: {error.strerror}")
            return 2
        case OSError():
            hold_nothing()
            complain(f"the output cannot be written: {error.strerror}")
            return 3
        case MemoryError():
            complain("there is not enough memory")
            return 3
        case _:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            complain(
                f"{what}; this is a fault of netc: run with --debug and report what it says", "internal error"
            )
            return FAULT
