"""Windows on lines, borders, enlargements and moves of drawn sizes, against PyTorch, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import netc
from netc.analyze.region import region
from netc.graph.expansion import expansion
from netc.layers import LayerError
from netc.sizes import Symbol, symbolic
from netc.types import N, TensorType
from tests.layer_case import Case, draw, program, run, written
from tests.oracle.test_layers_torch import check

drawn = settings(deadline=None, derandomize=True, max_examples=60)
KERNELS = st.integers(1, 4)
STEPS = st.integers(1, 3)
SIZES = st.integers(1, 8)
CHANNELS = st.integers(1, 3)
RANKS = st.sampled_from([3, 4])
Drawn = tuple[Case, int]


def one_or_pair(draw: st.DrawFn, rank: int, of: st.SearchStrategy[int]) -> tuple[int, ...]:
    """The numbers of an argument, one for each axis."""
    return tuple(draw(of) for _ in range(rank - 2))


def said(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else written(numbers)


@st.composite
def bordered(draw: st.DrawFn) -> Drawn:
    """`conv`, `depthwise` and `separable` with borders that their input is large enough for."""
    rank, border = draw(RANKS), draw(st.sampled_from(["zero", "reflect", "replicate", "circular"]))
    kind = draw(st.sampled_from(["conv", "depthwise", "separable"]))
    kernel, stride, dilation = (one_or_pair(draw, rank, of) for of in (KERNELS, STEPS, st.integers(1, 2)))
    pad = one_or_pair(draw, rank, st.integers(0, 3))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(s, p + 1) + draw(st.integers(0, 4)) for s, p in zip(spans, pad, strict=True)]
    arguments = f"{said(kernel)}, stride={said(stride)}, pad={said(pad)}, dilation={said(dilation)}"
    if kind != "depthwise":
        arguments = f"{draw(CHANNELS)}, {arguments}"
    if kind != "conv":
        arguments += f", multiplier={draw(st.integers(1, 2))}"
    source = f"{kind}({arguments}, border={border}, bias={draw(st.sampled_from(['true', 'false']))})"
    return Case(source, (TensorType((N, draw(CHANNELS), *size)),)), draw(st.integers(1, 3))


@st.composite
def transposed(draw: st.DrawFn) -> Drawn:
    rank, groups = draw(RANKS), draw(CHANNELS)
    kernel, stride, dilation = (one_or_pair(draw, rank, of) for of in (KERNELS, STEPS, st.integers(1, 2)))
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = one_or_pair(draw, rank, st.integers(1, 6))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    whole = [(n - 1) * s + r + e for n, s, r, e in zip(size, stride, reach, extra, strict=True)]
    pad = tuple(draw(st.integers(0, min(3, (w - 1) // 2))) for w in whole)
    outs, ins = groups * draw(CHANNELS), groups * draw(CHANNELS)
    source = (
        f"conv_transpose({outs}, {said(kernel)}, stride={said(stride)}, pad={said(pad)}, "
        f"output_pad={said(extra)}, dilation={said(dilation)}, groups={groups})"
    )
    return Case(source, (TensorType((N, ins, *size)),)), draw(st.integers(1, 3))


@st.composite
def pooled(draw: st.DrawFn) -> Drawn:
    rank, kind = draw(RANKS), draw(st.sampled_from(["maxpool", "avgpool", "min", "l2", "max", "mean"]))
    kernel, stride = one_or_pair(draw, rank, KERNELS), one_or_pair(draw, rank, STEPS)
    pad = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 6)) for k, p in zip(kernel, pad, strict=True)]
    shown = f"stride={said(stride)}, pad={said(pad)}, round={draw(st.sampled_from(['floor', 'ceil']))}"
    head = kind if kind.endswith("pool") else "pool"
    source = f"{head}({said(kernel)}, {shown}{'' if head == kind else f', stat={kind}'})"
    return Case(source, (TensorType((N, draw(CHANNELS), *size)),)), draw(st.integers(1, 3))


@st.composite
def resized(draw: st.DrawFn) -> Drawn:
    rank = draw(RANKS)
    size = one_or_pair(draw, rank, SIZES)
    kind = draw(
        st.sampled_from(["nearest", "bilinear", "adaptive", "zero", "reflect", "replicate", "circular"])
    )
    if kind in ("nearest", "bilinear"):
        source = f"upsample({said(one_or_pair(draw, rank, st.integers(1, 4)))}, mode={kind})"
    elif kind == "adaptive":
        source = f"adaptive_avgpool({said(one_or_pair(draw, rank, SIZES))})"
    else:
        most = {"reflect": 1, "circular": 0}.get(kind, -3)
        ends = [tuple(draw(st.integers(0, max(0, n - most))) for _ in range(2)) for n in size]
        ends = [(min(a, n - most), min(b, n - most)) for (a, b), n in zip(ends, size, strict=True)]
        if rank == 3:  # both ends of the line, or the same for both axes of a map that is none
            ends = [*ends[0]] if draw(st.booleans()) else ends * 2
        source = f"pad({written(tuple(ends))}, border={kind})"
    return Case(source, (TensorType((N, draw(CHANNELS), *size)),)), draw(st.integers(1, 3))


@drawn
@given(bordered())
def test_any_border(drawn: Drawn) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(transposed())
def test_any_transposed_convolution(drawn: Drawn) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(pooled())
def test_any_pool(drawn: Drawn) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(resized())
def test_any_resizing(drawn: Drawn) -> None:
    check(drawn[0], True, drawn[1])


@drawn
@given(st.integers(1, 4), st.integers(1, 4), RANKS, st.data())
def test_any_shuffle(groups: int, per: int, rank: int, data: st.DataObject) -> None:
    size = one_or_pair(data.draw, rank, SIZES)  # type: ignore[arg-type]
    check(Case(f"shuffle({groups})", (TensorType((N, groups * per, *size)),)), True, 2)


@drawn
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([(), (1,), (7,)]), st.integers(1, 5))
def test_any_embedding(vocabulary: int, size: int, beside: tuple[int, ...], batch: int) -> None:
    check(Case(f"embedding({vocabulary + 4}, {size})", (TensorType((N, *beside), "int"),)), True, batch)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_a_number_beyond_the_vocabulary_shows(backend: str) -> None:
    p = program(Case("embedding(5, 3)", (TensorType((N,), "int"),)), 4, training=True, dtype="f32")
    values = draw(p) | {"x0": np.array([0, 5, -1, 4])}
    found = run(p, values, backend)
    assert np.isnan(found["y"]).any(axis=1).tolist() == [False, True, True, False]
    np.testing.assert_array_equal(
        found["grad layer.weight"], [values["cotangent"][0], *np.zeros((3, 3)), values["cotangent"][3]]
    )


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_norms_of_zeros_have_a_gradient(backend: str) -> None:
    p = program(Case("pool(2, l2)", (TensorType((N, 1, 4, 4)),)), 1, training=True, dtype="f32")
    values = draw(p) | {"x0": np.zeros((1, 4, 4, 1), np.float32)}
    found = run(p, values, backend)
    assert np.abs(found["y"]).max() < 1e-11
    np.testing.assert_array_equal(found["grad x0"], 0)


@pytest.mark.parametrize(
    ("source", "shape", "wanted"),
    [
        ("upsample(3)", ("H", "W"), "[N, 4, 3*H, 3*W]"),
        ("conv_transpose(2, 4, stride=2, pad=1)", ("H", "W"), "[N, 2, 2*H, 2*W]"),
        ("conv_transpose(2, 3, stride=2, output_pad=1)", ("L",), "[N, 2, 2*L + 2]"),
        ("pad(((1, 2), (0, 3)), border=reflect)", ("H", "W"), "[N, 4, H + 3, W + 3]"),
        ("slice(H, 2, 5)", ("H", "W"), "[N, 4, 3, W]"),
        ("transpose", ("H", "W"), "[N, 4, W, H]"),
        ("shuffle(2)", ("H", "W"), "[N, 4, H, W]"),
        ("conv(3, 3, stride=2, pad=half, border=reflect)", ("L",), "[N, 3, floor((L + 1)/2)]"),
        ("depthwise(3, pad=1, multiplier=2)", ("H", "W"), "[N, 8, H, W]"),
        ("separable(5, 3)", ("H", "W"), "[N, 5, H - 2, W - 2]"),
        ("pool(2, l2)", ("H", "W"), "[N, 4, floor(H/2), floor(W/2)]"),
        ("pool(3, min, stride=2, round=ceil)", ("L",), "[N, 4, floor(L/2)]"),
        ("gmp", ("H", "W"), "[N, 4, 1, 1]"),
        ("gap", ("L",), "[N, 4, 1]"),
        ("adaptive_avgpool((3, 2))", ("H", "W"), "[N, 4, 3, 2]"),
        ("upsample(2, mode=bilinear)", ("H", 8), "[N, 4, 2*H, 16]"),
    ],
)
def test_symbolic_sizes(source: str, shape: tuple[str | int, ...], wanted: str) -> None:
    sizes = tuple(symbolic(Symbol(s, least=9)) if isinstance(s, str) else s for s in shape)
    assert repr(expansion(Case(source, ()).layer, (TensorType((N, 4, *sizes)),)).type) == wanted


def test_a_slice_of_a_symbolic_size_must_lie_in_its_least() -> None:
    t = TensorType((N, 4, symbolic(Symbol("H", least=4)), 8))
    with pytest.raises(LayerError, match="does not lie in the H of H"):
        expansion(Case("slice(H, 0, 5)", ()).layer, (t,))


def test_a_net_takes_whole_numbers() -> None:
    net = netc.parse(
        "net W {\n  input t: int[N, 12]\n  y = t -> embedding(20, 6) -> conv(8, 3, pad=half) -> relu -> maxpool(2)"
        " -> conv_transpose(4, 4, stride=2, pad=1) -> gap -> flatten -> dense(3)\n  output y\n}\n"
    )
    ids = np.random.default_rng(0).integers(0, 20, (5, 12))
    here, there = (netc.compile(net, backend=backend) for backend in ("numpy", "cpu"))
    weights = here.weights()
    there.set_weights(weights)
    found = here.predict(ids)
    np.testing.assert_allclose(there.predict(ids), found, rtol=1e-5, atol=1e-6)
    w = {name.removeprefix("W."): torch.from_numpy(np.array(array)) for name, array in weights.items()}
    x = F.embedding(torch.from_numpy(ids), w["embedding1.weight"]).transpose(1, 2)
    x = F.max_pool1d(F.conv1d(x, w["conv1.weight"], w["conv1.bias"], padding=1).relu(), 2)
    x = F.conv_transpose1d(x, w["conv_transpose1.weight"], w["conv_transpose1.bias"], stride=2, padding=1)
    wanted = F.linear(x.mean(2), w["dense1.weight"], w["dense1.bias"])
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="must be integers"):
        here.predict(ids / 2)


@pytest.mark.parametrize("ends", [(4, 0), (0, 3), (1, 2)])
@pytest.mark.parametrize("border", ["zero", "replicate"])
def test_a_line_is_padded_at_either_end(ends: tuple[int, int], border: str) -> None:
    """`pad` and `conv` along a length against F.pad and Conv1d."""
    text = (
        f"net A {{\n  input x: [N, 2, 11]\n  y = x -> conv(3, 3, dilation=2, pad={ends}, border={border})\n"
        f"  z = x -> pad({ends}, border={border})\n  output y, z\n}}\n"
    )
    model = netc.compile(netc.parse(text), train=False, backend="numpy")
    x = np.random.default_rng(0).standard_normal((2, 2, 11)).astype(np.float32)
    padded = F.pad(torch.from_numpy(x), ends, "constant" if border == "zero" else border)
    w = {name.rpartition(".")[2]: torch.from_numpy(value) for name, value in model.weights().items()}
    wanted = F.conv1d(padded, w["weight"], w["bias"], dilation=2)
    out = model.predict(x)
    np.testing.assert_allclose(out["z"], padded.numpy())
    np.testing.assert_allclose(out["y"], wanted.numpy(), atol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_a_causal_stack_of_dilated_convolutions(backend: str) -> None:
    """WaveNet (van den Oord et al., 2016), figure 3: kernels of 2, dilations of 1, 2, 4, 8, a field of 16."""
    layers = " -> ".join(f"conv(3, 2, dilation={d}, pad=({d}, 0)) -> tanh" for d in (1, 2, 4, 8))
    text = f"net A {{\n  input x: [N, 2, 24]\n  y = x -> {layers}\n  output y\n  expect rf(y) == 16\n}}\n"
    net = netc.parse(text)
    model = netc.compile(net, train=False, backend=backend)
    x = np.random.default_rng(0).standard_normal((2, 2, 24)).astype(np.float32)
    w = {name: torch.from_numpy(value) for name, value in model.weights().items()}
    y = torch.from_numpy(x)
    for i, d in enumerate((1, 2, 4, 8), 1):
        y = torch.tanh(F.conv1d(F.pad(y, (d, 0)), w[f"A.conv{i}.weight"], w[f"A.conv{i}.bias"], dilation=d))
    np.testing.assert_allclose(model.predict(x), y.numpy(), atol=1e-6)
    later = x.copy()
    later[:, :, 15:] += 1
    np.testing.assert_array_equal(model.predict(later)[:, :, :15], model.predict(x)[:, :, :15])
    (told,) = region(net.compiled.facts, "tanh4[15]").ends or ()
    assert told == (0, 15)


def test_four_sides_of_a_line_are_refused() -> None:
    with pytest.raises(netc.NetError) as found:
        netc.parse(
            "net A {\n  input x: [N, 2, 9]\n  y = x -> conv(1, 3, pad=((0, 0), (2, 2)))\n  output y\n}\n"
        )
    (error,) = found.value.diagnostics
    assert (error.code, error.help) == ("E0311", "write its two ends: pad=(left, right)")
    assert "`pad` is ((0, 0), (2, 2))" in error.message


HANGING = [
    ("maxpool(2, round=ceil)", lambda x: F.max_pool2d(x, 2, ceil_mode=True)),
    ("maxpool(3, stride=3, round=ceil)", lambda x: F.max_pool2d(x, 3, 3, ceil_mode=True)),
    ("maxpool(4, stride=3, pad=1, round=ceil)", lambda x: F.max_pool2d(x, 4, 3, 1, ceil_mode=True)),
    ("maxpool(2, stride=4, dilation=3, round=ceil)", lambda x: F.max_pool2d(x, 2, 4, 0, 3, ceil_mode=True)),
    ("avgpool(3, round=ceil)", lambda x: F.avg_pool2d(x, 3, ceil_mode=True)),
    ("avgpool(3, round=ceil, count_pad=false)", lambda x: F.avg_pool2d(x, 3, ceil_mode=True)),
    ("pool(3, l2, round=ceil)", lambda x: F.lp_pool2d(F.pad(x, (0, 2, 0, 2)), 2.0, 3)),
]


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize("at", range(len(HANGING)))
def test_a_window_may_hang_over_a_map_that_is_smaller(at: int, backend: str) -> None:
    source, wanted = HANGING[at]
    net = netc.parse(f"net A {{\n  input x: [N, 2, 1, 4]\n  y = x -> {source}\n  output y\n}}\n")
    x = np.random.default_rng(0).standard_normal((3, 2, 1, 4)).astype(np.float32)
    out = netc.compile(net, train=False, backend=backend).predict(x)
    np.testing.assert_allclose(out, wanted(torch.from_numpy(x)).numpy(), rtol=1e-5)


def test_a_window_that_begins_no_row_is_refused() -> None:
    """As PyTorch: ⌈(1 − 3) / 2⌉ + 1 = 0 windows."""
    with pytest.raises(netc.NetError, match="E0302"):
        netc.parse(
            "net A {\n  input x: [N, 2, 1, 4]\n  y = x -> maxpool(3, stride=2, round=ceil)\n  output y\n}\n"
        )
    with pytest.raises(RuntimeError):
        F.max_pool2d(torch.zeros(1, 2, 1, 4), 3, 2, ceil_mode=True)
