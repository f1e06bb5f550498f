"""The register tile for each kind of processor: those of x86 run here, with less of it allowed; NEON's is read."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from llvmlite import ir
from numba import types

from netc.backends.cpu import target, tile
from netc.backends.cpu.target import variant
from netc.backends.cpu.walk import walk_text

AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+lzcnt",
}
SSE = {"NUMBA_CPU_NAME": "generic"}
AVX512 = {"NUMBA_CPU_NAME": "skylake-avx512"}
HOST = llvm.get_host_cpu_features()
# those that this machine can run, and the width of their vectors in bytes
RUNNABLE = [
    pytest.param(env, width, id=name)
    for name, env, width, needs in (
        ("sse", SSE, 16, "sse2"), ("avx2", AVX2, 32, "avx2"), ("avx512", AVX512, 64, "avx512f")
    )
    if HOST.get(needs)
]  # fmt: skip
if not RUNNABLE:  # no x86: what it is
    RUNNABLE = [pytest.param({}, target.VECTOR_BYTES, id=platform.machine())]

# Sizes that fit no tile; strides, dilation and groups; depthwise; products with one row and transposed.
PROGRAM = """
import sys
import numpy as np
from netc import ops
from netc.backends.cpu.target import VECTOR_BYTES
from tests.primitive_case import Application, cast, run

rng = np.random.default_rng(0)

def numbers(*shape):
    return rng.standard_normal(shape)

def window(stride=1, pad=1, dilation=1, groups=1):
    return {"stride": (stride,) * 2, "pad": ((pad,) * 2,) * 2, "dilation": (dilation,) * 2, "groups": groups}

cases = []
for x, w, p in (
    ((2, 9, 8, 19), (3, 3, 19, 41), window()),
    ((1, 11, 7, 6), (3, 2, 3, 8), window(stride=2, groups=2)),
    ((2, 7, 9, 21), (3, 3, 1, 21), window(dilation=2, groups=21)),
):
    a, b = numbers(*x), numbers(*w)
    (y,) = run(Application(ops.conv, (a, b), p), "numpy", "f64")
    cases.append(Application(ops.conv, (a, b), p))
    cases.append(Application(ops.conv_data, (y, b), {"size": x[1:3], **p}))
    cases.append(Application(ops.conv_weights, (a, y), {"window": w[:2], **p}))
cases.append(Application(ops.dot, (numbers(33, 70), numbers(70, 45)), {}))
cases.append(Application(ops.dot, (numbers(1, 70), numbers(45, 70)), {"tb": True}))
cases.append(Application(ops.dot, (numbers(70, 33), numbers(45, 70)), {"ta": True, "tb": True}))
worst = 0.0
for case in cases:
    for dtype, epsilon in (("f32", 2.0**-23), ("f64", 2.0**-52)):
        exact = run(case, "numpy", "f64")[0]
        got = run(Application(case.op, tuple(cast(x, dtype) for x in case.operands), case.params), "cpu", dtype)[0]
        worst = max(worst, float(np.abs(got - exact).max() / np.abs(exact).max()) / epsilon)
print(VECTOR_BYTES, worst)
"""


@pytest.mark.parametrize(("env", "width"), RUNNABLE)
def test_each_variant_is_numpy(env: dict[str, str], width: int) -> None:
    """Errors of at most 30 ε of the largest number: sums of up to 190 terms, and inputs that are rounded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"NETC_NUM_THREADS": "1"} | env,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    used, worst = done.stdout.split()
    assert int(used) == width
    assert float(worst) < 30


def test_variants() -> None:
    assert variant("+avx,+avx2,+avx512f", "x86_64") == (64, 14, 4)
    assert variant("-avx512f,+avx2", "x86_64") == (32, 6, 2)
    assert variant("", "x86_64") == (16, 6, 2)
    assert variant("", "aarch64") == (16, 12, 4)


def test_neon_tile_multiplies_in_vectors_without_spills(monkeypatch: pytest.MonkeyPatch) -> None:
    width, height, _ = variant("+neon", "aarch64")
    monkeypatch.setattr(tile, "VECTOR_BYTES", width)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("aarch64-linux-gnu").create_target_machine(
        cpu="generic", features="+neon", opt=3
    )
    module = llvm.parse_assembly(_tile_alone(height))
    module.verify()
    blocks = re.split(r"\n(?=\.LBB)", machine.emit_assembly(module))
    loop = max(blocks, key=lambda block: block.count("fmla"))
    jump = re.search(r"\n\tb(\.\w+|\w*)\t.*\.LBB", loop)
    assert jump
    loop = loop[: jump.end()]
    assert len(re.findall(r"fmla\tv\d+\.4s", loop)) == 2 * height
    assert "[sp" not in loop
    assert not re.search(r"\bfmadd\b|\bfmul\b|\bbl\b", loop)


def test_walk_is_that_of_an_arm_too() -> None:
    """It flushes numbers that are not normal, and puts the mode back."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("aarch64-linux-gnu").create_target_machine(cpu="generic", opt=1)
    module = llvm.parse_assembly(walk_text("aarch64"))
    module.verify()
    assert machine.emit_assembly(module).count("FPCR, x") == 2


def _tile_alone(height: int) -> str:
    """A function with the sums of one tile of float32: A (rows, depth), B (depth, 2 vectors), C (rows, 2 vectors)."""
    module = ir.Module()
    module.triple = "aarch64-linux-gnu"
    long, numbers = ir.IntType(64), ir.FloatType().as_pointer()
    f = ir.Function(module, ir.FunctionType(ir.VoidType(), [numbers, long, numbers, long, numbers]), "tile")
    a, a_row, b, depth, c = f.args
    builder = ir.IRBuilder(f.append_basic_block())
    t = tile._Tile(builder, types.Array(types.float32, 1, "C"), height, 2, masked=False)
    rows = [builder.gep(a, [builder.mul(a_row, ir.Constant(long, i))]) for i in range(height)]
    one, wide = ir.Constant(long, 1), ir.Constant(long, 2 * t.lanes)
    zero = [t.zero] * (2 * height)
    sums = tile._summed(t, rows, lambda o: builder.mul(o, one), one, b, wide, one, one, depth, zero)
    for i in range(height):
        for j in range(2):
            t.store(sums[2 * i + j], c, ir.Constant(long, 2 * i * t.lanes), j)
    builder.ret_void()
    return str(module)
