"""What an index of a layer sees, against what changes it: images of one bright pixel each, through positive weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import netc
from netc.analyze.region import NoRegion, region
from netc.loading import load_file
from tests.command import Command

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
HEIGHT, WIDTH = 13, 10

NETS = {
    "a chain": "y = x -> conv(2, 3, pad=1) -> relu -> maxpool(2) -> conv(2, (3, 1), stride=(1, 2))",
    "padding of what a stride leaves over": "y = x -> conv(1, 2, stride=3) -> conv(1, 3, pad=1)",
    "dilation at the edge": "y = x -> conv(1, 3, dilation=2, pad=2) -> conv(1, 3, dilation=3, pad=3, stride=2)",
    "same": "y = x -> conv(1, 4, stride=2, pad=same) -> avgpool(3, stride=2, pad=1)",
    "more padding than window": "y = x -> conv(1, 2, pad=3) -> conv(1, 3, pad=2, stride=2)",
    "windows with gaps": "y = x -> conv(1, 1, stride=3) -> conv(1, 2)",
    "over the end": "y = x -> maxpool(3, stride=2, round=ceil) -> maxpool(2, round=ceil)",
    "unaligned paths": "a = x -> conv(1, 5, stride=2, pad=2)\n"
    "  b = x -> conv(1, 3, stride=2, pad=1) -> conv(1, 3, pad=1)\n"
    "  y = a + b -> conv(1, 3)",
    "paths of two strides": "a = x -> conv(1, (9, 6))\n"
    "  b = x -> conv(1, 3, stride=2) -> conv(1, 2, pad=((0, 0), (1, 1)))\n"
    "  y = [a, b] -> concat -> conv(1, 2)",
    "circular": "y = x -> conv(1, 3, pad=1, border=circular)",
    "replicate": "y = x -> conv(1, (3, 2), pad=((3, 0), (0, 2)), border=replicate) -> conv(1, 2)",
    "reflect": "y = x -> pad(((2, 0), (1, 3)), border=reflect) -> conv(1, (2, 3), stride=2)",
    "up": "y = x -> conv(1, 3, stride=2) -> upsample(3) -> conv(1, 4, pad=1)",
    "up by lines": "y = x -> avgpool(2) -> upsample(2, bilinear) -> maxpool(3, stride=1, pad=1)",
    "transposed": "y = x -> conv(1, 3, pad=1) -> conv_transpose(1, 1, pad=1) -> maxpool(3, stride=1, pad=1)",
    "transposed and apart": "y = x -> conv(1, 2, stride=2) -> conv_transpose(1, 3, stride=2) -> conv(1, 2, stride=3)",
    "transposed with gaps": "y = x -> conv_transpose(1, 2, stride=3) -> conv_transpose(1, (2, 1), dilation=3)",
    "gaps under windows": "y = x -> conv_transpose(1, (1, 2), stride=(3, 4), pad=(0, 1)) -> conv(1, 2, dilation=2)",
    "adaptive": "y = x -> conv(1, 2) -> adaptive_avgpool((5, 3)) -> conv(1, 2, pad=((1, 0), (0, 1)))",
    "turned": "y = x -> conv(1, (3, 1), stride=(2, 1)) -> transpose -> conv(1, (1, 2))",
    "one after the other": "a = x -> maxpool(3, stride=1, pad=1)\n"
    "  y = [x, a, x] -> concat(axis=W) -> conv(1, (1, 4), stride=3)",
    "a path of padding": "a = x -> conv(1, 1, stride=3, pad=((4, 0), (0, 0)))\n"
    "  b = x -> conv(1, (1, 5), stride=3, pad=((1, 3), (2, 2)))\n  y = [a, b] -> concat",
    "a skip": "m = x -> conv(2, 3, pad=half)\n  n = m -> conv(2, 3, pad=half) -> relu\n  y = m + n -> maxpool(2)",
}  # fmt: skip


@pytest.mark.parametrize("why", NETS)
def test_region_is_what_changes_the_output(why: str) -> None:
    body = NETS[why]
    net = netc.parse(f"net A {{\n  input x: [N, 1, {HEIGHT}, {WIDTH}]\n  {body}\n  output y\n}}\n")
    model = netc.compile(net, backend="numpy")
    model.set_weights({k: np.full_like(v, k.endswith("weight")) for k, v in model.weights().items()})
    lit = np.eye(HEIGHT * WIDTH, dtype=np.float32).reshape(-1, 1, HEIGHT, WIDTH)  # (N, 1, H, W)
    out = model.predict(lit)  # (N, C, h, w)
    name = net.compiled.graph.node("y").path
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            told = region(net.compiled.facts, f"{name}[{i}, {j}]")
            rows, columns = np.nonzero(out[:, :, i, j].max(axis=1).reshape(HEIGHT, WIDTH))
            ((_, inside),) = told.inside
            if not len(rows):
                assert inside is None
                continue
            assert inside == ((rows.min(), rows.max()), (columns.min(), columns.max())), (i, j)
            assert told.ends
            if why not in ("circular", "reflect"):  # which show in a border what may lie beyond the window
                for (first, last), (low, high) in zip(told.ends, inside, strict=True):
                    assert first <= low <= high <= last


def test_region_along_a_length() -> None:
    body = "y = x -> conv(1, 5, stride=2, pad=2) -> maxpool(3, stride=2) -> conv(1, 2, dilation=2)"
    net = netc.parse(f"net A {{\n  input x: [N, 1, 40]\n  {body}\n  output y\n}}\n")
    model = netc.compile(net, backend="numpy")
    model.set_weights({k: np.full_like(v, k.endswith("weight")) for k, v in model.weights().items()})
    out = model.predict(np.eye(40, dtype=np.float32)[:, None])  # (40, 1, L): one position lit in each example
    for i in range(out.shape[2]):
        told = region(net.compiled.facts, f"conv2[{i}]")
        (lit,) = np.nonzero(out[:, 0, i])
        ((_, inside),) = told.inside
        assert inside == ((lit.min(), lit.max()),)
        assert told.ends
        assert told.ends[0][0] <= lit.min() <= lit.max() <= told.ends[0][1]
    with pytest.raises(NoRegion, match="an index of `conv2` is one position"):
        region(net.compiled.facts, "conv2[0,0]")


WORDS = {
    "words": "y = t -> embedding(10, 4) -> conv(8, 3) -> relu -> c: conv(4, 5, stride=2)",
    "a part of the words": "u = t -> slice(C, 3, 15)\n  y = u -> embedding(10, 4) -> c: conv(2, 3, stride=2, pad=1)",
    "parts in another order": "u = t -> slice(C, 12)\n  v = [u, t] -> concat\n"
    "  y = v -> embedding(10, 4) -> c: conv(2, 3, stride=3)",
}


@pytest.mark.parametrize("why", WORDS)
def test_region_of_words(why: str) -> None:
    """Of numbers of words, what an index sees are those whose change changes it."""
    net = netc.parse(f"net A {{\n  input t: int[N, 20]\n  {WORDS[why]}\n  output y\n}}\n")
    model = netc.compile(net, backend="numpy", train=False)
    rng = np.random.default_rng(0)
    model.set_weights({k: rng.random(v.shape, np.float32) for k, v in model.weights().items()})
    words = np.zeros((21, 20), np.int64)  # (N, L): one word changed in each example, none in the last
    words[np.arange(20), np.arange(20)] = 1
    out = model.predict(words)  # (21, C, L')
    for i in range(out.shape[2]):
        told = region(net.compiled.facts, f"c[{i}]")
        (lit,) = np.nonzero((out[:20, :, i] != out[20, :, i]).any(axis=1))
        ((_, inside),) = told.inside
        assert inside == ((lit.min(), lit.max()),)
        assert told.ends
        assert told.ends[0][0] <= lit.min() <= lit.max() <= told.ends[0][1]


def test_a_line_that_nothing_mapped_flows_into_has_no_field() -> None:
    net = netc.parse("net A {\n  input x: [N, 4]\n  y = x -> dense(12) -> reshape(3, 4)\n  output y\n}\n")
    with pytest.raises(NoRegion, match="`reshape1` has no receptive field, for no feature map flows into it"):
        region(net.compiled.facts, "reshape1[0]")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 4),
    pad=st.integers(0, 2),
    after=st.sampled_from(
        ["", " -> conv(1, 2)", " -> conv(1, 3, dilation=2, pad=1)", " -> conv_transpose(1, 2, stride=3)"]
    ),
)
def test_transposed_windows_by_brute_force(
    kernel: int, stride: int, dilation: int, pad: int, after: str
) -> None:
    """One position lit at a time, in NumPy: what lights up an output is what it sees."""
    length = 8
    size = (length - 1) * stride + dilation * (kernel - 1) + 1 - 2 * pad
    assume(size >= 4)
    up = f"conv_transpose(1, {kernel}, stride={stride}, dilation={dilation}, pad={pad})"
    net = netc.parse(
        f"net A {{\n  input x: [N, 1, {length}]\n  y = x -> {up}{after} -> relu\n  output y\n}}\n"
    )
    model = netc.compile(net, backend="numpy", train=False)
    model.set_weights({k: np.full_like(v, k.endswith("weight")) for k, v in model.weights().items()})
    out = model.predict(np.eye(length, dtype=np.float32)[:, None])  # (8, 1, L)
    for i in range(out.shape[2]):
        (lit,) = np.nonzero(out[:, 0, i])
        ((_, inside),) = region(net.compiled.facts, f"relu1[{i}]").inside
        assert inside == (((lit.min(), lit.max()),) if len(lit) else None), i


@pytest.mark.parametrize(
    ("name", "file", "place"),
    [
        ("rf-corner.txt", "lenet", "c3[0,9]"),
        ("rf-gate.txt", "gate", "y[1, 2]"),
        ("rf-padding.txt", "gate", "pads[0,0]"),
        ("rf-symbolic.txt", "symbolic", "maxpool2[3,0]"),
    ],
)
def test_output(name: str, file: str, place: str, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    done = netc("report", f"{file}.net", "--rf", place)
    assert (done.code, done.err) == (0, "")
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(done.out, encoding="utf-8")
    assert done.out == (GOLDEN / name).read_text(encoding="utf-8")


def test_json(netc: Command) -> None:
    done = netc("report", GOLDEN / "lenet.net", "--rf", "c3[0,9]", "--json")
    found = json.loads(done.out)
    assert found["schema"] == "netc.rf/1"
    assert found["regions"] == [
        {
            "net": "LeNet5", "layer": "c3", "index": [0, 9], "size": [14, 14], "rows": [-2, 11], "columns": [16, 29],
            "aligned": True, "global": False, "inputs": [{"name": "image", "rows": [0, 11], "columns": [16, 27]}],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("c3", "write it as c3[0,4]"),
        ("flaten1[0,0]", "did you mean `flatten1`?"),
        ("c3[4]", "an index of `c3` is a row and a column"),
        ("c3[10,0]", "`c3` has 10 rows, 0 to 9, and no 10"),
        ("c3[-1,0]", "write it as"),
        ("dense1[0,0]", "is no feature map"),
    ],
)
def test_wrong_places(place: str, said: str, netc: Command) -> None:
    done = netc("report", GOLDEN / "lenet.net", "--rf", place)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    (net,) = load_file(str(GOLDEN / "lenet.net")).nets.values()
    with pytest.raises(NoRegion):
        region(net.facts, place)
