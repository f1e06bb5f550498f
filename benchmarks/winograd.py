"""Winograd's convolution beside the direct kernels and PyTorch, on layers as VGG-16, ResNet-18 and AlexNet have.

python benchmarks/winograd.py [--threads N] [--no-torch]

Effective GFLOP/s count the multiplications of the definition, whatever was done instead.  With one thread, the default,
the time is what the thread had of its core, so that others who use the machine matter less; the least of some rounds
counts.  PyTorch runs in a process of its own, in the faster of its two layouts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
from machine import keep

BATCH, SECONDS, ROUNDS = 8, 0.3, 3
PASSES = ("conv", "conv_data", "conv_weights")


class Layer(NamedTuple):
    """A square map with as many channels behind the convolution as before."""

    size: int
    channels: int
    window: int = 3

    @property
    def flops(self) -> int:
        return 2 * BATCH * (self.window * self.size * self.channels) ** 2

    @property
    def pad(self) -> int:
        return self.window // 2


LAYERS = [
    *(Layer(224, 64), Layer(112, 128), Layer(56, 64), Layer(56, 256), Layer(28, 128), Layer(28, 512)),
    *(Layer(14, 256), Layer(14, 512), Layer(7, 512), Layer(27, 64, 5), Layer(27, 128, 5), Layer(14, 64, 5)),
]


def least(runs: dict[str, Callable[[], object]], threads: int) -> dict[str, float]:
    """Seconds of each, in turns."""
    clock = thread_time if threads == 1 else perf_counter
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            run()
            until = perf_counter() + SECONDS / ROUNDS
            while True:
                begun = clock()
                run()
                found[name] = min(found[name], clock() - begun)
                if perf_counter() > until:
                    break
    return found


def shapes(name: str, layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the pass reads: images or gradients, and weights or gradients."""
    image = (BATCH, layer.size, layer.size, layer.channels)
    return image, image if name == "conv_weights" else (*(layer.window,) * 2, *(layer.channels,) * 2)


def netc_runs(name: str, layer: Layer, threads: int) -> dict[str, Callable[[], object]]:
    """The pass as a program of one equation, with and without Winograd."""
    from netc import ops
    from netc.ir import Builder
    from netc.runtime import compile_program
    from netc.types import TensorType

    b = Builder()
    read = [b.input(f"x{i}", TensorType(s), "data") for i, s in enumerate(shapes(name, layer))]
    more: dict[str, Any] = {
        "conv": {},
        "conv_data": {"size": (layer.size,) * 2},
        "conv_weights": {"window": (layer.window,) * 2},
    }
    b.outputs["y"] = b(ops.ALL[name], *read, stride=(1, 1), pad=((layer.pad,) * 2,) * 2, **more[name])
    program = b.finish()
    rng = np.random.default_rng(0)
    runs: dict[str, Callable[[], object]] = {}
    for math in ("strict", "fast"):
        exe = compile_program(program, threads=threads, math=math)
        for array in exe.arrays.values():
            array[...] = rng.standard_normal(array.shape, np.float32)
        runs[math] = exe._ready.run  # feeding is not measured
    return runs


def torch_seconds(name: str, layer: Layer, threads: int) -> float:
    """The same pass in PyTorch."""
    import torch
    from torch.nn import grad
    from torch.nn.functional import conv2d

    torch.set_num_threads(threads)
    a, b = (np.random.default_rng(0).standard_normal(s, np.float32) for s in shapes(name, layer))
    x = torch.from_numpy(a.transpose(0, 3, 1, 2))
    other = torch.from_numpy(b.transpose(0, 3, 1, 2) if name == "conv_weights" else b.transpose(3, 2, 0, 1))
    weights = (*(layer.channels,) * 2, *(layer.window,) * 2)
    runs: dict[str, Callable[[], object]] = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        p, q = (t.contiguous(memory_format=layout) for t in (x, other))
        calls: dict[str, Callable[[], object]] = {
            "conv": lambda p=p, q=q: conv2d(p, q, padding=layer.pad),
            "conv_data": lambda p=p, q=q: grad.conv2d_input(p.shape, q, p, padding=layer.pad),
            "conv_weights": lambda p=p, q=q: grad.conv2d_weight(p, weights, q, padding=layer.pad),
        }
        runs[str(layout)] = calls[name]
    with torch.inference_mode():
        return min(least(runs, threads).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--peer", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        name, *numbers = options.peer
        print(json.dumps(torch_seconds(name, Layer(*map(int, numbers)), options.threads)))
        return
    rows: list[dict[str, Any]] = []
    for layer in LAYERS:
        for name in PASSES:
            took = least(netc_runs(name, layer, options.threads), options.threads)
            if not options.no_torch:
                peer = [sys.executable, __file__, "--threads", str(options.threads), "--peer"]
                done = subprocess.run([*peer, name, *map(str, layer)], check=True, capture_output=True)
                took["torch"] = json.loads(done.stdout)
            rows.append(
                {
                    "pass": name,
                    "map": layer.size,
                    "channels": layer.channels,
                    "window": layer.window,
                    **{f"{who}_gflops": round(layer.flops / t / 1e9) for who, t in took.items()},
                    **{f"to_{who}": round(t / took["fast"], 2) for who, t in took.items() if who != "fast"},
                }
            )
            print(rows[-1], flush=True)
    keep("winograd", rows)


if __name__ == "__main__":
    main()
