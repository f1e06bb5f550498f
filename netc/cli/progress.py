"""What `netc train` shows while it runs: a line an epoch, and on a terminal a bar below."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from netc.cli.output import console, is_terminal, say, wants_colour

if TYPE_CHECKING:
    from netc.train.loop import Batch, Epoch


class Progress:
    """A bar on stderr, where that is a terminal without NO_COLOR; what is said while it stands goes above it."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        if wants_colour(sys.stderr):
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[loss]}"),
                TimeRemainingColumn(),
                console=console(sys.stderr),
                transient=True,
            )
            self.task = self.bar.add_task("compiling", total=None, loss="")
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def batch(self, done: Batch) -> None:
        """Moves the bar."""
        if self.bar:
            name = f"epoch {done.epoch}/{self.epochs}"
            self.bar.update(
                self.task,
                description=name,
                total=done.count,
                completed=done.number,
                loss=f"loss {done.loss:.4f}",
            )

    def epoch(self, done: Epoch) -> None:
        """The line of an epoch."""
        width = len(str(self.epochs))
        parts = [
            f"epoch {done.epoch:>{width}}/{self.epochs}",
            figures(done.train),
            f"validation: {figures(done.validation)}",
            f"{done.seconds:.2f} s",
            f"lr {done.lr:.3g}",
        ]
        self.say("  ".join(parts))

    def say(self, line: str) -> None:
        """A line to stdout; above the bar where both are one terminal."""
        if self.bar and is_terminal(sys.stdout):
            self.bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            say(line)
            sys.stdout.flush()


def figures(values: Mapping[str, float]) -> str:
    """Loss and metrics: `loss 0.1234, accuracy 97.5%`.

    >>> figures({"loss": 0.12345, "accuracy": 0.975})
    'loss 0.1235, accuracy 97.50%'
    """
    return ", ".join(
        f"{name} {value:.2%}" if _is_share(name) else f"{name} {value:.4f}" for name, value in values.items()
    )


def _is_share(name: str) -> bool:
    return name == "accuracy" or (name.startswith("top") and name[3:].isdigit())
