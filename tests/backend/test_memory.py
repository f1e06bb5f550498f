"""The bytes that a report tells are the bytes that running takes, kernels' scratch aside."""

from __future__ import annotations

from typing import Any

import pytest

from netc.ir.program import Program
from netc.loading import load_file, load_text, measure
from netc.lower import inference
from netc.runtime import Backend, Executable, compile_program
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


def allocated(exe: Executable) -> int:
    """Bytes of all memory that an executable's arrays lie in, each counted once."""
    whole: dict[int, int] = {}
    for array in exe.arrays.values():
        root: Any = array
        while root.base is not None:
            root = root.base
        whole[id(root)] = max(root.nbytes - SLACK, 0)
    return sum(whole.values())


def run(program: Program, backend: Backend) -> int:
    return allocated(compile_program(program, backend, threads=1))


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("why", NETS)
def test_report_tells_what_is_allocated(why: str, batch: int) -> None:
    text = f"net A {{\n  input x: [N, 3, 8, 8]\n{NETS[why]}\n  output y\n}}\n"
    (net,) = load_text(text).must_be_right().nets.values()
    told = net.report(batch).memory
    assert told
    assert run(inference(net.graph, batch), "numpy") == told.infer
    assert run(training_step(net.graph, default_spec(net.graph), batch), "numpy") == told.train


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_with_the_train_block_of_a_file(backend: Backend) -> None:
    """Adam's slots among them."""
    (net,) = load_file("digits").must_be_right().nets.values()
    assert net.train
    told = net.report(4).memory
    assert told == measure(net.graph, 4, spec=net.train)
    assert told
    assert run(inference(net.graph, 4), backend) == told.infer
    assert run(training_step(net.graph, net.train, 4), backend) == told.train
    assert told.train > 3 * 4 * net.facts.params
