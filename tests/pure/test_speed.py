"""The benchmark as an instrument, without its clock: peers that talk, tables that are written, ratios that fall."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.machine import indented
from benchmarks.speed.cases import CASES, TABLE
from benchmarks.speed.cells import LAYERS, Cell, How
from benchmarks.speed.cells import row as row_of
from benchmarks.speed.compare import compare
from benchmarks.speed.others import Watch
from benchmarks.speed.peers import COMPILED, EAGER, LAST, NETC, ONNX, taking_part
from benchmarks.speed.protocol import Peer, PeerFailed, timed
from benchmarks.speed.table import BEGIN, END, between_markers, markdown, memory_ratio, milliseconds
from benchmarks.speed.turns import FEWEST_ROUNDS, Timing, interleave, noise

FAKE = """
import sys
from benchmarks.speed.protocol import say, serve
say(sys.stdout, {"ready": True})
count = 0
def step():
    global count
    count += 1
    STEP
serve(sys.stdin, sys.stdout, step, lambda: count)
"""
PATIENT = 60.0  # seconds; what answers at all answers at once


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts a process that takes steps of that code, and ends it after the test."""
    started: list[Peer] = []

    def start(step: str = "pass", code: str = FAKE) -> Peer:
        log = tmp_path / f"{len(started)}.log"
        started.append(Peer([sys.executable, "-c", code.replace("STEP", step)], log))
        return started[-1]

    yield start
    for peer in started:
        peer.close()


# ---- The protocol -----------------------------------------------------------------------------------------


def test_a_peer_takes_the_steps_that_it_is_asked_for(start: Any) -> None:
    peer = start()
    assert peer.hear(PATIENT) == {"ready": True}
    answer = peer.ask({"steps": 5, "within": PATIENT}, PATIENT)
    assert len(answer["seconds"]) == 5
    assert all(s >= 0 for s in answer["seconds"])
    assert peer.ask({"memory": True}, PATIENT) == {"peak": 5}


def test_a_turn_ends_when_its_time_is_up_and_has_one_step_at_least() -> None:
    taken: list[None] = []
    assert len(timed(lambda: taken.append(None), 1000, within=0.0)) == 1
    assert len(taken) == 1


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("raise ValueError('no such layer')", "ValueError: no such layer"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL"),
        ("sys.exit('out of luck')", "out of luck"),
        ("import os; os._exit(3)", "ended with exit code 3"),
    ],
)
def test_a_peer_that_fails_says_why(start: Any, step: str, reason: str) -> None:
    peer = start(step)
    peer.hear(PATIENT)
    with pytest.raises(PeerFailed) as failure:
        peer.ask({"steps": 1, "within": 1}, PATIENT)
    assert str(failure.value) == reason
    with pytest.raises(PeerFailed):  # and again, though nobody reads the question
        peer.ask({"steps": 1, "within": 1}, PATIENT)


def test_a_peer_that_is_silent_is_not_waited_for(start: Any) -> None:
    with pytest.raises(PeerFailed, match="no answer within 0 s"):
        start(code="import time; time.sleep(60)").hear(0.1)


# ---- Turns ------------------------------------------------------------------------------------------------


def test_everyone_has_a_turn_in_every_round(start: Any) -> None:
    peers = {"a": start(), "b": start()}
    for peer in peers.values():
        peer.hear(PATIENT)
    timing = interleave(peers, rounds=4, seconds=PATIENT, pause=0)
    assert {name: len(turns) for name, turns in timing.rounds.items()} == {"a": 4, "b": 4}
    assert timing.failed == {}


def test_with_no_time_there_are_still_rounds(start: Any) -> None:
    peer = start()
    peer.hear(PATIENT)
    timing = interleave({"a": peer}, rounds=FEWEST_ROUNDS + 5, seconds=-1, pause=0)
    assert len(timing.rounds["a"]) == FEWEST_ROUNDS


def test_who_fails_drops_out_and_the_others_go_on(start: Any) -> None:
    peers = {"good": start(), "bad": start("if count > 2: raise MemoryError('too large')")}
    for peer in peers.values():
        peer.hear(PATIENT)
    timing = interleave(peers, rounds=3, seconds=PATIENT, pause=0)
    assert timing.failed == {"bad": "MemoryError: too large"}
    assert list(timing.rounds) == ["good"]
    assert len(timing.rounds["good"]) == 3


def test_ratios_are_those_of_each_round() -> None:
    timing = Timing({"slow": [[2.0, 4.0, 9.0], [6.0]], "fast": [[1.0, 2.0, 1.0], [2.0]]})
    assert timing.ratios("slow", "fast") == [4.0, 3.0]
    assert timing.median("slow") == 5.0


def test_noise_is_nothing_where_all_rounds_agree_and_less_with_more_rounds() -> None:
    assert noise([1.5] * 4) == 0
    assert noise([1.0, 1.1, 0.9]) == pytest.approx(1.4826 * 1.2533 * 0.1 / 3**0.5)
    assert noise([1.0, 1.1, 0.9] * 4) == pytest.approx(noise([1.0, 1.1, 0.9]) / 2)


