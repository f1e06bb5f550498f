"""Sizes of the blocks that kernels work in: kernels and what divides the work among them read them here."""

from netc.backends.cpu.target import VECTOR_BYTES

LANES = VECTOR_BYTES // 4  # 32-bit numbers of a vector
WIDTH = 2 * LANES  # columns of a panel of 32-bit numbers
POINTS = 36  # of Winograd's transform of 6 × 6 numbers
TAPS_DEPTH = 16  # channels of a panel whose windows are transformed at a time
STRIP = 128  # channels that are summed at a time: their sums stay in the first-level cache
TABLE_STRIP = 64  # channels of a table's gradient that one unit of work sums
ROWS = 128  # of a block of which moments are taken: so many, of four vectors, stay in that cache
TURNED = 16  # numbers of a side of what is turned: of the longest vector, and a cache line of 32-bit ones
