"""What the processor offers: the width of a vector, and how tall a register tile may be.

A tile keeps height × 2 vectors of sums, 2 vectors of B and one value of A: 14 × 2 fit 32 registers, 6 × 2 fit
16.  What is neither x86 nor ARM is taken to have no vectors: there one is the 8 bytes that a number of 64 bits needs.
Two numbers of 32 bits are two registers, and 6 × 2 × 2 sums, 4 numbers of B and one of A fit 32.

`NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` restrict what Numba compiles for, so they are asked first: "generic" is a
processor with no more than its family's oldest, and features are a list such as `+avx,+avx2,+fma`.
"""

import os
import platform
from typing import Any

import llvmlite.binding as llvm


def _target() -> tuple[str, str]:
    """(name, features) of the processor that is compiled for: its features as `+feature` or `-feature`."""
    host: Any = llvm
    name, given = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    if given is None:
        given = "" if name == "generic" else host.get_host_cpu_features().flatten()
    return name or host.get_host_cpu_name(), given


CPU_NAME, CPU_FEATURES = _target()


def variant(features: str, machine: str) -> tuple[int, int, int]:
    """(bytes of a vector, height of a tall tile, height of a short one) for these features of a processor, and the name
    that `platform.machine` has for its family.
    """
    has = features.split(",")
    if machine in ("aarch64", "arm64"):
        return 16, 12, 4  # NEON, which every one of them has: 32 registers
    if machine.lower() not in ("x86_64", "amd64"):
        return 8, 6, 2  # 32 registers of one number each
    if "+avx512f" in has:
        return 64, 14, 4  # 32 registers
    return 32 if "+avx2" in has else 16, 6, 2  # 16 registers


VECTOR_BYTES, TALL, SHORT = variant(CPU_FEATURES, platform.machine())
