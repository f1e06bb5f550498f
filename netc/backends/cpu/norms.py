"""Which kernels normalise inside one example, and which look along the channels of one pixel."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netc.backends.cpu.call import Bound, Call, Own
from netc.backends.cpu.emit import kernels


def _number(b: Bound, name: str) -> Any:
    return b.outputs[0].dtype.type(b.params[name])


def _own(b: Bound, size: int) -> Own:
    return Own(size, b.outputs[0].dtype)


def _units(b: Bound) -> tuple[int, int, int, int]:
    """How many units, and the pixels, channels and groups of each."""
    *outer, c = b.shape(0)
    units = prod(outer) if b.params.get("pixel", False) else outer[0]
    return units, prod(outer) // units, c, b.params["groups"]


def standardise(b: Bound) -> list[Call]:
    """Examples, or pixels, in parallel."""
    units, rows, c, groups = _units(b)
    arrays, eps, k = (*b.inputs, *b.outputs), _number(b, "eps"), kernels("groups")
    if groups == 1:
        return [Call(k.one, units, (*arrays, eps, rows * c), b.work)]
    return [Call(k.several, units, (*arrays, *[_own(b, c)] * 3, eps, rows, c, groups), b.work)]


def standardise_grad(b: Bound) -> list[Call]:
    """Examples, or pixels, in parallel."""
    units, rows, c, groups = _units(b)
    arrays, k = (*b.inputs, *b.outputs), kernels("groups")
    if groups == 1:
        return [Call(k.one_grad, units, (*arrays, rows * c), b.work)]
    return [Call(k.several_grad, units, (*arrays, *[_own(b, c)] * 5, rows, c, groups), b.work)]


def _by_rows(kernel: Any, b: Bound, shape: tuple[int, ...], *more: Any) -> list[Call]:
    return [Call(kernel, prod(shape[:-1]), (*b.inputs, *b.outputs, *more), b.work)]


def lrn(b: Bound) -> list[Call]:
    """Rows in parallel."""
    numbers = [_number(b, name) for name in ("alpha", "beta", "k")]
    c, size = b.out()[-1], b.params["size"]
    own = [_own(b, c + size - 1), _own(b, c)]
    return _by_rows(kernels("channels").lrn, b, b.out(), *own, *numbers, c, size)


def lrn_grad(b: Bound) -> list[Call]:
    """Rows in parallel."""
    numbers = [_number(b, name) for name in ("alpha", "beta")]
    c, size = b.out()[-1], b.params["size"]
    own = [_own(b, c + size - 1), _own(b, c), _own(b, c)]
    return _by_rows(kernels("channels").lrn_grad, b, b.out(), *own, *numbers, c, size)


def l2norm(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("channels").l2norm, b, b.out(), _number(b, "eps"), b.out()[-1])


def l2norm_grad(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("channels").l2norm_grad, b, b.out(), _number(b, "eps"), b.out()[-1])


def log_softmax(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("softmax").log_softmax, b, b.out(), b.out()[-1])


def log_softmax_grad(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("softmax").log_softmax_grad, b, b.out(), b.out()[-1])


def pick(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("channels").pick, b, b.shape(0), b.shape(0)[-1])


def unpick(b: Bound) -> list[Call]:
    """Rows in parallel."""
    return _by_rows(kernels("channels").unpick, b, b.out(), b.out()[-1])


def vector(b: Bound) -> list[Call]:
    """A copy."""
    (out,) = b.outputs
    values = np.array(b.params["values"], out.dtype)  # (C,)
    return [Call(kernels("move").stretch, 1, (values, out, out.size, 0, out.size, 0, out.size), out.nbytes)]
