"""The bytes that a report tells are the bytes that running takes, and kernels' scratch is all that is taken beside."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from netc.ir.program import Program
from netc.loading import Compiled, load_file, load_text, measure
from netc.lower import folded, forward
from netc.runtime import Backend, Executable, compile_program
from netc.train.predictor import Predictor
from netc.train.spec import default_spec
from netc.train.step import training_step

SLACK = 64  # bytes that put the first byte of a buffer on a cache line

NETS = {
    "a chain": "  y = x -> conv(4, 3) -> relu -> maxpool(2) -> flatten -> dense(5)",
    "a skip and bn": "  m = x -> conv(3, 3, pad=half, bias=false) -> bn\n"
    "  y = m + x -> relu -> gap -> flatten -> dense(2)",
    "several paths": "  a = x -> conv(2, 1)\n  b = x -> conv(3, 3, pad=half) -> tanh\n"
    "  y = [a, b] -> concat -> dropout -> flatten -> dense(3)",
}


def allocated(arrays: Iterable[Any]) -> int:
    """Bytes of all memory that arrays lie in, each counted once."""
    whole: dict[int, int] = {}
    for root in arrays:
        while root.base is not None:
            root = root.base
        whole[id(root)] = root.nbytes - (SLACK if root.dtype == np.uint8 else 0)  # else an array from outside
    return sum(whole.values())


def to_train(program: Program, backend: Backend) -> int:
    return allocated(compile_program(program, backend, threads=1).arrays.values())


def to_run(net: Compiled, batch: int, backend: Backend) -> int:
    """Bytes of a predictor and its engine for one batch size."""
    spec = net.train or default_spec(net.graph)
    model = Predictor(net.graph, spec, backend=backend, threads=1)
    model.engine("predict", batch)
    (engine,) = model._engines.values()
    programs: list[Executable] = [e for e in (engine.infer, engine.prepare) if e]
    return allocated([*model.buffers.values(), *(a for e in programs for a in e.arrays.values())])


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("why", NETS)
def test_report_tells_what_is_allocated(why: str, batch: int) -> None:
    text = f"net A {{\n  input x: [N, 3, 8, 8]\n{NETS[why]}\n  output y\n}}\n"
    (net,) = load_text(text).must_be_right().nets.values()
    told = net.report(batch).memory
    assert told
    assert to_run(net, batch, "numpy") == told.infer
    assert to_train(training_step(net.graph, default_spec(net.graph), batch), "numpy") == told.train


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_with_the_train_block_of_a_file(backend: Backend) -> None:
    """Adam's slots among them."""
    (net,) = load_file("digits").must_be_right().nets.values()
    assert net.train
    told = net.report(4).memory
    assert told == measure(net.graph, 4, spec=net.train)
    assert told
    assert to_run(net, 4, backend) == told.infer
    assert to_train(training_step(net.graph, net.train, 4), backend) == told.train
    assert told.train > 3 * 4 * net.facts.params


@pytest.mark.parametrize(("spec", "name"), [("resnet", "ResNet18"), ("mobilenet", "MobileNetV1")])
def test_folded_weights_lie_beside_those_that_they_come_from(spec: str, name: str) -> None:
    net = load_file(spec).must_be_right().nets[name]
    told = net.report().memory
    assert told
    assert to_run(net, 1, "numpy") == told.infer
    assert told.infer > 1.5 * 4 * net.facts.params


@pytest.mark.parametrize("stay", [False, True], ids=["training", "weights stay"])
def test_all_memory_is_told(stay: bool) -> None:
    """NumPy tells of every array that is made; what kernels are called with are some words for each equation."""
    net = load_file("resnet").must_be_right().nets["ResNet18"]
    step = folded(forward(net.graph, 2))[1] if stay else training_step(net.graph, default_spec(net.graph), 2)
    compile_program(step, "cpu", 2, stay=stay)  # what is compiled is there
    tracemalloc.start()
    try:
        exe = compile_program(step, "cpu", 2, stay=stay)
        of_numpy = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        taken = tracemalloc.take_snapshot().filter_traces([of_numpy]).statistics("filename")
    finally:
        tracemalloc.stop()
    told = exe.plan.peak_bytes + exe.scratch_bytes
    assert 0 <= sum(s.size for s in taken) - told < 1024 * len(step.equations)
    assert exe.scratch_bytes > 1 << 20
