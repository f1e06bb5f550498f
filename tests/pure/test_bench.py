"""`netc bench` without running anything: costs, the parts of a step, passes, tables, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from netc import ops
from netc.bench import data
from netc.bench.cost import Cost, cost, total_cost
from netc.bench.layers import LayerTime, phases
from netc.bench.stages import stages
from netc.bench.text import Column, left_out, span, table
from netc.ir import PASSES, Builder
from netc.loading import load_file, load_text
from netc.lower import folded, forward
from netc.plan import plan
from netc.train.spec import default_spec
from netc.train.step import training_step
from netc.types import TensorType
from tests.command import Command

CHECKOUT = Path(__file__).parents[2]
SCHEMA = Draft202012Validator(json.loads((CHECKOUT / "netc/bench/bench.schema.json").read_text("utf-8")))
NORM = """
net A {
  input x: [N, 3, 8, 8]
  y = x -> conv(4, 3) -> bn -> relu -> flatten -> dense(5)
  output y
}
"""
TWO = "net A {\n  input x: [N, 3]\n  output x\n}\nnet B {\n  input x: [N, 3]\n  output x\n}\n"
OPEN = "net A {\n  input x: [N, 3, H, W]\n  y = x -> conv(4, 3, pad=1)\n  output y\n}\n"


@pytest.fixture
def norm(tmp_path: Path) -> Path:
    path = tmp_path / "norm.net"
    path.write_text(NORM)
    return path


def parts(graph: Any, batch: int = 4) -> Any:
    return training_step(graph, default_spec(graph), batch)


# ---- Costs and the parts of a step -----------------------------------------------------------------------------


def test_cost_counts_each_operand_once_and_views_not_at_all() -> None:
    b = Builder()
    x = b.input("x", TensorType((4, 6)), "data")
    square = b(ops.mul, x, x)
    b.outputs["y"] = b(ops.dot, b(ops.reshape, square, shape=(6, 4)), x)
    product, view, dot = b.finish().equations
    assert cost(product) == Cost(1, 24, 2 * 96)
    assert cost(view) == Cost()
    assert cost(dot) == Cost(1, 2 * 6 * 6 * 4, 2 * 96 + 144)
    assert total_cost([product, view, dot]) == Cost(2, 24 + 288, 528)


def test_parts_of_a_step() -> None:
    graph = load_text(NORM).must_be_right().nets["A"].graph
    program = parts(graph)
    found = {
        (eq.op.name, eq.node): phase for eq, phase in zip(program.equations, phases(program), strict=True)
    }
    assert found["with_epilogue", "A.conv1"] == "forward"
    assert found["conv_weights", "A.conv1"] == "backward"
    assert found["fused", "A.dense1.weight"] == "update"
    states = {i.value for i in program.by_role("state")}
    kept = {new for old, new in program.updates if old in states}
    pairs = zip(program.equations, phases(program), strict=True)
    running = [phase for eq, phase in pairs if kept.intersection(eq.outputs)]
    assert running == ["forward"] * 2  # the statistics are kept in the forward pass
    assert {p for (_, node), p in found.items() if node.endswith((".weight", ".bias"))} == {"update"}


def test_all_of_inference_is_forward() -> None:
    graph = load_text(NORM).must_be_right().nets["A"].graph
    assert set(phases(folded(forward(graph, 2))[1])) == {"forward"}


def test_shares_of_a_layer_that_took_no_time() -> None:
    row = LayerTime("a", "relu")
    assert (row.total, row.rate, row.share) == (0, 0, 0)


def test_labels_and_words_are_of_those_that_there_are() -> None:
    text = """
