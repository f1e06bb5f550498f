"""Time and memory of `netc check` and `netc report` on large nets, in processes of their own.

python benchmarks/front.py            # ResNet-1001 and chains; prints a table
python benchmarks/front.py --keep     # and writes results/front.json

The budget: ResNet-1001-like nets of 3,000 layers are checked in 1 s, a chain of 100,000 layers in 30 s, with memory
that grows linearly.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from machine import keep

# He et al., Identity Mappings in Deep Residual Networks, 2016: three stages of (depth − 2) / 9 bottleneck units.
RESNET = """
block Unit(c: int, stride: int = 1): x -> y {{
  r = x -> bn -> relu
  main = r -> conv(c, 1, stride=stride, bias=false) -> bn -> relu
           -> conv(c, 3, pad=half, bias=false) -> bn -> relu
           -> conv(4 * c, 1, bias=false)
  skip = x -> if stride != 1 or x.C != 4 * c {{ conv(4 * c, 1, stride=stride, bias=false) }}
  y = main + skip
}}

net ResNet {{
  input x: [N, 3, 32, 32]
  f = x -> conv(16, 3, pad=half, bias=false) -> for (c, s) in [(16, 1), (32, 2), (64, 2)] {{
    Unit(c, stride=s) -> Unit(c) * {rest}
  }}
  y = f -> bn -> relu -> gap -> flatten -> dense(10)
  output y
}}
"""


def resnet(depth: int) -> str:
    """A residual net for CIFAR of that many layers with weights."""
    return RESNET.format(rest=(depth - 2) // 9 - 1)


def repeated(layers: int) -> str:
    """A chain that is written once and repeated."""
    half = layers // 2
    return (
        "block Pair: x -> y {\n  y = x -> conv(4, 3, pad=half) -> relu\n}\n"
        f"net Chain {{\n  input x: [N, 4, 16, 16]\n  y = x -> Pair * {half}\n  output y\n}}\n"
    )


def written(layers: int) -> str:
    """A chain of which every layer is written out."""
    lines = "\n".join("    -> conv(4, 3, pad=half) -> relu" for _ in range(layers // 2))
    return f"net Chain {{\n  input x: [N, 4, 16, 16]\n  y = x\n{lines}\n  output y\n}}\n"


CASES = {
    "ResNet-1001": resnet(1001),
    "chain of 12,500, repeated": repeated(12_500),
    "chain of 50,000, repeated": repeated(50_000),
    "chain of 100,000, repeated": repeated(100_000),
    "chain of 12,500, written": written(12_500),
    "chain of 50,000, written": written(50_000),
    "chain of 100,000, written": written(100_000),
}


def measure(command: str, file: Path) -> dict[str, Any]:
    """Seconds and peak memory of one command as a user would start it."""
    begun = perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "netc", command, str(file)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)],
        )
        _, status, usage = os.wait4(pid, 0)
    return {
        "seconds": perf_counter() - begun,
        "mebibytes": usage.ru_maxrss / 1024,
        "code": os.waitstatus_to_exitcode(status),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write results/front.json")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in CASES.items():
            if options.only not in name:
                continue
            file = Path(folder) / "net.net"
            file.write_text(text, encoding="utf-8")
            for command in ("check", "report"):
                one = measure(command, file)
                found.append({"command": command, "net": name, **one})
                print(
                    f"{command:<8}{name:<30}{one['seconds']:8.2f} s {one['mebibytes']:8.0f} MiB"
                    + (f"   exit {one['code']}" if one["code"] else ""),
                    flush=True,
                )
    if options.keep:
        keep("front", found)


if __name__ == "__main__":
    main()
