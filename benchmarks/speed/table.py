"""Rows as a table: on the terminal, and in the README between its two markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.speed.others import TOLERATED
from benchmarks.speed.peers import COMPILED, EAGER, LAST, NETC, ONNX

Row = dict[str, Any]
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MODES = {"train": "training step", "infer": "inference"}
NOISE = (
    "± is the standard error over the rounds of this run; two runs may differ by more (benchmarks/README.md)."
)
DISTURBED = f"~ other processes used more than {TOLERATED:.0%} of the cores meanwhile"
HEADINGS = (
    "| net, batch | training step | beside the fastest peer | of peak | memory | first step, warm / cold "
    "| inference | beside the fastest peer | of peak |"
)
# Beside a peer's name in the README, where a cell is narrow.
SHORT = {EAGER: "eager", LAST: "channels_last", COMPILED: "compile", ONNX: "ONNX"}


def milliseconds(ms: float) -> str:
    """Three digits: 0.0612, 3.46, 1234."""
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"


def disturbed(row: Row) -> bool:
    return row["others"] > TOLERATED


def ratio(row: Row) -> str:
    """How many times as fast as the fastest peer, with its noise; with `~` where others used the cores meanwhile."""
    if "ratio" not in row:
        return "–"
    noise = f" ± {row['ratio'] * row['noise']:.2f}" if "noise" in row else ""
    return f"{'~' if disturbed(row) else ''}{row['ratio']:.2f}{noise}×"


def memory_ratio(row: Row) -> float | None:
    """netc's memory beside that of the peer that needs least; None where it is not known."""
    held = {name: p["memory_mib"] for name, p in row["peers"].items() if p.get("memory_mib", 0) > 0}
    own = held.pop(NETC, None)
    return own / min(held.values()) if own and held else None


def show(rows: list[Row], console: Console | None = None) -> None:
    """One table for training and one for inference; under them, what failed and why."""
    console = console or Console(width=160)
    for mode, title in MODES.items():
        chosen = [row for row in rows if row["mode"] == mode]
        if not chosen:
            continue
        names = [n for n in (NETC, EAGER, LAST, COMPILED, ONNX) if any(_takes_part(r, n) for r in chosen)]
        table = Table(title=f"{title}: medians")
        ours = ("ratio", "of peak", "of roof", "MiB", "× least of\npeers", "first step,\nwarm / cold s")
        for heading in ("net", *(f"{n}\nms" for n in names), *ours):
            table.add_column(heading, justify="left" if heading == "net" else "right")
        for row in chosen:
            table.add_row(row["key"], *(_cell(row, name) for name in names), *_figures(row))
        console.print(table)
    if any(disturbed(row) for row in rows):
        console.print(DISTURBED)
    for row in rows:
        for name, reason in row["failed"].items():
            console.print(f"{row['key']}, {row['mode']}, {name}: {reason}", markup=False)


def _takes_part(row: Row, name: str) -> bool:
    return name in row["peers"] or name in row["failed"]


def _cell(row: Row, name: str) -> str:
    if name in row["peers"]:
        return milliseconds(row["peers"][name]["ms"])
    return "failed" if name in row["failed"] else "–"


def _figures(row: Row) -> list[str]:
    """Ratio, shares of the peak and of the roofline, memory in MiB and beside the others', first step warm and cold."""
    own = row["peers"].get(NETC, {})
    beside = memory_ratio(row)
    return [
        ratio(row),
        f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else "–",
        f"{row['roofline']['share']:.0%}" if "roofline" in row else "–",
        f"{own['memory_mib']:.0f}" if "memory_mib" in own else "–",
        f"{beside:.2f}" if beside else "–",
        _first_step(own),
    ]


def _first_step(own: dict[str, Any]) -> str:
    if "first_step_s" not in own:
        return "–"
    cold = f" / {own['first_step_cold_s']:.1f}" if "first_step_cold_s" in own else ""
    return f"{own['first_step_s']:.1f}{cold}"


def markdown(rows: list[Row], machine: dict[str, Any]) -> str:
    """The table of the README, training and inference of a net in one line, and what it was measured on."""
    lines = [HEADINGS, "| --- " + "| ---: " * 8 + "|"]
    found = {(row["key"], row["mode"]): row for row in rows}
    for key in dict.fromkeys(row["key"] for row in rows):
        train, infer = found.get((key, "train")), found.get((key, "infer"))
        either = train or infer
        assert either
        name = f"{either['net']}, {either['batch']}"
        cells = [*_half(train), *_only_training(train), *_half(infer)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    lines += ["", NOISE, "", _about(machine)]
    if any(disturbed(row) for row in rows):
        lines += ["", DISTURBED]
    return "\n".join(lines)


def _half(row: Row | None) -> list[str]:
    """Time, ratio with the peer's name, share of the peak."""
    if row is None or NETC not in row["peers"]:
        return ["–"] * 3
    beside = f"{ratio(row)} {SHORT[row['fastest']]}" if "ratio" in row else "–"
    share = f"{row['share_of_peak']:.0%}" if "share_of_peak" in row else "–"
    return [f"{milliseconds(row['peers'][NETC]['ms'])} ms", beside, share]


def _only_training(row: Row | None) -> list[str]:
    """Memory beside the others', seconds to the first step."""
    if row is None or NETC not in row["peers"]:
        return ["–"] * 2
    beside = memory_ratio(row)
    return [f"{beside:.2f}×" if beside else "–", f"{_first_step(row['peers'][NETC])} s"]


def _about(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{n} {machine[n]}" for n in ("torch", "onnxruntime", "numba") if n in machine)
    return (
        f"{machine['processor']}, {machine['threads']} threads; peak {machine['peak_gflops']:.0f} GFLOP/s, copy "
        f"{machine['copy_gb_per_s']:.0f} GB/s, both measured in the same run; {versions}."
    )


def between_markers(text: str, table: str, begin: str = BEGIN, end: str = END) -> str:
    """A text with what stands between the markers replaced.  Raises ValueError where they are not there once each."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"one {begin} and after it one {end} are wanted")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def write_readme(path: Path, rows: list[Row], machine: dict[str, Any]) -> None:
    """Puts the table into the file."""
    path.write_text(between_markers(path.read_text("utf-8"), markdown(rows, machine)), "utf-8")
