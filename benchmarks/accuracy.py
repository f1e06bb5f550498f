"""Accuracy and time of training, from the command line as a user would.

python benchmarks/accuracy.py digits                                  # cold kernel cache, whole process
python benchmarks/accuracy.py lenet5 --data ../shared/data/mnist      # five epochs, three seeds
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from machine import keep


def train(spec: str, seed: int, cold: bool, *options: str) -> dict[str, Any]:
    """One run in a folder of its own; with `cold`, nothing compiled before is used."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        environment = dict(os.environ) | ({"NETC_CACHE_DIR": f"{scratch}/cache"} if cold else {})
        begun = perf_counter()
        arguments = ["train", spec, "--out", str(out), "--set", f"train.seed={seed}", *options]
        subprocess.run(
            [sys.executable, "-m", "netc", *arguments], check=True, env=environment, stdout=sys.stderr
        )
        seconds = perf_counter() - begun
        result = json.loads((out / "result.json").read_text())
        epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "spec": spec,
        "seed": seed,
        "cold": cold,
        "epochs": len(epochs),
        "test_accuracy": round(result["accuracy"], 4),
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(sum(e["seconds"] for e in epochs) / len(epochs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", help="a spec with a train block: digits, lenet5")
    parser.add_argument("--data", help="where its data lie")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    options = ["--data", arguments.data] if arguments.data else []
    rows = [train(arguments.spec, seed, seed == 0, *options) for seed in range(arguments.seeds)]
    for row in rows:
        print(row)
    keep(f"accuracy-{arguments.spec}", rows)


if __name__ == "__main__":
    main()