def test_what_a_watched_process_uses_is_not_others() -> None:
    """All that this process has used since is taken off, so the share stays one."""
    watch = Watch.begin([])
    sum(range(200_000))
    assert 0 <= watch.others() <= 1


# ---- Rows -------------------------------------------------------------------------------------------------


def cell(names: list[str]) -> Cell:
    made = Cell(CASES["LeNet-5 b1"], "train", How(2, 3, Path()))
    for name in names:
        made.facts[name] = {
            "import_seconds": 0.5,
            "after_import": 2**20,
            "first_step": 1.0,
            "peak": 3 * 2**20,
        }
    made.facts[NETC] |= {"flops": 1000, "first_step_cold": 9.0}
    return made


def test_the_ratio_is_to_the_fastest_peer() -> None:
    timing = Timing({NETC: [[0.002]] * 3, EAGER: [[0.009]] * 3, LAST: [[0.003]] * 3})
    made = row_of(cell([NETC, EAGER, LAST]), timing, 0.25)
    assert (made["fastest"], made["ratio"], made["noise"], made["others"]) == (LAST, 1.5, 0, 0.25)
    assert made["flops"] == 1000
    assert made["peers"][NETC] == {
        "ms": 2.0, "steps": 3, "rounds": 3, "import_s": 0.5, "first_step_s": 1.0, "first_step_cold_s": 9.0,
        "after_import_mib": 1.0, "peak_mib": 3.0, "memory_mib": 2.0,
    }  # fmt: skip


def test_shares_that_cannot_be_had_cost_no_more(tmp_path: Path) -> None:
    """The process that would measure them knows no such net."""
    of = Cell(replace(CASES["LeNet-5 b1"], name="None"), "infer", How(1, 3, tmp_path))
    of.caches.mkdir()
    assert of._by_layer() is None
    assert of.failed == {LAYERS: "KeyError: 'None b1'"}


def test_a_peer_that_failed_costs_its_own_figure_alone() -> None:
    of = cell([NETC, EAGER])
    of.failed[COMPILED] = "InvalidCxxCompiler: no g++"
    made = row_of(of, Timing({NETC: [[0.002]], EAGER: [[0.009]]}), 0.0)
    assert made["ratio"] == 4.5
    assert made["failed"] == {COMPILED: "InvalidCxxCompiler: no g++"}


def test_without_netc_there_is_no_ratio() -> None:
    made = row_of(cell([NETC, EAGER]), Timing({EAGER: [[0.009]]}), 0.0)
    assert "ratio" not in made
    assert made["peers"].keys() == {EAGER}


# ---- Tables -----------------------------------------------------------------------------------------------

MACHINE = {
    "processor": "Some CPU",
    "threads": 2,
    "peak_gflops": 500.4,
    "copy_gb_per_s": 40.0,
    "torch": "2.13.0",
}


def peer(ms: float, **more: float) -> dict[str, Any]:
    return {"ms": ms, **more}


def row(key: str, mode: str, own: float | None, other: float, **more: Any) -> dict[str, Any]:
    net, _, batch = key.rpartition(" b")
    peers = {EAGER: peer(other, memory_mib=100.0)}
    ratios = {}
    if own is not None:
        peers[NETC] = peer(own, memory_mib=70.0, first_step_s=1.04, first_step_cold_s=9.0)
        ratios = {"ratio": other / own, "fastest": EAGER, "share_of_peak": 0.5, "noise": 0.01}
    return {
        "key": key, "net": net, "batch": int(batch), "mode": mode, "peers": peers, "failed": {}, "others": 0.0,
    } | ratios | more  # fmt: skip


def test_the_table_stands_between_the_markers_and_all_else_stays() -> None:
    text = f"# Title\n\n{BEGIN}\nold | table\n{END}\n\nmore\n"
    once = between_markers(text, "new")
    assert once == f"# Title\n\n{BEGIN}\nnew\n{END}\n\nmore\n"
    assert between_markers(once, "new") == once


