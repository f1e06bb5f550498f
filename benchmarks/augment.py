"""What augmentation costs beside a training step: LeNet-5 on batches of 64 pictures of 28x28, chains of `augment`.

python benchmarks/augment.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from machine import interleaved, keep, medians

import netc
from netc.backends.cpu.warp import warp
from netc.train.augment import augment

ROUNDS = 200
BATCH = 64
CHAINS = (
    "none",
    "shift(2)",
    "flip",
    "crop(4) -> flip",
    "rotate(10)",
    "shift(2) -> rotate(10)",
    "erase(8)",
    "elastic(34, 4)",
    "scale(0.15) -> rotate(15) -> elastic(34, 4)",
)


def chain_of(text: str) -> Callable[[Any, Any], Any]:
    """`augment` with the chain that a train block of LeNet-5 writes so."""
    train = netc.load("lenet5", net="LeNet5", settings={"train.augment": text}).compiled.train
    assert train
    return lambda x, rng: augment(train.augment, x, rng, warp)


def main() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((BATCH, 1, 28, 28), np.float32), rng.integers(0, 10, BATCH)
    model = netc.compile(netc.load("lenet5", net="LeNet5"))
    runs: dict[str, Callable[[], object]] = {"step": lambda: model.train_step(x, y)}
    for text in CHAINS:
        chain = chain_of(text)
        runs[text] = lambda chain=chain: chain(x, np.random.default_rng([0, 1]))
    found = medians(interleaved(runs, ROUNDS))
    rows = [
        {"chain": text, "ms": round(1e3 * found[text], 3), "of_step": round(found[text] / found["step"], 3)}
        for text in CHAINS
    ]
    print(f"a step: {1e3 * found['step']:.3f} ms")
    for row in rows:
        print(row)
    keep("augment", [{"net": "LeNet5", "batch": BATCH, "step_ms": round(1e3 * found["step"], 3)}, *rows])


if __name__ == "__main__":
    main()
