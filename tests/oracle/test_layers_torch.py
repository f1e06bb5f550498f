"""Every layer against PyTorch, forward and backward, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.layers import LAYERS, Layer
from netc.types import N, TensorType
from tests.layer_case import (
    Arrays,
    Case,
    close,
    draw,
    examples,
    from_door,
    nchw,
    nhwc,
    program,
    run,
    to_door,
    written,
)
from tests.torch_pointwise import MORE
from tests.torch_windows import WINDOWS

torch.set_num_threads(1)
BATCH = 3

Tensor = torch.Tensor


# ---- What each layer is in PyTorch: (layer, inputs, weights by name, training) -> result ---------------------------


def dense(layer: Any, x: list[Tensor], w: dict[str, Tensor], training: bool) -> Tensor:
    return F.linear(x[0], w["weight"], w.get("bias"))


def bn(layer: Any, x: list[Tensor], w: dict[str, Tensor], training: bool) -> Tensor:
    mean, var = w["running_mean"], w["running_var"]
    return F.batch_norm(x[0], mean, var, w.get("weight"), w.get("bias"), training, layer.momentum, layer.eps)


def join(op: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def joined(layer: Any, x: list[Tensor], w: dict[str, Tensor], training: bool) -> Tensor:
        out = x[0]
        for other in x[1:]:
            out = op(out, other)
        return out

    return joined


def simple(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda layer, x, w, training: f(*x)


ORACLES: dict[str, Callable[..., Tensor]] = (
    {
        "dense": dense,
        "bn": bn,
        "flatten": simple(lambda x: x.flatten(1)),
        "relu": simple(F.relu),
        "tanh": simple(torch.tanh),
        "sigmoid": simple(torch.sigmoid),
        "softplus": simple(F.softplus),
        "softmax": simple(lambda x: F.softmax(x, 1)),
        "add": join(torch.add),
        "sub": join(torch.sub),
        "mul": join(torch.mul),
        "concat": lambda layer, x, w, training: torch.cat(x, "NCHW".index(layer.axis)),
        "mse": lambda layer, x, w, training: layer.weight * F.mse_loss(*x),
    }
    | MORE
    | WINDOWS
)
DRAWN_AT_RANDOM = {
    "dropout",
    "drop_path",
}  # masks differ by design; tests/backend holds its gradient and its rate


def test_every_layer_has_an_oracle() -> None:
    assert ORACLES.keys() | DRAWN_AT_RANDOM == LAYERS.keys()


# ---- Both, on the same numbers ------------------------------------------------------------------------------------


def theirs(layer: Layer, p: Any, values: Arrays, training: bool) -> Arrays:
    """PyTorch's result, gradients and running statistics, under netc's names and in netc's layout."""
    tensors: dict[str, Tensor] = {}
    for i in p.inputs:
        if i.name in values:
            array = to_door(i, values[i.name]) if i.role == "param" else nchw(values[i.name])
            tensors[i.name] = torch.tensor(array)
            tensors[i.name].requires_grad_(f"grad {i.name}" in p.outputs)
    xs = [tensors[name] for name in sorted(t for t in tensors if t.startswith("x"))]
    weights = {n.removeprefix("layer."): t for n, t in tensors.items() if n.startswith("layer.")}
    y = ORACLES[layer.kind](layer, xs, weights, training)
    (y * tensors["cotangent"]).sum().backward()
    out = {"y": nhwc(y.detach().numpy())}
    for i in p.inputs:
        if f"grad {i.name}" in p.outputs:
            g = tensors[i.name].grad.numpy()  # type: ignore[union-attr]
            out[f"grad {i.name}"] = from_door(i, g) if i.role == "param" else nhwc(g)
        if f"new {i.name}" in p.outputs:
            out[f"new {i.name}"] = tensors[i.name].numpy()
    return out


def check(case: Case, training: bool, batch: int = BATCH, *, whole: bool = False) -> None:
    """Both on the same numbers; with `whole` the input holds whole numbers, so many are equal and many 0."""
    layer = case.layer
    p = program(case, batch, training=training, dtype="f64")
    values = draw(p)
    if whole:
        values["x0"] = np.round(values["x0"])
    wanted = theirs(layer, p, values, training)
    assert wanted.keys() == p.outputs.keys()
    close(run(p, values, "numpy"), wanted, rtol=1e-10, atol=1e-11)


EXAMPLES = [c for c in examples() if c.layer.kind not in DRAWN_AT_RANDOM]


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_example(case: Case, training: bool) -> None:
    check(case, training)


# ---- Shapes, strides and paddings of every kind -------------------------------------------------------------------

drawn = settings(deadline=None, derandomize=True, max_examples=100)
KERNELS = st.tuples(st.integers(1, 5), st.integers(1, 5))
STEPS = st.tuples(st.integers(1, 3), st.integers(1, 3))
BATCHES = st.integers(1, 3)
BOOLEANS = st.sampled_from(["true", "false"])
SPELLINGS = ("half", "same", "valid", "int", "pair", "sides")


@st.composite
def pads(draw: st.DrawFn, most: list[int], kernel: Any, dilation: Any) -> str:
    """A padding of at most `most` (height, width), in one of its spellings."""
    even = any(d * (k - 1) % 2 for k, d in zip(kernel, dilation, strict=True))
    kind = draw(st.sampled_from([s for s in SPELLINGS if s != "half" or not even]))
    if kind == "int":
        return written(draw(st.integers(0, min(most))))
    if kind == "pair":
        return written(tuple(draw(st.integers(0, m)) for m in most))
    if kind == "sides":
        return written(tuple((draw(st.integers(0, m)), draw(st.integers(0, m))) for m in most))
    return kind


