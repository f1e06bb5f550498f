"""Whole-process time of `netc check` and `netc report` on every shipped spec, start-up included.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys

from machine import interleaved, keep, medians

from netc.resources import spec_names

ROUNDS = 7


def command(*args: str) -> None:
    """Runs `netc ARGS` as a user would; what it prints is thrown away."""
    subprocess.run([sys.executable, "-m", "netc", *args], check=True, capture_output=True)


def main() -> None:
    runs = {
        f"{verb} {spec}": (lambda verb=verb, spec=spec: command(verb, spec))
        for verb in ("check", "report")
        for spec in spec_names()
    }
    rows = [
        {"command": name, "seconds": round(t, 3)} for name, t in medians(interleaved(runs, ROUNDS)).items()
    ]
    for row in sorted(rows, key=lambda r: -r["seconds"]):
        print(f"{row['seconds']:.3f} s  netc {row['command']}")
    keep("startup", rows)


if __name__ == "__main__":
    main()
