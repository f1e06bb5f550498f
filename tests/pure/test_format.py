"""The formatter: one style, every comment, the same meaning, and nothing left to do the second time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.errors import NetError
from netc.loading import load_text
from netc.resources import spec_names, spec_path
from netc.syntax.format import format_text, same_meaning
from netc.syntax.parse import parse
from tests.pure.example import LANGUAGE
from tests.pure.written import WORDS, files


def formatted(text: str) -> str:
    """The text formatted, with what must hold for every file checked on the way."""
    before, errors = parse(text, "a.net")
    assert errors == ()
    once = format_text(text, "a.net")
    after, errors = parse(once, "a.net")
    assert errors == ()
    assert same_meaning(before, after)
    # A `##` that moves out of its item becomes a `#`, or it would document that item.
    assert sorted(c.text.lstrip("#") for c in before.comments) == sorted(
        c.text.lstrip("#") for c in after.comments
    )
    assert format_text(once, "a.net") == once
    assert all(line == line.rstrip() for line in once.split("\n"))
    return once


def statement(text: str) -> str:
    """One statement of a block, formatted."""
    head, tail = "block B: x -> y {\n", "}\n"
    out = formatted(f"{head}{text}\n{tail}")
    assert out.startswith(head)
    assert out.endswith(tail)
    return out[len(head) : -len(tail)]


def test_the_example_of_the_language_keeps_its_line_breaks() -> None:
    out = formatted(LANGUAGE)
    assert [line.split() for line in out.split("\n")] == [
        line.replace("(64,1,3), (128,2,4), (256,2,6), (512,2,3)", "(64, 1, 3), (128, 2, 4), (256, 2, 6), (512, 2, 3)")
        .split()
        for line in LANGUAGE.split("\n")
    ]  # fmt: skip
    assert (
        "  main = x -> conv(c, 3, stride=stride, pad=half, bias=false) -> bn -> relu\n           -> conv("
        in out
    )
    assert "\n    -> c3: conv(16, 5) -> tanh -> avgpool(2)\n" in out
    assert "\n    -> dense(84) -> tanh\n" in out


@pytest.mark.parametrize("name", spec_names())
def test_the_specs_are_formatted(name: str) -> None:
    path = spec_path(name)
    assert path is not None
    formatted(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("written", "style"),
    [
        ("y=x->relu()", "  y = x -> relu\n"),
        ("y   =  ( ( a ) + (b*c) )*d -> relu", "  y = (a + b * c) * d -> relu\n"),
        ("y = x -> k :conv( 6 ,5, pad = 2 )*3", "  y = x -> k: conv(6, 5, pad=2) * 3\n"),
        ("y = x -> B(n) * (n-1) -> C * (-1)", "  y = x -> B(n) * (n - 1) -> C * (-1)\n"),
        ("y = x -> f((1,), [ ], g(), not a==b, - -c)", "  y = x -> f((1,), [], g(), not a == b, -(-c))\n"),
        ("y = x -> if a {relu}else if b{tanh}else{bn}", "  y = x -> if a { relu } else if b { tanh } else { bn }\n"),
        (
            "y = x -> for c in l {\nconv(c)->bn\n->relu}",
            "  y = x -> for c in l {\n    conv(c) -> bn\n      -> relu\n  }\n",
        ),
        ("y = x\n->relu\n\n-> bn", "  y = x\n    -> relu\n    -> bn\n"),
        ("y = x -> relu\n-> bn", "  y = x -> relu\n        -> bn\n"),
        ("y = [\n a, b,\n c\n] -> concat", "  y = [\n    a, b,\n    c,\n  ] -> concat\n"),
        ("y = x -> f(a,\n b)", "  y = x -> f(a, b)\n"),
        ("y = 1_000 + 5e-4 * 2K", "  y = 1_000 + 5e-4 * 2K\n"),
        ("a=x\n\n\n\nb=x", "  a = x\n\n  b = x\n"),
    ],
)  # fmt: skip
def test_style(written: str, style: str) -> None:
    assert statement(written) == style


def test_a_chain_that_does_not_fit_is_broken_after_its_source() -> None:
    chain = " -> ".join(["conv(64, 3, pad=half)"] * 6)
    assert statement(f"logits = x -> {chain}") == (
        "  logits = x\n"
        "    -> conv(64, 3, pad=half) -> conv(64, 3, pad=half) -> conv(64, 3, pad=half)\n"
        "    -> conv(64, 3, pad=half) -> conv(64, 3, pad=half) -> conv(64, 3, pad=half)\n"
    )


def test_a_bracket_that_does_not_fit_is_broken() -> None:
    weights = ", ".join(["0.125"] * 30)
    out = statement(f"y = x -> conv(1, 3, weight=[{weights}], bias=false)")
    assert max(len(line) for line in out.split("\n")) <= 100
    assert out.split("\n")[:2] == ["  y = x", "    -> conv("]


def test_comments_stay_where_they_are() -> None:
    text = (
        "# first\n\n# second\nparam a  # behind\n"
        "block B: x -> y {     # opens\n"
        "# alone\n"
        "    y = x    # source\n"
        "       # between\n"
        "       -> for c in [    # list\n"
        "         (1, 2), # one\n"
        "         (3, 4)  # two\n"
        "         # no more\n"
        "       ] {  # body\n"
        "         relu # r\n"
        "         # end of body\n"
        "       } -> bn # last\n"
        "   # end\n"
        "} # closed\n"
        "# after\n"
    )
    assert formatted(text) == (
        "# first\n\n# second\nparam a  # behind\n\n"
        "block B: x -> y {  # opens\n"
        "  # alone\n"
        "  y = x  # source\n"
        "    # between\n"
        "    -> for c in [  # list\n"
        "      (1, 2),  # one\n"
        "      (3, 4),  # two\n"
        "      # no more\n"
        "    ] {  # body\n"
        "      relu  # r\n"
        "      # end of body\n"
        "    } -> bn  # last\n"
        "  # end\n"
        "}  # closed\n\n"
        "# after\n"
    )


def test_comments_inside_what_becomes_one_line_stand_above_it() -> None:
    assert statement("y = x -> f(a, # one\n b, # two\n c) # three") == (
        "  # one\n  # two\n  y = x -> f(a, b, c)  # three\n"
    )


def test_parameters_stay_broken_where_the_writer_broke_them() -> None:
    text = "## The doc.\nnet A(\n# how wide\n\n  w: int=3,\n  ## how deep\n d: int=2) {\n}\n"
    assert formatted(text) == (
        "## The doc.\nnet A(\n  # how wide\n  w: int = 3,\n  ## how deep\n  d: int = 2,\n) {\n}\n"
    )


@pytest.mark.parametrize(
    ("written", "style"),
    [
        ("## doc\nnet A(w: int, # one\n d: int) {\n}\n", "# one\n## doc\nnet A(w: int, d: int) {\n}\n"),
        ("## doc\nnet A(w: int, ## one\n d: int) {\n}\n", "# one\n## doc\nnet A(w: int, d: int) {\n}\n"),
        ("## doc\n\nparam p = [1, ## one\n 2]\n", "## doc\n\n# one\nparam p = [1, 2]\n"),
        ("param a\nparam p = [1, ## one\n 2]\n", "param a\n# one\nparam p = [1, 2]\n"),
    ],
)
def test_comments_inside_a_first_line_leave_the_doc_alone(written: str, style: str) -> None:
    assert formatted(written) == style


def test_items_with_bodies_stand_apart() -> None:
    net = "net A {\n  output y\n}\n"
    assert formatted(f"param a\nparam b\n## doc\n{net}# c\n{net}param c\n") == (
        f"param a\nparam b\n\n## doc\n{net}\n# c\n{net}\nparam c\n"
    )


def test_a_file_with_errors_is_refused() -> None:
    with pytest.raises(NetError) as caught:
        format_text("net A {\n  y = x relu\n}\n", "a.net")
    assert [d.code for d in caught.value.diagnostics] == ["E0102"]


def test_an_empty_file_stays_empty() -> None:
    assert formatted("") == ""
    assert formatted("\n\n # only\n\n\n") == "# only\n"


def test_same_meaning_sees_a_difference() -> None:
    one, _ = parse("param a = 1 + 2", "a.net")
    assert same_meaning(one, parse("# c\nparam a=(1+2)", "b.net")[0])
    assert not same_meaning(one, parse("param a = 1 - 2", "a.net")[0])
    assert not same_meaning(one, parse("param a = 1 + 2.0", "a.net")[0])


@given(files())
def test_whatever_is_written_is_formatted_once_and_for_all(text: str) -> None:
    formatted(text)


@given(files(), st.lists(st.tuples(st.integers(0, 400), st.sampled_from(WORDS)), max_size=6))
def test_comments_and_blank_space_anywhere(text: str, extra: list[tuple[int, str]]) -> None:
    """Blank space where it means nothing, and comments at the ends of lines."""
    lines = text.split("\n")
    for at, word in extra:
        lines[at % len(lines)] += f"   # {word}" if at % 3 else f"  ## {word}\n\n\n"
    formatted("\n".join(lines))


def test_an_allow_behind_a_line_that_is_broken_stands_above_all_of_it() -> None:
    chain = "x -> " + " -> ".join(["conv(16, 3, stride=1, pad=half) -> relu"] * 4)
    text = (
        f"net A {{\n  input x: [N, 3, 32, 32]\n  y = {chain}  # allow W0201: as published\n  output y\n}}\n"
    )
    made = format_text(text, "a.net")
    assert "  # allow W0201: as published\n  y = x\n    -> conv" in made
    assert format_text(made, "a.net") == made
    told = [[d.code for d in load_text(t).diagnostics] for t in (text, made)]
    assert told[0] == told[1]
    assert "W0201" not in told[1]
