"""Executables: what is fed and checked, buffers that are shared, memory that is reused, threads and forks."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from netc import ops
from netc.backends.cpu import table
from netc.backends.cpu.threads import default_threads
from netc.backends.numpy import steps
from netc.ir import Builder, Program, gradients, one, simplify
from netc.plan import Plan
from netc.runtime import Executable, compile_program
from netc.types import TensorType
from tests.program_case import programs

BACKENDS = ["numpy", "cpu"]


def small_net(batch: int = 5, dtype: Any = "f32", size: int = 12) -> Program:
    """A training step: conv, bias, relu, pool, dense, cross-entropy, momentum."""
    b = Builder(training=True, dtype=dtype)
    x = b.input("x", TensorType((batch, size, size, 3), dtype), "data")
    label = b.input("label", TensorType((batch,), "int"), "target")
    lr, weights = b.scalar("lr"), list[ops.Value]()

    def weight(name: str, shape: tuple[int, ...]) -> ops.Value:
        weights.append(b.param(name, shape, fan_in=1, fan_out=1))
        return weights[-1]

    y = b(ops.conv, x, weight("w0", (3, 3, 3, 8)), stride=(1, 1), pad=((1, 1), (1, 1)))
    y = b(ops.relu, b(ops.add, y, weight("b0", (8,))))
    y = b(ops.maxpool, y, kernel=(2, 2), stride=(2, 2), pad=((0, 0), (0, 0)))
    flat = (size // 2) ** 2 * 8
    y = b(ops.dot, b(ops.reshape, y, shape=(batch, flat)), weight("w1", (flat, 10)))
    loss, _ = b.all(ops.softmax_xent, y, label)
    b.outputs["loss"] = b(ops.scale, b(ops.sum_to, loss, shape=()), factor=1 / batch)
    for i, (w, g) in enumerate(zip(weights, gradients(b, b.outputs["loss"], one(b), weights), strict=True)):
        assert g is not None
        v = b.input(f"v{i}", w.type, "slot")
        new = b(ops.add, b(ops.scale, v, factor=0.9), g)
        b.update(v, new)
        b.update(w, b(ops.sub, w, b(ops.mul, new, lr)))
    return simplify(b.finish())


def start(exe: Executable, seed: int = 0) -> dict[str, Any]:
    """Weights drawn, and a batch to feed."""
    rng = np.random.default_rng(seed)
    for i in exe.program.by_role("param"):
        exe[i.name][...] = rng.standard_normal(exe[i.name].shape) * 0.2
    x = exe["x"]
    return {
        "x": rng.standard_normal(x.shape).astype(x.dtype),
        "label": rng.integers(0, 10, x.shape[0]),
        "lr": 0.05,
    }


def train(exe: Executable, steps: int = 5) -> list[bytes]:
    feeds = start(exe)
    losses = [exe.run(feeds)["loss"].tobytes() for _ in range(steps)]
    return [*losses, *(b.tobytes() for b in exe.buffers.values())]


# ---- Feeding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "not fed: x"),
        (
            {"x": np.zeros((4, 12, 12, 3), np.float32)},
            r"x has the shape \(4, 12, 12, 3\), but \(5, 12, 12, 3\) is wanted",
        ),
        ({"x": np.zeros((5, 12, 12, 3))}, "x has the type float64, but float32 is wanted"),
        ({"x": 1.0}, "x is one number, but an array"),
        ({"label": np.zeros(5, np.float32)}, "label has the type float32, but int64 is wanted"),
        ({"w0": np.zeros((3, 3, 3, 8), np.float32)}, "w0 is not fed to this program; label, lr, seed, x are"),
        ({"lrr": 1.0}, "lrr is not fed"),
    ],
)
def test_wrong_feeds(change: dict[str, Any], message: str) -> None:
    exe = compile_program(small_net(), "numpy")
    feeds = start(exe)
    before = {name: b.copy() for name, b in exe.buffers.items()}
    wrong = {k: v for k, v in (feeds | change).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        exe.run(wrong)
    for name, b in exe.buffers.items():
        np.testing.assert_array_equal(b, before[name])


def test_labels_of_any_integer_type_and_strided_data() -> None:
    plain, other = (compile_program(small_net(), "numpy") for _ in range(2))
    feeds = start(plain)
    start(other)
    strided = np.repeat(feeds["x"], 2, axis=0)[::2]
    assert not strided.flags.c_contiguous
    changed = feeds | {"x": strided, "label": feeds["label"].astype(np.uint8)}
    assert other.run(changed)["loss"] == plain.run(feeds)["loss"]


def test_outputs_are_copies() -> None:
    exe = compile_program(small_net(), "numpy")
    feeds = start(exe)
    first = exe.run(feeds)["loss"]
    kept = first.copy()
    assert exe.run(feeds)["loss"] != kept
    assert first == kept


def test_shared_buffers() -> None:
    training = compile_program(small_net(), "numpy")
    b = Builder()
    w = b.param("w0", (3, 3, 3, 8), fan_in=1, fan_out=1)
    b.outputs["sum"] = b(ops.sum_to, w, shape=())
    other = compile_program(b.finish(), "numpy", buffers=training.buffers)
    feeds = start(training)
    training.run(feeds)
    assert np.shares_memory(other["w0"], training["w0"])
    assert other.run({})["sum"] == training["w0"].sum()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3), np.float32), "w0 has the shape"),
        (np.zeros((3, 3, 3, 8)), "w0 has the type"),
        (np.zeros((3, 3, 8, 3), np.float32).transpose(0, 1, 3, 2), "contiguous"),
        (np.broadcast_to(np.float32(0), (3, 3, 3, 8)), "contiguous and writable"),
    ],
)
def test_wrong_buffers(array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_program(small_net(), "numpy", buffers={"w0": array})


def test_buffers_begin_on_cache_lines() -> None:
    exe = compile_program(small_net(), "numpy")
    for v, place in exe.plan.places.items():
        assert place.offset % 64 == 0
        assert exe.arrays[v].ctypes.data % 64 == 0


# ---- Memory that is used again -----------------------------------------------------------------------------


def poisoned_run(exe: Executable) -> dict[str, Any]:
    """Runs step by step; before each equation, bytes of the arena that no live value holds become NaN."""
    program, plan = exe.program, exe.plan
    dies = last_reads(program)
    live: set[tuple[int, int]] = set()
    arena = [exe.arrays[v] for v, p in plan.places.items() if p.space == "arena"]
    todo = iter(steps(program, exe.arrays))
    for at, eq in enumerate(program.equations):
        live = {(p.offset, p.offset + p.nbytes) for v, p in plan.places.items() if _alive(v, at, dies, plan)}
        for x in arena:
            flat = x.reshape(-1).view(np.uint8)
            low = (
                flat.ctypes.data
                - min(a.ctypes.data for a in arena)
                + min(p.offset for p in plan.places.values() if p.space == "arena")
            )
            if not any(a < low + flat.size and low < b for a, b in live):
                x.fill(np.nan)
        if not eq.op.view:
            next(todo)()
    out = {name: exe.arrays[v].copy() for name, v in program.outputs.items()}
    for old, new in plan.copies:
        exe.arrays[old][...] = exe.arrays[new]
    return out | {name: b.copy() for name, b in exe.buffers.items()}


def last_reads(program: Program) -> dict[ops.Value, tuple[int, int]]:
    """When each value is computed and last read, views counted with their operands."""
    root: dict[ops.Value, ops.Value] = {}
    born: dict[ops.Value, int] = {}
    last: dict[ops.Value, int] = {}
    for at, eq in enumerate(program.equations):
        for v in eq.inputs:
            last[root.get(v, v)] = at
        for out in eq.outputs:
            root[out] = root.get(eq.inputs[0], eq.inputs[0]) if eq.op.view else out
            born.setdefault(root[out], at)
    for v in [*program.outputs.values(), *(new for _, new in program.updates)]:
        last[root.get(v, v)] = len(program.equations)
    return {v: (born.get(r, -1), last.get(r, -1)) for v, r in root.items()}


def _alive(v: ops.Value, at: int, dies: dict[ops.Value, tuple[int, int]], plan: Plan) -> bool:
    return plan.places[v].space == "arena" and dies[v][0] < at <= dies[v][1]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(programs())
def test_poisoned_memory_changes_nothing(program: Program) -> None:
    def fresh() -> Executable:
        exe = compile_program(program, "numpy")
        rng = np.random.default_rng(0)
        for i in program.inputs:
            exe[i.name][...] = rng.uniform(-1, 1, exe[i.name].shape)
        return exe

    plain, poisoned = fresh(), fresh()
    out = plain.run({i.name: plain[i.name].copy() for i in program.by_role("data")})
    want = out | plain.buffers
    for name, x in poisoned_run(poisoned).items():
        np.testing.assert_array_equal(x, want[name], err_msg=name)


# ---- Threads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_cpu_trains_like_numpy(dtype: str) -> None:
    exes = [compile_program(small_net(dtype=dtype), backend) for backend in BACKENDS]
    for exe in exes:
        feeds = start(exe)
        for _ in range(5):
            exe.run(feeds)
    for name, b in exes[0].buffers.items():
        np.testing.assert_allclose(
            exes[1][name], b, rtol=0, atol=1e-4 if dtype == "f32" else 1e-12, err_msg=name
        )


@pytest.fixture
def share_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kernel is shared out, however small."""
    monkeypatch.setattr(table, "WORTH", 0)


