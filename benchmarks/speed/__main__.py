"""Measures netc beside its peers, and says and keeps what came out.

python -m benchmarks.speed                          # the whole table, 25 to 40 minutes
python -m benchmarks.speed --nets MLP,LeNet-5       # some of it
python -m benchmarks.speed --keep                   # and writes results/bench.json and the table of the README
python -m benchmarks.speed --quick                  # two minutes; exits 1 where a ratio fell from the kept one
python -m benchmarks.speed --linear                 # cost by batch and by depth
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.machine import RESULTS, describe, keep
from benchmarks.speed import linear, roofline, table
from benchmarks.speed.cases import QUICK, SMALL_RESNET, TABLE, Case
from benchmarks.speed.cells import Cell, How, Row
from benchmarks.speed.compare import compare
from benchmarks.speed.peers import NETC, Mode

QUICK_MINUTES = 1.5  # starting the peers comes on top
README = Path(__file__).parents[2] / "README.md"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nets", help="names, or keys such as 'LeNet-5 b1', with commas between")
    parser.add_argument("--train", action="store_true", help="only training steps")
    parser.add_argument("--infer", action="store_true", help="only inference")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each peer at most (15)")
    parser.add_argument(
        "--minutes", type=float, default=17, help="for rounds; the last starts come on top (17)"
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every peer")
    parser.add_argument("--no-compile-peer", action="store_true", help="without torch.compile")
    parser.add_argument("--keep", action="store_true", help="write results/ and the README's table")
    parser.add_argument("--quick", action="store_true", help="a few nets against the kept ratios")
    parser.add_argument("--linear", action="store_true", help="netc by batch and by depth")
    asked = parser.parse_args()
    if asked.keep and not asked.linear and (asked.nets or asked.train or asked.infer or asked.quick):
        parser.error("--keep replaces all rows, so it goes with all nets, training and inference")
    return asked


def chosen(names: str | None, cases: tuple[Case, ...]) -> list[Case]:
    """The cases of those names.  SystemExit where a name is none's."""
    if names is None:
        return list(cases)
    wanted = [name.strip().lower() for name in names.split(",")]
    known = {name.lower() for case in cases for name in (case.name, case.key)}
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"no net {', '.join(unknown)}; there are {', '.join(c.key for c in cases)}")
    return [case for case in cases if case.name.lower() in wanted or case.key.lower() in wanted]


def measure(cases: list[Case], modes: list[Mode], how: How, minutes: float, gflops: float) -> list[Row]:
    """A row for each case and mode, beside a peak of so many GFLOP/s.  Cells share alike what time is left."""
    deadline = perf_counter() + 60 * minutes
    cells = [Cell(case, mode, how) for case in cases for mode in modes]
    rows: list[Row] = []
    for i, cell in enumerate(cells):
        begun = perf_counter()
        row = cell.measure(max(0.0, deadline - begun) / (len(cells) - i))
        if NETC in row["peers"] and "flops" in row:
            row["share_of_peak"] = round(row["flops"] / row["peers"][NETC]["ms"] / 1e6 / gflops, 4)
        rows.append(row)
        ratio = f"{row['ratio']:.2f}× {row['fastest']}" if "ratio" in row else "no ratio"
        failed = f"; failed: {', '.join(row['failed'])}" if row["failed"] else ""
        print(f"{cell.case.key}, {cell.mode}: {ratio}{failed} ({perf_counter() - begun:.0f} s)", flush=True)
    return rows


def kept() -> tuple[dict[str, Any], list[Row]]:
    """The machine and the rows of the last run that was kept."""
    try:
        found = json.loads((RESULTS / "bench.json").read_text())
    except FileNotFoundError:
        raise SystemExit("nothing is kept to compare with; `make bench` keeps it") from None
    return found["machine"], found["rows"]


def against_kept(rows: list[Row], machine: dict[str, Any], kept: tuple[dict[str, Any], list[Row]]) -> int:
    """Prints how the ratios moved; 1 where one fell too far."""
    before, old = kept
    if before["processor"] != machine["processor"] or before.get("threads") != machine["threads"]:
        print(
            f"kept on {before['processor']} with {before.get('threads')} threads: ratios may differ for that"
        )
    right, wrong = compare(old, rows)
    for line in right:
        print(f"ok    {line}")
    for line in wrong:
        print(f"FELL  {line}")
    return 1 if wrong else 0


def run_linear(asked: argparse.Namespace, folder: Path, machine: dict[str, Any]) -> int:
    """Cost by batch and by depth."""
    how = How(asked.threads, asked.rounds, folder, cold=False)
    found = linear.measure(how, 60 * min(asked.minutes, 4))
    print("\n".join(map(linear.line, found)))
    if asked.keep:
        keep("linear", found, machine)
    return 0


def run_quick(asked: argparse.Namespace, folder: Path, machine: dict[str, Any]) -> int:
    """A few nets without torch.compile, which takes longer to start than all the rest."""
    before = kept()
    how = How(asked.threads, asked.rounds, folder, compiled=False, cold=False, layers=False)
    rows = measure(chosen(asked.nets, QUICK), modes(asked), how, QUICK_MINUTES, machine["peak_gflops"])
    table.show(rows)
    return against_kept(rows, machine, before)


def run_table(asked: argparse.Namespace, folder: Path, machine: dict[str, Any]) -> int:
    """All nets; when it is kept, also what `--quick` compares with."""
    how = How(asked.threads, asked.rounds, folder, compiled=not asked.no_compile_peer)
    cases = chosen(asked.nets, (*TABLE, SMALL_RESNET) if asked.nets or asked.keep else TABLE)
    rows = measure(cases, modes(asked), how, asked.minutes, machine["peak_gflops"])
    table.show(rows)
    if asked.keep:
        keep("bench", rows, machine)
        table.write_readme(README, [row for row in rows if row["key"] != SMALL_RESNET.key], machine)
    return 0


def modes(asked: argparse.Namespace) -> list[Mode]:
    wanted: list[Mode] = [*(["train"] if asked.train else []), *(["infer"] if asked.infer else [])]
    return wanted or ["train", "infer"]


def main() -> int:
    asked = options()
    machine = describe() | {"threads": asked.threads} | roofline.measure(asked.threads)
    print(f"peak {machine['peak_gflops']} GFLOP/s, copy {machine['copy_gb_per_s']} GB/s", flush=True)
    run = run_linear if asked.linear else run_quick if asked.quick else run_table
    with tempfile.TemporaryDirectory(prefix="netc-bench-") as folder:
        return run(asked, Path(folder), machine)


if __name__ == "__main__":
    raise SystemExit(main())
