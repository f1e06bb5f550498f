"""Recomputation: the same numbers from less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc import ops
from netc.bench.cost import total_cost
from netc.ir import Program, check
from netc.ir.passes import CLEANING, IMPROVING, simplify
from netc.ir.recompute import cheap, forward_part, recompute, segments
from netc.loading import load_file, load_text
from netc.ops.primitive import Value
from netc.plan import check_plan, plan
from netc.runtime import compile_program
from netc.train.frugal import Recompute, lean
from netc.train.spec import default_spec
from netc.train.step import training_step, value_and_grad, whole_step
from tests.command import Command

LAYERS = (
    "conv(4, 3, pad=1)", "bn", "bn", "relu", "relu", "tanh", "dropout(p=0.3)", "maxpool(2, stride=1)", "gelu", "lrn",
    "softplus", "ln", "drop_path(p=0.4)",
)  # fmt: skip


@st.composite
def nets(draw: Any) -> str:
    """Layers on 4 channels, some of them with a skip around them."""
    body = ["  a0 = x -> conv(4, 3)"]
    for i in range(draw(st.integers(1, 7))):
        layer = draw(st.sampled_from(LAYERS))
        skip = " + a" + str(i) if layer != "maxpool(2, stride=1)" and draw(st.booleans()) else ""
        body.append(f"  b{i} = a{i} -> {layer}\n  a{i + 1} = b{i}{skip} -> relu")
    last = len(body) - 1
    lines = "\n".join(body)
    return f"net A {{\n  input x: [N, 2, 9, 9]\n{lines}\n  y = a{last} -> gap -> flatten -> dense(3)\n  output y\n}}\n"


def made(text: str, batch: int = 2) -> Program:
    graph = load_text(text).must_be_right().nets["A"].graph
    return simplify(whole_step(graph, default_spec(graph), batch, "f64"), CLEANING)


def results(program: Program) -> dict[str, bytes]:
    """Outputs, and parameters and states after one step, to the bit."""
    kept = {
        i.name: np.random.default_rng(i.value.id).uniform(0.2, 1, i.value.type.dims)
        for i in program.by_role("param", "state", "slot")
    }
    exe = compile_program(program, "numpy", buffers=kept)
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(2, 2, 9, 9)), "label": np.array([0, 2]), "lr": 0.1, "step": 3}
    out = exe.run({name: value for name, value in feeds.items() if name in exe})
    return {name: a.tobytes() for name, a in (out | kept).items()}


def forward_values(program: Program) -> list[Value]:
    parts = zip(program.equations, forward_part(program), strict=True)
    return [v for eq, forward in parts if forward for v in eq.outputs]


@given(nets(), st.data())
def test_whatever_is_kept_the_step_is_the_same(text: str, data: Any) -> None:
    program = made(text)
    values = forward_values(program)
    kept = {v for v in values if data.draw(st.booleans())}
    again = check(recompute(program, kept))
    for eq, forward in zip(again.equations, forward_part(again), strict=True):
        if not forward:
            assert not set(eq.inputs) & (set(values) - kept), eq
    assert results(again) == results(program)
    better = simplify(again, IMPROVING)
    check_plan(better, plan(better))


@given(nets(), st.integers(1, 5))
def test_both_ways_of_choosing(text: str, number: int) -> None:
    program = made(text)
    wanted = results(program)
    assert results(check(recompute(program, cheap(program, number)))) == wanted
    assert results(check(recompute(program, segments(program, number)))) == wanted


def test_cheap_does_no_contraction_twice() -> None:
    layers = "conv(4, 3) -> bn -> relu -> conv(4, 3) -> bn -> relu -> gap -> flatten -> dense(3)"
    program = made(f"net A {{\n  input x: [N, 2, 9, 9]\n  y = x -> {layers}\n  output y\n}}\n")
    again = recompute(program, cheap(program, 3))  # the bias, the norm, the activation
    heavy = (ops.conv, ops.dot, ops.moments, ops.softmax_xent)
    for op in heavy:
        assert sum(eq.op is op for eq in again.equations) == sum(eq.op is op for eq in program.equations)
    assert sum(eq.op is ops.batch_norm for eq in again.equations) == 4


def test_a_row_of_cheap_steps_has_an_end() -> None:
    """Without one, everything along the skips of a residual net would be made from its first layer."""
    skips = "\n".join(f"  a{i + 1} = a{i} + b -> relu" for i in range(12))
    program = made(f"net A {{\n  input x: [N, 2, 9, 9]\n  a0 = x -> conv(4, 3)\n  b = a0 -> relu\n{skips}\n"
                   "  y = a12 -> gap -> flatten -> dense(3)\n  output y\n}\n")  # fmt: skip
    kept = cheap(program, 4)
    adds = [eq for eq in program.equations if eq.op in (ops.add, ops.relu) and eq.outputs[0] in kept]
    assert 24 // 5 <= len(adds) <= 24 // 3


@pytest.mark.parametrize(
    ("spec", "net", "sizes", "ceiling"),
    [
        ("resnet", "ResNet18", (3, 64, 64), {"cheap": 0.8, "all": 0.7}),  # one gradient of weights is 0.66
        ("mobilenet", "MobileNetV1", (3, 64, 64), {"cheap": 0.6, "all": 0.6}),
        ("resnet_cifar", "ResNet20", (3, 32, 32), {"cheap": 0.75, "all": 0.5}),
    ],
)
def test_what_it_saves_and_what_it_costs(
    spec: str, net: str, sizes: tuple[int, ...], ceiling: dict[Recompute, float]
) -> None:
    """Bytes of the arena against those without; one more forward pass is a third more operations."""
    graph = load_file(spec, sizes=sizes).must_be_right().nets[net].graph
    train = default_spec(graph)
    plain = training_step(graph, train, 8)
    flops = total_cost(plain.equations).flops
    for how, most in {"cheap": 1.02, "all": 1.34}.items():
        again = training_step(graph, train, 8, again=how)  # type: ignore[arg-type]
        assert plan(again).arena_bytes <= ceiling[how] * plan(plain).arena_bytes  # type: ignore[index]
        assert total_cost(again.equations).flops <= most * flops


@given(nets(), st.sampled_from(["cheap", "all"]))
def test_it_never_takes_more(text: str, how: Recompute) -> None:
    program = made(text)
    before, after = (plan(simplify(p, IMPROVING)).arena_bytes for p in (program, lean(program, how)))
    assert after <= before


def test_gradients_as_outputs_are_no_forward_pass() -> None:
    graph = load_file("resnet_cifar").must_be_right().nets["ResNet20"].graph
    train = default_spec(graph)
    plain, again = (value_and_grad(graph, train, 8, again=how) for how in (None, "all"))
    assert again.outputs.keys() == plain.outputs.keys()
    assert plan(again).arena_bytes < 0.7 * plan(plain).arena_bytes


def test_a_program_without_gradients_is_all_forward() -> None:
    graph = load_file("lenet5").nets["LeNet5"].graph
    program = value_and_grad(graph, default_spec(graph), 1)
    without = Program(program.inputs, program.equations[:5], {"y": program.equations[4].outputs[0]})
    assert recompute(without, set()) == without


def test_passes_tell_it(netc: Command) -> None:
    done = netc("bench", "resnet_cifar", "--net", "ResNet20", "--batch", 16, "--passes", "--recompute", "all")
    assert done.code == 0
    (line,) = (x for x in done.out.splitlines() if x.startswith("recompute"))
    assert "% FLOPs" in line
    assert "arena" in line
    done = netc("bench", "digits", "--infer", "--recompute", "all")
    assert (done.code, done.out) == (2, "")
    assert "--recompute is for training" in done.err
