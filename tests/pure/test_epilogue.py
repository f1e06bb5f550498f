"""Epilogues: which loops stand with the contraction before them, and what the two together mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc import ops
from netc.ir import Builder, Program, check
from netc.ir.epilogue import epilogues, updates_along
from netc.ir.fuse import fuse
from netc.ops.primitive import Value
from netc.plan import check_plan, plan
from netc.runtime import compile_program
from netc.types import TensorType

T = TensorType((2, 5, 5, 4), "f64")
SAME: dict[str, Any] = {"stride": (1, 1), "pad": ((1, 1), (1, 1))}


def started() -> tuple[Builder, Value, Value]:
    """A builder, a map, and a convolution of it."""
    b = Builder(dtype="f64", training=True)
    x, w = b.input("x", T, "data"), b.input("w", TensorType((3, 3, 4, 4), "f64"), "param")
    return b, x, b(ops.conv, x, w, **SAME)


def joined(b: Builder, join: Callable[[Program], Program] = epilogues) -> Program:
    """The program after loops are fused and joined, which gives and leaves what it did before."""
    program = b.finish()
    after = check(join(fuse(program)))
    check_plan(after, plan(after))
    rng = np.random.default_rng(3)
    given = {i.name: rng.standard_normal(i.value.type.dims) for i in program.inputs}
    fed = {i.name: given[i.name] for i in program.inputs if i.role == "data"}
    results: list[dict[str, Any]] = []
    for p in (program, after):
        exe = compile_program(p, "numpy", buffers={name: a.copy() for name, a in given.items()})
        results.append(exe.run(fed) | exe.buffers)
    for name, wanted in results[0].items():
        np.testing.assert_array_equal(results[1][name], wanted)
    return after


def names(program: Program) -> list[str]:
    return [
        f"{eq.params['first'].op}+{eq.params['then'].op}" if eq.op is ops.with_epilogue else eq.op.name
        for eq in program.equations
    ]


def test_bias_activation_and_residual() -> None:
    b, x, y = started()
    bias = b.input("bias", TensorType((4,), "f64"), "param")
    b.outputs["z"] = b(ops.relu, b(ops.add, b(ops.bias, y, bias), x))
    program = joined(b)
    assert names(program) == ["conv+fused"]
    assert len(program.equations[0].outputs) == 1  # what is in between is no result


def test_a_single_step_too() -> None:
    b, _, y = started()
    b.outputs["z"] = b(ops.tanh, y)
    assert names(joined(b)) == ["conv+tanh"]


def test_what_others_read_is_a_result_as_well() -> None:
    b, _, y = started()
    b.outputs["z"], b.outputs["y"] = b(ops.tanh, y), y
    program = joined(b)
    assert names(program) == ["conv+tanh"]
    assert len(program.equations[0].outputs) == 2


def test_moments() -> None:
    b, _, y = started()
    mean, var = b.all(ops.moments, y)
    b.outputs |= {"mean": mean, "var": var, "z": b(ops.tanh, y)}
    assert names(joined(b)) == ["conv+moments", "tanh"]


def test_moments_of_what_nobody_else_reads() -> None:
    b, _, y = started()
    b.outputs["mean"], b.outputs["var"] = b.all(ops.moments, y)
    program = joined(b)
    assert names(program) == ["conv+moments"]
    assert len(program.equations[0].outputs) == 3


def test_the_last_of_two_convolutions_has_the_sum() -> None:
    b, x, y = started()
    other = b(ops.conv, x, b.input("v", TensorType((3, 3, 4, 4), "f64"), "data"), **SAME)
    b.outputs["z"] = b(ops.relu, b(ops.add, y, other))
    assert names(joined(b)) == ["conv", "conv+fused"]


def test_what_is_not_known_yet_waits() -> None:
    b, x, y = started()
    b.outputs["z"] = b(ops.add, y, b(ops.softmax, x))
    assert names(joined(b)) == ["conv", "softmax", "add"]


def test_other_shapes_and_updates_stay_alone() -> None:
    b, _, y = started()
    b.outputs["z"] = b(ops.sum_to, y, shape=(4,))
    assert names(joined(b)) == ["conv", "sum_to"]
    b = Builder(dtype="f64")
    x, w = b.input("x", T, "data"), b.input("w", TensorType((3, 3, 4, 4), "f64"), "param")
    state = b.input("state", T, "state")
    b.update(state, b(ops.add, state, b(ops.conv, x, w, **SAME)))
    assert names(epilogues(b.finish())) == ["conv", "add"]


@pytest.mark.parametrize("keeps", [False, True])
def test_operations_are_those_of_both(keeps: bool) -> None:
    b, _, y = started()
    b.outputs["z"] = b(ops.tanh, y)
    if keeps:
        b.outputs["y"] = y
    before, (eq,) = b.finish().equations, joined(b).equations
    flops = [
        e.op.flops(tuple(v.type for v in e.inputs), tuple(v.type for v in e.outputs), dict(e.params))
        for e in (*before, eq)
    ]
    assert flops[0] + flops[1] == flops[2]


# ---- Updates along with a product --------------------------------------------------------------------------


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.ir.epilogue.STRIP", 0)
    monkeypatch.setattr("netc.ir.epilogue._TALL", 1)


def gradient() -> tuple[Builder, Value, Value]:
    """A builder, a weight with momentum to come, and its gradient, a product."""
    b = Builder(dtype="f64")
    x, dy = (b.input(name, TensorType((2, size), "f64"), "data") for name, size in (("x", 6), ("dy", 5)))
    return b, b.input("w", TensorType((6, 5), "f64"), "param"), b(ops.dot, x, dy, ta=True)


@pytest.mark.usefixtures("all_are_large")
def test_update_along_with_its_gradient() -> None:
    """Weight and momentum change in place, and the gradient takes no memory."""
    b, w, g = gradient()
    v = b.input("v", w.type, "slot")
    new = b(ops.add, b(ops.scale, v, factor=0.9), g)
    b.update(v, new)
    b.update(w, b(ops.sub, w, new))
    program = joined(b, updates_along)
    assert [eq.op for eq in program.equations] == [ops.with_update]
    assert plan(program).arena_bytes == 0
    assert not plan(program).copies


@pytest.mark.usefixtures("all_are_large")
def test_update_waits_for_who_reads_the_weight() -> None:
    b, w, g = gradient()
    b.outputs["dx"] = b(ops.dot, b.input("z", TensorType((2, 5), "f64"), "data"), w, tb=True)
    b.update(w, b(ops.sub, w, g))
    assert [eq.op for eq in joined(b, updates_along).equations] == [ops.dot, ops.with_update]


@pytest.mark.usefixtures("all_are_large")
def test_of_two_gradients_one_is_whole() -> None:
    """A weight that two layers share."""
    b, w, g = gradient()
    other = b(ops.dot, *(b.input(f"{n}", TensorType((3, n), "f64"), "data") for n in (6, 5)), ta=True)
    b.update(w, b(ops.sub, w, b(ops.add, g, other)))
    assert [eq.op for eq in joined(b, updates_along).equations] == [ops.dot, ops.with_update]


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("reader", ["an output", "a norm", "nobody"])
def test_gradient_that_others_read_is_whole(reader: str) -> None:
    b, w, g = gradient()
    if reader == "an output":
        b.outputs["g"] = g
    if reader == "a norm":
        b.outputs["norm"] = b(ops.sum_to, b(ops.mul, g, g), shape=())
    new = b(ops.sub, w, g)
    if reader == "nobody":
        b.outputs["new"] = new  # and no update
    else:
        b.update(w, new)
    assert ops.with_update not in [eq.op for eq in joined(b, updates_along).equations]


def test_small_gradient_is_whole() -> None:
    b, w, g = gradient()
    b.update(w, b(ops.sub, w, g))
    assert [eq.op for eq in joined(b, updates_along).equations] == [ops.dot, ops.sub]


def test_gradient_of_few_rows_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strip of it would be nearly all of it."""
    monkeypatch.setattr("netc.ir.epilogue.STRIP", 0)
    b, w, g = gradient()
    b.update(w, b(ops.sub, w, g))
    assert [eq.op for eq in joined(b, updates_along).equations] == [ops.dot, ops.sub]


@pytest.mark.usefixtures("all_are_large")
def test_update_is_not_written_over_what_the_product_reads() -> None:
    """The weight itself is multiplied: its new value is copied when all is done."""
    b = Builder(dtype="f64")
    w, z = b.input("w", TensorType((6, 6), "f64"), "param"), b.input("z", TensorType((6, 6), "f64"), "data")
    b.update(w, b(ops.sub, w, b(ops.dot, w, z, ta=True)))
    program = joined(b, updates_along)
    assert [eq.op for eq in program.equations] == [ops.with_update]
    assert len(plan(program).copies) == 1
