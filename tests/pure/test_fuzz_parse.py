"""Whatever bytes come, `parse` answers with a tree and diagnostics, and never with an exception."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from netc.errors import NetError, render_all
from netc.syntax.format import format_text
from netc.syntax.parse import parse, read
from tests.pure.example import LANGUAGE
from tests.pure.written import files

_WORDS = (
    "netc net block train param from import input output expect shared where if else for in and or not true"
)
_SIGNS = "false x y conv 3 0.5 3x3 9K -> = == < + - * / % , : . ( ) [ ] { } # ## \" ' ; @ \\"
_ENDS = ("\n", "\n  ", "\n\n", "\r\n", "\n}\n", "net A {\n", "block B: x -> y {\n")
_ODD = ("\r", "\t", "\0", "\u202e", "é", '"a"')
_SOUP = st.sampled_from([*_WORDS.split(), *_SIGNS.split(), *_ENDS, *_ODD])
_EDITS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(["cut", "copy", "put"]), _SOUP), max_size=4
)


def check(text: str) -> None:
    """What holds for every text: places inside of it, messages that can be drawn, no errors only for what is right."""
    file, errors = parse(text, "a.net")
    lines = text.split("\n")
    for e in errors:
        assert e.code.startswith(("E01", "E08"))
        assert 1 <= e.span.line <= len(lines)
        assert 1 <= e.span.col <= len(lines[e.span.line - 1]) + 1
        assert (e.span.line, e.span.col) <= (e.span.end_line, e.span.end_col)
        assert e.message
    assert len(set(errors)) == len(errors)
    assert errors == tuple(sorted(errors, key=lambda e: (e.span.line, e.span.col, e.code)))
    render_all(errors, {"a.net": text})
    broken = any(type(item).__name__ == "Broken" for item in file.items)
    assert errors or not broken
    if not errors:
        format_text(text, "a.net")


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.net"
        path.write_bytes(data)
        try:
            text = read(path)
        except NetError as error:
            told = [d.code for d in error.diagnostics]
        else:
            told = []
            check(text)
    assert told in ([], ["E0803"])


@given(st.lists(_SOUP, max_size=60), st.booleans())
def test_any_tokens(words: list[str], spaced: bool) -> None:
    check((" " if spaced else "").join(words))


@given(st.lists(_SOUP, max_size=40))
def test_any_tokens_in_a_body(words: list[str]) -> None:
    check("net A {\n  input x: [N]\n  " + " ".join(words) + "\n  output x\n}\n")


@given(files(), _EDITS)
def test_right_files_with_mistakes(text: str, edits: list[tuple[int, str, str]]) -> None:
    check(_edited(text, edits))


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(["cut", "copy", "put"]), _SOUP), max_size=4)
)
def test_the_example_with_mistakes(edits: list[tuple[int, str, str]]) -> None:
    check(_edited(LANGUAGE, edits))


@given(st.integers(0, len(LANGUAGE)))
def test_the_example_cut_off(at: int) -> None:
    check(LANGUAGE[:at])


def _edited(text: str, edits: list[tuple[int, str, str]]) -> str:
    for place, what, word in edits:
        at = place % (len(text) + 1)
        middle = {"cut": "", "copy": text[at : at + 9] * 2, "put": word + text[at:][:1]}[what]
        text = text[:at] + middle + text[at + (9 if what == "copy" else 1) :]
    return text
