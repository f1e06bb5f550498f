"""Compiled code on disk: a stale or broken entry is never used, and a folder that cannot be only costs time."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import netc
from netc.backends.cpu import emit, store
from netc.backends.cpu.table import do

# A process that begins in another folder finds the package that is tested.
HERE = os.environ | {"PYTHONPATH": str(Path(netc.__file__).parents[1])}
KERNEL = '''"""A kernel."""

from netc.backends.cpu.jit import kernel


@kernel
def double(lo, hi, x):
    for i in range(lo, hi):
        x[i] *= 2
'''
GREEDY = KERNEL.replace("x[i] *= 2", "x[i] = np.empty(i)[0]").replace(
    '"""\n\n', '"""\n\nimport numpy as np\n'
)
TRAINING = """
import sys, numpy as np, netc
net = netc.parse('''
net Small {
  input image: [N, 2, 8, 8]
  features = image -> conv(4, 3, pad=half) -> bn -> relu -> lrn(size=3) -> maxpool(2)
  logits = features -> flatten -> dropout(p=0.2) -> dense(3)
  output logits
}
train Small {
  target label: int[N]
  loss main = [logits, label] -> softmax_xent
  optimizer sgd(lr=0.01)
  batch 4
  epochs 1
}
''')
rng = np.random.default_rng(0)
model = netc.compile(net)
losses = model.fit(rng.standard_normal((12, 2, 8, 8)).astype(np.float32), np.arange(12) % 3)
print(float(losses[0]).hex(), "numba" in sys.modules)
"""
PROGRAM = """
import sys, numpy as np
from netc import ops
from netc.ir import Builder
from netc.runtime import compile_program
from netc.types import TensorType
b = Builder()
b.outputs["y"] = b(ops.tanh, b.input("x", TensorType((5,)), "data"))
exe = compile_program(b.finish(), "cpu")
print(float(exe.run({"x": np.full(5, 0.5, np.float32)})["y"][0]))
print(any(name.startswith("netc_kernels_") for name in sys.modules))
"""
# Prints a number that each of three kernels has a part in: a polynomial, a register tile and a copy.
THREE = """
import numpy as np
from netc import ops
from netc.ir import Builder
from netc.runtime import compile_program
from netc.types import TensorType
b, data = Builder(), {}
def full(n, *shape):
    data[f"x{n}"] = np.full(shape, n, np.float32)
    return b.input(f"x{n}", TensorType(shape), "data")