@st.composite
def convs(draw: st.DrawFn) -> tuple[Case, int]:
    kernel, stride, dilation = draw(KERNELS), draw(STEPS), draw(STEPS)
    groups, per, outs = (draw(st.integers(1, 3)) for _ in range(3))
    pad = draw(pads([4, 4], kernel, dilation))
    size = [
        draw(st.integers(d * (k - 1) + 1, d * (k - 1) + 7)) for k, d in zip(kernel, dilation, strict=True)
    ]
    bias = draw(BOOLEANS)
    source = (
        f"conv({groups * outs}, {written(kernel)}, stride={written(stride)}, pad={pad}, "
        f"dilation={written(dilation)}, groups={groups}, bias={bias})"
    )
    return Case(source, (TensorType((N, groups * per, *size)),)), draw(BATCHES)


@st.composite
def pools(draw: st.DrawFn, kind: str) -> tuple[Case, int]:
    kernel, stride = draw(KERNELS), draw(STEPS)
    dilation = draw(STEPS) if kind == "maxpool" else (1, 1)
    size = [
        draw(st.integers(d * (k - 1) + 1, d * (k - 1) + 7)) for k, d in zip(kernel, dilation, strict=True)
    ]
    ceil = draw(st.booleans())
    if ceil:  # only with a padding that PyTorch's pools have themselves
        pad = written(tuple(draw(st.integers(0, k // 2)) for k in kernel))
    else:
        pad = draw(pads([d * (k - 1) for k, d in zip(kernel, dilation, strict=True)], kernel, dilation))
    source = f"{kind}({written(kernel)}, stride={written(stride)}, pad={pad}"
    source += ", round=ceil" if ceil else ""
    source += f", dilation={written(dilation)})" if kind == "maxpool" else f", count_pad={draw(BOOLEANS)})"
    return Case(source, (TensorType((N, draw(st.integers(1, 3)), *size)),)), draw(BATCHES)


@drawn
@given(convs())
def test_any_conv(drawn: tuple[Case, int]) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(pools("maxpool"))
def test_any_maxpool(drawn: tuple[Case, int]) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(pools("maxpool"))
def test_maxpool_of_equal_values(drawn: tuple[Case, int]) -> None:
    check(drawn[0], True, drawn[1], whole=True)


def test_relu_at_zero() -> None:
    check(Case("relu", (TensorType((N, 3, 4, 5)),)), True, whole=True)


@drawn
@given(pools("avgpool"))
def test_any_avgpool(drawn: tuple[Case, int]) -> None:
    check(drawn[0], True, drawn[1])


def forms(of: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), min_size=2, max_size=3)


SIZES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
ON_MAPS = ("relu", "tanh", "sigmoid", "softplus", "softmax", "gap", "flatten", "bn")


@drawn
@given(st.sampled_from(ON_MAPS), SIZES, st.integers(2, 3), st.booleans())
def test_any_map(kind: str, size: tuple[int, ...], batch: int, training: bool) -> None:
    check(Case(kind, (TensorType((N, *size)),)), training, batch)


@drawn
@given(st.integers(1, 9), st.integers(1, 9), BOOLEANS, BATCHES)
def test_any_dense(inputs: int, outputs: int, bias: str, batch: int) -> None:
    check(Case(f"dense({outputs}, bias={bias})", (TensorType((N, inputs)),)), True, batch)


@drawn
@given(
    st.sampled_from(["add", "sub", "mul"]),
    SIZES,
    forms("xhwg"),
    BATCHES,
)
def test_any_join(kind: str, size: tuple[int, ...], shapes: list[str], batch: int) -> None:
    """Operands of the full size, of one row, of one column, and gates of one pixel; a row and a column make a map."""
    c, h, w = size
    of = {"x": (c, h, w), "h": (c, 1, w), "w": (c, h, 1), "g": (c, 1, 1)}
    check(Case(kind, tuple(TensorType((N, *of[form])) for form in shapes)), True, batch)


@drawn
@given(st.sampled_from("CHW"), SIZES, st.lists(st.integers(1, 4), min_size=2, max_size=4), BATCHES)
def test_any_concat(axis: str, size: tuple[int, ...], parts: list[int], batch: int) -> None:
    shapes = [[part if a == axis else s for a, s in zip("CHW", size, strict=True)] for part in parts]
    check(Case(f"concat(axis={axis})", tuple(TensorType((N, *shape)) for shape in shapes)), True, batch)


@drawn
@given(st.integers(5, 12), st.integers(1, 6), st.sampled_from([1, 0.25, 3]))
def test_any_cross_entropy(classes: int, batch: int, weight: float) -> None:
    types = (TensorType((N, classes)), TensorType((N,), "int"))
    check(Case(f"softmax_xent(weight={weight})", types), True, batch)


def test_cross_entropy_of_large_logits_is_finite() -> None:
    case = Case("softmax_xent", (TensorType((N, 5)), TensorType((N,), "int")))
    p = program(case, 2, training=True, dtype="f32")
    values = draw(p)
    values["x0"] = np.float32([[1e4, -1e4, 0, 0, 0], [-3e4, 3e4, 1, 1, 1]])
    values["x1"] = np.array([1, 0])
    found = run(p, values, "numpy")
    assert found["y"] == pytest.approx((2e4 + 6e4) / 2)
    assert np.isfinite(found["grad x0"]).all()
