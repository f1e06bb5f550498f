"""What parameters are before training: drawn by a scheme that keeps variances even from layer to layer.

Each parameter has a random stream of its own, from the seed and its name, so an edit elsewhere changes no draw.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from netc.ir.program import Init, Input


def draw(i: Input, scheme: str, seed: int) -> NDArray[np.float32]:
    """The first value of a parameter, a state or a slot, in the inner layout.

    he: normal, variance 2 / fan_in (He et al., 2015); glorot: uniform, variance 2 / (fan_in + fan_out) (Glorot
    and Bengio, 2010); lecun: normal, variance 1 / fan_in (LeCun et al., Efficient BackProp, 1998).
    """
    shape = i.value.type.dims
    init = i.init or Init("constant")
    if init.scheme == "constant":
        return np.full(shape, init.value, np.float32)
    rng = np.random.default_rng([seed, crc32(i.name.encode())])
    if scheme == "glorot":
        limit = (6 / (init.fan_in + init.fan_out)) ** 0.5
        return (2 * rng.random(shape, np.float32) - 1) * np.float32(limit)
    deviation = ((2 if scheme == "he" else 1) / init.fan_in) ** 0.5
    return rng.standard_normal(shape, np.float32) * np.float32(deviation)
