"""Places of largest values: what keeps them, what goes by them, and what need not wait any more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netc
from netc import ops
from netc.ir import Builder, Program, check, gradients, one
from netc.ir.passes import drop_unused
from netc.ir.pools import places_kept
from netc.ops.primitive import Primitive, Value
from netc.plan import check_plan, plan
from netc.runtime import compile_program
from netc.train.frugal import Recompute
from netc.types import TensorType

T = TensorType((2, 7, 7, 3), "f64")
PARAMS: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1)), "ceil": False}


def pooled(b: Builder, activation: Primitive | None, **params: Any) -> tuple[Value, Value, Value]:
    """x + bias, what an activation makes of it, and its largest values."""
    x, bias = b.input("x", T, "data"), b.input("bias", TensorType((3,), "f64"), "param")
    y = b(ops.bias, x, bias)
    if activation:
        y = b(activation, y)
    return bias, y, b(ops.maxpool, y, **PARAMS | params)


def with_gradients(b: Builder, bias: Value, p: Value) -> Program:
    """What the gradients of Σ p² are, of x and of the bias."""
    loss = b(ops.sum_to, b(ops.mul, p, p), shape=())
    dx, db = gradients(b, loss, one(b), [b.inputs["x"].value, bias])
    assert dx
    assert db
    b.outputs |= {"dx": dx, "db": db}
    return drop_unused(b.finish())


def placed(program: Program) -> Program:
    """After the pass it gives the same numbers."""
    after = check(places_kept(program))
    check_plan(after, plan(after))
    rng = np.random.default_rng(3)
    given = {i.name: rng.standard_normal(i.value.type.dims) for i in program.inputs if i.name != "seed"}
    results = [compile_program(p, "numpy", buffers=given).run({"x": given["x"]}) for p in (program, after)]
    for name, wanted in results[0].items():
        np.testing.assert_allclose(results[1][name], wanted, rtol=1e-12)
    return after


def names(program: Program) -> list[str]:
    return [eq.op.name for eq in program.equations]


@pytest.mark.parametrize("activation", [ops.relu, ops.tanh, ops.sigmoid])
def test_the_gradient_of_the_activation_is_taken_of_the_few(activation: Primitive) -> None:
    b = Builder(dtype="f64", training=True)
    bias, y, p = pooled(b, activation)
    after = placed(with_gradients(b, bias, p))
    small = next(eq for eq in after.equations if eq.op.name == f"{activation}_grad")
    assert small.inputs[0] is p
    assert names(after)[-2:] == ["unpool", "sum_to"]
    assert after.equations[-1].inputs == small.outputs  # the bias sums the few
    readers = [eq.op.name for eq in after.equations if y in eq.inputs]
    assert readers == ["maxpool_placed"]


def test_without_an_activation() -> None:
    """The bias sums what comes to the pool."""
    b = Builder(dtype="f64", training=True)
    bias, _, p = pooled(b, None)
    after = placed(with_gradients(b, bias, p))
    assert names(after)[-2:] == ["unpool", "sum_to"]
    assert after.equations[-1].inputs[0].type == p.type


def test_activation_that_another_reads_as_well_stays() -> None:
    """Its gradient is the sum of two, and taken of all."""
    b = Builder(dtype="f64", training=True)
    bias, y, p = pooled(b, ops.relu)
    other = b(ops.avgpool, y, count_pad=True, **PARAMS)
    after = placed(with_gradients(b, bias, b(ops.add, p, other)))
    (eq,) = (eq for eq in after.equations if eq.op is ops.relu_grad)
    assert eq.inputs[0] is y
    assert "unpool" in names(after)


def test_activation_that_does_not_follow_from_its_result_stays() -> None:
    b = Builder(dtype="f64", training=True)
    bias, y, p = pooled(b, ops.silu)
    (eq,) = (eq for eq in placed(with_gradients(b, bias, p)).equations if eq.op is ops.silu_grad)
    assert eq.inputs[1].type == y.type


def test_activation_below_something_else_stays() -> None:
    """What is pooled is not its result."""
    b = Builder(dtype="f64", training=True)
    x, bias = b.input("x", T, "data"), b.input("bias", TensorType((3,), "f64"), "param")
    y = b(ops.relu, b(ops.bias, x, bias))
    p = b(ops.maxpool, b(ops.shift, y, offset=-0.5), **PARAMS)
    (eq,) = (eq for eq in placed(with_gradients(b, bias, p)).equations if eq.op is ops.relu_grad)
    assert eq.inputs[0] is y


def test_gradient_that_goes_two_ways_stays() -> None:
    """To an activation, and past it."""
    b = Builder(dtype="f64", training=True)
    x, bias = b.input("x", T, "data"), b.input("bias", TensorType((3,), "f64"), "param")
    y = b(ops.relu, b(ops.bias, x, bias))
    p = b(ops.maxpool, b(ops.add, y, x), **PARAMS)
    (eq,) = (eq for eq in placed(with_gradients(b, bias, p)).equations if eq.op is ops.relu_grad)
    assert eq.inputs[0] is y


def test_gradient_that_another_reads_stays() -> None:
    """That of the activation's result is asked for, too."""
    b = Builder(dtype="f64", training=True)
    _, y, p = pooled(b, ops.relu)
    dy, dx = gradients(b, b(ops.sum_to, b(ops.mul, p, p), shape=()), one(b), [y, b.inputs["x"].value])
    assert dy
    assert dx
    b.outputs |= {"dy": dy, "dx": dx}
    (eq,) = (eq for eq in placed(drop_unused(b.finish())).equations if eq.op is ops.relu_grad)
    assert eq.inputs[0] is y


