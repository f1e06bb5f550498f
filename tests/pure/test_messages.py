"""Every message of the middle of the compiler, as it was agreed; its code, its place, its help."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.loading import load_file
from tests.command import CHECKOUT, Command

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "messages"
CASES = sorted(GOLDEN.glob("*.net"))


SEVERAL = {
    "every-wrong-argument": 9,
    "expect-behind-a-mistake": 2,
    "four-mistakes": 4,
    "words-after-a-mistake": 3,
    "target-after-a-mistake": 1,
    "used-in-a-mistake": 4,
}  # mistakes in one file


@pytest.mark.parametrize("case", CASES, ids=[c.stem for c in CASES])
def test_message(case: Path, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    done = netc("check", case.name)
    agreed = case.with_suffix(".txt")
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        agreed.write_text(done.err, encoding="utf-8")
    assert (done.code, done.out) == (1, "")
    assert done.err == agreed.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=[c.stem for c in CASES])
def test_a_mistake_is_told_once(case: Path) -> None:
    try:
        found = [d.code for d in load_file(str(case)).diagnostics]
    except NetError as error:  # it cannot be read
        found = [d.code for d in error.diagnostics]
    if case.stem in SEVERAL:
        assert len(found) == SEVERAL[case.stem]
    else:
        assert found == [case.stem.split("-")[0]]


def test_four_mistakes_are_four_errors_at_their_places() -> None:
    found = load_file(str(GOLDEN / "four-mistakes.net"))
    quoted = [
        (d.code, found.text.split("\n")[d.span.line - 1][d.span.col - 1 : d.span.end_col - 1])
        for d in found.diagnostics
    ]
    assert quoted == [
        ("E0202", "bnn"),
        ("E0203", "pading=1"),
        ("E0302", "conv(8, 40)"),
        ("E0201", "lable"),
    ]


def test_every_code_in_the_source_has_a_message_that_was_agreed() -> None:
    used: set[str] = set()
    for path in (CHECKOUT / "netc").rglob("*.py"):
        used |= set(re.findall(r"\bE0\d{3}\b", path.read_text(encoding="utf-8")))
    shown: set[str] = set()
    for path in (TESTS / "golden").rglob("*.txt"):
        shown |= set(re.findall(r"^error\[(E0\d{3})\]", path.read_text(encoding="utf-8"), re.MULTILINE))
    # Files that cannot be read, are too large, have too many mistakes or import too much have tests of their own, in
    # test_parse.py and test_hostile.py.
    assert used - shown == {"E0801", "E0802", "E0807", "E0824"}
    assert {"E0302", "E0701", "E0104"} <= shown
