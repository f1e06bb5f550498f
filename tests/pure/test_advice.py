"""Advice: each message as it was agreed, what silences it, and what must not be advised against."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from netc.analyze.advice import ADVICE, CODES, advice_of_file, advise
from netc.analyze.advice.study import tapped
from netc.layers.base import Window
from netc.loading import load_file, load_text
from netc.resources import spec_names
from tests.command import Command

GOLDEN = Path(__file__).parents[1] / "golden" / "advice"
CASES = sorted(GOLDEN.glob("*.net"))


def codes(body: str, *, first: str = "input x: [N, 3, 32, 32]") -> list[str]:
    """The advice about a net of these lines."""
    loaded = load_text(f"net A {{\n  {first}\n{body}\n}}\n").must_be_right()
    return [d.code for d in advice_of_file({k: v.facts for k, v in loaded.nets.items()}, loaded.file)]


@pytest.mark.parametrize("case", CASES, ids=[c.stem for c in CASES])
def test_advice_as_it_was_agreed(case: Path, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    done = netc("check", case.name)
    agreed = case.with_suffix(".txt")
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        agreed.write_text(done.err, encoding="utf-8")
    assert (done.code, done.out) == (0, "")
    assert done.err == agreed.read_text(encoding="utf-8")
    assert set(re.findall(r"^warning\[(\w+)\]", done.err, re.MULTILINE)) >= {case.stem.split("-")[0]}
    assert netc("check", "--strict", case.name).code == 1


def test_every_code_has_a_case() -> None:
    assert {c.stem.split("-")[0] for c in CASES} == CODES


@pytest.mark.parametrize("code", sorted(ADVICE))
def test_every_piece_names_its_source(code: str) -> None:
    told = ADVICE[code].__doc__ or ""
    assert told.startswith(f"{code}: ")
    assert re.search(r"\b(19|20)\d\d\b", told)  # the year of a lecture or a paper


@pytest.mark.parametrize("spec", spec_names())
def test_shipped_specs_follow_the_advice_or_say_why_not(spec: str, netc: Command) -> None:
    done = netc("check", "--strict", spec)
    assert (done.code, done.err) == (0, "")


def test_a_wrong_file_gets_no_advice(netc: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.net"
    text = (GOLDEN / "W0202-two-dense-layers.net").read_text(encoding="utf-8")
    file.write_text(text.replace("output y", "output z, y"), encoding="utf-8")
    done = netc("check", file)
    assert "error[E0201]" in done.err
    assert "warning" not in done.err


# ---- Silence -------------------------------------------------------------------------------------------------------

LINE = "  y = x -> conv(4, 3) -> bn -> relu"
LONG = "  y = x\n    -> conv(4, 3, bias=false) -> bn -> relu\n    -> c2: conv(8, 3)\n    -> bn\n    -> relu"


@pytest.mark.parametrize(
    "body",
    [
        f"{LINE}  # allow W0201: why\n  output y",
        f"  # allow W0201: why\n{LINE}\n  output y",
        f"  # allow W0201: why\n  # and another comment\n{LINE}\n  output y",
        f"  #allow W0201:why\n{LINE}\n  output y",
        f"  # allow W0201: why\n{LONG}\n  output y",
        f"{LONG}\n  output y".replace("    -> c2", "    # allow W0201: why\n    -> c2"),
        f"{LONG}\n  output y".replace("c2: conv(8, 3)", "c2: conv(8, 3)  # allow W0201: why"),
    ],
)
def test_a_comment_with_a_reason_silences(body: str) -> None:
    assert codes(f"{LINE}\n  output y") == ["W0201"]
    assert codes(body) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"{LINE}  # allow W0201\n  output y", ["W0201", "W0001"]),
        (f"{LINE}  # allow W0201:\n  output y", ["W0201", "W0001"]),
        (f"{LINE}  # allow W0202: why\n  output y", ["W0201", "W0002"]),
        (f"  # allow W0201: why\n\n{LINE}\n  output y", ["W0002", "W0201"]),
        (f"{LINE}\n  output y  # allow W0201: why", ["W0201", "W0002"]),
        (f"{LINE}  # allow W0201, W0202: why\n  output y", ["W0002"]),
        (f"{LINE}  # to allow W0201: nothing\n  output y", ["W0201"]),
        (f"{LONG}\n  output y".replace("= x\n", "= x  # allow W0201: why\n"), ["W0002", "W0201"]),
        (
            f"{LONG}\n  output y".replace("    -> conv", "    # allow W0201: why\n    -> conv"),
            ["W0002", "W0201"],
        ),
        (f"  # allow W0201: why\n  z = x -> relu\n{LONG}\n  output z, y", ["W0002", "W0201"]),
    ],
)
def test_what_silences_nothing(body: str, found: list[str]) -> None:
    assert codes(body) == found


# ---- What must not be advised against -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("the bias is seen by others", "  t = x -> conv(4, 3)\n  u = t -> bn\n  y = u + t\n  output y"),
        ("the bias is an output", "  t = x -> conv(4, 3)\n  y = t -> bn\n  output y, t"),
        ("a bottleneck saves weights", "  y = x -> conv(8, 3) -> relu -> conv(2, 1) -> conv(8, 3)\n  output y"),
        ("bn is between", "  y = x -> conv(8, 3, bias=false) -> bn -> conv(8, 3)\n  output y"),
        ("depthwise, then pointwise", "  y = x -> conv(3, 3, groups=3) -> conv(8, 1)\n  output y"),
        ("two sigmoids", "  y = x -> conv(8, 3) -> sigmoid -> conv(8, 3) -> sigmoid -> conv(8, 3)\n  output y"),
        (
            "gates lie beside the way",
            "\n".join(f"  g{i} = {v} -> gap -> conv(3, 1) -> sigmoid\n  v{i} = {v} * g{i}"
                      for i, v in enumerate(["x", "v0", "v1", "v2"])) + "\n  output v3",
        ),
        (
            "bn between sigmoids",
            "  y = x" + " -> conv(8, 3, bias=false) -> bn -> sigmoid" * 4 + "\n  output y",
        ),
        ("dropout after bn", "  y = x -> conv(8, 3, bias=false) -> bn -> relu -> dropout -> conv(8, 3)\n  output y"),
        ("dropout of nothing", "  y = x -> dropout(p=0) -> conv(8, 3, bias=false) -> bn\n  output y"),
        ("a map may be local", "  y = x -> conv(8, 3) -> relu\n  output y"),
        ("padding is left over", "  y = x -> conv(8, 3, stride=2, pad=1) -> relu\n  output y"),
        ("another reads what is left over", "  m = x -> maxpool(3, stride=2)\n  y = x -> conv(8, 3)\n  output m, y"),
        ("another window reads the gaps", "  m = x -> conv(8, 1, stride=2)\n  y = x -> conv(8, 3)\n  output m, y"),
        ("the window hangs over", "  y = x -> maxpool(3, stride=2, round=ceil)\n  output y"),
        (
            "zeros at the end of a branch",
            "  h = x -> conv(3, 3, pad=half) -> relu -> conv(3, 1, init=zeros)\n  y = x + h\n  output y",
        ),
        ("a small net may be dense", "  y = x -> conv(8, 15) -> relu -> maxpool(2) -> flatten -> dense(9)\n  output y"),
    ],
)  # fmt: skip
def test_no_advice(why: str, body: str) -> None:
    assert codes(body) == [], why


def test_symbolic_sizes_get_only_the_advice_that_needs_no_size() -> None:
    symbolic = "input x: [N, 3, H, W] where H >= 16, W >= 16"
    body = "  y = x -> conv(8, 1, stride=2) -> bn -> maxpool(3, stride=2) -> gap -> flatten -> dense(2)\n  output y"
    assert codes(body, first=symbolic) == ["W0201"]


def test_a_block_used_often_is_told_once() -> None:
    (net,) = load_file(str(GOLDEN / "W0201-in-a-block.net")).nets.values()
    assert sum(d.code == "W0201" for d in advise(net.facts)) == 1


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_taps_are_those_of_the_definition(kernel: int, stride: int, pad: int, dilation: int) -> None:
    size, outputs = 17, (0, 2, 3, 5)
    found = tapped(Window(kernel, stride, pad, dilation), size, sum(1 << u for u in outputs))
    wanted = {u * stride - pad + t * dilation for u in outputs for t in range(kernel)}
    assert {i for i in range(64) if found >> i & 1} == {i for i in wanted if 0 <= i < size}
