"""What the processor offers: the width of a vector, and how tall a register tile may be.

A tile keeps height × 2 vectors of sums, 2 vectors of B and one value of A: 12 × 2 fit 32 registers, 6 × 2 fit
16.
"""

from typing import Any

import llvmlite.binding as llvm

_FEATURES: Any = llvm.get_host_cpu_features()
_WIDE = bool(_FEATURES.get("avx512f"))
_MANY = _WIDE or bool(_FEATURES.get("neon"))  # 32 vector registers

VECTOR_BYTES = 64 if _WIDE else 32 if _FEATURES.get("avx2") else 16
TALL = 12 if _MANY else 6
SHORT = 4 if _MANY else 2