@pytest.mark.usefixtures("share_all")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_same_bits_from_run_to_run(threads: int) -> None:
    """5 threads are more than there are cores here."""
    program = small_net(batch=32, size=32)
    runs = [train(compile_program(program, "cpu", threads)) for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.usefixtures("share_all")
def test_threads_agree() -> None:
    program = small_net(batch=32, size=32, dtype="f64")
    exes = [compile_program(program, "cpu", threads) for threads in (1, 3)]
    for exe in exes:
        train(exe)
    for name, b in exes[0].buffers.items():
        np.testing.assert_allclose(exes[1][name], b, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("share_all")
def test_two_executables_in_two_threads() -> None:
    program = small_net(batch=32, size=32)
    alone = train(compile_program(program, "cpu", 2))
    exes = [compile_program(program, "cpu", 2) for _ in range(2)]
    barrier = threading.Barrier(2)

    def run(exe: Executable) -> list[bytes]:
        barrier.wait()
        return train(exe)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, exes)) == [alone, alone]


@pytest.mark.usefixtures("share_all")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that it may deadlock is what is tested
def test_after_fork() -> None:
    program = small_net(batch=32, size=32)
    exe = compile_program(program, "cpu", 2)
    want = train(exe)
    for b in exe.buffers.values():
        b[...] = 0
    child = os.fork()
    if child == 0:
        same = train(exe) == want
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_NUM_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.delenv("NETC_NUM_THREADS")
    assert default_threads() >= 1
    for wrong in ("0", "-1", "many", "1.5", "100000"):
        monkeypatch.setenv("NETC_NUM_THREADS", wrong)
        with pytest.raises(
            ValueError, match=r"NETC_NUM_THREADS is .*, but a number from 1 to 1024 is wanted"
        ):
            default_threads()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_while_another_thread_runs_it() -> None:
    """The child's locks are its own: who held them is not there to let them go."""
    exe = compile_program(small_net(batch=32, size=32), "cpu", 2)
    with exe._lock:
        child = os.fork()
        if child == 0:
            train(exe)
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_small_program_walks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is cut into parts for threads that do not come: its bits are those of one thread."""
    alone = train(compile_program(small_net(), "cpu", 1))
    monkeypatch.setattr("netc.backends.cpu.threads.WAKING", 1 << 60)
    monkeypatch.setattr("netc.backends.cpu.walk.serve", None)  # nobody is called
    assert train(compile_program(small_net(), "cpu", 3)) == alone