b.outputs["tanh"] = b(ops.tanh, full(1, 5))
b.outputs["dot"] = b(ops.dot, full(2, 3, 4), full(3, 4, 6))
b.outputs["concat"] = b(ops.concat, full(5, 2, 3), full(4, 2, 3), axis=1)
results = compile_program(b.finish(), "cpu").run(data)
print({name: round(float(results[name].max()), 4) for name in ("tanh", "dot", "concat")})
"""


def run(folder: Path) -> tuple[float, bool]:
    """tanh(0.5) in a process of its own, and whether it compiled anything."""
    value, compiled = ran(folder).stdout.split()
    return float(value), compiled == "True"


def ran(folder: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"NETC_CACHE_DIR": str(folder), "NETC_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True
    )


def test_whole_text_is_in_the_file() -> None:
    whole = emit.pasted(KERNEL)
    assert "netc.backends" not in whole
    assert "def double" in whole
    assert "fastmath" in whole  # the flags


def test_each_import_is_pasted_once() -> None:
    for name in ("conv", "softmax", "pool"):
        text = (Path(emit.__file__).parent / "kernels" / f"{name}.py").read_text("utf-8")
        assert emit.pasted(text).count("kernel = njit") == 1


def test_edited_source_is_another_file() -> None:
    first = emit.load("kernel", KERNEL)
    second = emit.load("kernel", KERNEL.replace("*= 2", "*= 3"))
    assert first.stem != second.stem
    x = np.ones(4)
    do(first.double, 4, x)
    do(second.double, 2, x)
    assert x.tolist() == [6, 6, 2, 2]


def test_edited_import_is_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = emit.digest(emit.pasted(KERNEL))
    home = Path(emit.__file__).parent
    jit = (home / "jit.py").read_text("utf-8")
    (tmp_path / "jit.py").write_text(jit.replace('"contract", ', ""))
    monkeypatch.setattr(emit, "__file__", str(tmp_path / "emit.py"))
    assert emit.digest(emit.pasted(KERNEL)) != before


@pytest.mark.parametrize(
    "path", sorted(p.name for p in (Path(emit.__file__).parent / "kernels").glob("*.py"))
)
def test_a_kernel_reads_nothing_that_its_name_does_not_hash(path: str) -> None:
    """All of netc that it imports, however far away, stands in its file; of the rest the name hashes the versions."""
    whole = emit.load(path, (Path(emit.__file__).parent / "kernels" / path).read_text("utf-8")).text
    roots = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(whole))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or "."] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert "numba" in roots
    assert roots <= {"numba", "llvmlite", "numpy", "math", "fractions", "os", "platform", "typing"}


def test_an_edited_package_never_finds_what_it_was(tmp_path: Path) -> None:
    """One cache serves a copy of netc that is edited, and in the end edited back.  Were a stale entry found, the edit
    would not be seen in the result: a constant that a loop's polynomial reads, the intrinsic that multiplies in a
    product's tiles, and one that a kernel reaches by way of another module.
    """
    package = tmp_path / "copy"
    home = Path(netc.__file__).parents[1]
    for part in ("netc", "grammars"):
        shutil.copytree(home / part, package / part, ignore=shutil.ignore_patterns("__pycache__"))
    cpu = package / "netc" / "backends" / "cpu"
    env = os.environ | {
        "NETC_CACHE_DIR": str(tmp_path / "cache"),
        "NETC_NUM_THREADS": "1",
        "PYTHONPATH": str(package),
    }

    def results() -> tuple[dict[str, float], int]:
        done = subprocess.run(
            [sys.executable, "-c", THREE], env=env, capture_output=True, text=True, check=True, cwd=package
        )
        return ast.literal_eval(done.stdout), len(kept(tmp_path / "cache"))

    want = {"tanh": 0.7616, "dot": 24, "concat": 5}
    assert results() == (want, 3)
    originals: dict[Path, str] = {}
    files = 0
    for file, old, new, changed in (
        ("vmath.py", "_TWO, _HALF = np.float32(1), np.float32(2)", "_TWO, _HALF = np.float32(1), np.float32(3)",
         {"tanh": round(1 - 3 / (1.5 * math.exp(2) + 1), 4)}),
        ("tile.py", "call(f, [x, y, z])", "call(f, [x, x, z])", {"dot": 16}),
        ("lanes.py", "arguments = [v, where", "arguments = [builder.fadd(v, v), where", {"concat": 10}),
    ):  # fmt: skip
        path = cpu / file
        originals[path] = path.read_text("utf-8")
        assert originals[path].count(old) == 1
        path.write_text(originals[path].replace(old, new))
        want |= changed
        got, files = results()
        assert got == want
    for path, text in originals.items():
        path.write_text(text)
    assert results() == ({"tanh": 0.7616, "dot": 24, "concat": 5}, files)  # what it was is still there


def test_other_machine_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = emit.digest(KERNEL)
    features = emit.machine()
    assert any("+" in part or "-" in part for part in features)  # the processor's features are among them
    for i in range(len(features)):
        other = [*features[:i], features[i] + "x", *features[i + 1 :]]
        monkeypatch.setattr(emit, "machine", lambda other=other: tuple(other))
        assert emit.digest(KERNEL) != before


def kept(folder: Path) -> dict[Path, bytes]:
    """The files of machine code."""
    return {p: p.read_bytes() for p in folder.glob("kernels/*.o")}


def test_changed_source_is_written_again(tmp_path: Path) -> None:
    run(tmp_path)
    (source,) = tmp_path.glob("kernels/loop_*.py")
    good = source.read_text("utf-8")
    assert "tanh_of(a0)" in good
    source.write_text(good.replace("tanh_of(a0)", "a0"))
    for path in kept(tmp_path):
        path.unlink()
    assert run(tmp_path) == (pytest.approx(np.tanh(0.5), rel=1e-6), True)
    assert source.read_text("utf-8") == good


def test_cache_is_private_and_used(tmp_path: Path) -> None:
    assert run(tmp_path / "new") == (pytest.approx(np.tanh(0.5), rel=1e-6), True)
    assert stat.S_IMODE((tmp_path / "new" / "kernels").stat().st_mode) == 0o700
    compiled = kept(tmp_path / "new")
    assert len(compiled) == 1
    assert run(tmp_path / "new") == (pytest.approx(np.tanh(0.5), rel=1e-6), False)
    assert kept(tmp_path / "new") == compiled


@pytest.mark.parametrize(
    "broken",
    [lambda data: b"", lambda data: data[:-1], lambda data: data[:300], lambda data: data[:-9] + b"x" + data[-8:]],
    ids=["empty", "a byte less", "a beginning", "a byte that is another"],
)  # fmt: skip
def test_broken_machine_code_is_made_again(broken: Callable[[bytes], bytes], tmp_path: Path) -> None:
    run(tmp_path)
    ((path, good),) = kept(tmp_path).items()
    path.write_bytes(broken(good))
    assert run(tmp_path) == (pytest.approx(np.tanh(0.5), rel=1e-6), True)
    assert store.machine_code_of(path) is not None


def test_a_first_run_has_the_bits_of_the_next(tmp_path: Path) -> None:
    """What a process compiles itself and what it loads is the same machine code: here helpers are not inlined."""
    program = (
        "import numpy as np, netc\n"
        "net = netc.parse('net A {\\ninput x: [N, 16, 12, 12]\\ny = x -> conv(16, 3, pad=half)\\noutput y\\n}')\n"
        "m = netc.compile(net, train=False)\n"
        "x = np.random.default_rng(0).standard_normal((16, 16, 12, 12)).astype(np.float32)\n"
        "print(m.predict(x).tobytes().hex())\n"
    )
    env = os.environ | {"NETC_CACHE_DIR": str(tmp_path), "NETC_NUM_THREADS": "1"}
    first, second = (
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout == second.stdout


def test_a_warm_start_loads_no_numba(tmp_path: Path) -> None:
    """What is trained from the cache needs LLVM only, and is the same to the bit."""
    env = os.environ | {"NETC_CACHE_DIR": str(tmp_path), "NETC_NUM_THREADS": "2"}
    cold, warm = (
        subprocess.run(
            [sys.executable, "-c", TRAINING], env=env, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert cold == [warm[0], "True"]
    assert warm[1] == "False"
    codes = kept(tmp_path).values()
    assert codes
    assert not [
        code for code in codes if b"NRT_" in code or b"numba_" in code
    ]  # what Numba would bring along


def test_a_kernel_that_asks_for_memory_does_not_compile() -> None:
    """Were it compiled, no machine code of it could be loaded without Numba."""
    with pytest.raises(TypingError, match="empty"):
        do(emit.load("greedy", GREEDY).double, 1, np.ones(1))


def test_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    assert run(folder)[0] == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert list(folder.iterdir()) == []


def test_kernels_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o777)
    assert run(tmp_path / "cache")[0] == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert list(folder.iterdir()) == []


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ran(tmp_path / "file")
    assert float(done.stdout.split()[0]) == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert done.stderr == (
        f"warning: the cache folder {tmp_path / 'file'} cannot be written: File exists; "
        "what netc compiles is compiled again in each run\n"
    )


def test_a_cache_that_is_used_is_not_spoken_of(tmp_path: Path) -> None:
    assert ran(tmp_path / "new").stderr == ""


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file stands where the folder of kernels would, which stops even root."""
    (tmp_path / "kernels").write_text("")
    assert run(tmp_path)[0] == pytest.approx(np.tanh(0.5), rel=1e-6)


