"""What memory bounds, family by family: GB/s of the operands and results, beside a copy of as many bytes.

python benchmarks/bound.py [--rounds 40]

Each line is one loop or kernel of a small program that has been through all passes, so it is what a net runs: the sizes
are those of layers of ResNet-18, GoogLeNet and VGG-16 at batch 8 or 2, and LeNet-5's at 64.  Its bytes are each operand
and result once.  They are compared with NumPy's copy of one half of so many bytes over the other, which finds them in
the same caches and is measured at the same time; a kernel that reads more than it writes may be faster.  All on one
thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from netc import ops
from netc.ir import Builder, simplify
from netc.ir.program import Program
from netc.ops.primitive import Value
from netc.types import TensorType

MAP, WIDE = (8, 56, 56, 64), (2, 112, 112, 64)


def given(b: Builder, name: str, *shape: int, dtype: Any = "f32") -> Value:
    return b.input(name, TensorType(shape, dtype), "data")


def norm(b: Builder) -> None:
    """Batch norm and ReLU with their gradients, as between two convolutions."""
    x, g = given(b, "x", *MAP), given(b, "g", *MAP)
    gamma, beta = given(b, "gamma", 64), given(b, "beta", 64)
    moments = b.all(ops.moments, x)
    y = b(ops.relu, b(ops.batch_norm, x, gamma, beta, *moments, eps=1e-5))
    b.outputs["y"] = y
    before = b(ops.relu_grad, y, g)
    for i, out in enumerate(b.all(ops.batch_norm_grad, x, gamma, *moments, before, eps=1e-5)):
        b.outputs[f"d{i}"] = out


def bias(*shape: int) -> Callable[[Builder], None]:
    """Bias and ReLU, and the gradients of both for a `y` of their own: two loops, as in a net."""

    def build(b: Builder) -> None:
        vector = given(b, "bias", shape[-1])
        b.outputs["y"] = b(ops.relu, b(ops.bias, given(b, "x", *shape), vector))
        b.outputs["g"] = before = b(ops.relu_grad, given(b, "before", *shape), given(b, "g", *shape))
        b.outputs["db"] = b(ops.sum_to, before, shape=vector.type.shape)

    return build


def momentum(b: Builder) -> None:
    w, v, g = (given(b, name, 3, 3, 512, 512) for name in "wvg")
    v = b(ops.add, b(ops.scale, v, factor=0.9), g)
    b.outputs.update(v=v, w=b(ops.sub, w, b(ops.mul, v, given(b, "lr"))))


def pools(shape: tuple[int, ...], kernel: int, stride: int, pad: int) -> Callable[[Builder], None]:
    params = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": ((pad, pad),) * 2}

    def build(b: Builder) -> None:
        x = given(b, "x", *shape)
        b.outputs["y"] = y = b(ops.maxpool, x, **params)
        b.outputs["g"] = b(ops.maxpool_grad, x, given(b, "g", *y.type.dims), **params)

    return build


def mean(b: Builder) -> None:
    x, params = given(b, "x", *MAP), {"kernel": (3, 3), "stride": (1, 1), "pad": ((1, 1), (1, 1))}
    b.outputs["y"] = b(ops.avgpool, x, **params)
    b.outputs["g"] = b(ops.avgpool_grad, given(b, "g", *MAP), size=(56, 56), **params)


def lrn(b: Builder) -> None:
    x, params = given(b, "x", *MAP), {"size": 5, "alpha": 2e-5, "beta": 0.75}
    y, s = b.all(ops.lrn, x, k=1.0, **params)
    b.outputs.update(y=y, s=s, g=b(ops.lrn_grad, x, s, given(b, "g", *MAP), **params))


def inception(b: Builder) -> None:
    parts = [given(b, f"x{c}", 8, 28, 28, c) for c in (64, 128, 32, 48)]
    b.outputs["y"] = b(ops.concat, *parts, axis=3)
    b.outputs["g"] = b(ops.cut, given(b, "g", 8, 28, 28, 272), axis=3, start=64, stop=192)


def turns(b: Builder) -> None:
    b.outputs["image"] = b(ops.swap, given(b, "x", 8, 3, 224 * 224))
    b.outputs["weights"] = b(ops.swap, given(b, "w", 4608, 512), axis=0)


def softmax(b: Builder) -> None:
    x, label = given(b, "x", 64, 1000), given(b, "label", 64, dtype="int")
    loss, p = b.all(ops.softmax_xent, x, label)
    b.outputs.update(loss=loss, g=b(ops.softmax_xent_grad, p, label, given(b, "g", 64, 1)))


FAMILIES: dict[str, Callable[[Builder], None]] = {
    "batch norm, ReLU": norm,
    "bias, ReLU": bias(*MAP),
    "bias, ReLU, 6 channels": bias(64, 28, 28, 6),
    "momentum": momentum,
    "largest of 3×3, stride 2": pools(WIDE, 3, 2, 1),
    "largest of 3×3, stride 1": pools((8, 28, 28, 192), 3, 1, 1),
    "largest of 2×2, stride 2": pools(WIDE, 2, 2, 0),
    "mean of 3×3, stride 1": mean,
    "response norm": lrn,
    "concat and cut": inception,
    "axes exchanged": turns,
    "softmax cross-entropy": softmax,
}


def run(program: Program, rounds: int) -> list[float]:
    """The least seconds of each equation."""
    from netc.backends.cpu import bind_timed
    from netc.runtime import compile_program

    exe = compile_program(program, "cpu", 1)
    rng = np.random.default_rng(0)
    for i in program.inputs:
        array = exe[i.name]
        array[...] = 3 if array.dtype.kind == "i" else rng.standard_normal(array.shape) * 0.1
    step = bind_timed(program, exe.arrays, 1)
    return [min(times) for times in zip(*(step() for _ in range(rounds)), strict=True)]


def copy(nbytes: int, rounds: int) -> float:
    """The least seconds of copying one half of so many bytes over the other."""
    source, target = np.ones(nbytes // 2, np.uint8), np.ones(nbytes // 2, np.uint8)
    times: list[float] = []
    for _ in range(rounds):
        begun = perf_counter()
        np.copyto(target, source)
        times.append(perf_counter() - begun)
    return min(times)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rounds", type=int, default=40)
    rounds = arguments.parse_args().rounds
    from netc.bench.cost import cost

    print("| family | kernel | MB | µs | GB/s | of a copy |\n| --- | --- | --- | --- | --- | --- |")
    for family, build in FAMILIES.items():
        b = Builder()
        build(b)
        program = simplify(b.finish())
        for eq, seconds in zip(program.equations, run(program, rounds), strict=True):
            nbytes = cost(eq).bytes
            if nbytes >= 100_000:  # less is what is done for each channel alone
                share = copy(nbytes, rounds) / seconds
                cells = (
                    f"{nbytes / 1e6:.1f} | {seconds * 1e6:.0f} | {nbytes / seconds / 1e9:.1f} | {share:.0%}"
                )
                print(f"| {family} | {name(eq)} | {cells} |", flush=True)


def name(eq: Any) -> str:
    """The primitive, or the steps of a loop."""
    if eq.op is not ops.fused:
        return eq.op.name
    expression = eq.params["expression"]
    return " ".join([*(s.op.name for s in expression.steps), *("Σ" for _ in expression.sums)])


if __name__ == "__main__":
    main()
