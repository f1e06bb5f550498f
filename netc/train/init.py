"""What parameters are before training: drawn by a rule that keeps variances even from layer to layer.

Each parameter has a random stream of its own, from the seed and its name, so an edit elsewhere changes no draw.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from netc.ir.program import Init, Input, Rule


def draw(i: Input, rule: Rule, seed: int) -> NDArray[np.floating[Any]]:
    """The first value of a parameter, a state or a slot, in the inner layout; a constant is one number that stands for
    all, for momenta are as large as weights.

    A parameter's own rule goes before `rule`, that of its net.
    """
    shape = i.value.type.dims
    init = i.init or Init("constant")
    if init.scheme == "constant":
        return np.broadcast_to(np.array(init.value, np.float64), shape)
    if init.scheme == "given":
        return _given(i, init)
    rng = np.random.default_rng([seed, crc32(i.name.encode())])
    drawn: NDArray[np.float32] = (init.rule or rule).draw(rng, shape, init.fan_in, init.fan_out)
    return drawn


def _given(i: Input, init: Init) -> NDArray[np.float64]:
    """The numbers that the layer says, which are (out, in, R, S), or (R, S) for every filter."""
    shape = tuple(int(size) for size in i.outer_shape if isinstance(size, int))
    outer = np.empty(shape, np.float64)  # (out, in, R, S)
    outer[...] = np.array(init.numbers, np.float64)
    back = sorted(range(len(i.door)), key=i.door.__getitem__)  # the inverse permutation
    return np.transpose(outer, back) if i.door else outer
