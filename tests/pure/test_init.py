"""First values of parameters: their variance, and that an edit elsewhere changes no draw."""

from __future__ import annotations

import numpy as np
import pytest

from netc.ir.program import Init, Input
from netc.layers.initial import INITS
from netc.ops.primitive import Value
from netc.train.init import draw
from netc.types import TensorType


def weight(name: str = "w", fan_in: int = 300, fan_out: int = 200) -> Input:
    value = Value(0, TensorType((fan_in, fan_out)))
    return Input(name, value, "param", Init("weight", 0.0, fan_in, fan_out))


@pytest.mark.parametrize(("scheme", "variance"), [("he", 2 / 300), ("glorot", 2 / 500), ("lecun", 1 / 300)])
def test_each_scheme_has_its_variance(scheme: str, variance: float) -> None:
    w = draw(weight(), INITS[scheme](), 0)  # (300, 200): the standard error of a variance is about 0.6 %
    assert w.dtype == np.float32
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert abs(w.mean()) < 4 * (variance / w.size) ** 0.5


def test_a_draw_depends_on_seed_and_name_alone() -> None:
    first = draw(weight("a"), INITS["he"](), 1)
    np.testing.assert_array_equal(first, draw(weight("a"), INITS["he"](), 1))
    assert not np.array_equal(first, draw(weight("b"), INITS["he"](), 1))
    assert not np.array_equal(first, draw(weight("a"), INITS["he"](), 2))


def test_constants_are_constant() -> None:
    gamma = Input("g", Value(0, TensorType((5,))), "param", Init("constant", 1.0))
    np.testing.assert_array_equal(draw(gamma, INITS["he"](), 0), np.ones(5))
