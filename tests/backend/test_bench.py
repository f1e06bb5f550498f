"""`netc bench` at work: every line of a table has its time, and every shipped spec its table."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from benchmarks.speed.layers import by_layer
from benchmarks.speed.peers import NETC, Job
from netc.backends.cpu import bind_timed, roof, table
from netc.backends.cpu.call import Call
from netc.backends.cpu.emit import load
from netc.backends.cpu.roof import Roof
from netc.backends.cpu.table import Table
from netc.bench import measure as measuring
from netc.bench.measure import Bench, TooLarge, bench
from netc.bench.show import bench_dict, bench_lines
from netc.loading import load_file, load_text
from netc.lower import inference
from netc.runtime import compile_program
from netc.train.model import Model
from netc.train.spec import default_spec
from tests.backend.test_driver import SIZE, SOURCE
from tests.backend.test_specs_run import SMALL
from tests.command import Command
from tests.pure.test_bench import SCHEMA

ROOF = Roof(1, 1e11, 1e10)


@pytest.fixture
def known_roof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "measure_roof", lambda threads: ROOF)


# ---- The timed walk --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_timed_walk_does_what_a_walk_does(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "WORTH", 0)
    k = load("driver_test", SOURCE)
    x, y = np.zeros(SIZE), np.zeros(SIZE)
    calls = [
        Call(k.count, SIZE, (x, 0.5), 0),
        Call(k.turned, SIZE, (x, y, (2, 2)), 0),
        Call(k.count, 1, (y, 1.0), 0),
    ]
    lines = Table(calls, threads)
    begun = perf_counter()
    seconds = lines.timed()
    whole = perf_counter() - begun
    assert len(seconds) == len(calls)
    assert all(s >= 0 for s in seconds)
    assert sum(seconds) <= whole  # the clocks are one, and one lies inside the other
    np.testing.assert_array_equal(x, 0.5)
    np.testing.assert_array_equal(y, [2, *[1] * (SIZE - 1)])
    lines.run()
    np.testing.assert_array_equal(x, 1)


def test_equations_have_the_times_of_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls of a concatenation are one equation; a view has none."""
    body = "a = x -> relu\n  y = [x, a] -> concat -> flatten -> dense(2)"
    text = f"net A {{\n  input x: [N, 3, 4, 4]\n  {body}\n  output y\n}}\n"
    graph = load_text(text).must_be_right().nets["A"].graph
    exe = compile_program(inference(graph, 2), threads=1)
    calls = {"reshape": 0, "concat": 2}
    counts = [calls.get(eq.op.name, 1) for eq in exe.program.equations]
    assert {0, 1, 2} <= set(counts)
    monkeypatch.setattr(Table, "timed", lambda self: [2.0**i for i in range(sum(counts))])
    starts = [sum(counts[:i]) for i in range(len(counts))]
    wanted = [sum(2.0**k for k in range(start, start + n)) for start, n in zip(starts, counts, strict=True)]
    assert bind_timed(exe.program, exe.arrays, 1)() == wanted


