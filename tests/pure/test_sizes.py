"""Symbolic sizes: closed forms against plain arithmetic at every value that a symbol can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.sizes import Size, Symbol, Undecided, as_form, equal, floor_div, sign, symbolic, value

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(-9, 9)),
        st.tuples(st.just("floor"), st.integers(1, 6)),
        st.tuples(st.just("times"), st.integers(1, 4)),
    ),
    max_size=7,
)
SYMBOLS = st.builds(
    lambda m, r, least: Symbol("H", m, r % m, least),
    st.integers(1, 12),
    st.integers(0, 11),
    st.integers(1, 40),
)


def walked(size: Size, steps: list[tuple[str, int]]) -> Size:
    for what, n in steps:
        size = size + n if what == "add" else floor_div(size, n) if what == "floor" else size * n
    return size


@given(SYMBOLS, STEPS)
def test_a_form_has_the_value_of_the_arithmetic(symbol: Symbol, steps: list[tuple[str, int]]) -> None:
    form = walked(symbolic(symbol), steps)
    for i in range(30):
        at = symbol.first() + i * symbol.modulus
        assert value(form, {"H": at}) == walked(at, steps)


@given(SYMBOLS, STEPS, STEPS, STEPS)
def test_a_sum_of_forms_has_the_value_of_the_arithmetic(
    symbol: Symbol, one: list[tuple[str, int]], other: list[tuple[str, int]], both: list[tuple[str, int]]
) -> None:
    form = walked(walked(symbolic(symbol), one) + as_form(walked(symbolic(symbol), other)), both)
    for i in range(30):
        at = symbol.first() + i * symbol.modulus
        assert value(form, {"H": at}) == walked(walked(at, one) + walked(at, other), both)


@given(SYMBOLS, STEPS, STEPS)
def test_equality_is_that_of_all_values(symbol: Symbol, one: list, other: list) -> None:
    a, b = walked(symbolic(symbol), one), walked(symbolic(symbol), other)
    found = equal(a, b)
    values = [symbol.first() + i * symbol.modulus for i in range(400)]
    same = all(value(a, {"H": h}) == value(b, {"H": h}) for h in values)
    assert found == same


@given(SYMBOLS, STEPS, STEPS)
def test_a_sign_is_that_of_all_values(symbol: Symbol, one: list, other: list) -> None:
    a, b = walked(symbolic(symbol), one), walked(symbolic(symbol), other)
    values = [value(as_form(a) - b, {"H": symbol.first() + i * symbol.modulus}) for i in range(3000)]
    try:
        found = sign(as_form(a) - b)
    except Undecided:
        return
    assert all((v >= 0) == (found > 0) for v in values)


def test_an_order_that_holds_for_some_values_is_undecided() -> None:
    h = symbolic(Symbol("H", least=8))
    assert sign(h - 8) == 1
    assert sign(7 - h) == -1
    with pytest.raises(Undecided):
        sign(h - 17)


@given(SYMBOLS, st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(1, 7)), max_size=8))
def test_a_chain_of_windows_is_one_floor(symbol: Symbol, windows: list[tuple[int, int, int]]) -> None:
    size: Size = symbolic(symbol)
    for stride, pad, kernel in windows:
        size = floor_div(size + 2 * pad - kernel, stride) + 1
    assert str(size).count("floor") <= 1


def test_how_forms_are_written() -> None:
    h, even = symbolic(Symbol("H")), symbolic(Symbol("H", modulus=32))
    assert str(floor_div(h + 3, 2) + 1) == "floor((H + 5)/2)"
    assert str(floor_div(floor_div(h - 3, 2) + 1, 2)) == "floor((H - 1)/4)"
    assert str(floor_div(even, 4)) == "H/4"
    assert str(floor_div(even, 4) * 3 - 1) == "3*H/4 - 1"
    assert str(floor_div(even, 4) * 2 - 1) == "H/2 - 1"
    assert floor_div(even, 2) * 2 == even
    assert str(even + floor_div(even, 2) - floor_div(even, 8)) == "11*H/8"
    assert str(floor_div(h + floor_div(h, 2), 3)) == "floor(H/2)"
    assert str(floor_div(h * 2 + floor_div(h - 1, 2) + 1, 3)) == "floor((5*H + 1)/6)"
    assert str(floor_div(h, 2)) == "floor(H/2)"


def test_what_where_clauses_prove() -> None:
    h = Symbol("H", modulus=16)
    up = floor_div(symbolic(h), 2) * 2
    assert equal(up, symbolic(h)) is True
    free = symbolic(Symbol("H"))
    assert equal(floor_div(free, 2) * 2, free) is False
