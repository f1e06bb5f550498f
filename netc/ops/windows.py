"""Window arithmetic: how many windows fit, and which slice of the input each tap of a window sees."""

from __future__ import annotations

from netc.types import Size

Pair = tuple[int, int]  # (height, width)
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right))


def reach(kernel: int, dilation: int = 1) -> int:
    """How many inputs a dilated window spans.

    >>> reach(3), reach(3, dilation=2)
    (3, 5)
    """
    return dilation * (kernel - 1) + 1


def window_count(size: Size, span: int, stride: int, pad: Pair, ceil: bool = False) -> int:
    """⌊(I + P − F) / S⌋ + 1 (Dumoulin and Visin, 2016, relationship 6); at most 0 where the window does not fit.

    With `ceil` the last window may hang over the end, but must start inside the input or its leading padding.

    >>> window_count(227, 11, 4, (0, 0)), window_count(112, 3, 2, (0, 0), ceil=True)
    (55, 56)
    """
    if not isinstance(size, int):
        raise TypeError(f"the size {size} is not known here")
    room = size + pad[0] + pad[1] - span
    if room < 0:
        return 0
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + pad[0]:
        count -= 1
    return count


def same_padding(size: Size, span: int, stride: int) -> Pair:
    """TensorFlow's SAME, ONNX's SAME_UPPER: ⌈in / stride⌉ outputs, the odd pixel of padding at the end.

    >>> same_padding(224, 3, 2)
    (0, 1)
    """
    if not isinstance(size, int):
        raise TypeError(f"the size {size} is not known here")
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2
