"""Random masks by counting: element i of draw t is a hash of (seed, t, stream, i), so every backend draws the same.

The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014) over a Weyl sequence.
"""

# A rule is known by its place in `Primitive`, which types the lambdas; pyright does not look through `Callable[...]`.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netc._lazy import lazy_module
from netc.ops.primitive import Primitive, Types
from netc.types import Shape, TensorType

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy_module("numpy")

GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ / golden ratio, the step of the Weyl sequence
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX[1])
    return z ^ (z >> np.uint64(31))


def _mask_type(counter: TensorType, shape: Shape, p: float, stream: int, dtype: Any = "f32") -> Types:
    return (TensorType(shape, dtype),)


def _mask_meaning(counter: Any, shape: tuple[int, ...], p: float, stream: int, dtype: str = "f32") -> Any:
    size = int(np.prod(shape))
    with np.errstate(over="ignore"):
        key = _mix(np.asarray(counter, np.uint64) * np.uint64(GOLDEN) + np.uint64(stream))
        bits = _mix(np.arange(1, size + 1, dtype=np.uint64) * np.uint64(GOLDEN) + key) >> np.uint64(40)
    kept = bits >= np.uint64(round(p * 2**24))  # 24 bits, as many as a float32 holds exactly
    one = np.float32 if dtype == "f32" else np.float64
    return (kept.reshape(shape) * one(1 / (1 - p))).astype(one)


#: 0 with probability p, else 1 / (1 − p): what a dropout of p multiplies by.
dropout_mask = Primitive("dropout_mask", _mask_type, _mask_meaning)
