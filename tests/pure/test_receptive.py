"""Receptive fields: the recurrences, joins of paths that align and that do not, and what sees everything."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.analyze.receptive import Axis, Field, fields
from netc.analyze.stairs import MOST_PATHS, Path
from netc.graph.model import Graph
from netc.layers.base import Window
from netc.loading import load_text

POINT = Axis((Path(1, 0, 0),))


def net(*lines: str, size: int = 64) -> Graph:
    """A net over one channel, whose last line defines the output `y`."""
    body = "\n".join(lines)
    text = f"net T {{\ninput x: [N, 1, {size}, {size}]\n{body}\noutput y\n}}\n"
    return load_text(text).must_be_right().nets["T"].graph


def field(*lines: str, of: str = "y", size: int = 64) -> Field:
    graph = net(*lines, size=size)
    found = fields(graph)[graph.tensors[of]]
    assert found
    return found


def rsp(f: Field) -> tuple[Any, ...]:
    """Size, stride and padding of a field that is the same in height and width."""
    height, width = zip(f.local or (), f.stride or (), f.pad or (), strict=True)
    assert height == width
    return height


# ---- Along one path ---------------------------------------------------------------------------------------------


def through(windows: list[Window]) -> Axis:
    axis = POINT
    for w in windows:
        axis = axis.through(w)
    return axis


def backwards(windows: list[Window]) -> tuple[int, int, int]:
    """Araujo, Norris and Sim 2019, from the output back: r = s·r + (k − s), S = s·S, P = s·P + p."""
    r, stride, pad = 1, 1, 0
    for w in reversed(windows):
        k = w.dilation * (w.kernel - 1) + 1
        r, stride, pad = w.stride * r + (k - w.stride), w.stride * stride, w.stride * pad + w.pad
    return r, stride, pad


def one_pass(windows: list[Window]) -> tuple[int, int, int]:
    """The same from the input on: r += (k − 1)·j, P += p·j, j *= s."""
    r, j, pad = 1, 1, 0
    for w in windows:
        r, pad = r + w.dilation * (w.kernel - 1) * j, pad + w.pad * j
        j *= w.stride
    return r, j, pad


def seen(windows: list[Window], u: int) -> set[int]:
    """The inputs that output `u` sees, by walking back window by window: the definition itself."""
    pixels = {u}
    for w in reversed(windows):
        pixels = {v * w.stride - w.pad + w.dilation * k for v in pixels for k in range(w.kernel)}
    return pixels


WINDOWS = st.lists(
    st.builds(Window, st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)), max_size=5
)


@settings(deadline=None, derandomize=True)
@given(windows=WINDOWS, u=st.integers(-3, 9))
def test_recurrences(windows: list[Window], u: int) -> None:
    axis = through(windows)
    assert (axis.size, axis.stride, axis.pad) == backwards(windows) == one_pass(windows)
    pixels = seen(windows, u)
    assert axis.at(u) == (min(pixels), max(pixels))
    assert axis.aligned


def test_height_and_width_are_apart() -> None:
    f = field("y = x -> conv(1, (3, 5), stride=(2, 1), pad=((1, 0), (4, 2))) -> maxpool((1, 2))")
    assert (f.size, f.stride, f.pad) == ((3, 6), (2, 2), (1, 4))


def test_dilation_widens_the_kernel() -> None:
    assert rsp(field("y = x -> conv(1, 3, dilation=4, pad=half)")) == (9, 1, 4)


def test_pointwise_layers_see_what_flows_in() -> None:
    assert rsp(field("y = x -> conv(1, 3) -> relu -> bn -> dropout -> tanh -> softmax")) == (3, 1, 0)


def test_same_padding_counts_what_stands_before() -> None:
    assert rsp(field("y = x -> conv(1, 3, stride=2, pad=same)")) == (3, 2, 0)  # 64: one pixel, at the end


# ---- Joins ------------------------------------------------------------------------------------------------------


def test_an_aligned_join_has_the_largest_field() -> None:
    f = field("a = x -> conv(1, 3, pad=half)", "b = x -> conv(1, 5, pad=half)", "y = a + b")
    assert rsp(f) == (5, 1, 2)
    assert f.aligned


def test_a_shortcut_does_not_shrink_the_field() -> None:
    f = field("a = x -> conv(1, 3, pad=half) -> conv(1, 3, pad=half)", "y = a + x")
    assert rsp(f) == (5, 1, 2)
    assert f.aligned


def test_unaligned_fields_are_hulls_at_every_index() -> None:
    # Strides of 2 and 1, which no single size, stride and padding describe.
    f = field(
        "a = x -> conv(1, 5, stride=2, pad=2)",
        "b = x -> conv(1, 3) -> conv(1, 3)",
        "y = a + b",
        size=8,
    )
    assert f.axes
    assert not f.aligned
    for axis in f.axes:
        ends = [axis.at(u) for u in range(4)]
        assert [last - first + 1 for first, last in ends] == [7, 6, 5, 6]
        assert ends == [(-2, 4), (0, 5), (2, 6), (3, 8)]


def test_paths_of_equal_stride_and_centre() -> None:
    f = field(
        "a = x -> conv(1, 1, stride=4)",
        "b = x -> conv(1, 3, stride=2, pad=1) -> conv(1, 1, stride=2)",
        "y = a + b",
    )
    assert rsp(f) == (3, 4, 1)
    assert f.aligned
    assert f.axes
    assert [f.axes[0].at(u) for u in range(3)] == [(-1, 1), (3, 5), (7, 9)]


def test_paths_of_equal_stride_and_other_centres_do_not_align() -> None:
    f = field("a = x -> conv(1, 3, pad=((0, 2), (0, 2)))", "y = a + x")
    assert rsp(f) == (3, 1, 0)
    assert not f.aligned


def test_what_is_unaligned_stays_so() -> None:
    f = field("a = x -> conv(1, 3, pad=((0, 2), (0, 2)))", "b = a + x", "y = b -> conv(1, 3) -> relu")
    assert not f.aligned


@settings(deadline=None, derandomize=True)
@given(
    strides=st.lists(st.integers(1, 3), min_size=2, max_size=2),
    kernels=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
def test_a_join_is_the_hull_of_both_paths(strides: list[int], kernels: list[int], pads: list[int]) -> None:
    """Two paths of any windows whose results have one size, each index by the definition."""
    ways = [
        [Window(kernels[2 * i], strides[i], pads[2 * i]), Window(kernels[2 * i + 1], 1, pads[2 * i + 1])]
        for i in range(2)
    ]
    n = 24
    sizes = [_out(way, n) for way in ways]
    for way, size in zip(ways, sizes, strict=True):  # the last window brings both to one size
        way.append(Window(size - min(sizes) + 1))
    lines = [f"{name} = x -> " + " -> ".join(map(_conv, way)) for name, way in zip("ab", ways, strict=True)]
    f = field(*lines, "y = a + b", size=n)
    assert f.axes
    for u in range(min(sizes)):
        pixels = seen(ways[0], u) | seen(ways[1], u)
        assert f.axes[0].at(u) == (min(pixels), max(pixels))


def _out(windows: list[Window], n: int) -> int:
    for w in windows:
        n = (n + 2 * w.pad - w.kernel) // w.stride + 1
    return n


def _conv(w: Window) -> str:
    return f"conv(1, {w.kernel}, stride={w.stride}, pad={w.pad})"


# ---- What sees the whole input ----------------------------------------------------------------------------------


def test_gap_and_dense_after_flatten_see_everything() -> None:
    lines = ("a = x -> conv(1, 3, pad=half)", "g = a -> gap", "y = g -> flatten -> dense(10)")
    for name in ("g", "y"):
        f = field(*lines, of=name)
        assert f.whole
        assert f.size is None
        assert f.local is None
    assert field("y = x -> flatten -> dense(4)").whole


def test_a_gate_leaves_the_field_of_the_path_beside_it() -> None:
    lines = (
        "a = x -> conv(4, 3, pad=half)",
        "gate = a -> gap -> conv(4, 1) -> sigmoid",
        "y = a * gate -> conv(4, 3, pad=half)",
    )
    f = field(*lines)
    assert f.whole
    assert f.size is None
    assert (f.local, f.stride, f.pad) == ((5, 5), (1, 1), (2, 2))


def test_flattening_one_pixel_sees_what_the_pixel_sees() -> None:
    f = field("y = x -> conv(3, 5) -> flatten -> dense(2)", size=5)
    assert not f.whole
    assert rsp(f) == (5, 1, 0)


def test_vectors_have_no_field() -> None:
    text = "net T {\ninput x: [N, 4]\ny = x -> dense(2)\noutput y\n}\n"
    graph = load_text(text).must_be_right().nets["T"].graph
    assert fields(graph) == (None, None)


def test_words_are_a_line() -> None:
    text = (
        "net T {\ninput t: int[N, 20]\ny = t -> embedding(10, 4) -> conv(8, 3) -> relu\n"
        "z = y -> conv(4, 5, stride=2)\nw = z -> flatten -> dense(3)\noutput z, w\n"
        "expect rf(z) == 7\nexpect rf(z).stride == 2\n}\n"
    )
    graph = load_text(text).must_be_right().nets["T"].graph
    found = fields(graph)
    z, w = found[graph.tensors["z"]], found[graph.tensors["w"]]
    assert z
    assert (z.size, z.stride, z.pad) == ((7,), (2,), (0,))
    assert w
    assert w.whole


# ---- Sums that the lecture prints (E. Sokolov, Foundations of Deep Learning, 2025, lecture 3) ------------------------


@pytest.mark.parametrize(("kernel", "sizes"), [(3, [3, 5, 7]), (5, [5, 9, 13])])
def test_stacked_kernels(kernel: int, sizes: list[int]) -> None:
    assert [through([Window(kernel)] * n).size for n in (1, 2, 3)] == sizes


def test_a_stride_widens_what_follows() -> None:
    assert through([Window(3, 2), Window(3)]).size == 7


# ---- Enlargements -----------------------------------------------------------------------------------------------


def test_enlargements_have_fractions_as_strides() -> None:
    assert rsp(field("y = x -> upsample(4) -> conv(1, 3)")) == (2, Fraction(1, 4), 0)
    assert rsp(field("y = x -> conv_transpose(1, 4, stride=2, pad=1)")) == (2, Fraction(1, 2), 1)
    assert rsp(field("y = x -> maxpool(4) -> upsample(2) -> conv(1, 3)")) == (8, 2, 0)


def test_down_and_up_is_a_stride_of_one() -> None:
    f = field("y = x -> maxpool(2) -> maxpool(2) -> upsample(2) -> upsample(2)")
    assert rsp(f) == (4, 1, 0)
    assert f.aligned
    assert [f.at(u, 0) for u in (0, 3, 4)] == [((0, 3), (0, 3)), ((0, 3), (0, 3)), ((4, 7), (0, 3))]


def test_a_shortcut_over_an_enlargement_is_not_aligned() -> None:
    f = field("a = x -> maxpool(2) -> upsample(2)", "y = a + x")
    assert rsp(f) == (2, 1, 0)
    assert not f.aligned


def test_rows_and_columns_change_places() -> None:
    f = field("y = x -> conv(1, (3, 5)) -> transpose -> conv(1, (1, 3), stride=(1, 2), pad=((0, 0), (1, 0)))")
    assert f.turned
    assert f.size == (5, 5)
    assert f.stride == (2, 1)
    assert f.at(7, 1) == ((1, 5), (7, 11))
    g = field("a = x -> conv(1, 3, pad=half)", "b = a -> transpose", "y = a + b")
    assert g.whole  # row 0 of the one and column 0 of the other lie in no rectangle


def test_lines_have_a_length_alone() -> None:
    text = (
        "net T {\ninput x: [N, 2, 40]\ny = x -> conv(3, 5, stride=2, pad=half) -> maxpool(3)\noutput y\n}\n"
    )
    graph = load_text(text).must_be_right().nets["T"].graph
    f = fields(graph)[graph.tensors["y"]]
    assert f
    assert (f.size, f.stride, f.pad) == ((9,), (6,), (2,))


def test_parts_one_after_the_other_begin_where_the_last_ended() -> None:
    f = field(
        "a = x -> conv(1, 3, stride=(2, 1), pad=((0, 0), (1, 1)))",
        "y = [a, x] -> concat(axis=H) -> conv(1, 1)",
        size=63,
    )
    assert f.axes
    assert f.axes[0].at(31) == (0, 64)  # the first row of x, or the row after the last of a


def test_many_ways_down_and_up_stay_few() -> None:
    lines: list[str] = []
    before = "x"
    for i in range(12):
        lines += [
            f"a{i} = {before} -> maxpool(2) -> upsample(2)",
            f"b{i} = {before} -> maxpool(3) -> upsample(3)",
            f"t{i} = a{i} + b{i}",
        ]
        before = f"t{i}"
    f = field(*lines, f"y = {before} -> relu", size=60)
    assert f.axes
    assert len(f.axes[0].paths) <= MOST_PATHS
    assert not f.aligned
