"""Norms as pointwise equations: what is stored, what is read, and that sums are taken along."""

from __future__ import annotations

import pytest

from netc import ops
from netc.ir import PASSES, Builder, Program, gradients, one, simplify
from netc.ir.epilogue import epilogues
from netc.ir.program import Equation
from netc.ops.fused import pointwise
from netc.types import TensorType

SHAPE = (2, 5, 5, 4)
T = TensorType(SHAPE, "f64")


def step(activation: str, residual: bool = False) -> Program:
    """conv -> bn -> activation -> conv, and the gradients of all weights."""
    b = Builder(dtype="f64", training=True)
    x = b.input("x", T, "data")
    w = [b.input(f"w{i}", TensorType((1, 1, 4, 4), "f64"), "param") for i in (0, 1)]
    gamma, beta = (b.input(name, TensorType((4,), "f64"), "param") for name in ("gamma", "beta"))
    same = {"stride": (1, 1), "pad": ((0, 0), (0, 0))}
    y = b(ops.conv, x, w[0], **same)
    y = b(ops.batch_norm, y, gamma, beta, *b.all(ops.moments, y), eps=1e-5)
    if residual:
        y = b(ops.add, y, x)
    if activation == "clip":
        y = b(ops.clip, y, low=0.0, high=6.0)
    elif activation:
        y = b(ops.ALL[activation], y)
    y = b(ops.conv, y, w[1], **same)
    b.outputs["loss"] = loss = b(ops.sum_to, b(ops.mul, y, y), shape=())
    for p, g in zip([*w, gamma, beta], gradients(b, loss, one(b), [*w, gamma, beta]), strict=True):
        assert g is not None
        b.update(p, b(ops.sub, p, g))
    return simplify(b.finish(), tuple(p for p in PASSES if p is not epilogues))


def loops(program: Program) -> list[tuple[int, int, int]]:
    """Of each loop over the map in order: whole operands, whole results, sums."""
    return [
        (sum(v.type == T for v in set(eq.inputs)), sum(v.type == T for v in eq.outputs), len(sums(eq)))
        for eq in program.equations
        if pointwise(eq.op) and any(v.type == T for v in eq.inputs)
    ]


def sums(eq: Equation) -> tuple[int, ...]:
    return eq.params["expression"].sums if eq.op is ops.fused else ()


LOSS = [(1, 1, 0), (2, 1, 0)]  # y², and its gradient y g + y g


@pytest.mark.parametrize("activation", ["", "relu", "clip", "tanh", "sigmoid", "silu", "softplus", "gelu"])
def test_an_activation_costs_nothing_beside_its_norm(activation: str) -> None:
    """x to y; then x and g to two sums, and x and g to dx."""
    assert loops(step(activation)) == [(1, 1, 0), *LOSS, (2, 0, 2), (2, 1, 0)]


def test_a_residual_is_added_where_the_norm_is() -> None:
    """Its activation's gradient goes two ways, so it is stored, by the loop that sums."""
    assert loops(step("relu", True)) == [(2, 1, 0), *LOSS, (3, 1, 2), (2, 1, 0)]


def test_what_is_left_of_the_norms() -> None:
    program = step("relu")
    names = {eq.op.name for eq in program.equations}
    assert not names & {"batch_norm", "batch_norm_grad", "relu_grad"}
    assert "moments" in names


def test_a_bias_takes_its_gradient_along() -> None:
    b = Builder(dtype="f64")
    y, g = b.input("y", T, "data"), b.input("g", T, "data")
    before = b(ops.relu_grad, y, g)
    b.outputs["bias"] = b(ops.sum_to, before, shape=(4,))
    b.outputs["rest"] = before
    (eq,) = simplify(b.finish()).equations
    assert eq.outputs == (b.outputs["rest"], b.outputs["bias"])
    assert eq.params["expression"].sums == (2,)
    assert "Σ $2" in repr(eq)
    types = tuple(v.type for v in eq.inputs), tuple(v.type for v in eq.outputs)
    assert ops.fused.flops(*types, dict(eq.params)) == 2 * T.size


def test_a_sum_of_another_shape_stays_alone() -> None:
    b = Builder(dtype="f64")
    x = b(ops.neg, b.input("x", T, "data"))
    b.outputs["all"] = b(ops.sum_to, x, shape=())
    b.outputs["map"] = b(ops.sum_to, x, shape=(2, 1, 1, 4))
    assert [eq.op for eq in simplify(b.finish()).equations] == [ops.neg, ops.sum_to, ops.sum_to]
