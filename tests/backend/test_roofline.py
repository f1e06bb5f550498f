"""The loop that measures the machine's peak does the multiply-adds that are counted for it."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.roofline import compiled_tile


def test_the_tile_multiplies_and_adds() -> None:
    tile = compiled_tile()
    depth = 7
    rng = np.random.default_rng(0)
    a = rng.standard_normal((depth, tile.height), np.float32)
    b = rng.standard_normal((depth, 2 * tile.lanes), np.float32)
    c = np.full((tile.height, 2 * tile.lanes), np.nan, np.float32)
    tile.run(3, depth, a.ctypes.data, b.ctypes.data, c.ctypes.data)
    np.testing.assert_allclose(c, a.T @ b, rtol=1e-5, atol=1e-5)
