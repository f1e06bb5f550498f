"""What a file means beyond one chain: imports, shared layers, several outputs, weights that are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import netc
from netc.errors import NetError
from netc.layers import LAYERS
from netc.loading import Loaded, load_file, load_text
from netc.train import folder
from netc.train.model import Model
from netc.train.spec import TrainSpec, default_spec
from netc.types import TensorType
from tests.command import Command

BLOCKS = """
param width: int = 6

block Inner: x -> y {
  y = x -> conv(width, 3) -> relu
}

## A stack of two.
block Stack(c: int): x -> y {
  y = x -> conv(c, 3) -> Inner
}
"""

MAIN = """
from "parts/blocks.net" import Stack, width
from "parts/heads.net" import Head

param classes: int = 3

net A {
  input x: [N, 2, 9, 9]
  y = x -> Stack(2 * width) -> Head
  output y
}

train A {
  target label: int[N]
  loss [y, label] -> softmax_xent
}
"""

HEADS = """
from "../common.net" import Flat

param classes: int = 4

block Head: x -> y {
  y = x -> Flat -> dense(classes)
}
"""

COMMON = """
block Flat: x -> y {
  y = x -> gap -> flatten
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A file that imports from two others below it, one of which imports from a third beside it."""
    root = tmp_path / "project"
    (root / "parts").mkdir(parents=True)
    for name, text in (
        ("main.net", MAIN),
        ("parts/blocks.net", BLOCKS),
        ("parts/heads.net", HEADS),
        ("common.net", COMMON),
    ):
        (root / name).write_text(text, encoding="utf-8")
    return root


def net(body: str, name: str = "A") -> Loaded:
    return load_text(f"net {name} {{\n  input x: [N, 2, 8, 8]\n{body}\n}}\n").must_be_right()


# ---- Imports ---------------------------------------------------------------------------------------------------------


def test_an_imported_block_sees_the_names_of_its_own_file(project: Path) -> None:
    graph = load_file(str(project / "main.net")).must_be_right().nets["A"].graph
    assert [n.describe() for n in graph.nodes if n.kind in ("conv", "dense")] == [
        "conv(12, 3)",
        "conv(6, 3)",
        "dense(4)",
    ]
    assert graph.nodes[1].path == "stack1.conv1"


def test_a_mistake_in_an_imported_file_is_quoted_from_it(project: Path) -> None:
    (project / "common.net").write_text(COMMON.replace("flatten", "flaten"), encoding="utf-8")
    with pytest.raises(NetError) as caught:
        load_file(str(project / "main.net")).must_be_right()
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, Path(mistake.span.file).name, mistake.trace) == (
        "E0202",
        "common.net",
        ("A.y", "Head", "Flat"),
    )
    assert "  y = x -> gap -> flaten" in str(caught.value)


def test_a_model_is_loaded_where_its_files_are_not(project: Path, tmp_path: Path) -> None:
    model = netc.compile(netc.load(project / "main.net", settings={"classes": 5}), backend="numpy")
    model.save(tmp_path / "a.safetensors")
    shutil.rmtree(project)
    again = netc.load_model(tmp_path / "a.safetensors", backend="numpy")
    x = np.ones((2, 2, 9, 9), np.float32)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_run_keeps_all_files_that_its_net_is_made_of(project: Path, tmp_path: Path) -> None:
    model = netc.compile(netc.load(project / "main.net"), backend="numpy")
    folder.begin(tmp_path / "run", model, {}, folder.Origin(project))
    shutil.rmtree(project)
    again = load_file(str(tmp_path / "run" / "spec.net")).must_be_right()
    assert again.nets["A"].facts.params == model_params(model)


def model_params(model: Model) -> int:
    return sum(w.size for w in model.weights().values())


def test_a_text_in_no_file_imports_nothing() -> None:
    assert [d.code for d in load_text(MAIN).diagnostics] == ["E0825", "E0825"]


def test_imports_are_found_from_any_folder(
    project: Path, netc: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    assert netc("check", "project/main.net").code == 0
    monkeypatch.chdir(project / "parts")
    assert netc("check", "../main.net").code == 0
    # What is named first is the root: from there, `..` leads out.
    assert "E0822" in netc("check", "heads.net").err


def test_imported_files_are_too_large_together(tmp_path: Path) -> None:
    comment = "#" * (3 << 20)
    for name in ("a", "b"):
        text = f"{comment}\nblock {name.upper()}: x -> y {{\n  y = x -> relu\n}}\n"
        (tmp_path / f"{name}.net").write_text(text, encoding="utf-8")
    imports = 'from "a.net" import A\nfrom "b.net" import B\n'
    text = imports + "net M {\n  input x: [N, 3]\n  y = x -> A -> B\n  output y\n}\n"
    (tmp_path / "main.net").write_text(text, encoding="utf-8")
    assert [(d.code, d.span.line) for d in load_file(str(tmp_path / "main.net")).diagnostics] == [
        ("E0824", 2)
    ]


# ---- Shared layers ---------------------------------------------------------------------------------------------------


def test_a_second_use_has_the_weights_of_the_first() -> None:
    graph = net("  shared f = conv(2, 3, pad=half)\n  y = x -> f -> relu -> f\n  output y").nets["A"].graph
    assert [(n.path, n.owner, n.expansion.params) for n in graph.nodes] == [
        ("x", "", 0), ("f", "", 38), ("relu1", "", 0), ("f@2", "f", 0),
    ]  # fmt: skip


def test_each_turn_of_a_block_has_shared_weights_of_its_own() -> None:
    text = "block B: x -> y {\n  shared f = conv(2, 3, pad=half)\n  y = x -> f -> f\n}\n"
    loaded = load_text(
        text + "net A {\n  input x: [N, 2, 8, 8]\n  shared b = B\n  y = x -> B -> b -> b\n  output y\n}\n"
    ).must_be_right()
    graph = loaded.nets["A"].graph
    assert [(n.path, n.owner) for n in graph.nodes[1:]] == [
        ("b1.f", ""), ("b1.f@2", "b1.f"), ("b.f", ""), ("b.f@2", "b.f"), ("b@2.f", "b.f"), ("b@2.f@2", "b.f"),
    ]  # fmt: skip
    assert loaded.nets["A"].facts.params == 2 * 38


def test_a_shared_chain_of_several_layers() -> None:
    graph = net("  shared f = for c in [3, 2] { conv(c, 1) }\n  y = x -> f -> f\n  output y").nets["A"].graph
    assert [(n.path, n.owner) for n in graph.nodes[1:]] == [
        ("f.conv1", ""), ("f.conv2", ""), ("f@2.conv1", "f.conv1"), ("f@2.conv2", "f.conv2"),
    ]  # fmt: skip


# ---- Several names ---------------------------------------------------------------------------------------------------


def test_split_gives_its_parts_in_order() -> None:
    compiled = net(
        "  a, b = x -> split(2)\n  t, u, v, w = a -> split(4, axis=W)\n  y = v -> relu\n  output y, b, t, u, w"
    )
    model = Model(compiled.nets["A"].graph, compiled.nets["A"].train or _spec(compiled), backend="numpy")
    x = np.arange(128, dtype=np.float32).reshape(1, 2, 8, 8)
    out = model.predict(x)
    np.testing.assert_array_equal(out["y"], x[:, :1, :, 4:6])
    np.testing.assert_array_equal(out["b"], x[:, 1:])


def _spec(loaded: Loaded) -> TrainSpec:

    return default_spec(loaded.nets["A"].graph)


def test_a_block_of_two_results() -> None:
    text = "block Two: x -> b, a {\n  a = x -> relu\n  b = x -> tanh\n}\n"
    body = "net A {\n  input x: [N, 3]\n  l, r = x -> Two\n  y = l - r\n  output y\n}\n"
    graph = load_text(text + body).must_be_right().nets["A"].graph
    assert [graph.node(name).kind for name in ("l", "r", "y")] == ["tanh", "relu", "sub"]


# ---- Weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv(4, 3, groups=2, weight=[[1, 0, -1], [2, 0, -2], [1, 0, -1]], bias=false)", (4, 1, 3, 3)),
        ("conv(1, (1, 2), weight=[[[[1, 2]], [[3, 4]]]], bias=false)", (1, 2, 1, 2)),
    ],
)
def test_given_weights_are_there_before_training(layer: str, shape: tuple[int, ...]) -> None:
    loaded = net(f"  y = x -> {layer}\n  output y")
    (weights,) = Model(loaded.nets["A"].graph, _spec(loaded), backend="numpy").weights().values()
    numbers = [1, 0, -1, 2, 0, -2, 1, 0, -1] if shape[0] == 4 else [1, 2, 3, 4]
    np.testing.assert_array_equal(weights, np.resize(np.array(numbers, np.float32), shape))


def test_a_layers_own_rule_goes_before_that_of_the_net() -> None:
    text = """
net A {
  input x: [N, 500]
  y = x -> a: dense(400) -> b: dense(400, init=normal(0.5)) -> c: dense(400, init=uniform(0.3))
    -> d: dense(3, init=zeros)
  output y
}
train A {
  target t: int[N]
  loss [y, t] -> softmax_xent
  init lecun
}
"""
    compiled = load_text(text).must_be_right().nets["A"]
    assert compiled.train
    w = Model(compiled.graph, compiled.train, backend="numpy").weights()
    deviations = [w[f"A.{name}.weight"].std() for name in "abcd"]
    assert deviations == pytest.approx([500**-0.5, 0.5, 0.3 / 3**0.5, 0], rel=0.02)
    assert abs(w["A.c.weight"]).max() < 0.3
    assert not any(w[f"A.{name}.bias"].any() for name in "abcd")


def test_frozen_is_not_trained_and_counts_apart() -> None:
    loaded = net("  y = x -> conv(3, 3, frozen=true) -> bn(frozen=true) -> conv(1, 1)\n  output y")
    compiled = loaded.nets["A"]
    assert (compiled.facts.params, compiled.facts.frozen, compiled.facts.state) == (57 + 6 + 4, 57 + 6, 6)
    model = Model(compiled.graph, _spec(loaded), backend="numpy")
    before = model.weights()
    model.train_step(np.ones((2, 2, 8, 8)), np.zeros((2, 1, 6, 6)))
    changed = {name for name, w in model.weights().items() if not np.array_equal(w, before[name])}
    assert changed == {"A.conv2.weight", "A.conv2.bias"}


def test_a_net_that_is_frozen_through_and_through_trains_nothing() -> None:
    loaded = net("  y = x -> conv(1, 3, frozen=true)\n  output y")
    model = Model(loaded.nets["A"].graph, _spec(loaded), backend="numpy")
    assert model.train_step(np.ones((2, 2, 8, 8)), np.zeros((2, 1, 6, 6))) > 0
    assert model.value_and_grad(np.ones((2, 2, 8, 8)), np.zeros((2, 1, 6, 6)))[1] == {}


# ---- Files -----------------------------------------------------------------------------------------------------------


def test_several_nets_share_the_blocks_of_their_file() -> None:
    text = "block B: x -> y {\n  y = x -> dense(4)\n}\n" + "".join(
        f"## Number {i}.\nnet A{i} {{\n  input x: [N, {i}]\n  y = x -> B\n  output y\n}}\n" for i in (1, 2)
    )
    nets = load_text(text).must_be_right().nets
    assert {k: (v.facts.params, v.graph.doc) for k, v in nets.items()} == {
        "A1": (8, "Number 1."), "A2": (12, "Number 2."),
    }  # fmt: skip


def test_params_and_blocks_are_documented() -> None:
    text = "## How many.\nparam n: int = 3\n\n## One layer.\n## Two lines.\nblock B: x -> y {\n  y = x -> dense(n)\n}\n"
    param, block = load_text(text).file.items
    assert (param.doc, block.doc) == ("How many.", "One layer.\nTwo lines.")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "channels"),
    [
        ("floor(7 / 2)", 3),
        ("ceil(7 / 2)", 4),
        ("ceil(x.C / 2)", 3),
        ("floor((x.C + 4) / 3)", 3),
        ("ceil(6 / 3)", 2),
    ],
)
def test_a_division_that_is_rounded(written: str, channels: int) -> None:
    text = f"net A {{\ninput x: [N, 5, 8, 8]\ny = x -> conv({written}, 1)\noutput y\n}}\n"
    assert netc.parse(text).compiled.graph.node("y").type.shape[1] == channels


def test_a_shape_is_expected_as_the_report_prints_it() -> None:
    text = (
        "net A {\ninput x: [N, 1, H, W] where H % 2 == 0, H % 3 == 1, W >= 9\n"
        "y = x -> conv(4, 3, stride=2, pad=1) -> maxpool(2)\nz = x -> slice(W, 3)\noutput y, z\n"
        "expect shape(y) == [N, 4, floor(H / 4), floor((W + 1) / 4)]\nexpect shape(z) == [N, 1, H, W - 3]\n}\n"
    )
    netc.parse(text)
    with pytest.raises(NetError, match="E0701"):
        netc.parse(text.replace("(W + 1)", "(W + 2)"))


def test_a_pair_is_a_square_field() -> None:
    text = (
        "net A {\n  input x: [N, 1, 20, 20]\n  y = x -> conv(2, 3, stride=2, pad=1)\n  output y\n"
        "  expect rf(y) == (3, 3)\n  expect (3, 3) == rf(y)\n  expect rf(y) == 3\n  expect rf(y).stride == (2, 2)\n"
        "  expect rf(y).pad == (1, 1)\n  expect rf(y) != (3, 5)\n}\n"
    )
    netc.parse(text)
    with pytest.raises(NetError, match=r"rf\(y\) is \(3, 3\)"):
        netc.parse(text.replace("expect rf(y) == (3, 3)", "expect rf(y) == (3, 5)"))
    line = "net A {\n  input x: [N, 1, 20]\n  y = x -> conv(2, 3)\n  output y\n  expect rf(y) == (3, 3)\n}\n"
    with pytest.raises(NetError, match="E0701"):
        netc.parse(line)


def test_two_divisors_of_one_size() -> None:
    """What leaves 1 by 3 and 0 by 2 leaves 4 by 6."""
    text = (
        "net A {{\ninput x: [N, 1, H, 8] where H % 2 == 0, H % 3 == 1\noutput x\nexpect x.H % 6 == {}\n}}\n"
    )
    netc.parse(text.format(4))
    with pytest.raises(NetError, match="E0701"):
        netc.parse(text.format(1))


@pytest.mark.parametrize("kind", [kind for kind, cls in LAYERS.items() if not cls.loss])
def test_whole_numbers_stay_whole_or_are_refused(kind: str) -> None:
    call, types = LAYERS[kind].examples[0]
    names = "xz"[: len(types)]
    inputs = "".join(
        f"  input {n}: {TensorType(t.shape, 'int')!r}\n" for n, t in zip(names, types, strict=True)
    )
    found = load_text(f"net A {{\n{inputs}  y = [{', '.join(names)}] -> {call}\n  output y\n}}\n")
    if LAYERS[kind].integers:
        assert not found.failed
        assert found.nets["A"].graph.node("y").type.dtype == ("f32" if kind == "embedding" else "int")
    else:
        (told,) = found.diagnostics
        assert (told.code, told.span.line) == ("E0301", 2 + len(types))
        assert told.message.startswith(f"`{kind}` does not compute with whole numbers, and gets int[N, ")
        assert "embedding" in told.help


LABELS = """
block B: x -> y {
  h = x -> inner: conv(4, 3) -> relu
  y = h -> conv(4, 3)
}

net A {
  input x: [N, 3, 12, 12]
  y = x -> c1: conv(4, 3) -> b1: B -> B
  output y
  expect rf(c1) == 3
  expect rf(b1) == 7
  expect rf(b1.inner) == 5
  expect rf(b2.inner) == 9
  expect shape(b1.inner) == [N, 4, 8, 8]
  expect b1.inner.C == b1.C
}

train A {
  target t: [N, 4, 6, 6]
  loss [b1, t] -> mse
  loss inner = [b1.conv1, t] -> mae
}
"""


def test_labels_of_layers_and_blocks_name_what_comes_out_of_them() -> None:
    found = load_text(LABELS).must_be_right()
    spec = found.nets["A"].train
    assert spec
    assert [term.operands for term in spec.losses] == [("b1", "t"), ("b1.conv1", "t")]
    x, t = np.ones((2, 3, 12, 12), np.float32), np.zeros((2, 4, 6, 6), np.float32)
    model = netc.compile(netc.parse(LABELS), backend="numpy")
    first = model.train_step(x, t)
    assert model.train_step(x, t) < first
    wrong = load_text(LABELS.replace("rf(b1.inner) == 5", "rf(b1.inner) == 6")).diagnostics
    assert [d.message for d in wrong] == ["expected rf(b1.inner) == 6, and rf(b1.inner) is 5"]
    missing = load_text(LABELS.replace("[b1.conv1,", "[b1.conv7,")).diagnostics
    assert [d.message for d in missing] == ["unknown tensor `b1.conv7`"]


def test_a_label_behind_a_mistake_is_no_second_one() -> None:
    found = load_text(LABELS.replace("c1: conv(4, 3)", "c1: conv(4, 3, pading=1)"))
    assert [d.code for d in found.diagnostics] == ["E0203"]


@pytest.mark.parametrize("total", ["params", "macs", "flops", "depth", "memory"])
def test_a_parameter_of_that_name_is_no_fact(total: str) -> None:
    body = f"input x: [N, 4]\n  y = x -> dense(3)\n  output y\n  expect {total} == 34"
    text = f"net A({total}: int = 34) {{\n  {body}\n}}\n"
    told = [d.code for d in load_text(text).diagnostics]
    assert told == ["E0701"]
