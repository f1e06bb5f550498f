"""Whatever a file holds, `netc check` and `netc report` tell mistakes of the file and never fail themselves."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc.errors import NetError
from netc.loading import load_text
from netc.resources import spec_names, spec_path
from netc.syntax.scan import decode

GOLDEN = Path(__file__).parents[1] / "golden"
SEEDS = [
    path.read_text(encoding="utf-8")
    for path in (
        *(spec_path(name) for name in spec_names()),
        *sorted((GOLDEN / "messages").glob("*.net")),
        *sorted((GOLDEN / "report").glob("*.net")),
    )
    if path is not None and path.name != "E0803-encoding.net" and not path.name.startswith("E0820")
]
TOKEN = re.compile(r"\w+|->|[=!<>]=|\s+|.")
WORDS = [*sorted({t for text in SEEDS for t in TOKEN.findall(text) if not t.isspace()}), "\n", " "]


def broken(text: str, edits: list[tuple[float, str, int]]) -> str:
    """The text with tokens replaced, put in, taken out or doubled, each at a share of its length."""
    tokens = TOKEN.findall(text)
    for place, word, how in edits:
        at = int(place * len(tokens))
        tokens[at : at + (how != 1)] = {0: [word], 1: [word], 2: [], 3: tokens[at : at + 1] * 2}[how]
    return "".join(tokens)


edits = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(WORDS), st.integers(0, 3)),
    min_size=1,
    max_size=6,
)


def told(text: str) -> None:
    """Everything that `check` and `report` ask of a text, without measuring memory of what may be huge."""
    loaded = load_text(text, "a.net")
    for net in loaded.nets.values():
        assert net.facts.params >= 0
        assert len(net.facts.fields) == len(net.graph.nodes)
        if net.whole and (net.facts.flops or 0) < 10**9:  # None: a symbolic size decides
            net.report(2)
    lines = text.split("\n")
    for d in loaded.diagnostics:
        if d.span.file == "a.net":
            assert 1 <= d.span.line <= len(lines) + 1
            assert (d.span.line, d.span.col) <= (d.span.end_line, d.span.end_col)


@given(st.sampled_from(SEEDS), edits)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_file_with_slips(text: str, slips: list[tuple[float, str, int]]) -> None:
    told(broken(text, slips))


@given(st.binary(max_size=200))
def test_bytes(data: bytes) -> None:
    try:
        text = decode(data, "a.net")
    except NetError:  # it is no text
        return
    told(text)


@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_words_in_any_order(words: list[str]) -> None:
    told("net A { input x: [N, 3]\n y = x -> " + " ".join(words))


def test_slips_are_made() -> None:
    assert broken("a -> b", [(0.0, "c", 0), (0.99, "d", 1)]) == "c -> db"
    with pytest.raises(AssertionError):
        assert broken("a -> b", [(0.5, "", 2)]) == "a -> b"


WHOLE = """netc 1
param c: int = 4
block B(k: int = 3, act: layer = relu): x -> y {
  y = x -> conv(c, k, pad=half) -> act
}
net A(classes: int = 10) {
  input image: [N, 1, 8, 8]
  shared f = conv(4, 3, pad=same)
  a = image -> B -> f -> f -> for k in [1, 3] { B(k) }
  b = image -> conv(4, 1)
  y = a + b -> if c > 2 { flatten } else { gap -> flatten } -> dense(classes)
  output y
  expect shape(y) == [N, 10]
}
train A {
  data digits
  target label: int[N]
  augment shift(2) -> rotate(10)
  loss main = [y, label] -> softmax_xent
  metric [y, label] -> accuracy, top(5)
  optimizer sgd(lr=0.1, momentum=0.9, nesterov=true)
  schedule cosine
  batch 32
  epochs 3
  init he
  seed 1
}
"""
TOKENS = TOKEN.findall(WHOLE)
PLACES = [i for i, token in enumerate(TOKENS) if token.strip()]


def test_the_whole_file_is_right() -> None:
    assert load_text(WHOLE).diagnostics == ()


@pytest.mark.parametrize("how", ["taken out", "doubled", "exchanged", "another", "cut off"])
def test_every_single_slip(how: str) -> None:
    """A word of a file that has most of the language, wrong once."""
    for place, after in pairwise(PLACES):
        tokens = list(TOKENS)
        match how:
            case "taken out":
                tokens[place] = ""
            case "doubled":
                tokens[place] *= 2
            case "exchanged":
                tokens[place], tokens[after] = tokens[after], tokens[place]
            case "another":
                tokens[place] = "zz"
            case _:
                del tokens[place:]
        told("".join(tokens))