def test_a_setting_of_numba_may_stand_in_a_file(tmp_path: Path) -> None:
    ask = "from netc.backends.cpu.emit import kernels; print(kernels('dot').stem)"
    names: list[str] = []
    for text in ("", "opt: 0\n", "opt: 1\n"):
        (tmp_path / ".numba_config.yaml").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", ask], cwd=tmp_path, env=HERE, capture_output=True, text=True, check=True
        )
        names.append(done.stdout)
    assert len(set(names)) == 3


def test_numba_that_may_not_compile_is_told(tmp_path: Path) -> None:
    """In this process and in those that would compile ahead."""
    done = subprocess.run(
        [sys.executable, "-m", "netc", "bench", "lenet5", "--net", "LeNet5", "--batch", "1"],
        env=HERE | {"NETC_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: NUMBA_DISABLE_JIT is set, but netc has Numba compile its kernels: unset it\n"
    )


@pytest.mark.parametrize("there", [True, False])
def test_code_that_calls_a_library_that_is_gone_is_made_again(
    there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Intel's library of vector mathematics may be there on one day and not on the next."""
    monkeypatch.setenv("NETC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba.config, "USING_SVML", there)
    source = emit.load("kernel", KERNEL)
    signature = store.kinds((0, 1, np.ones(1)))
    path = store._file(emit.written(source).parent, source.stem, "double", signature)
    content = b"symbol\nobject that calls __svml_exp"
    path.write_bytes(hashlib.sha256(content).digest() + content)
    assert (store.machine_code(source.double, signature)[0] == "symbol") == there


def test_fault_points_into_the_file() -> None:
    source = emit.load("broken", KERNEL.replace("x[i] *= 2", "x[i] = (1, 2)"))
    with pytest.raises(TypingError, match=source.stem):
        do(source.double, 1, np.ones(1))


def test_a_setting_of_numba_is_part_of_the_name() -> None:
    """Code that was compiled without optimisation, say, is not found again without the setting."""
    ask = "from netc.backends.cpu.emit import kernels; print(kernels('dot').stem)"
    names = {
        subprocess.run(
            [sys.executable, "-c", ask], env=os.environ | env, capture_output=True, text=True, check=True
        ).stdout
        for env in ({}, {"NUMBA_OPT": "0"}, {"NUMBA_OPT": "1"})
    }
    assert len(names) == 3
