"""The command line: one file a command, imported when that command runs.

Exit codes: 0 done, 1 the file (or the data) is wrong, 2 wrong usage, 3 the environment lacks something, 70 a fault of
netc itself, 130 interrupted, 141 the reader of a pipe has gone, 143 terminated.
"""

from __future__ import annotations


def main() -> None:
    """Runs the command that the process was started with, and ends the process."""
    import sys

    try:
        from netc.cli.run import run
    except KeyboardInterrupt:  # before there is anything to interrupt
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