@pytest.mark.parametrize("text", ["none", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN} {END}"])
def test_markers_that_are_not_there_once_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bench:begin"):
        between_markers(text, "new")


def test_the_readme_has_the_markers() -> None:
    between_markers((Path(__file__).parents[2] / "README.md").read_text("utf-8"), "new")


def test_a_net_is_one_line_of_the_table() -> None:
    rows = [row("Net b1", "train", 2.0, 3.0), row("Net b1", "infer", 1.0, 0.5, others=0.2)]
    lines = markdown(rows, MACHINE).splitlines()
    assert lines[2] == (
        "| Net, 1 | 2 ms | 1.50 ± 0.01× eager | 50% | 0.70× | 1.0 / 9.0 s | 1 ms | ~0.50 ± 0.01× eager | 50% |"
    )
    assert len({line.count("|") for line in lines[:3]}) == 1
    assert lines[4].startswith("± is the standard error")
    assert "Some CPU, 2 threads; peak 500 GFLOP/s, copy 40 GB/s" in lines[6]
    assert lines[-1].startswith("~ ")  # and what it means


def test_what_was_not_measured_is_a_dash() -> None:
    rows = [row("Net b1", "train", None, 3.0, failed={NETC: "MemoryError"})]
    assert markdown(rows, MACHINE).splitlines()[2] == "| Net, 1 |" + " – |" * 8


def test_memory_is_beside_the_peer_that_needs_least() -> None:
    of = row("Net b1", "train", 2.0, 3.0)
    of["peers"][LAST] = peer(3.0, memory_mib=35.0)
    assert memory_ratio(of) == 2.0


@pytest.mark.parametrize(
    ("ms", "said"), [(0.01234, "0.0123"), (3.456, "3.46"), (99.94, "99.9"), (1234.5, "1234")]
)
def test_milliseconds_have_three_digits(ms: float, said: str) -> None:
    assert milliseconds(ms) == said


def test_a_layer_is_one_line_of_what_is_kept() -> None:
    rows = [{"key": "Net b1", "roofline": {"share": 0.5, "layers": [{"name": "a", "ms": 1.5}, {"name": "b", "ms": 2}]}},
            {"key": "none", "failed": {}, "layers": []}]  # fmt: skip
    text = indented({"rows": rows})
    assert json.loads(text) == {"rows": rows}
    assert [line.strip() for line in text.splitlines() if "ms" in line] == [
        '{"name": "a", "ms": 1.5},', '{"name": "b", "ms": 2}'
    ]  # fmt: skip


# ---- Ratios that fall -------------------------------------------------------------------------------------


def test_a_ratio_that_fell_is_named() -> None:
    kept = [row("Net b1", "train", 1.0, 2.0), row("Net b1", "infer", 1.0, 2.0)]
    right, wrong = compare(
        kept, [row("Net b1", "train", 1.0, 1.5), row("Net b1", "infer", 1.0, 1.9)], fall=0.15
    )
    assert wrong == ["Net b1, train: 2.00× → 1.50× (may fall by 15%)"]
    assert right == ["Net b1, infer: 2.00× → 1.90× (may fall by 15%)"]


def test_a_faster_machine_is_no_fall_and_a_slower_peer_no_rise() -> None:
    kept = [row("Net b1", "train", 1.0, 2.0)]
    assert compare(kept, [row("Net b1", "train", 0.1, 0.2)])[1] == []
    assert compare(kept, [row("Net b1", "train", 10.0, 12.0)])[1] != []


def test_noise_widens_what_is_allowed() -> None:
    kept, now = [row("Net b1", "train", 1.0, 2.0)], [row("Net b1", "train", 1.0, 1.5, noise=0.1)]
    assert compare(kept, now, fall=0.15)[1] == []


def test_ratios_are_taken_to_the_peers_that_both_have() -> None:
    kept = [row("Net b1", "train", 1.0, 2.0)]
    kept[0]["peers"][COMPILED] = peer(1.2)  # the quick run leaves it out
    assert compare(kept, [row("Net b1", "train", 1.0, 2.0)])[1] == []


def test_a_row_that_cannot_be_compared_is_wrong() -> None:
    kept = [row("Net b1", "train", 1.0, 2.0)]
    assert "nothing is kept" in compare(kept, [row("Net b2", "train", 1.0, 2.0)])[1][0]
    failed = row("Net b1", "train", None, 2.0, failed={NETC: "MemoryError: too large"})
    assert compare(kept, [failed])[1] == ["Net b1, train: no ratio (netc: MemoryError: too large)"]


def test_that_others_used_the_cores_is_said() -> None:
    kept = [row("Net b1", "train", 1.0, 2.0)]
    right, _ = compare(kept, [row("Net b1", "train", 1.0, 2.0, others=0.4)])
    assert right[0].endswith("others used 40% of the cores")


# ---- Who is measured --------------------------------------------------------------------------------------


def test_the_table_has_the_nets_that_it_should() -> None:
    assert {case.key for case in TABLE} == {
        "MLP b64", "LeNet-5 b64", "LeNet-5 b1", "AlexNet b16", "VGG-16 b8", "GoogLeNet b16", "ResNet-18 b16",
        "ResNet-50 b8", "MobileNetV1 b16", "Xception b4",
    }  # fmt: skip


def test_who_takes_part() -> None:
    lenet, mlp = CASES["LeNet-5 b1"], CASES["MLP b64"]
    assert taking_part(lenet, "train", True) == [NETC, EAGER, LAST, COMPILED]
    assert taking_part(lenet, "infer", False) == [NETC, EAGER, LAST, ONNX]
    assert taking_part(mlp, "infer", True) == [NETC, EAGER, COMPILED, ONNX]
