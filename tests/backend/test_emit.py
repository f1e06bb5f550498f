"""Compiled code on disk: a stale entry can never be used, and a folder that cannot be only costs time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import TypingError

from netc import ops
from netc.backends.cpu import emit, loops
from netc.ops.fused import Expression, Step

KERNEL = '''"""A kernel."""

from netc.backends.cpu.jit import kernel


@kernel
def double(lo, hi, x):
    for i in range(lo, hi):
        x[i] *= 2
'''
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
print(*[m.__file__ for name, m in sys.modules.items() if name.startswith("netc_kernels_")])
"""


def run(folder: Path) -> tuple[float, Path]:
    """tanh(0.5) in a process of its own, and the file that its loop came from."""
    value, file = ran(folder).stdout.split()
    return float(value), Path(file)


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
    assert first.__file__ != second.__file__
    x = np.ones(4)
    first.double(0, 4, x)
    second.double(0, 2, x)
    assert x.tolist() == [6, 6, 2, 2]


def test_edited_import_is_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = emit.digest(emit.pasted(KERNEL))
    home = Path(emit.__file__).parent
    jit = (home / "jit.py").read_text("utf-8")
    (tmp_path / "jit.py").write_text(jit.replace('"contract", ', ""))
    monkeypatch.setattr(emit, "__file__", str(tmp_path / "emit.py"))
    assert emit.digest(emit.pasted(KERNEL)) != before


def test_other_machine_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = emit.digest(KERNEL)
    features = emit.machine()
    assert any("+" in part or "-" in part for part in features)  # the processor's features are among them
    for i in range(len(features)):
        other = [*features[:i], features[i] + "x", *features[i + 1 :]]
        monkeypatch.setattr(emit, "machine", lambda other=other: tuple(other))
        assert emit.digest(KERNEL) != before


def test_changed_file_is_written_again(tmp_path: Path) -> None:
    _, file = run(tmp_path)
    good = file.read_text("utf-8")
    assert "tanh" in good
    file.write_text(good.replace("tanh_of(a0)", "a0"))
    value, again = run(tmp_path)
    assert again == file
    assert value == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert file.read_text("utf-8") == good


def test_cache_is_private_and_used(tmp_path: Path) -> None:
    value, file = run(tmp_path / "new")
    assert value == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert file.is_relative_to(tmp_path / "new")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    compiled = {p: p.stat().st_mtime_ns for p in file.parent.glob("__pycache__/*.nb*")}
    assert compiled
    run(tmp_path / "new")
    assert {p: p.stat().st_mtime_ns for p in file.parent.glob("__pycache__/*.nb*")} == compiled


def test_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    value, file = run(folder)
    assert value == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert not file.is_relative_to(folder)
    assert list(folder.iterdir()) == []
    assert not file.exists()  # the private folder went with its process


def test_kernels_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o777)
    _, file = run(tmp_path / "cache")
    assert not file.is_relative_to(folder)


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
    """A file stands where Numba wants its folder, which stops even root."""
    (tmp_path / "kernels").mkdir(mode=0o700)
    (tmp_path / "kernels" / "__pycache__").write_text("")
    value, file = run(tmp_path)
    assert value == pytest.approx(np.tanh(0.5), rel=1e-6)
    assert not file.is_relative_to(tmp_path)


# ---- Pointwise loops ---------------------------------------------------------------------------------------


def expression(*steps: Step, results: tuple[int, ...]) -> Expression:
    return Expression(steps, results)


def test_source_of_a_loop() -> None:
    e = expression(Step(ops.add, (0, 1)), Step(ops.relu, (2,)), results=(3,))
    text = loops.source(loops.Loop(e, ("full", "vector"), (0,)))
    assert "v2 = a0 + a1" in text
    assert "v3 = max(v2, T(0.0))" in text
    assert "x0r[i] = v3" in text
    assert "y0" not in text  # the result is the operand's memory


def test_numbers_of_a_program_are_not_in_the_source() -> None:
    texts = {
        loops.source(
            loops.Loop(expression(Step(ops.scale, (0,), (("factor", f),)), results=(1,)), ("full",), (None,))
        )
        for f in (0.5, 0.25)
    }
    assert len(texts) == 1


def test_32_bits_stay_32_bits() -> None:
    module = emit.load(
        "loop",
        loops.source(
            loops.Loop(
                expression(Step(ops.sigmoid, (0,)), Step(ops.scale, (1,), (("factor", 0.5),)), results=(2,)),
                ("full",),
                (None,),
            )
        ),
    )
    x = np.linspace(-3, 3, 64, dtype=np.float32)
    module.loop(0, 64, x, np.empty_like(x), np.float32(0.5))
    assert "fpext float" not in module.loop.inspect_llvm(module.loop.signatures[0])


def test_fault_points_into_the_file() -> None:
    module = emit.load("broken", KERNEL.replace("x[i] *= 2", "x[i] = (1, 2)"))
    with pytest.raises(TypingError, match=Path(str(module.__file__)).name):
        module.double(0, 1, np.ones(1))
