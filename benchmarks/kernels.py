"""Convolutions and matrix products of well-known nets, one by one: GFLOP/s and the share of the roofline.

python -m benchmarks.kernels [--threads 1] [--only resnet] [--torch]
python -m benchmarks.kernels --page         # one table of each kind, written into netc/backends/cpu/README.md

Each of a layer's three products (forward, by data, by weights) is a program of one equation, run from and
to memory that the caches may hold.  The roof is `netc.backends.cpu.roof`'s: work of F operations on B bytes
takes at least the longer of F / peak and B / bandwidth, where B counts each operand and result once.
`--torch` measures PyTorch (oneDNN, channels_last) instead, in this process of its own, so that no thread of
one spins while the other is measured.  Convolutions are direct; those by Winograd's algorithm count the operations of
the definition, so that they may exceed the roof.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.speed.table import between_markers
from netc.backends.cpu.roof import Roof, measure
from netc.errors import plural
from netc.types import Math

PAGE = Path(__file__).parents[1] / "netc" / "backends" / "cpu" / "README.md"
MARKERS = "<!-- kernels:begin -->", "<!-- kernels:end -->"
LONG_ENOUGH = 0.15  # seconds for each figure, of which the best run counts


@dataclass(frozen=True)
class Layer:
    """A convolution, or with `h` 0 a dense layer."""

    net: str
    n: int
    c: int
    h: int
    k: int
    window: int = 1
    stride: int = 1
    groups: int = 1
    math: Math = "strict"  # never Winograd

    @property
    def pad(self) -> int:
        return (self.window - 1) // 2

    @property
    def size(self) -> int:
        """Height and width of the output."""
        return (self.h + 2 * self.pad - self.window) // self.stride + 1

    @property
    def flops(self) -> int:
        return (
            2 * self.n * self.size**2 * self.k * self.c // self.groups * self.window**2
            if self.h
            else self.dense
        )

    @property
    def dense(self) -> int:
        return 2 * self.n * self.c * self.k

    @property
    def nbytes(self) -> int:
        if not self.h:
            return 4 * (self.n * self.c + self.n * self.k + self.c * self.k)
        weights = self.window**2 * self.c // self.groups * self.k
        return 4 * (self.n * self.h**2 * self.c + self.n * self.size**2 * self.k + weights)

    @property
    def shape(self) -> str:
        """As the page of the backend has it."""
        if not self.h:
            return f"{self.c} → {self.k}, {self.n}"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        channels = f"{self.c}" if self.groups == self.c > 1 else f"{self.c} → {self.k}"
        return f"{self.window} × {self.window}{stride}: {channels}, {self.h}², {self.n}"

    def __str__(self) -> str:
        if not self.h:
            return f"{self.net:10} dense {self.c}->{self.k} b{self.n}"
        grouped = f" g{self.groups}" if self.groups > 1 else ""
        window = f"{self.window}x{self.window}/{self.stride}"
        return f"{self.net:10} {window} {self.c}->{self.k} {self.h}² b{self.n}{grouped}"


LAYERS = (
    Layer("lenet", 64, 1, 28, 6, 5),
    Layer("lenet", 64, 6, 14, 16, 5),
    Layer("resnet", 8, 3, 224, 64, 7, 2),
    Layer("resnet", 8, 64, 56, 64, 3),
    Layer("resnet", 8, 64, 56, 128, 3, 2),
    Layer("resnet", 8, 64, 56, 128, 1, 2),
    Layer("resnet", 8, 128, 28, 128, 3),
    Layer("resnet", 8, 128, 28, 256, 3, 2),
    Layer("resnet", 8, 256, 14, 256, 3),
    Layer("resnet", 8, 256, 14, 512, 3, 2),
    Layer("resnet", 8, 512, 7, 512, 3),
    Layer("resnet50", 8, 64, 56, 256),
    Layer("resnet50", 8, 256, 56, 64),
    Layer("resnet50", 8, 512, 28, 128),
    Layer("resnet50", 8, 256, 14, 1024),
    Layer("resnet50", 8, 1024, 14, 256),
    Layer("resnet50", 8, 512, 7, 2048),
    Layer("resnet50", 8, 2048, 7, 512),
    Layer("googlenet", 16, 32, 28, 96, 5),
    Layer("googlenet", 16, 48, 7, 128, 5),
    Layer("googlenet", 16, 480, 14, 192),
    Layer("vgg", 2, 3, 224, 64, 3),
    Layer("vgg", 2, 128, 112, 128, 3),
    Layer("mobilenet", 16, 32, 112, 64),
    Layer("mobilenet", 16, 512, 14, 512),
    Layer("mobilenet", 16, 64, 112, 64, 3, 2, 64),
    Layer("mobilenet", 16, 128, 56, 128, 3, 1, 128),
    Layer("mobilenet", 16, 512, 14, 512, 3, 1, 512),
    Layer("mlp", 64, 784, 0, 1000),
    Layer("mlp", 64, 1000, 0, 500),
    Layer("mlp", 64, 500, 0, 10),
    Layer("mlp", 1, 784, 0, 1000),
    Layer("vgg", 8, 25088, 0, 4096),
    Layer("square", 1536, 1536, 0, 1536),
)


_PAGE = (
    ("direct", Layer("", 8, 64, 56, 64, 3)),
    ("", Layer("", 8, 128, 28, 128, 3)),
    ("", Layer("", 8, 512, 7, 512, 3)),
    ("Winograd", Layer("", 8, 64, 56, 64, 3, math="fast")),
    ("", Layer("", 8, 128, 28, 128, 3, math="fast")),
    ("", Layer("", 8, 512, 7, 512, 3, math="fast")),
    ("no window", Layer("", 8, 64, 56, 256, math="fast")),
    ("", Layer("", 8, 256, 56, 64, math="fast")),
    ("", Layer("", 8, 1024, 14, 256, math="fast")),
    ("strided", Layer("", 8, 3, 224, 64, 7, 2, math="fast")),
    ("", Layer("", 8, 64, 56, 128, 3, 2, math="fast")),
    ("", Layer("", 8, 64, 56, 128, 1, 2, math="fast")),
    ("few channels", Layer("", 64, 1, 28, 6, 5, math="fast")),
    ("", Layer("", 64, 6, 14, 16, 5, math="fast")),
    ("depthwise", Layer("", 16, 128, 56, 128, 3, 1, 128, math="fast")),
    ("", Layer("", 16, 512, 14, 512, 3, 1, 512, math="fast")),
    ("", Layer("", 16, 64, 112, 64, 3, 2, 64, math="fast")),
    ("dense", Layer("", 64, 784, 0, 1000, math="fast")),
    ("", Layer("", 1, 784, 0, 1000, math="fast")),
    ("", Layer("", 8, 25088, 0, 4096, math="fast")),
    ("", Layer("", 1536, 1536, 0, 1536, math="fast")),
)


def best(run: Callable[[], object]) -> float:
    run()
    least, until = float("inf"), perf_counter() + LONG_ENOUGH
    while perf_counter() < until:
        begun = perf_counter()
        run()
        least = min(least, perf_counter() - begun)
    return least


def netc_runs(layer: Layer, threads: int) -> Iterator[Callable[[], object]]:
    """Forward, by data and by weights."""
    from netc import ops
    from netc.backends.cpu import bind
    from netc.ir import Builder
    from netc.runtime import aligned
    from netc.types import TensorType

    n, c, h, k, r = layer.n, layer.c, layer.h, layer.k, layer.window
    if h:
        params: dict[str, Any] = {
            "stride": (layer.stride,) * 2,
            "pad": ((layer.pad,) * 2,) * 2,
            "groups": layer.groups,
        }
        x, w, y = (n, h, h, c), (r, r, c // layer.groups, k), (n, layer.size, layer.size, k)
        cases = (
            (ops.conv, x, w, params),
            (ops.conv_data, y, w, params | {"size": (h, h)}),
            (ops.conv_weights, x, y, params | {"window": (r, r)}),
        )
    else:
        x, w, y = (n, c), (c, k), (n, k)
        cases = ((ops.dot, x, w, {}), (ops.dot, y, w, {"tb": True}), (ops.dot, x, y, {"ta": True}))
    rng = np.random.default_rng(0)
    for op, a, b, p in cases:
        made = Builder()
        values = [made.input(name, TensorType(shape), "data") for name, shape in (("a", a), ("b", b))]
        made.outputs["out"] = made(op, *values, **p)
        values.append(made.outputs["out"])
        arrays: dict[Any, Any] = {
            v: aligned(v.type.nbytes).view(np.float32).reshape(v.type.dims) for v in values
        }
        for value in values:
            arrays[value][...] = rng.standard_normal(value.type.dims) * 0.1
        yield bind(made.finish(), arrays, threads, layer.math).run


def torch_runs(layer: Layer, threads: int) -> Iterator[Callable[[], object]]:
    """The same in PyTorch."""
    import torch
    from torch.nn.grad import conv2d_input, conv2d_weight

    torch.set_num_threads(threads)
    n, c, h, k = layer.n, layer.c, layer.h, layer.k
    with torch.inference_mode():
        if not h:
            x, w, y = torch.randn(n, c), torch.randn(c, k), torch.randn(n, k)
            yield lambda: x @ w
            yield lambda: y @ w.T
            yield lambda: x.T @ y
            return
        last = {"memory_format": torch.channels_last}
        x, y = torch.randn(n, c, h, h).to(**last), torch.randn(n, k, layer.size, layer.size).to(**last)
        w = torch.randn(k, c // layer.groups, layer.window, layer.window).to(**last)
        more = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}
        yield lambda: torch.conv2d(x, w, **more)
        yield lambda: conv2d_input(x.shape, w, y, **more)
        yield lambda: conv2d_weight(x, w.shape, y, **more)


def measured(layer: Layer, roof: Roof, torch: bool = False) -> list[tuple[float, float]]:
    """GFLOP/s and the share of the roof, forward, by data and by weights."""
    least = roof.seconds(layer.flops, layer.nbytes)
    runs = (torch_runs if torch else netc_runs)(layer, roof.threads)
    return [(layer.flops / seconds / 1e9, least / seconds) for seconds in map(best, runs)]


def write_page(roof: Roof) -> None:
    """Puts the table into the page of the backend."""
    machine = f"{plural(roof.threads, 'thread')} of {describe()['processor']}"
    lines = [
        f"{machine}; roof {roof.flops / 1e9:.0f} GFLOP/s, {roof.bytes / 1e9:.1f} GB/s.",
        "",
        "| | shape, batch | forward | by data | by weights |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for kind, layer in _PAGE:
        cells = [f"{rate:.{0 if rate >= 10 else 1}f} ({share:.0%})" for rate, share in measured(layer, roof)]
        lines.append(f"| {kind} | {layer.shape} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    text = between_markers(PAGE.read_text("utf-8"), "\n".join(lines), *MARKERS)
    PAGE.write_text(text, "utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--only", default="", help="layers whose line has this text")
    arguments.add_argument("--torch", action="store_true")
    arguments.add_argument("--page", action="store_true", help="write the table of the backend's README")
    given = arguments.parse_args()
    roof = measure(given.threads)
    print(f"{given.threads} threads: {roof.flops / 1e9:.0f} GFLOP/s, {roof.bytes / 1e9:.1f} GB/s")
    if given.page:
        write_page(roof)
        return
    print(f"{'GFLOP/s (share of the roof)':40} {'forward':>15} {'by data':>15} {'by weights':>15}")
    for layer in LAYERS:
        if given.only not in str(layer):
            continue
        cells = [f"{rate:8.1f} ({share:4.0%})" for rate, share in measured(layer, roof, given.torch)]
        print(f"{layer!s:40} {' '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
