"""The plan: no two live values share bytes, what can be done in place is, and the arena is small."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc import ops
from netc.ir import Builder, Program, gradients, one
from netc.plan import BadPlan, Place, check_plan, plan
from netc.plan.pack import Buffer, live_peak, pack
from netc.types import TensorType
from tests.program_case import programs

BIG = TensorType((64, 16))


@given(programs())
def test_no_live_value_is_overwritten(program: Program) -> None:
    check_plan(program, plan(program))


@given(
    st.lists(
        st.builds(lambda a, n, size: Buffer(a, a + n, size), *[st.integers(0, 40)] * 2, st.integers(1, 9999))
    )
)
def test_packing(buffers: list[Buffer]) -> None:
    offsets, arena = pack(buffers)
    for i, (a, at) in enumerate(zip(buffers, offsets, strict=True)):
        assert at % 64 == 0
        assert at + a.nbytes <= arena
        for b, other in zip(buffers[:i], offsets[:i], strict=True):
            if a.start <= b.end and b.start <= a.end:
                assert at + a.nbytes <= other or other + b.nbytes <= at
    assert arena >= live_peak(buffers, 100)[0]


def chain(length: int) -> tuple[Builder, list[ops.Value]]:
    """A net of `length` pairs of a product and a tanh, with a weight each."""
    b = Builder()
    x, weights = b.input("x", BIG, "data"), list[ops.Value]()
    for i in range(length):
        with b.at(f"l{i}"):
            weights.append(b.param("weight", (16, 16), fan_in=16, fan_out=16))
            x = b(ops.tanh, b(ops.dot, x, weights[-1]))
    b.outputs["loss"] = b(ops.sum_to, x, shape=())
    return b, weights


def test_inference_needs_two_buffers() -> None:
    b, _ = chain(50)
    p = plan(b.finish())
    assert p.arena_bytes == 2 * BIG.nbytes
    assert p.persistent_bytes == 50 * 16 * 16 * 4
    assert p.fed_bytes == BIG.nbytes
    assert p.peak_bytes == p.arena_bytes + p.persistent_bytes + p.fed_bytes


def test_training_keeps_what_the_backward_needs() -> None:
    b, weights = chain(600)
    for w, g in zip(weights, gradients(b, b.outputs["loss"], one(b), weights), strict=True):
        assert g is not None
        b.update(w, b(ops.sub, w, b(ops.scale, g, factor=0.1)))
    program = b.finish()
    assert len(program.equations) > 3000
    p = plan(program)
    check_plan(program, p)
    assert p.copies == ()  # every update in place
    assert p.arena_bytes <= 1.02 * p.live_bytes
    assert program.equations[p.peak_at].node


def test_pointwise_chain_runs_in_one_buffer() -> None:
    b = Builder()
    x = b.input("x", BIG, "data")
    y = b(ops.dot, x, x, tb=True)
    for op in (ops.tanh, ops.relu, ops.neg):
        y = b(op, y)
    b.outputs["y"] = y
    program = b.finish()
    p = plan(program)
    assert p.arena_bytes == y.type.nbytes
    assert len({p.places[eq.outputs[0]].offset for eq in program.equations}) == 1


def test_view_is_its_operand() -> None:
    b = Builder()
    x = b.input("x", BIG, "data")
    flat = b(ops.reshape, x, shape=(64 * 16,))
    y = b(ops.reshape, b(ops.tanh, flat), shape=(16, 64))
    b.outputs["y"] = b(ops.sum_to, y, shape=())
    p = plan(b.finish())
    assert p.places[flat] == p.places[x]
    assert p.arena_bytes == BIG.nbytes + 64


def test_old_value_read_later_is_kept() -> None:
    b = Builder()
    w = b.input("w", BIG, "param")
    new = b(ops.tanh, w)
    b.outputs["old"] = b(ops.sum_to, w, shape=())  # after the new value is there
    b.update(w, new)
    program = b.finish()
    p = plan(program)
    assert p.copies == ((w, new),)
    check_plan(program, p)


def test_only_pointwise_equations_write_over_what_they_read() -> None:
    b = Builder()
    w = b.input("w", TensorType((8, 8)), "param")
    b.update(w, b(ops.dot, w, w))
    assert plan(b.finish()).copies


def test_one_value_for_two_parameters() -> None:
    b = Builder()
    x = b.input("x", BIG, "data")
    u, w = b.input("u", BIG, "param"), b.input("w", BIG, "param")
    new = b(ops.tanh, x)
    b.update(u, new)
    b.update(w, new)
    program = b.finish()
    p = plan(program)
    assert p.copies == ((w, new),)
    check_plan(program, p)


def test_updates_in_a_row_are_copied_in_order() -> None:
    b = Builder()
    u, v, w = (b.input(name, BIG, "param") for name in "uvw")
    b.update(v, w)
    b.update(u, v)
    program = b.finish()
    assert plan(program).copies == ((u, v), (v, w))
    check_plan(program, plan(program))


def test_exchanged_parameters_are_refused() -> None:
    b = Builder()
    u, w = b.input("u", BIG, "param"), b.input("w", BIG, "param")
    b.update(u, w)
    b.update(w, u)
    with pytest.raises(ValueError, match="exchange"):
        plan(b.finish())


def test_checker_finds_an_overlap() -> None:
    b = Builder()
    x = b.input("x", BIG, "data")
    one_, two = b(ops.tanh, x), b(ops.neg, x)
    b.outputs["y"] = b(ops.add, one_, two)
    program = b.finish()
    good = plan(program)
    bad = replace(good, places={**good.places, two: good.places[one_]})
    with pytest.raises(BadPlan, match="not there"):
        check_plan(program, bad)
    short = replace(good, arena_bytes=64)
    with pytest.raises(BadPlan, match="behind the arena"):
        check_plan(program, short)
    skewed = replace(good, places={**good.places, two: Place("arena", "", 8, BIG.nbytes)})
    with pytest.raises(BadPlan, match="has the place"):
        check_plan(program, skewed)


def test_checker_finds_a_product_over_its_operand() -> None:
    b = Builder()
    x = b.input("x", TensorType((8, 8)), "data")
    y = b(ops.tanh, x)
    z = b(ops.dot, y, y)
    b.outputs["z"] = z
    program = b.finish()
    good = plan(program)
    with pytest.raises(BadPlan, match="while it is read"):
        check_plan(program, replace(good, places={**good.places, z: good.places[y]}))
