"""Every layer of the language by its own examples: its shape, its gradient, and the same on every backend.

The tests run over the registry, so a new layer is tested by being there.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netc
from netc.analyze.receptive import fields
from netc.graph.expansion import expansion
from netc.layers import LAYERS, LayerError
from netc.layers.pool import MaxPool
from netc.loading import load_text
from netc.ops.windows import window_count
from netc.types import N, TensorType
from tests.layer_case import (
    BACKENDS,
    Case,
    draw,
    examples,
    outer_type,
    program,
    run,
    runner,
    sensitivity,
    written,
)

BATCH = 3
EXAMPLES = examples()
MODES = (True, False)


@pytest.mark.parametrize("training", MODES, ids=["training", "inference"])
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_shape_is_that_of_the_expansion(case: Case, training: bool) -> None:
    p = program(case, BATCH, training=training, dtype="f32", grads=False)
    promised = expansion(case.layer, case.types).type
    y = outer_type(p.outputs["y"].type)
    assert y.shape == tuple(BATCH if size is N else size for size in promised.shape)
    assert run(p, draw(p), "numpy")["y"].shape == p.outputs["y"].type.dims


# ---- Gradients against finite differences ------------------------------------------------------------------

STEP_SIZE = 1e-6
PROBES = 24  # elements of one array that are moved


def check_gradients(case: Case, training: bool, batch: int = BATCH, seed: int = 0) -> None:
    """(f(x + h) − f(x − h)) / 2h for elements of every input and parameter, in float64."""
    p = program(case, batch, training=training, dtype="f64")
    values = draw(p, seed)
    grads = {k.removeprefix("grad "): g for k, g in run(p, values, "numpy").items() if k.startswith("grad ")}
    forward = runner(program(case, batch, training=training, dtype="f64", grads=False), "numpy")
    rng = np.random.default_rng(seed)

    def objective() -> float:
        return float((forward(values)["y"] * values["cotangent"]).sum())

    assert grads
    for name, g in grads.items():
        flat = values[name].reshape(-1)
        assert np.shares_memory(flat, values[name])
        for k in rng.choice(flat.size, min(PROBES, flat.size), replace=False):
            kept = flat[k]
            flat[k] = kept + STEP_SIZE
            above = objective()
            flat[k] = kept - STEP_SIZE
            slope = (above - objective()) / (2 * STEP_SIZE)
            flat[k] = kept
            assert g.reshape(-1)[k] == pytest.approx(slope, rel=1e-6, abs=1e-7), f"{name}[{k}]"


@pytest.mark.parametrize("training", MODES, ids=["training", "inference"])
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_gradient(case: Case, training: bool) -> None:
    check_gradients(case, training)


# ---- The same on every backend -----------------------------------------------------------------------------


def check_backends(case: Case, training: bool, batch: int = BATCH, seed: int = 0) -> None:
    """The CPU backend gives what the primitives mean, to float32's rounding of the largest sum."""
    p = program(case, batch, training=training, dtype="f32")
    values = draw(p, seed)
    found, wanted = run(p, values, "cpu"), run(p, values, "numpy")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        atol = 4e-6 * max(1.0, float(np.abs(array).max()))
        np.testing.assert_allclose(found[name], array, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("training", MODES, ids=["training", "inference"])
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_cpu_is_numpy(case: Case, training: bool) -> None:
    check_backends(case, training)


@pytest.mark.parametrize("case", [c for c in EXAMPLES if c.source.startswith("dropout")], ids=str)
def test_dropout_masks_are_equal_bit_for_bit(case: Case) -> None:
    p = program(case, 64, training=True, dtype="f32")
    values = draw(p) | {"x0": np.ones(p.inputs[0].value.type.dims, np.float32)}
    here, there = (run(p, values, backend)["y"] for backend in ("numpy", "cpu"))
    np.testing.assert_array_equal(here, there)
    drop = case.layer.settings()["p"]
    assert set(np.unique(here)) == {0, np.float32(1 / (1 - drop))}
    assert abs((here == 0).mean() - drop) < 4 * (drop * (1 - drop) / here.size) ** 0.5
    again = run(p, values | {"step": 8}, "numpy")["y"]
    assert (again != here).any()  # another step, another mask


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid", "softplus", "softmax"])
def test_large_numbers_stay_finite(kind: str, backend: str) -> None:
    p = program(Case(kind, (TensorType((N, 4)),)), 2, training=True, dtype="f32")
    values = draw(p) | {"x0": np.float32([[1e4, -1e4, 88.8, 0], [-1e4, -300, -104, -88.8]])}
    wanted = {
        "relu": [[1e4, 0, 88.8, 0], [0, 0, 0, 0]],
        "tanh": [[1, -1, 1, 0], [-1, -1, -1, -1]],
        "sigmoid": [[1, 0, 1, 0.5], [0, 0, 0, 0]],
        "softplus": [[1e4, 0, 88.8, np.log(2)], [0, 0, 0, 0]],
        "softmax": [[1, 0, 0, 0], [0, 0, 2.5e-7, 1]],
    }
    found = run(p, values, backend)
    np.testing.assert_allclose(found["y"], wanted[kind], rtol=1e-6, atol=1e-7)
    assert np.isfinite(found["grad x0"]).all()


# ---- Windows of every kind ---------------------------------------------------------------------------------

CHANNELS = st.sampled_from([1, 2, 3, 8, 17, 33])  # whole vectors and tiles, and what is left beside them


@st.composite
def windows(draw: st.DrawFn, kind: str) -> tuple[Case, int]:
    """A convolution or pooling of any kernel, stride, padding and dilation that fits its input, and a batch."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if kind != "avgpool" else (1, 1)
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    most = [s - 1 for s in span] if kind != "conv" else [3, 3]  # a pool's window sees some of its input
    pad = tuple(draw(st.tuples(st.integers(0, m), st.integers(0, m))) for m in most)
    size = [draw(st.integers(max(d, s - sum(p)), 9)) for s, p, d in zip(span, pad, dilation, strict=True)]
    groups = draw(st.integers(1, 3)) if kind == "conv" else 1
    channels = groups * draw(CHANNELS)
    arguments = f"{written(kernel)}, stride={written(stride)}, pad={written(pad)}"
    if kind != "avgpool":
        arguments += f", dilation={written(dilation)}"
    if kind == "conv":
        outs = groups * draw(CHANNELS)
        arguments = f"{outs}, {arguments}, groups={groups}, bias={draw(st.sampled_from(['true', 'false']))}"
    else:
        arguments += f", round={draw(st.sampled_from(['floor', 'ceil']))}"
    if kind == "avgpool":
        arguments += f", count_pad={draw(st.sampled_from(['true', 'false']))}"
    return Case(f"{kind}({arguments})", (TensorType((N, channels, *size)),)), draw(st.integers(1, 3))


WINDOWS = st.sampled_from(["conv", "maxpool", "avgpool"]).flatmap(windows)


def test_a_window_that_sees_only_padding_is_refused() -> None:
    """Taps at −1 and 1 step over an input of one pixel; those at −2, 0 and 2 do not."""
    case = Case("maxpool(2, stride=1, pad=1, dilation=2)", (TensorType((N, 1, 1, 1)),))
    with pytest.raises(LayerError, match="a dilation of 2 lets a window step over its input of 1"):
        expansion(case.layer, case.types)
    expansion(Case("maxpool(3, stride=1, pad=half, dilation=2)", case.types).layer, case.types)


@pytest.mark.parametrize("size", range(1, 8))
def test_exactly_such_windows_are_refused(size: int) -> None:
    ways = product(range(1, 5), range(1, 6), range(1, 9), range(8), ("floor", "ceil"))
    for kernel, stride, dilation, pad, rounds in ways:
        reach = dilation * (kernel - 1) + 1
        if pad >= reach or size + 2 * pad < reach:
            continue  # refused for other reasons
        count = window_count(size, reach, stride, (pad, pad), rounds == "ceil")
        taps = [{u * stride - pad + t * dilation for t in range(kernel)} for u in range(count)]
        blind = any(seen.isdisjoint(range(size)) for seen in taps)
        layer = MaxPool((kernel, 1), (stride, 1), ((pad, pad), (0, 0)), (dilation, 1), rounds)
        types = (TensorType((N, 1, size, 1)),)
        if blind:
            with pytest.raises(LayerError):
                expansion(layer, types)
        else:
            expansion(layer, types)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(drawn=WINDOWS)
def test_gradient_of_any_window(drawn: tuple[Case, int]) -> None:
    case, batch = drawn
    check_gradients(case, True, batch)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(drawn=WINDOWS)
def test_any_window_on_cpu(drawn: tuple[Case, int]) -> None:
    case, batch = drawn
    check_backends(case, True, batch)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(inputs=st.integers(1, 150), outputs=st.integers(1, 150), batch=st.integers(1, 70))
def test_any_dense_on_cpu(inputs: int, outputs: int, batch: int) -> None:
    check_backends(Case(f"dense({outputs})", (TensorType((N, inputs)),)), True, batch)


# ---- Receptive fields, by what an output pixel's gradient touches ------------------------------------------

SIDE_LENGTH = 17
FIELDS = {
    "a chain": [
        "y = x -> conv(2, 3, stride=2, pad=1) -> relu -> avgpool(2, stride=1) -> conv(1, (1, 3), dilation=2)"
    ],
    "same padding": ["y = x -> conv(2, 4, stride=3, pad=same) -> conv(1, 2, pad=same)"],
    "uneven padding": [
        "y = x -> avgpool(3, stride=2, pad=((0, 2), (1, 0))) -> conv(2, 2, pad=((1, 0), (0, 1)))"
    ],
    "a shortcut": [
        "a = x -> conv(1, 3, pad=half) -> conv(1, 3, pad=half)",
        "y = a + x -> conv(2, 3, stride=2)",
    ],
    "a concatenation": [
        "a = x -> conv(1, 5, pad=half)",
        "b = x -> avgpool(3, stride=1, pad=1)",
        "y = [a, b] -> concat -> conv(2, 2, stride=2)",
    ],
    "depthwise": ["y = x -> conv(3, 1) -> conv(3, 5, groups=3, dilation=2) -> conv(2, 1)"],
    "unaligned": [
        "a = x -> conv(1, 5, stride=2, pad=2)",
        "b = x -> conv(1, 7) -> conv(1, 3)",
        "y = a + b",
    ],
    "upsampling": ["y = x -> upsample((2, 3)) -> conv(1, 3)"],
    "interpolation": ["y = x -> upsample((2, 3), mode=bilinear) -> conv(1, (2, 3))"],
    "down and up": ["y = x -> avgpool(2) -> conv(1, 3) -> upsample(2) -> conv(1, 3)"],
    "down and up by others": ["y = x -> conv(1, 3, stride=3) -> upsample(2) -> conv(1, 2) -> upsample(3)"],
    "up, down and up": ["y = x -> upsample(3) -> conv(1, 4, stride=2) -> upsample(2) -> conv(1, 2)"],
    "a transposed convolution": ["y = x -> conv(2, 3, stride=2) -> conv_transpose(1, (2, 3), stride=2)"],
    "transposed from the input on": [
        "y = x -> conv_transpose(2, 4, stride=2, pad=1) -> conv_transpose(1, (3, 5), stride=(1, 3), dilation=(2, 1))"
    ],
    "a net of the form U": [
        "a = x -> pad(((0, 3), (3, 0))) -> conv(1, 3, pad=half)",
        "b = a -> avgpool(2)",
        "c = b -> avgpool(2) -> conv(1, (1, 2), pad=same)",
        "d = c -> conv_transpose(1, 2, stride=2)",
        "e = [d, b] -> concat -> conv(1, 3, pad=half) -> upsample(2)",
        "y = [e, a] -> concat -> conv(1, 3, pad=half)",
    ],
    "uneven stretches": ["y = x -> conv(1, 3, stride=2, pad=2) -> adaptive_avgpool((4, 3))"],
    "slices": ["y = x -> slice(H, 3, 12) -> slice(W, 5) -> conv(1, 3, stride=2)"],
    "columns for rows": [
        "y = x -> conv(1, (5, 1), stride=(2, 1)) -> transpose -> conv(1, (2, 3), stride=(3, 1), pad=((0, 1), (0, 0)))"
    ],
    "one below the other": ["a = x -> conv(1, 3, pad=half)", "y = [a, x] -> concat(axis=H) -> conv(1, 2)"],
    "a separable convolution": [
        "y = x -> depthwise(3, dilation=2, multiplier=2) -> separable(1, 3, stride=2)"
    ],
    "norms of windows": ["y = x -> pool(2, l2) -> pool((1, 3), mean, stride=1)"],
}
NOT_EXACT = {"one below the other"}  # which operand a pixel sees is not told apart: the field is a hull


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_the_support_of_a_gradient(name: str) -> None:
    """All weights are positive, so nothing cancels: what a pixel touches lies inside its field and reaches
    both ends.

    Where the field hangs over the input, padding inside the net may keep a pixel from some of what is left.
    """
    body = "\n".join([f"input x: [N, 1, {SIDE_LENGTH}, {SIDE_LENGTH}]", *FIELDS[name], "output y"])
    graph = load_text(f"net T {{\n{body}\n}}\n").must_be_right().nets["T"].graph
    field = fields(graph)[graph.tensors["y"]]
    assert field
    assert field.axes
    p = sensitivity(graph, "y", ["x"])
    values = {i.name: np.ones(i.value.type.dims) for i in p.inputs}
    once = runner(p, "numpy")
    cotangent = values["cotangent"]
    inside = 0
    for pixel in np.ndindex(cotangent.shape[1:3]):
        cotangent[...] = 0
        cotangent[(0, *pixel)] = 1
        touched = once(values)["grad x"][0, :, :, 0] != 0
        ends = field.at(*pixel)
        assert ends
        for (first, last), seen in zip(ends, (touched.any(1), touched.any(0)), strict=True):
            reached = np.flatnonzero(seen)
            assert first <= reached.min() <= reached.max() <= last
            if 0 <= first <= last < SIDE_LENGTH and name not in NOT_EXACT:
                inside += 1
                assert (reached.min(), reached.max()) == (first, last)
    assert inside or name in NOT_EXACT


@pytest.mark.parametrize(
    "kind", [kind for kind, cls in LAYERS.items() if cls.integers and kind != "embedding"]
)
def test_whole_numbers_stay_whole_on_every_backend(kind: str) -> None:
    call, types = LAYERS[kind].examples[0]
    names = "xz"[: len(types)]
    inputs = "".join(
        f"  input {n}: {TensorType(t.shape, 'int')!r}\n" for n, t in zip(names, types, strict=True)
    )
    net = netc.parse(f"net A {{\n{inputs}  y = [{', '.join(names)}] -> {call}\n  output y\n}}\n")
    rng = np.random.default_rng(0)
    given = {n: rng.integers(-5, 5, (BATCH, *t.dims_after(1))) for n, t in zip(names, types, strict=True)}
    y, same = (netc.compile(net, train=False, backend=b).predict(given) for b in ("numpy", "cpu"))
    assert y.dtype == same.dtype == np.int64
    np.testing.assert_array_equal(y, same)
    assert set(y.ravel()) - {0}
