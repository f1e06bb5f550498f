"""netc's steps.  Imported by the process that takes them, so that what it costs to import is measured there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import netc
import netc.backends.cpu  # the compiler too: it is wanted before the first step
from benchmarks.speed.peers import Job, Step
from netc.ir.program import Program
from netc.train.model import Model
from netc.train.settings import Sgd
from netc.train.spec import TrainSpec, default_spec

# So small that thousands of steps on one batch change nothing: a net that has learned it by heart has gradients that
# vanish, and denormal numbers take another time than others.
RATE, MOMENTUM = 1e-7, 0.9


def training(net: netc.Net) -> TrainSpec:
    """How all peers train it."""
    spec = net.compiled.train or default_spec(net.compiled.graph)
    return replace(spec, optimizer=Sgd(RATE, momentum=MOMENTUM), metrics=())


def build(job: Job, x: Any, y: Any) -> tuple[Step, dict[str, Any]]:
    """The step, and what is known of it: `flops`, of its program."""
    net = job.case.load()
    if job.mode == "train":
        model = Model(net.compiled.graph, training(net), threads=job.threads)
        program = model.program("train", len(x)).program
        return lambda: model.train_step(x, y), {"flops": flops(program)}
    model = netc.compile(net, threads=job.threads, train=False)
    program = model.engine("predict", len(x)).program
    return lambda: model.predict(x), {"flops": flops(program)}


def flops(program: Program) -> int:
    """Of all equations of a program, one multiplication with its addition counted as two."""
    return sum(
        eq.op.flops(tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs), dict(eq.params))
        for eq in program.equations
    )