def test_sums_of_other_shapes_take_all() -> None:
    b = Builder(dtype="f64", training=True)
    _, _, p = pooled(b, ops.relu)
    (dx,) = gradients(b, b(ops.sum_to, b(ops.mul, p, p), shape=()), one(b), [b.inputs["x"].value])
    assert dx
    b.outputs |= {"rows": b(ops.sum_to, dx, shape=(2, 7, 1, 1))}
    assert "unpool" in names(placed(drop_unused(b.finish())))


def test_two_pools_of_one_map_have_places_of_their_own() -> None:
    b = Builder(dtype="f64", training=True)
    bias, y, p = pooled(b, ops.relu)
    other = b(ops.maxpool, y, **PARAMS | {"stride": (1, 1), "pad": ((0, 0), (0, 0))})
    q = b(ops.maxpool, other, **PARAMS)
    after = placed(
        with_gradients(b, bias, b(ops.add, b(ops.sum_to, p, shape=()), b(ops.sum_to, q, shape=())))
    )
    assert names(after).count("maxpool_placed") == names(after).count("unpool") == 3


def test_more_taps_than_a_byte_tells_apart() -> None:
    b = Builder(dtype="f64", training=True)
    bias, _, p = pooled(b, ops.relu, kernel=(17, 17), pad=((8, 8), (8, 8)))
    program = with_gradients(b, bias, p)
    assert placed(program) == program


def test_windows_of_one_tap_need_no_place() -> None:
    b = Builder(dtype="f64", training=True)
    bias, _, p = pooled(b, ops.relu, kernel=(1, 1), pad=((0, 0), (0, 0)))
    program = with_gradients(b, bias, p)
    assert placed(program) == program


NET = """
net Two {
  input image: [N, 3, 8, 8]
  a = image -> conv(8, 3, pad=half) -> relu
  p = a -> maxpool(2) -> relu6
  q = a -> maxpool(2) -> tanh
  logits = p + q -> flatten -> dense(7)
  output logits
}
"""


@pytest.mark.parametrize("how", ["cheap", "all"])
def test_what_is_computed_again_is_pooled_again(how: Recompute) -> None:
    """Places of the second time may come too late for a gradient of the first."""
    net = netc.parse(NET)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((4, 3, 8, 8)).astype(np.float32), np.arange(4)
    models = [netc.compile(net, backend="numpy", recompute=r) for r in (None, how)]
    losses = [[m.train_step(x, y) for _ in range(3)] for m in models]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_what_is_not_trained_keeps_none() -> None:
    b = Builder(dtype="f64")
    b.outputs["p"] = pooled(b, ops.relu)[2]
    program = b.finish()
    assert places_kept(program) == program