net Words {
  input text: int[N, 7]
  y = text -> embedding(4, 3) -> flatten -> dense(3)
  output y
}
"""
    graph = load_text(text).must_be_right().nets["Words"].graph
    (words,) = data.inputs(graph, 50).values()
    assert words.shape == (50, 7)
    assert set(words.ravel()) == {0, 1, 2, 3}
    assert set(data.target(graph, default_spec(graph), 50)) == {0, 1, 2}


# ---- Passes ----------------------------------------------------------------------------------------------------


def test_stages_end_with_the_program_that_runs() -> None:
    compiled = load_text(NORM).must_be_right().nets["A"]
    spec = default_spec(compiled.graph)
    found = stages(compiled.graph, spec, 3, infer=False)
    assert [s.name for s in found] == ["as emitted", *(p.__name__ for p in PASSES)]
    program = training_step(compiled.graph, spec, 3)
    assert str(found[-1].program) == str(program)
    assert found[-1].cost == total_cost(program.equations)
    assert found[-1].arena == plan(program).arena_bytes
    before = {s.name: s for s in found}
    assert before["fuse"].cost.equations < before["drop_unused"].cost.equations
    assert before["fuse"].cost.bytes < before["drop_unused"].cost.bytes
    assert before["fuse"].cost.flops == before["drop_unused"].cost.flops


def test_stages_of_inference() -> None:
    graph = load_text(NORM).must_be_right().nets["A"].graph
    found = stages(graph, default_spec(graph), 3, infer=True)
    names = [
        "as emitted",
        "share_equal",
        "drop_unused",
        "fold",
        "split_constant",
        *(p.__name__ for p in PASSES),
    ]
    assert [s.name for s in found] == names
    assert found[-1].cost == total_cost(folded(forward(graph, 3))[1].equations)


def test_passes_as_a_table(norm: Path, netc: Command) -> None:
    done = netc("bench", norm, "--passes", "--batch", 3)
    assert (done.code, done.err) == (0, "")
    title, _, heading, first, *rows = done.out.splitlines()
    assert title == "A: a training step of 3 examples"
    assert heading.split() == ["pass", "equations", "FLOPs", "bytes", "moved", "arena", "change"]
    assert first.startswith("as emitted")
    assert [row.split()[0] for row in rows] == [p.__name__ for p in PASSES]
    assert "% bytes" in next(row for row in rows if row.startswith("fuse"))


def test_programs_are_shown_when_they_are_asked_for(norm: Path, netc: Command) -> None:
    done = netc("bench", norm, "--programs", "--infer")
    assert done.code == 0
    assert "\n# fold\n" in done.out
    assert "data x = %0: [1, 3, 8, 8]" in done.out
    last = done.out.split("# update_early\n")[1]
    assert "prepared A.conv1" in last
    assert "conv(" in last
    assert "sqrt" not in last


@pytest.mark.parametrize("more", [["--infer"], [], ["--programs"]])
def test_passes_as_json(more: list[str], norm: Path, netc: Command) -> None:
    done = netc("bench", norm, "--passes", "--json", *more)
    found = json.loads(done.out)
    SCHEMA.validate(found)
    (net,) = found["nets"]
    assert (net["name"], net["batch"]) == ("A", 1 if "--infer" in more else 8)
    assert all(("program" in stage) == ("--programs" in more) for stage in net["passes"])


def test_the_batch_is_that_of_the_train_block(netc: Command) -> None:
    found = json.loads(netc("bench", "digits", "--passes", "--json").out)["nets"][0]
    assert found["batch"] == load_file("digits").nets[found["name"]].train.batch  # type: ignore[union-attr]


# ---- Tables ----------------------------------------------------------------------------------------------------

COLUMNS = (Column("name"), Column("layer", rank=1, least=10), Column("time", True, 2), Column("share", True))


@given(
    st.lists(st.tuples(*[st.text("abc×…", max_size=30)] * 4), max_size=5),
    st.integers(1, 120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, ...]], width: int) -> None:
    least = 4 + 2 + max([len("share"), *(len(r[3]) for r in rows)])  # the columns that always stay
    for line in table(COLUMNS, rows, width):
        assert len(line.text) <= max(width, least)


def test_columns_go_by_their_rank() -> None:
    rows = [("conv1", "conv(64, 3, stride=2)", "12 ms", "5%")]

    def shown(width: int | None) -> list[str]:
        return [line.text for line in table(COLUMNS, rows, width)]

    assert shown(None) == [
        "name   layer                   time  share",
        "conv1  conv(64, 3, stride=2)  12 ms     5%",
    ]
    assert shown(34)[1] == "conv1  conv(64, 3, …  12 ms     5%"
    assert shown(26)[1] == "conv1  conv(64, …     5%"
    assert shown(20)[1] == "conv1     5%"
    assert shown(6)[1] == "con…     5%"


def test_columns_that_went_are_named() -> None:
    rows = [("conv1", "conv(64, 3, stride=2)", "12 ms", "5%")]
    assert [left_out(COLUMNS, rows, width) for width in (None, 34, 26, 20)] == [
        "", "", "time, for want of width", "layer, time, for want of width"
    ]  # fmt: skip


def test_a_narrow_table_of_passes_says_what_it_leaves_out(
    netc: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = netc("bench", "lenet5", "--net", "LeNet5", "--passes").out
    assert out.endswith("left out: equations, bytes moved,\nchange, for want of width\n")
    assert max(map(len, out.splitlines())) <= 40
    monkeypatch.setenv("COLUMNS", "120")
    assert "left out" not in netc("bench", "lenet5", "--net", "LeNet5", "--passes").out


def test_spans() -> None:
    told = {3e-8: "0.03 µs", 9.996e-4: "1.00 ms", 0.9996: "1.00 s", 61: "61.0 s", 2e-3: "2.00 ms"}
    assert {s: span(s) for s in told} == told


# ---- What is refused -------------------------------------------------------------------------------------------


def test_wrong_files_and_wrong_usage(tmp_path: Path, netc: Command) -> None:
    def written(text: str) -> Path:
        path = tmp_path / "a.net"
        path.write_text(text)
        return path

    done = netc("bench", written(NORM.replace("relu", "rellu")))
    assert (done.code, done.out) == (1, "")
    assert "did you mean `relu`?" in done.err
    done = netc("bench", written(TWO))
    assert (done.code, done.out) == (2, "")
    assert "say which by --net" in done.err
    done = netc("bench", written(OPEN), "--passes")
    assert (done.code, done.out) == (2, "")
    assert "H and W are open; --input says them" in done.err
    assert netc("bench", written(OPEN), "--passes", "--input", "3x9x9").code == 0
    for option in ("--batch", "--threads", "--steps"):
        assert netc("bench", written(NORM), option, 0).code == 2


def test_passes_load_no_compiler() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from netc.cli.run import run; code = run(['bench', 'lenet5', '--net', 'LeNet5', '--passes']); "
        "assert code == 0; assert not {'numba', 'llvmlite'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True)
