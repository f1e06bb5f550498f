"""The variants for each kind of processor: all that this machine can be made to be run the tests of every family.

What is left of a processor is told to Numba by its variables of the environment.  That there are no vectors is told by
another family's name: kernels are then written as for that one, and compiled for this one.  The variant that this
machine has by itself is what all other tests run.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from netc.backends.cpu import target
from netc.backends.cpu.target import variant

HERE = Path(__file__).parent
OLDEST = {"NUMBA_CPU_NAME": "generic"}
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+lzcnt",
}
HAS = llvm.get_host_cpu_features()
RUNNABLE = [
    pytest.param(env, machine, width, id=name)
    for name, env, machine, width, needs in (
        ("scalar", OLDEST, "riscv64", 8, ""),
        ("sse", OLDEST, platform.machine(), 16, "sse2"),
        ("avx2", AVX2, platform.machine(), 32, "avx2"),
    )
    if (not needs or HAS.get(needs)) and width != target.VECTOR_BYTES
]

# One of each family in 32 bits, and in 64 what all is made of.  Nearly all of the time is for compiling.
NAMES = {
    "f32": "conv conv_data conv_weights with_epilogue dot with_update maxpool maxpool_grad maxpool_placed unpool "
    "avgpool avgpool_grad lrn lrn_grad moments batch_norm_grad standardise l2norm softmax softmax_xent "
    "softmax_xent_grad log_softmax tanh sigmoid softplus gelu swap concat",
    "f64": "conv conv_data dot",
}
TESTS = [
    *(f"test_primitives.py::test_cpu_is_numpy[{n}-{dtype}]" for dtype in NAMES for n in NAMES[dtype].split()),
    *(
        f"test_winograd.py::test_any_size_is_numpy[{case}]"
        for case in ("conv-4-3-True", "conv_data-2-3-False", "conv_weights-4-3-False")
    ),
    *(f"test_few.py::test_few_channels[1-{how}-f32]" for how in ("together", "spread")),
    *(f"test_epilogue.py::test_as_one_after_the_other[{x}-1-f32]" for x in ("clip", "residual", "moments")),
    *(f"test_contractions.py::test_products_of_strips[2-9.5-{dtype}]" for dtype in NAMES),
]

# Compilers ahead of time would be processes that do not know what the machine is said to be.
RUN = """
import platform, sys
machine, width, *arguments = sys.argv[1:]
platform.machine = lambda: machine
import pytest
from netc.backends.cpu import ahead, target
assert target.VECTOR_BYTES == int(width), target.VECTOR_BYTES
ahead._cores = lambda: 1
sys.exit(pytest.main(arguments))
"""


@pytest.mark.parametrize(("env", "machine", "width"), RUNNABLE)
def test_each_variant_is_numpy(env: dict[str, str], machine: str, width: int, tmp_path: Path) -> None:
    """Every family within the bounds that its own tests state."""
    arguments = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "NUMBA_CPU_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN, machine, str(width), *arguments, *(f"{HERE / test}" for test in TESTS)],
        env=kept | {"NETC_NUM_THREADS": "1"} | env,
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert f"{len(TESTS)} passed" in done.stdout


def test_variants() -> None:
    assert variant("+avx,+avx2,+avx512f", "x86_64") == (64, 14, 4)
    assert variant("-avx512f,+avx2", "AMD64") == (32, 6, 2)
    assert variant("", "x86_64") == (16, 6, 2)
    assert variant("", "aarch64") == variant("+neon", "arm64") == (16, 12, 4)
    assert variant("+m,+a,+f,+d,+c", "riscv64") == variant("", "") == (8, 6, 2)
