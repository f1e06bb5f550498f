"""Epilogues: which loops stand with the convolution before them, and what the two together mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc import ops
from netc.ir import Builder, Program, check
from netc.ir.epilogue import epilogues
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


def joined(b: Builder) -> Program:
    """The program after both passes, which gives what it gave before them."""
    program = b.finish()
    after = check(epilogues(fuse(program)))
    check_plan(after, plan(after))
    rng = np.random.default_rng(3)
    given = {i.name: rng.standard_normal(i.value.type.dims) for i in program.inputs}
    results = [
        compile_program(p, "numpy", buffers=given).run(
            {i.name: given[i.name] for i in p.inputs if i.role == "data"}
        )
        for p in (program, after)
    ]
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
