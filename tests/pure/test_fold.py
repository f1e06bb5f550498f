"""Folding and partial evaluation: what is left means the same, and has nothing in it that weights alone decide."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc import ops
from netc.ir import Builder, Program, check, split_constant
from netc.ir.constant import constants
from netc.ir.fold import FOLDING, fold
from netc.ir.passes import simplify
from netc.loading import load_text
from netc.lower import folded, forward, inference
from netc.plan import check_plan, plan
from netc.runtime import compile_program
from netc.types import TensorType
from tests.program_case import programs

EXACT = 1e-12  # relative error of float64 that a few roundings more or less explain


def net(body: str, shape: str = "3, 8, 8") -> Any:
    text = f"net A {{\n  input x: [N, {shape}]\n{body}\n  output y\n}}\n"
    return load_text(text).must_be_right().nets["A"].graph


def values(program: Program) -> dict[str, Any]:
    """Numbers for every input; variances are positive."""
    out: dict[str, Any] = {}
    for i in sorted(program.inputs, key=lambda i: i.name):
        rng = np.random.default_rng(len(out))
        low, high = (0.5, 2.0) if i.name.endswith("running_var") else (-1.0, 1.0)
        out[i.name] = rng.uniform(low, high, i.value.type.dims)
    return out


def run(program: Program, numbers: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    exe = compile_program(program, "numpy", buffers=kept)
    return exe.run({i.name: numbers[i.name] for i in program.inputs if i.name not in exe.buffers})


def run_as_two(program: Program, numbers: dict[str, Any]) -> dict[str, Any]:
    """`prepare`, then `infer` over the same memory."""
    prepare, infer = split_constant(program)
    check(prepare)
    check(infer)
    check_plan(prepare, plan(prepare))
    kept = {i.name: numbers[i.name].copy() for i in program.by_role("param", "state")}
    first = compile_program(prepare, "numpy", buffers=kept)
    assert first.run({}) == {}
    return run(infer, numbers, kept | first.buffers)


def close(found: dict[str, Any], wanted: dict[str, Any], bound: float) -> None:
    assert found.keys() == wanted.keys()
    for name, y in wanted.items():
        assert np.abs(found[name] - y).max(initial=0) <= bound * max(np.abs(y).max(initial=0), 1e-3), name


@given(programs())
def test_two_programs_mean_what_one_did(program: Program) -> None:
    """To the bit, for nothing is computed otherwise; updated parameters are no constants."""
    program = Program(program.inputs, program.equations, program.outputs)
    numbers = values(program)
    kept = {i.name: numbers[i.name].copy() for i in program.by_role("param")}
    wanted = run(program, numbers, kept)
    found = run_as_two(program, numbers)
    for name, y in wanted.items():
        np.testing.assert_array_equal(found[name], y, err_msg=name)


@given(programs())
def test_folding_random_programs_keeps_the_meaning(program: Program) -> None:
    numbers = values(program)
    wanted, found = (
        run(p, numbers, {i.name: numbers[i.name].copy() for i in p.by_role("param")})
        for p in (program, check(fold(program)))
    )
    close(found, wanted, EXACT)


LAYERS = (
    "conv(4, 3, pad=1)", "conv(6, (3, 2), stride=2, bias=false)", "conv(6, 3, pad=2, dilation=2, groups=2)",
    "conv(2, 3, pad=half, border=reflect)", "depthwise(3, pad=1)", "depthwise(2, multiplier=2, bias=false)",
    "separable(4, 3, pad=1)", "conv_transpose(4, 2, stride=2)", "conv_transpose(4, 3, pad=1, groups=2)",
    "bn", "bn", "bn", "bn(affine=false)", "bn(scale=false)", "relu", "maxpool(2)", "avgpool(2, stride=1)", "prelu",
)  # fmt: skip


@st.composite
def chains(draw: Any) -> str:
    """A chain of layers on maps of 4 channels, then a dense one; what does not fit is left out."""
    body = "  y = x -> conv(4, 3, pad=1)"
    for layer in draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=8)):
        longer = f"{body} -> {layer}"
        if not load_text(f"net A {{\n  input x: [N, 3, 8, 8]\n{longer}\n  output y\n}}\n").failed:
            body = longer
    return body + draw(
        st.sampled_from(["", " -> flatten -> dense(5) -> bn", " -> gap -> flatten -> dense(3, bias=false)"])
    )


@given(chains(), st.integers(1, 3))
def test_folded_nets_give_what_they_gave(body: str, batch: int) -> None:
    program = forward(net(body), batch, dtype="f64")
    numbers = values(program)
    wanted = run(program, numbers, {i.name: numbers[i.name] for i in program.by_role("param", "state")})
    close(run_as_two(simplify(program, FOLDING), numbers), wanted, 1e-11)


@given(chains())
def test_nothing_that_weights_decide_is_left(body: str) -> None:
    _, infer = folded(forward(net(body), 2))
    weights = {i.value for i in infer.by_role("param", "state", "prepared")}
    for eq in infer.equations:
        assert eq.op.view or not set(eq.inputs) <= weights, eq
    assert not infer.by_role("state") or "bn" in body


def names(program: Program) -> Counter[str]:
    """Of all primitives, those inside of others too."""
    parts = [
        (part.op, dict(part.params))
        for eq in program.equations
        for part in ([eq.params["first"], eq.params["then"]] if eq.op is ops.with_epilogue else [eq])
    ]
    return Counter(
        step.op.name if step else op.name
        for op, params in parts
        for step in (params["expression"].steps if op is ops.fused else [None])
    )


@pytest.mark.parametrize(
    ("layer", "linear"),
    [
        ("conv(4, 3, bias=false)", "conv"),
        ("conv(4, 3)", "conv"),
        ("conv(6, 3, groups=3)", "conv"),
        ("depthwise(3)", "conv"),
        ("conv_transpose(4, 3)", "conv_data"),
        ("flatten -> dense(4)", "dot"),
    ],
)
def test_a_norm_becomes_a_bias(layer: str, linear: str) -> None:
    _, infer = folded(forward(net(f"  y = x -> {layer} -> bn -> relu"), 2))
    assert {k: n for k, n in names(infer).items() if k not in ("swap", "reshape")} == {
        linear: 1,
        "bias": 1,
        "relu": 1,
    }


def test_on_a_line_too() -> None:
    """The map of height 1 that a line is convolved as lies between the two."""
    _, infer = folded(forward(net("  y = x -> conv(4, 3) -> bn", "3, 9"), 2))
    found = names(infer)
    assert found["conv"] == found["bias"] == 1
    assert not found["mul"]


@pytest.mark.parametrize(
    "body",
    [
        "  a = x -> conv(3, 3, pad=1)\n  b = a -> bn\n  y = a + b",  # the convolution is read by somebody else
        "  y = x -> bn -> conv(3, 3, pad=1)",  # what is padded comes after the norm
        "  y = x -> conv(3, 3, pad=1) -> relu -> bn",
        "  y = x -> conv(4, 1) -> conv_transpose(4, 3, groups=2) -> bn",
    ],
)
def test_what_cannot_be_folded_stays(body: str) -> None:
    program = inference(net(body), 2)
    _, infer = folded(forward(net(body), 2))
    assert names(infer)["mul"] == 1
    assert names(infer)["sqrt"] == 0 < names(program)["sqrt"]


def test_scales_and_shifts_of_all_kinds() -> None:
    """((((x w + b) 3 + 2) s − t) k, with s a vector, k one number."""
    b = Builder(dtype="f64")
    vector, one = TensorType((5,), "f64"), TensorType((), "f64")
    x = b.input("x", TensorType((4, 3), "f64"), "data")
    w = b.input("w", TensorType((3, 5), "f64"), "param")
    y = b(ops.bias, b(ops.dot, x, w), b.input("b", vector, "param"))
    y = b(ops.shift, b(ops.scale, y, factor=3.0), offset=2.0)
    y = b(ops.sub, b(ops.mul, b.input("s", vector, "param"), y), b.input("t", vector, "param"))
    b.outputs["y"] = b(ops.mul, y, b.input("k", one, "param"))
    program = b.finish()
    _, infer = folded(program)
    assert [eq.op for eq in infer.equations] == [ops.dot, ops.bias]
    numbers = values(program)
    kept = {i.name: numbers[i.name] for i in program.by_role("param")}
    close(run_as_two(fold(program), numbers), run(program, numbers, kept), EXACT)


def test_what_is_subtracted_from_is_no_shift() -> None:
    b = Builder(dtype="f64")
    vector = TensorType((5,), "f64")
    x, s = b.input("x", TensorType((4, 3), "f64"), "data"), b.input("s", vector, "param")
    w = b.input("w", TensorType((3, 5), "f64"), "param")
    b.outputs["y"] = b(ops.sub, s, b(ops.mul, b(ops.dot, x, w), s))
    infer = fold(b.finish())
    assert [eq.op for eq in infer.equations] == [ops.mul, ops.dot, ops.sub]


def test_what_is_updated_is_no_constant() -> None:
    b = Builder(dtype="f64")
    t = TensorType((3,), "f64")
    w, v = b.input("w", t, "param"), b.input("v", t, "param")
    b.update(w, b(ops.neg, w))
    program = b.finish()
    assert constants(program) == {v}
    prepare, infer = split_constant(program)
    assert not prepare.equations
    assert infer.updates == program.updates


def test_names_of_what_is_prepared_tell_how_it_is_computed() -> None:
    """Equal at every batch, so it is prepared once for all; another where the computation is another."""
    body = "  y = x -> conv(4, 3) -> bn -> conv(4, 3) -> bn"

    def prepared(body: str, batch: int) -> set[str]:
        return {i.name for i in folded(forward(net(body), batch))[1].by_role("prepared")}

    assert len(prepared(body, 1)) == 4
    assert prepared(body, 1) == prepared(body, 5)
    assert not prepared(body, 1) & prepared(body.replace("bn", "bn(eps=1e-3)"), 1)
