"""Rules of resampling: what an output sees, and how many taps there are without going through them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.ops.sampling import Border, Interpolate, Repeat, Rule, Stretches, table

RULES = st.one_of(
    st.builds(Border, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["zero", "replicate"])),
    st.builds(Repeat, st.integers(1, 6)),
    st.builds(Interpolate, st.integers(1, 6)),
    st.builds(Stretches, st.integers(1, 12)),
)


@settings(deadline=None, derandomize=True)
@given(by=RULES, size=st.integers(1, 12))
def test_taps_are_counted(by: Rule, size: int) -> None:
    t = table(by, size)
    assert t.count == by.size(size)
    assert len(t.inputs) == by.taps_together(size) == t.starts[-1]
    turned = table(by, size, turned=True)
    assert turned.count == size
    assert sorted(turned.weights) == sorted(t.weights)


@settings(deadline=None, derandomize=True)
@given(by=RULES, size=st.integers(1, 12))
def test_weights_of_an_output_sum_to_one(by: Rule, size: int) -> None:
    t = table(by, size)
    for i in range(t.count):
        seen = t.weights[t.starts[i] : t.starts[i + 1]]
        if len(seen) or not (isinstance(by, Border) and by.mode == "zero"):
            assert sum(seen) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mode", "row"),
    [
        ("zero", [None, None, 0, 1, 2, 3, None]),
        ("reflect", [2, 1, 0, 1, 2, 3, 2]),
        ("replicate", [0, 0, 0, 1, 2, 3, 3]),
        ("circular", [2, 3, 0, 1, 2, 3, 0]),
    ],
)
def test_borders(mode: str, row: list[int | None]) -> None:
    by = Border(2, 1, mode)  # type: ignore[arg-type]
    assert [by.taps(i, 4) for i in range(7)] == [[] if j is None else [(j, 1.0)] for j in row]
