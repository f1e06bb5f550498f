"""Staircases: paths through windows and enlargements, against walking back step by step."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from netc.analyze import stairs
from netc.analyze.stairs import Path, merged, widest

Step = tuple[int, int, int, int]  # step, low, high, over
PIXEL = Path(1, 0, 0)

STEPS = st.tuples(st.integers(1, 4), st.integers(-4, 2), st.integers(2, 5), st.integers(1, 4))
CHAINS = st.lists(STEPS, max_size=6)
drawn = settings(deadline=None, derandomize=True, max_examples=300)


def path_of(steps: list[Step]) -> Path:
    path = PIXEL
    for s in steps:
        path = path.after(*s)
    return path


def ends(steps: list[Step], u: int) -> tuple[int, int]:
    """From the output back: the definition itself."""
    first = last = u
    for step, low, high, over in reversed(steps):
        first, last = (step * first + low) // over, (step * last + high) // over
    return first, last


@drawn
@given(steps=CHAINS, u=st.integers(-20, 20))
def test_a_path_is_its_steps(steps: list[Step], u: int) -> None:
    path = path_of(steps)
    assert path.at(u) == ends(steps, u)
    stride = Fraction(1)
    for step, _, _, over in steps:
        stride *= Fraction(step, over)
    assert path.stride == stride


def test_down_and_up_again_leaves_one_floor() -> None:
    down, up = (2, 0, 1, 1), (1, 0, 0, 2)
    path = path_of([down] * 4 + [up] * 4)
    assert path == Path(1, 0, 0, (stairs.Stair(16, 16, 0, 15),))
    assert path_of([up, down]) == PIXEL.after(1, 0, 0, 1)  # the pair that an upsampling made is one pixel


@drawn
@given(chains=st.lists(CHAINS, min_size=1, max_size=5), u=st.integers(-20, 20))
def test_merged_paths_have_the_same_hull(chains: list[list[Step]], u: int) -> None:
    found = [path.at(u) for path in merged(path_of(c) for c in chains)]
    wanted = [ends(c, u) for c in chains]
    for end, side in ((0, min), (1, max)):
        assert side(e[end] for e in found) == side(e[end] for e in wanted)


@drawn
@given(chains=st.lists(CHAINS, min_size=1, max_size=5), u=st.integers(-20, 20))
def test_straight_lines_lie_around_their_staircases(chains: list[list[Step]], u: int) -> None:
    lines = stairs._straightened([path_of(c) for c in chains])  # pyright: ignore[reportPrivateUsage]
    assert len({line.stride for line in lines}) == len(lines)
    assert min(line.at(u)[0] for line in lines) <= min(ends(c, u)[0] for c in chains)
    assert max(line.at(u)[1] for line in lines) >= max(ends(c, u)[1] for c in chains)


@drawn
@given(
    lines=st.lists(
        st.tuples(st.integers(1, 90), st.integers(-50, 5), st.integers(0, 60), st.integers(1, 3)),
        min_size=1,
        max_size=60,
    ),
    u=st.integers(-40, 40),
)
def test_bundles_of_strides_hold_their_lines_and_are_their_hull_at_0(lines: list[Step], u: int) -> None:
    paths = [PIXEL.after(*line) for line in lines]
    kept = stairs._bundled(stairs._straightened(paths))  # pyright: ignore[reportPrivateUsage]
    assert len(kept) <= 2 * stairs.MOST_STRIDES
    assert max(p.stride for p in kept) == max(p.stride for p in paths)
    assert min(p.at(u)[0] for p in kept) <= min(p.at(u)[0] for p in paths)
    assert max(p.at(u)[1] for p in kept) >= max(p.at(u)[1] for p in paths)
    if all(over == 1 for *_, over in lines):
        assert min(p.at(0)[0] for p in kept) == min(p.at(0)[0] for p in paths)
        assert max(p.at(0)[1] for p in kept) == max(p.at(0)[1] for p in paths)


@drawn
@given(steps=CHAINS)
def test_the_widest_index(steps: list[Step]) -> None:
    path = path_of(steps)
    widths = [last - first + 1 for first, last in (ends(steps, u) for u in range(300))]
    assert widest((path,)) >= max(widths)
    phases = 1
    for s in path.stairs:
        phases *= s.over
    if phases <= stairs.MOST_PHASES:
        assert widest((path,)) == max(widths)


def test_paths_do_not_multiply() -> None:
    """At each of 40 levels two ways down and up that do not collapse: 2^40 paths, were they all kept."""
    paths: tuple[Path, ...] = (PIXEL,)
    for level in range(40):
        ways = [[p.after(n, level, level + 1, 1).after(1, 0, 0, n) for p in paths] for n in (2, 3)]
        paths = merged(path for way in ways for path in way)
    assert len(paths) <= stairs.MOST_PATHS
    assert all(path.stride == 1 for path in paths)
