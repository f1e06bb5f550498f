"""What changed between two nets: nothing is lost, nothing told twice, and what a person would say is said."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from netc.analyze.diff import Difference, diff, diff_dict, diff_text
from netc.analyze.report import NetReport
from netc.loading import load_file, load_text
from netc.resources import spec_names
from tests.command import Command

BASE = "x -> conv(8, 3) -> relu -> conv(8, 3) -> relu -> flatten -> last: dense(10)"


def between(a: str, b: str) -> Difference:
    """Two nets of one chain each."""
    reports = []
    for chain in (a, b):
        (net,) = (
            load_text(f"net A {{\n  input x: [N, 3, 12, 12]\n  y = {chain}\n  output y\n}}\n")
            .must_be_right()
            .nets.values()
        )
        reports.append(net.report())
    return diff(*reports)


def told(d: Difference) -> list[str]:
    return [line for line in diff_text(d).splitlines() if line[:2] in ("- ", "+ ", "~ ")]


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        (BASE, []),
        (BASE.replace("relu -> conv", "relu -> dropout -> conv"), ["+ dropout1: dropout, 8×10×10"]),
        (
            BASE.replace("conv(8, 3) -> relu -> flatten", "conv(8, 3) -> flatten"),
            ["- relu2: relu, 8×8×8"],
        ),
        (
            BASE.replace("x -> conv(8, 3)", "x -> conv(8, 5, pad=1)"),
            ["~ conv1: conv(8, 3) → conv(8, 5, pad=1), 224 → 608 parameters"],
        ),
        (
            BASE.replace("dense(10)", "dense(12)"),
            ["~ last: dense(10) → dense(12), 10 → 12, 5,130 → 6,156 parameters"],
        ),
        (
            BASE.replace("last: ", ""),
            ["- last: dense(10), 10, 5,130 parameters", "+ dense1: dense(10), 10, 5,130 parameters"],
        ),
    ],
)  # fmt: skip
def test_what_is_told(other: str, lines: list[str]) -> None:
    assert told(between(BASE, other))[: len(lines) or None] == lines


def test_a_layer_put_in_renames_those_behind_it() -> None:
    d = between(BASE, BASE.replace("x -> conv(8, 3)", "x -> conv(3, 1) -> conv(8, 3)"))
    assert told(d) == ["+ conv1: conv(3, 1), 3×12×12, 12 parameters"]
    assert diff_dict(d)["renamed"] == [["conv1", "conv2"], ["conv2", "conv3"]]
    assert not d.same


def test_other_wires_are_a_change() -> None:
    text = (
        "net A {{\n  input x: [N, 4]\n  a = x -> tanh\n  b = x -> relu\n  y = [{}] -> sub\n  output y\n}}\n"
    )
    nets = [
        next(iter(load_text(text.format(wires)).must_be_right().nets.values())) for wires in ("a, b", "b, a")
    ]
    d = diff(nets[0].report(), nets[1].report())
    assert told(d) == ["~ sub1: sub, reads another tensor"]


def one_net(text: str) -> NetReport:
    (net,) = load_text(text).must_be_right().nets.values()
    return net.report()


@pytest.mark.parametrize(
    ("outputs", "others", "lines"),
    [
        ("y", "y, a", ["+ output a"]),
        ("a, y", "y", ["- output a"]),
        ("y, a", "a, y", ["~ outputs: y, a → a, y"]),
        ("a, y", "a, y", []),
    ],
)
def test_outputs_are_compared(outputs: str, others: str, lines: list[str]) -> None:
    text = "net A {{\n  input x: [N, 4]\n  a = x -> tanh\n  y = a -> relu\n  output {}\n}}\n"
    d = diff(one_net(text.format(outputs)), one_net(text.format(others)))
    assert d.same == (not lines)
    assert told(d) == lines
    assert diff_text(d).splitlines()[0] == ("A: other outputs" if lines else "A: no layer differs")
    assert diff_dict(d)["outputs"] == [outputs.split(", "), others.split(", ")]


def test_an_output_that_is_another_tensor_is_a_change() -> None:
    text = "net A {{\n  input x: [N, 4]\n  {} = x -> tanh\n  {} = x -> relu\n  output a, b\n}}\n"
    d = diff(one_net(text.format("a", "b")), one_net(text.format("b", "a")))
    assert told(d) == [
        "~ output a: that of tanh1 → that of relu1",
        "~ output b: that of relu1 → that of tanh1",
    ]
    assert diff_dict(d)["redirected"] == ["a", "b"]


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ("[[1, 0, -1], [2, 0, -2], [1, 0, -1]]", None),
        ("[[1, 0, -1], [3, 0, -2], [1, 0, -1]]", "1 given weight differs: [1][0] 2 → 3"),
        ("[[1, 2, 1], [0, 0, 0], [-1, -2, -1]]", "6 given weights differ: [0][1] 0 → 2, …"),
        ("[[[[1, 0, -1], [2, 0, -2], [1, 0, -1]]]]", None),
    ],
)
def test_given_weights_are_compared(other: str, line: str | None) -> None:
    text = "net A {{\n  input x: [N, 1, 8, 8]\n  y = x -> conv(1, 3, weight={})\n  output y\n}}\n"
    d = diff(one_net(text.format("[[1, 0, -1], [2, 0, -2], [1, 0, -1]]")), one_net(text.format(other)))
    assert told(d) == ([f"~ conv1: conv(1, 3, weight=…), {line}"] if line else [])
    assert d.same == (line is None)


def test_symbolic_figures_are_compared_as_unknown() -> None:
    text = "net A {{\n  input x: [N, 3, H, W]\n  y = x -> conv({}, 3, pad=half)\n  output y\n}}\n"
    nets = [next(iter(load_text(text.format(c)).must_be_right().nets.values())) for c in (4, 5)]
    d = diff(nets[0].report(), nets[1].report())
    assert told(d) == [
        "~ conv1: conv(4, 3, pad=half) → conv(5, 3, pad=half), 4×H×W → 5×H×W, 112 → 140 parameters"
    ]
    assert diff_dict(d)["totals"]["macs"] == [None, None]


NETS = [net for spec in spec_names() for net in load_file(spec).nets.values()]


@pytest.mark.parametrize("seed", range(12))
def test_every_layer_of_both_nets_is_told_of_once(seed: int) -> None:
    pairs = list(product(NETS, NETS))
    a, b = (n.report() for n in pairs[(seed * 7919 + 13) % len(pairs)])
    d = diff(a, b)
    assert sorted([p.id for p, _ in d.pairs] + [n.id for n in d.removed]) == [n.id for n in a.graph.nodes]
    assert sorted([p.id for _, p in d.pairs] + [n.id for n in d.added]) == [n.id for n in b.graph.nodes]
    assert diff(a, a).same
    text = told(d)
    layers = [line for line in text if line[2:].split()[0] not in ("output", "outputs:")]
    assert len(layers) == len(d.removed) + len(d.added) + len(d.changed)


# ---- The command -----------------------------------------------------------------------------------------------------


def test_nets_of_one_name_are_compared(netc: Command, tmp_path: Path) -> None:
    (tmp_path / "a.net").write_text("net A {\n  input x: [N, 4]\n  y = x -> dense(3)\n  output y\n}\n")
    (tmp_path / "b.net").write_text("net A {\n  input x: [N, 4]\n  y = x -> dense(2)\n  output y\n}\n")
    done = netc("diff", tmp_path / "a.net", tmp_path / "b.net")
    assert done.code == 0
    assert done.out.splitlines()[:3] == [
        "A: 1 layer changed", "", "~ dense1: dense(3) → dense(2), 3 → 2, 15 → 10 parameters",
    ]  # fmt: skip
    assert "parameters       15 → 10 (−33.3%)" in done.out
    found = json.loads(netc("diff", tmp_path / "a.net", tmp_path / "b.net", "--json").out)
    assert found["schema"] == "netc.diff/1"
    (net,) = found["nets"]
    assert net["totals"]["params"] == [15, 10]
    assert net["changed"][0]["layer"] == ["dense(3)", "dense(2)"]


def test_two_nets_of_one_file(netc: Command) -> None:
    done = netc("diff", "lenet5", "lenet5", "--net", "LeNet5", "--net", "LeNet5_1998")
    assert done.code == 0
    assert "~ c5: dense(120) → conv(120, 5), 120 → 120×1×1" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet5", "digits"], "no net of the same name"),
        (["lenet5", "lenet5", "--net", "Lenet"], "did you mean `LeNet5`?"),
        (["-", "-"], "one of the two"),
        (["lenet5", "lenet5", "--net", "A", "--net", "B", "--net", "C"], "--net names one net"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, netc: Command) -> None:
    done = netc("diff", *arguments)
    assert done.code == 2
    assert said in done.err


def claiming(params: int, width: int) -> str:
    return f"net A {{\n  input x: [N, 4]\n  y = x -> dense({width})\n  output y\n  expect params == {params}\n}}\n"


def test_a_claim_that_fails_is_told_below_the_comparison(netc: Command, tmp_path: Path) -> None:
    """The net is what it is, whatever was expected of it."""
    (tmp_path / "a.net").write_text(claiming(15, 3))
    (tmp_path / "b.net").write_text(claiming(15, 4))
    for a, b, change in (("a", "b", "dense(3) → dense(4)"), ("b", "a", "dense(4) → dense(3)")):
        done = netc("diff", tmp_path / f"{a}.net", tmp_path / f"{b}.net")
        assert done.code == 1
        assert change in done.out
        assert done.err.count("error[E0701]: expected params == 15, and params is 20") == 1
    done = netc("diff", tmp_path / "b.net", tmp_path / "b.net", "--json")
    assert (done.code, json.loads(done.out)["nets"][0]["changed"]) == (1, [])
    assert done.err.count("error[E0701]") == 1  # of both sides, and one mistake


def test_mistakes_of_both_files_are_told(netc: Command, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.net").write_text(claiming(15, 3).replace("dense", f"dens{name}"))
    done = netc("diff", tmp_path / "a.net", tmp_path / "b.net")
    assert (done.code, done.out) == (1, "")
    assert "unknown layer `densa`" in done.err
    assert "unknown layer `densb`" in done.err
