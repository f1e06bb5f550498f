"""Passes: each result is checked, means the same, and does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc import ops
from netc.ir import PASSES, Builder, Program, check, simplify
from netc.ir.fuse import MOST_ARRAYS, fuse
from netc.ir.passes import drop_unused, share_equal, update_early
from netc.plan import check_plan, plan
from netc.runtime import compile_program
from netc.types import TensorType
from tests.program_case import programs

T = TensorType((4, 6), "f64")


def results(program: Program) -> dict[str, Any]:
    """Outputs and updated parameters after one run from fixed numbers."""
    exe = compile_program(program, "numpy")
    rng = np.random.default_rng(0)
    fed = {}
    for i in sorted(program.inputs, key=lambda i: i.name):
        x = rng.uniform(-1, 1, i.value.type.dims)
        if i.role == "param":
            exe[i.name][...] = x
        else:
            fed[i.name] = x
    out = exe.run(fed)
    return out | {f"new {name}": b.copy() for name, b in exe.buffers.items()}


@given(programs(), st.sampled_from([*[(p,) for p in PASSES], PASSES]))
def test_pass_keeps_the_meaning(program: Program, passes: tuple[Any, ...]) -> None:
    better = simplify(program, passes)
    check_plan(better, plan(better))
    before, after = results(program), results(better)
    assert before.keys() == after.keys()
    for name, x in before.items():
        np.testing.assert_array_equal(after[name], x, err_msg=name)


def test_unused_equations_go() -> None:
    b = Builder(dtype="f64")
    x = b.input("x", T, "data")
    b(ops.tanh, x)
    b.outputs["y"] = b(ops.neg, x)
    assert [eq.op for eq in drop_unused(b.finish()).equations] == [ops.neg]


def test_equal_equations_are_one() -> None:
    b = Builder(dtype="f64")
    x = b.input("x", T, "data")
    b.outputs["y"] = b(ops.dot, b(ops.tanh, x), b(ops.tanh, x), tb=True)
    assert [eq.op for eq in share_equal(b.finish()).equations] == [ops.tanh, ops.dot]


def fused_ops(program: Program) -> list[list[str]]:
    """The names inside each fused equation."""
    return [
        [s.op.name for s in eq.params["expression"].steps] for eq in program.equations if eq.op is ops.fused
    ]


def test_chain_becomes_one_equation() -> None:
    b = Builder(dtype="f64")
    x, bias = b.input("x", T, "data"), b.input("bias", TensorType((6,), "f64"), "param")
    with b.at("c1"):
        y = b(ops.add, x, bias)
    with b.at("r1"):
        b.outputs["y"] = b(ops.relu, y)
    program = fuse(b.finish())
    (eq,) = program.equations
    assert eq.node == "r1"
    assert eq.inputs == (x, bias)
    assert eq.outputs == (b.outputs["y"],)
    assert (
        ops.fused.flops(tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs), dict(eq.params))
        == 48
    )


def test_momentum_is_one_loop_in_place() -> None:
    b = Builder(dtype="f64")
    g, lr = b.input("g", T, "data"), b.scalar("lr")
    w, v = b.input("w", T, "param"), b.input("v", T, "slot")
    new_v = b(ops.add, b(ops.scale, v, factor=0.9), g)
    b.update(v, new_v)
    b.update(w, b(ops.sub, w, b(ops.mul, new_v, lr)))
    program = simplify(b.finish())
    assert fused_ops(program) == [["scale", "add", "mul", "sub"]]
    p = plan(program)
    assert p.copies == ()
    assert p.arena_bytes == 0


def test_reader_outside_closes_a_group() -> None:
    """tanh is read by the product, whose result the addition needs: they cannot be one loop."""
    b = Builder(dtype="f64")
    x = b.input("x", TensorType((4, 4), "f64"), "data")
    y = b(ops.tanh, x)
    b.outputs["y"] = b(ops.add, y, b(ops.dot, y, y))
    program = fuse(b.finish())
    assert [eq.op for eq in program.equations] == [ops.tanh, ops.dot, ops.add]


def test_other_shapes_stay_apart() -> None:
    b = Builder(dtype="f64")
    x, s = b.input("x", T, "data"), b.scalar("s")
    b.outputs["y"] = b(ops.mul, x, b(ops.neg, s))
    assert fused_ops(fuse(b.finish())) == []


def test_groups_have_a_limit() -> None:
    b = Builder(dtype="f64")
    y = b.input("x", T, "data")
    for i in range(40):
        y = b(ops.add, y, b.input(f"x{i}", T, "data"))
    b.outputs["y"] = y
    program = check(fuse(b.finish()))
    assert len(program.equations) == 4
    assert all(len(eq.inputs) + len(eq.outputs) <= MOST_ARRAYS for eq in program.equations)


def test_expression_of_two_types_is_refused() -> None:
    from netc.ops.fused import Expression, Step

    steps = (Step(ops.neg, (0,)), Step(ops.neg, (1,)))
    with pytest.raises(TypeError, match="one type"):
        ops.fused.type(T, TensorType((), "f64"), expression=Expression(steps, (2, 3)))


def test_an_update_waits_for_the_last_reader_and_no_longer() -> None:
    b = Builder(dtype="f64")
    x = b.input("x", T, "data")
    w, v = (b.input(name, T, "param") for name in ("w", "v"))
    first, second = b(ops.mul, x, v), b(ops.mul, x, w)
    rest = b(ops.tanh, b(ops.neg, second))
    for old, g in ((w, second), (v, first)):  # as an optimiser emits them: at the end
        b.update(old, b(ops.sub, old, g))
    b.outputs["y"] = rest
    names = [eq.op.name for eq in update_early(b.finish()).equations]
    assert names == ["mul", "sub", "mul", "sub", "neg", "tanh"]


def test_an_update_does_not_pass_a_reader_of_a_view() -> None:
    b = Builder(dtype="f64")
    x = b.input("x", T, "data")
    w = b.input("w", T, "param")
    b.update(w, b(ops.sub, w, x))
    flat = b(ops.reshape, w, shape=(24,))
    b.outputs["y"] = b(ops.tanh, flat)
    names = [eq.op.name for eq in update_early(b.finish()).equations]
    assert names == ["reshape", "tanh", "sub"]
