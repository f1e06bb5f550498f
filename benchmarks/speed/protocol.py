"""How the parent and a peer's process talk: JSON, one line a message, over the process's standard input and output.

The process says `{"ready": …}` once, after its first step, and then answers each question until its input ends:

    {"steps": 5, "within": 0.5}  →  {"seconds": [0.011, 0.010, …]}     # fewer steps where time is up, one at least
    {"memory": true}             →  {"peak": 123456}

What it prints besides goes to its standard error, and that to a file: where it fails, its last words are the reason.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import IO, Any

Message = dict[str, Any]


class PeerFailed(Exception):
    """A peer's process ended, or did not answer in time; the text says why."""


def serve(inputs: IO[str], outputs: IO[str], step: Callable[[], object], peak: Callable[[], int]) -> None:
    """The process's side: answers until the input ends."""
    for line in inputs:
        asked = json.loads(line)
        if "steps" in asked:
            say(outputs, {"seconds": timed(step, asked["steps"], asked["within"])})
        else:
            say(outputs, {"peak": peak()})


def timed(step: Callable[[], object], steps: int, within: float) -> list[float]:
    """Seconds of each of so many steps, or of as many as begin within so many seconds."""
    seconds: list[float] = []
    last = perf_counter() + within
    while not seconds or (len(seconds) < steps and perf_counter() < last):
        begun = perf_counter()
        step()
        seconds.append(perf_counter() - begun)
    return seconds


def say(outputs: IO[str], message: Message) -> None:
    """Sends one message."""
    outputs.write(json.dumps(message) + "\n")
    outputs.flush()


class Peer:
    """The parent's side: a process that was started, and what it says."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self.begun = perf_counter()
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # so that `close` also ends what it starts, such as compilers
            )
        assert self.process.stdin
        assert self.process.stdout
        self._questions, self._answers = self.process.stdin, self.process.stdout
        self._unread = b""

    def ask(self, question: Message, patience: float) -> Message:
        """The answer to a question.  Raises PeerFailed where none comes within `patience` seconds."""
        try:
            self._questions.write((json.dumps(question) + "\n").encode())
            self._questions.flush()
        except BrokenPipeError:
            raise PeerFailed(self._reason()) from None
        return self.hear(patience)

    def hear(self, patience: float) -> Message:
        """The next message.  Raises PeerFailed where none comes within `patience` seconds."""
        deadline = perf_counter() + patience
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - perf_counter()))
            if not ready:
                raise PeerFailed(f"no answer within {patience:.0f} s")
            read = os.read(self._answers.fileno(), 1 << 16)
            if not read:
                raise PeerFailed(self._reason())
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)

    def _reason(self) -> str:
        """The exception in its last words, or how it ended."""
        code = self.process.wait()
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        # what torch.compile ends with is advice, not the reason
        named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Failed|Interrupt)\b", line)]
        if named:
            return named[-1]
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return lines[-1] if lines else f"ended with exit code {code}"

    def close(self) -> None:
        """Ends the process and all that it started; one that does not end by itself is killed."""
        self._answers.close()
        with suppress(BrokenPipeError):  # it has ended, with a question unread
            self._questions.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