def test_the_loop_of_the_roof_multiplies_and_adds() -> None:
    """s ← s x + y with x = y = ½ comes to rest at 1."""
    numbers = np.full((roof._SUMS + 2, roof._LANES), 0.5, np.float32)
    roof._function()(100, numbers.ctypes.data)
    np.testing.assert_array_equal(numbers[:2], 0.5)
    np.testing.assert_array_equal(numbers[2:], 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_roof(threads: int) -> None:
    found = roof.measure(threads)
    assert found.threads == threads
    assert found.flops > 0
    assert Roof(1, 100.0, 10.0).seconds(200, 10) == 2
    assert Roof(1, 100.0, 10.0).seconds(200, 50) == 5


# ---- Nets ------------------------------------------------------------------------------------------------------


def small(spec: str) -> Any:
    s = SMALL[spec]
    nets = load_file(spec, s.settings, s.sizes).must_be_right().nets
    return nets[s.nets[0] if s.nets else next(iter(nets))]


def run(spec: str, infer: bool) -> Bench:
    net = small(spec)
    return bench(net.graph, net.train or default_spec(net.graph), batch=2, infer=infer, threads=1, steps=1)


@pytest.mark.usefixtures("known_roof")
@pytest.mark.parametrize("spec", SMALL)
def test_every_spec_has_its_table(spec: str) -> None:
    found = run(spec, infer=False)
    SCHEMA.validate({"schema": "netc.bench/1", "nets": [bench_dict(found)]})
    net = small(spec)
    train = net.train or default_spec(net.graph)
    known = {x.path for x in net.graph.nodes} | {x.name for x in (*train.losses, *train.metrics)}
    assert {
        r.name for r in found.layers if r.layer not in ("weights of several layers", "what is between")
    } <= known
    for text in (line.text for line in bench_lines(found, 72)):
        assert len(text) <= 72
    assert sum(row.cost.flops for row in found.layers) == found.cost.flops


@pytest.mark.usefixtures("known_roof")
def test_shares_are_of_the_roof() -> None:
    found = run("digits", infer=True)
    assert not any(row.seconds["backward"] or row.seconds["update"] for row in found.layers)
    for row in found.layers:
        assert row.roof >= max(row.cost.flops / ROOF.flops, row.cost.bytes / ROOF.bytes) * (1 - 1e-9)
        assert row.share == pytest.approx(row.roof / row.total)
    text = "\n".join(line.text for line in bench_lines(found, None))
    assert "backward" not in text
    assert "100 GFLOP/s of float32 multiply-adds, 10.0 GB/s of copying, by 1 thread" in text


@pytest.mark.usefixtures("known_roof")
def test_blocks_are_one_row_each() -> None:
    net = small("resnet")
    spec = default_spec(net.graph)
    made = {d: bench(net.graph, spec, batch=1, infer=True, threads=1, steps=1, depth=d) for d in (None, 0)}
    assert {"basic1": "Basic(64, stride=1)"}.items() <= {r.name: r.layer for r in made[0].layers}.items()
    assert any(r.name == "basic1.conv1" for r in made[None].layers)
    assert not any("." in r.name for r in made[0].layers)
    assert made[0].cost == made[None].cost


@pytest.mark.usefixtures("known_roof")
def test_weights_do_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random labels would drive a net to where numbers are no numbers, and those take another time."""
    made: list[Model] = []
    real = Model.__init__

    def kept(self: Model, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(Model, "__init__", kept)
    net = small("digits")
    bench(net.graph, net.train, batch=4, threads=1, steps=3)
    fresh = Model(net.graph, net.train).weights()
    for name, w in made[0].weights().items():
        if "running" not in name:
            np.testing.assert_array_equal(w, fresh[name])


def test_the_command(netc: Command) -> None:
    done = netc("bench", "digits", "--steps", 2, "--threads", 1, "--batch", 3)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Digits: a training step of 3 examples\n")
    assert "median of 2 steps" in done.out
    found = json.loads(netc("bench", "digits", "--steps", 2, "--threads", 1, "--infer", "--json").out)
    SCHEMA.validate(found)
    (net,) = found["nets"]
    assert (net["batch"], net["mode"], net["step"]["count"], net["machine"]["threads"]) == (1, "infer", 2, 1)


def test_what_does_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch, netc: Command) -> None:
    monkeypatch.setattr(measuring, "_free_memory", lambda: 1 << 20)
    done = netc("bench", "digits", "--batch", 4096)
    assert (done.code, done.out) == (3, "")
    assert "at a batch of 4096, and 0.0 GiB are free; say less by --batch" in done.err
    net = small("digits")
    with pytest.raises(TooLarge, match="Digits takes"):
        bench(net.graph, net.train, batch=4096)


def test_a_net_of_float64_is_measured_as_such(netc: Command, tmp_path: Path) -> None:
    text = "net A {\n  input x: f64[N, 30]\n  y = x -> dense(40) -> tanh -> dense(30)\n  output y\n}\n"
    single, double = (
        load_text(t).must_be_right().nets["A"].report().memory for t in (text.replace("f64", ""), text)
    )
    assert single
    assert double
    assert (double.infer, double.train) > (1.9 * single.infer, 1.9 * (single.train or 0))
    (tmp_path / "a.net").write_text(text)
    done = netc("bench", tmp_path / "a.net", "--batch", "2", "--steps", "1")
    assert (done.code, done.err) == (0, "")


def test_the_benchmark_beside_peers_keeps_shares_by_layer(known_roof: None) -> None:
    found = by_layer(Job(NETC, "LeNet-5 b1", "infer", 1))
    names = [x["name"] for x in found["layers"]]
    assert names == ["c1", "s2", "c3", "s4", "flatten1", "c5", "relu3", "f6", "relu4", "dense1"]
    least = sum(x["ms"] * x["share"] for x in found["layers"])
    assert found["share"] == pytest.approx(least / sum(x["ms"] for x in found["layers"]), rel=0.1)
    assert (found["gflops"], found["gb_per_s"]) == (100, 10)
