"""The report: its JSON against the schema, its table as it was agreed at several widths, its arithmetic."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from math import prod
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from netc.analyze.explain import explain
from netc.analyze.figures import exact
from netc.analyze.report import report_dict
from netc.analyze.rows import rows
from netc.analyze.table import lines, table_text
from netc.graph.model import total
from netc.loading import Compiled, load_file, load_text
from netc.resources import spec_names
from tests.command import CHECKOUT, Command

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
SCHEMA = json.loads((CHECKOUT / "netc" / "analyze" / "report.schema.json").read_text(encoding="utf-8"))


def only(text: str) -> Compiled:
    (net,) = load_text(text).must_be_right().nets.values()
    return net


def agree(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# ---- As it was agreed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "options", "columns"),
    [
        ("lenet.txt", "lenet", (), None),
        ("lenet-80.txt", "lenet", (), 80),
        ("lenet-50.txt", "lenet", (), 50),
        ("lenet-20.txt", "lenet", (), 20),
        ("lenet-backward.txt", "lenet", ("--backward", "--batch", "32"), 120),
        ("lenet.md", "lenet", ("--format", "md"), None),
        ("lenet.csv", "lenet", ("--format", "csv"), None),
        ("lenet.json", "lenet", ("--json",), None),
        ("lenet-c3.txt", "lenet", ("--explain", "c3"), None),
        ("lenet-flatten.txt", "lenet", ("--explain", "flatten1"), None),
        ("residual.txt", "residual", (), None),
        ("residual-80.txt", "residual", (), 80),
        ("residual-50.txt", "residual", ("--set", "classes=1000"), 50),
        ("residual-depth-0.txt", "residual", ("--depth", "0"), 100),
        ("residual-depth-1.txt", "residual", ("--depth", "1", "--input", "3x65x49"), 100),
        ("residual-add.txt", "residual", ("--explain", "basic4.add1"), None),
        ("residual-joined.txt", "residual", ("--explain", "joined"), None),
        ("broken.txt", "broken", (), None),
        ("symbolic.txt", "symbolic", ("--backward",), None),
        ("symbolic-80.txt", "symbolic", ("--depth", "0"), 80),
        ("symbolic.md", "symbolic", ("--format", "md"), None),
        ("symbolic.csv", "symbolic", ("--format", "csv"), None),
        ("symbolic.json", "symbolic", ("--json", "--backward"), None),
        ("symbolic-stem.txt", "symbolic", ("--explain", "stem"), None),
        ("symbolic-last.txt", "symbolic", ("--explain", "maxpool2"), None),
        ("symbolic-filled.txt", "symbolic", ("--input", "3x64x80"), None),
    ],
)  # fmt: skip
def test_output(
    name: str,
    file: str,
    options: tuple[str, ...],
    columns: int | None,
    netc: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(GOLDEN)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    done = netc("report", f"{file}.net", *options)
    assert done.code == (1 if file == "broken" else 0)
    assert done.err.startswith("error[E0302]") if file == "broken" else done.err == ""
    if columns:
        assert max(len(line) for line in done.out.splitlines()) <= columns
    agree(name, done.out)


@pytest.mark.parametrize("columns", [*range(1, 40), 60, 90, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    (net,) = load_file(str(GOLDEN / "residual.net")).nets.values()
    told = lines(net.report(), width=columns)
    assert told[0].text
    if columns >= 12:  # one name and one number need some room
        assert max(len(line.text) for line in told) <= columns


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_what_a_narrow_table_leaves_out_is_said(columns: int, backward: bool) -> None:
    (net,) = load_file(str(GOLDEN / "lenet.net")).nets.values()
    told = [line.text for line in lines(net.report(backward=backward), width=columns)]
    headings = next(line for line in told if line.startswith("name")).split()
    text = " ".join(" ".join(told).split())
    _, _, named = text.rpartition("left out")
    for title, short in (("layer", "layer"), ("output", "output"), ("MACs", "MACs"), ("field", "field"),
                         ("stride", "S"), ("pad", "P"), ("memory", "memory")):  # fmt: skip
        assert (title in headings or short in headings) != ("left out" in text and title in named), title


def test_a_pipe_gets_everything_in_full() -> None:
    (net,) = load_file(str(GOLDEN / "residual.net")).nets.values()
    text = table_text(net.report())
    assert "conv(16, 3, pad=half, bias=false)" in text
    assert "…" not in text
    assert "\x1b" not in text


# ---- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", spec_names())
def test_json_follows_its_schema(spec: str) -> None:
    loaded = load_file(spec)
    for backward in (False, True):
        found = report_dict(net.report(batch=2, backward=backward) for net in loaded.nets.values())
        jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
        for net in found["nets"]:
            check_sums(net)


def check_sums(net: dict[str, Any]) -> None:
    """Totals are the sums of the layers, whatever way they are computed."""
    totals, layers = net["totals"], net["layers"]
    for figure in ("params", "macs", "flops"):
        assert totals[figure] == total(layer[figure] for layer in layers), figure
    assert totals["trained"] + totals["frozen"] == totals["params"]
    if any(isinstance(size, str) for tensor in net["inputs"] for size in tensor["shape"][1:]):
        assert totals["infer_bytes"] is totals["train_bytes"] is None
        return
    # A predictor keeps folded weights beside those that they come from, which one step by sgd at batch 1 does not.
    assert min(totals["infer_bytes"], totals["train_bytes"]) > 4 * totals["params"]


def test_json_refuses_what_the_schema_does_not_have() -> None:
    (net,) = load_file(str(GOLDEN / "lenet.net")).nets.values()
    found = report_dict([net.report()])
    found["nets"][0]["layers"][0]["params"] = -1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMA)


def test_what_the_contract_shows(netc: Command) -> None:
    done = netc("report", GOLDEN / "lenet.net", "--json")
    (net,) = json.loads(done.out)["nets"]
    assert net["inputs"] == [{"name": "image", "shape": ["N", 1, 28, 28], "dtype": "f32"}]
    assert net["outputs"] == [{"name": "logits", "shape": ["N", 10], "dtype": "f32"}]
    totals = net["totals"]
    assert (totals["params"], totals["macs"], totals["depth"], totals["state"]) == (61_706, 416_520, 5, 0)
    c1 = net["layers"][0]
    assert {k: c1[k] for k in ("name", "kind", "path", "inputs", "shape", "params", "macs", "flops", "bytes")} == {
        "name": "c1", "kind": "conv", "path": "LeNet5.c1", "inputs": ["image"], "shape": ["N", 6, 28, 28],
        "params": 156, "macs": 117_600, "flops": 235_200, "bytes": 18_816,
    }  # fmt: skip
    assert c1["rf"] == {
        "size": [5, 5], "stride": [1, 1], "pad": [2, 2], "aligned": True, "global": False, "local": [5, 5],
    }  # fmt: skip
    assert c1["args"]["pad"] == [[2, 2], [2, 2]]
    assert net["layers"][2]["args"]["stride"] == [2, 2]  # a pool strides by its kernel
    flatten = net["layers"][6]
    assert (flatten["rf"]["size"], flatten["rf"]["global"], flatten["rf"]["local"]) == (None, True, None)


def test_a_net_of_vectors_has_no_fields() -> None:
    net = only("net A {\n  input x: [N, 4]\n  y = x -> dense(3)\n  output y\n}\n")
    (layer,) = report_dict([net.report()])["nets"][0]["layers"]
    assert layer["rf"] is None
    assert "field" not in [line.text.split(" ")[0] for line in lines(net.report())]


def test_memory_is_counted_at_the_batch() -> None:
    (net,) = load_file(str(GOLDEN / "lenet.net")).nets.values()
    small, large = (report_dict([net.report(batch)])["nets"][0]["totals"] for batch in (1, 8))
    assert small["batch"] == 1
    assert large["batch"] == 8
    assert small["macs"] == large["macs"]
    assert large["infer_bytes"] - small["infer_bytes"] > 7 * 18_816


def test_a_net_with_mistakes_has_no_memory_and_keeps_what_is_known() -> None:
    (net,) = load_file(str(GOLDEN / "broken.net")).nets.values()
    found = report_dict([net.report()])
    jsonschema.validate(found, SCHEMA)
    totals = found["nets"][0]["totals"]
    assert (totals["params"], totals["infer_bytes"], totals["train_bytes"]) == (40, None, None)


@pytest.mark.parametrize("backward", [False, True])
def test_what_depends_on_a_symbolic_size_is_null(backward: bool) -> None:
    (net,) = load_file(str(GOLDEN / "symbolic.net")).must_be_right().nets.values()
    found = report_dict([net.report(backward=backward)])
    jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
    totals, layers = found["nets"][0]["totals"], {n["name"]: n for n in found["nets"][0]["layers"]}
    unknown = {"macs", "flops", "infer_bytes", "train_bytes"} | ({"backward_flops"} if backward else set())
    assert {name for name, figure in totals.items() if figure is None} == unknown
    assert layers["stem"]["shape"] == ["N", 8, "H/2", "W/2"]
    assert [layers["stem"][k] for k in ("params", "macs", "bytes")] == [3 * 8 * 9, None, None]
    assert [layers["dense1"][k] for k in ("params", "macs", "bytes")] == [8 * 10 + 10, 80, 40]
    assert "memory      – to run" in table_text(net.report())


def test_sizes_in_numbers_give_the_figures_of_a_net_written_with_them() -> None:
    text = (GOLDEN / "symbolic.net").read_text(encoding="utf-8")
    written = re.sub(r"H, W\].*", "64, 80]", text)
    (filled,) = load_text(text, sizes=(3, 64, 80)).must_be_right().nets.values()
    direct = only(re.sub(r"  expect .*\n", "", written))
    one, other = (report_dict([n.report()])["nets"][0] for n in (filled, direct))
    assert one["totals"] == other["totals"]
    assert [n["macs"] for n in one["layers"]] == [n["macs"] for n in other["layers"]]


def test_csv_has_a_row_for_each_layer_unfolded(netc: Command) -> None:
    done = netc("report", GOLDEN / "residual.net", "--format", "csv")
    (net,) = load_file(str(GOLDEN / "residual.net")).nets.values()
    table = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["path"] for row in table] == [n.path for n in net.graph.nodes if n.layer]
    assert sum(int(row["params"]) for row in table) == net.facts.params


# ---- Rows --------------------------------------------------------------------------------------------------------


def test_equal_blocks_in_a_row_are_one_row_that_sums_them() -> None:
    (net,) = load_file(str(GOLDEN / "residual.net")).nets.values()
    found = {r.name: r for r in rows(net.report()) if r.level == 0}
    three = found["basic1–3"]
    assert (three.times, three.layer) == (3, "Basic(16)")
    whole = [n for n in net.graph.nodes if n.scopes and n.scopes[0].name in ("basic1", "basic2", "basic3")]
    assert three.params == sum(n.expansion.params for n in whole)
    assert three.macs == sum(n.expansion.macs for n in whole)
    last = next(n for n in net.graph.nodes if n.path == "basic3.relu2")
    assert three.field == net.facts.fields[last.id]


def test_blocks_that_read_other_tensors_are_not_one_row() -> None:
    net = only(
        """
