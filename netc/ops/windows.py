"""Window arithmetic: how many windows fit, and which slice of the input each tap of a window sees."""

from __future__ import annotations

from netc.sizes import Size, as_form, constant, floor_div, sign

Pair = tuple[int, int]  # (height, width)
Sizes = tuple[Size, Size]  # (height, width) of a map, which may be symbolic
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right))


def reach(kernel: int, dilation: int = 1) -> int:
    """How many inputs a dilated window spans.

    >>> reach(3), reach(3, dilation=2)
    (3, 5)
    """
    return dilation * (kernel - 1) + 1


def window_count(size: Size, span: int, stride: int, pad: Pair, ceil: bool = False) -> Size:
    """⌊(I + P − F) / S⌋ + 1 (Dumoulin and Visin, 2016, relationship 6); at most 0 where the window does not fit.

    With `ceil` the last window may hang over the end, but must start inside the input or its leading padding;
    Undecided where that depends on the value of a symbolic size.

    >>> window_count(227, 11, 4, (0, 0)), window_count(112, 3, 2, (0, 0), ceil=True)
    (55, 56)
    """
    room = size + (pad[0] + pad[1] - span)
    if isinstance(room, int) and room + (stride - 1 if ceil else 0) < 0:
        return 0
    count = floor_div(room + (stride - 1 if ceil else 0), stride) + 1
    if ceil and _starts_beyond(count, size, stride, pad[0]):
        return count - 1
    return count


def _starts_beyond(count: Size, size: Size, stride: int, before: int) -> bool:
    """Whether the last of `count` windows starts in the padding behind the input."""
    behind = as_form(count - 1) * stride - size - before
    return behind >= 0 if isinstance(behind, int) else sign(behind) >= 0


def same_padding(size: Size, span: int, stride: int) -> Pair:
    """TensorFlow's SAME, ONNX's SAME_UPPER: ⌈in / stride⌉ outputs, the odd pixel of padding at the end.

    Undecided where it depends on the value of a symbolic size.

    >>> same_padding(224, 3, 2)
    (0, 1)
    """
    last = as_form(floor_div(size + (stride - 1), stride) - 1) * stride
    total = max(constant(last + (span - as_form(size))), 0)
    return total // 2, total - total // 2