block Add: a, b -> y {
  y = a + b -> relu
}
net A {
  input x: [N, 3]
  u = [x, x] -> Add
  v = [u, x] -> Add
  w = [v, x] -> Add
  output w
}
"""
    )
    assert [(r.name, r.times) for r in rows(net.report(), 0)] == [("x", 1), ("add1", 1), ("add2–3", 2)]


@pytest.mark.parametrize("spec", spec_names())
def test_folded_rows_sum_to_the_totals(spec: str) -> None:
    for net in load_file(spec).nets.values():
        for depth in (0, 1, None):
            top = [r for r in rows(net.report(), depth) if r.level == 0]
            assert sum(r.params for r in top) == net.facts.params
            assert total(r.macs for r in top) == net.facts.macs


# ---- The arithmetic ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*spec_names(), str(GOLDEN / "residual.net")])
def test_every_explanation_ends_in_the_figures_of_the_report(spec: str) -> None:
    for net in load_file(spec).nets.values():
        for node in net.graph.nodes:
            if node.layer is None:
                continue
            told = explain(net.facts, node)
            e = node.expansion
            for figure in (e.params, e.macs, e.flops):
                assert exact(figure) in told, (node.path, figure)
            for number in products(told):
                left, right = number
                assert left == right, (node.path, told)


PRODUCT = re.compile(
    r"(?<![\w,·])(?<!\+ )((?:\d+·)+\d+)(?: places · ((?:\d+·)+\d+) weights)?"
    r"(?: numbers · (4) bytes)?(?: [a-z ]*)?= ([\d,]+)"
)


COST = re.compile(r"\w+: ([\d·]+)(?: numbers)? · ([\d,]+) (?:numbers|windows) = ([\d,]+)")


def products(told: str) -> list[tuple[int, int]]:
    """Each `a·b·c … = n` of an explanation, as the product and n."""
    out: list[tuple[int, int]] = []
    for *parts, result in PRODUCT.findall(told):
        factors = [int(f) for part in parts if part for f in part.split("·")]
        out.append((prod(factors), int(result.replace(",", ""))))
    for each, count, result in COST.findall(told):
        factors = [int(f) for f in (*each.split("·"), count.replace(",", ""))]
        out.append((prod(factors), int(result.replace(",", ""))))
    return out


def test_products_are_found() -> None:
    told = "a: 6·1·5·5 = 150\n2·3 places · 6·5 weights = 180\n1·2·3 numbers · 4 bytes = 24 bytes"
    assert products(told) == [(150, 150), (180, 180), (24, 24)]
    told = "maxpool: 2·2 numbers · 400 windows = 1,600\nrelu: 1 · 4,704 numbers = 4,704"
    assert products(told) == [(1600, 1600), (4704, 4704)]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("maxpool(3, stride=2, pad=1)", "maxpool: 3·3 numbers · 48 windows = 432"),
        ("avgpool((2, 4))", "avgpool: 2·4 numbers · 24 windows = 192"),
        ("relu", "relu: 1 · 192 numbers = 192"),
        ("flatten -> softmax", "softmax: 5 · 192 numbers = 960"),
        ("gap", "sum_to: 1 · 192 numbers = 192"),
    ],
)
def test_flops_are_explained(layer: str, said: str) -> None:
    net = only(f"net A {{\n  input x: [N, 3, 8, 8]\n  y = x -> {layer}\n  output y\n}}\n")
    assert said in explain(net.facts, net.graph.nodes[-1])


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("conv(2, 3, stride=2, pad=same)", "⌊(8 + 0 + 1 − 3) / 2⌋ + 1 = 4"),
        ("maxpool(3, stride=2, round=ceil)", "⌈(8 − 3) / 2⌉ + 1 = 4"),
        ("maxpool(2, stride=3, round=ceil)", "⌈(8 − 2) / 3⌉ + 1 = 3"),
        ("maxpool(1, stride=5, pad=0, round=ceil)", "⌈(8 − 1) / 5⌉ + 1 = 2, less one window"),
        ("conv(2, 3, dilation=2)", "⌊(8 − (2·(3 − 1) + 1)) / 1⌋ + 1 = 4"),
        ("gap", "the mean of 8·8 = 64 pixels, for each channel"),
    ],
)
def test_output_sizes_are_explained(layer: str, said: str) -> None:
    net = only(f"net A {{\n  input x: [N, 3, 8, 8]\n  y = x -> {layer}\n  output y\n}}\n")
    assert said in explain(net.facts, net.graph.nodes[-1])


def test_backward_costs_twice_the_forward_pass_of_a_layer_inside() -> None:
    (net,) = load_file(str(GOLDEN / "lenet.net")).nets.values()
    layers = report_dict([net.report(backward=True)])["nets"][0]["layers"]
    by_name = {layer["name"]: layer for layer in layers}
    assert by_name["c3"]["backward_flops"] == pytest.approx(2 * by_name["c3"]["flops"], rel=0.01)
    # Nothing flows into the image, so its gradient is not computed.
    assert by_name["c1"]["backward_flops"] == pytest.approx(by_name["c1"]["flops"], rel=0.05)


@pytest.mark.parametrize("option", [("--explain", "zz"), ("--rf", "zz[0,0]")])
def test_a_layer_behind_a_mistake_is_asked_for(
    option: tuple[str, str], netc: Command, tmp_path: Path
) -> None:
    """The mistake is told, and not only that there is no such layer."""
    file = tmp_path / "a.net"
    file.write_text("net A {\ninput x: [N, 3, 8, 8]\ny = x -> conv(4, 9) -> zz: relu\noutput y\n}\n")
    done = netc("report", file, *option)
    assert done.code == 1
    assert "there is no layer `zz`" in done.err
    assert "E0302" in done.err


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        (("--net", "A", "--explain", "zz"), 2, "there is no layer `zz`; the report names them all\n"),
        (("--net", "A", "--rf", "zz[0,0]"), 2, "there is no layer `zz`; the report names them all\n"),
        (("--net", "A", "--rf", "c1[99,0]"), 2, "`c1` has 6 rows, 0 to 5, and no 99\n"),
        (("--net", "B", "--explain", "zz"), 1, ", or it stands behind a mistake\n"),
        (("--explain", "zz"), 1, ", or it stands behind a mistake\n"),
    ],
)
def test_only_what_may_stand_behind_a_mistake_is_said_to(
    option: tuple[str, ...], code: int, said: str, netc: Command, tmp_path: Path
) -> None:
    file = tmp_path / "a.net"
    right = "net A {\n  input x: [N, 3, 8, 8]\n  y = x -> c1: conv(4, 3)\n  output y\n}\n"
    file.write_text(right + right.replace("net A", "net B").replace("conv(4, 3)", "conv(4, 9)"))
    done = netc("report", file, *option)
    assert done.code == code
    assert said in done.err
    assert ("E0302" in done.err) == ("behind a mistake" in done.err) == (code == 1)


def test_a_block_is_asked_for_and_its_layers_are_named(netc: Command) -> None:
    done = netc("report", "resnet", "--net", "ResNet34", "--explain", "basic1")
    assert done.code == 2
    assert "`basic1` is a block, and its layers are `basic1." in done.err
    done = netc("report", "resnet", "--net", "ResNet34", "--explain", "basic1.cnv1")
    assert "did you mean `basic1.conv1`?" in done.err


def test_a_net_that_gives_whole_numbers_has_nothing_to_train(netc: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.net"
    file.write_text("net A {\n  input x: int[N, 6]\n  y = x -> relu\n  output y\n}\n")
    done = netc("report", file, "--backward")
    assert (done.code, done.err) == (0, "")
    assert "112 B to run and – to train" in done.out
    done = netc("report", file, "--json")
    assert json.loads(done.out)["nets"][0]["totals"]["train_bytes"] is None
    assert "no loss trains it" in netc("bench", file).err


def test_training_is_measured_by_the_first_output_that_has_a_loss() -> None:
    text = (
        "net A {\n  input x: int[N, 6]\n  y = x -> relu\n  z = y -> embedding(9, 3) -> flatten -> dense(2)\n"
    )
    net = only(text + "  output y, z\n}\n")
    memory = net.report().memory
    assert memory
    assert memory.train
    assert memory.train > memory.infer


def test_backward_stands_in_every_format(netc: Command) -> None:
    asked = ("report", GOLDEN / "lenet.net", "--backward", "--format")
    (net,) = json.loads(netc(*asked, "json").out)["nets"]
    wanted = [layer["backward_flops"] for layer in net["layers"]]
    lines = list(csv.DictReader(netc(*asked, "csv").out.splitlines()))
    assert [int(line["backward_flops"]) for line in lines] == wanted
    text = netc(*asked, "md").out
    cells = [line.rsplit("|", 2)[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert cells == ["backward FLOPs", "---:", *(f"{flops:,}" for flops in wanted)]
    assert f"All gradients take {net['totals']['backward_flops']:,} FLOPs" in text
    assert "backward" not in netc(*asked[:2], "--format", "csv").out


def test_args_have_what_a_layer_says_of_its_weights() -> None:
    text = (
        "net A {\n  input x: [N, 1, 9, 9]\n"
        "  y = x -> conv(1, (1, 2), weight=[[1, -1]], bias=false, frozen=true) -> conv(2, 3, init=normal(0.1))"
        " -> conv(2, 3)\n  output y\n}\n"
    )
    (net,) = load_text(text).must_be_right().nets.values()
    found = report_dict([net.report()])
    jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
    fixed, drawn, plain = (layer["args"] for layer in found["nets"][0]["layers"])
    assert (fixed["weight"], fixed["frozen"]) == ([[1, -1]], True)
    assert drawn["init"] == "normal(0.1)"
    assert not {"weight", "frozen", "init"} & plain.keys()


def test_training_that_is_assumed_is_named() -> None:
    """Without a train block: memory to train depends on the loss, and may be less than memory to run."""
    text = "net A {\n  input x: [N, 3]\n  y = x -> dense(4)\n  output y\n}\n"
    (plain,) = load_text(text).must_be_right().nets.values()
    said = "at a batch of 1 example; without a train block, by sgd on softmax_xent of y"
    assert said in table_text(plain.report())
    block = "train A {\n  target t: [N, 4]\n  loss [y, t] -> mse\n}\n"
    (told,) = load_text(text + block).must_be_right().nets.values()
    assert "without a train block" not in table_text(told.report())


def test_the_field_is_of_the_input_that_is_seen(netc: Command, tmp_path: Path) -> None:
    file = tmp_path / "c.net"
    file.write_text(
        "net C {\n  input a: [N, 1, 8, 8]\n  input b: [N, 1, 10, 10]\n"
        "  p = a -> conv(2, 3, pad=half) -> gap -> flatten\n"
        "  q = b -> conv(2, 3, pad=half) -> last: conv(2, 5)\n"
        "  r = q -> gap -> flatten\n  y = [p, r] -> concat -> dense(3)\n  output y\n}\n"
    )
    assert "field       7×7, of an input of 10×10: `last`" in netc("report", file).out
