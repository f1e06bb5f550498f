"""init, check, fmt, specs and draw: what they write, and what they leave alone."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from netc.loading import load_file
from netc.resources import spec_names
from netc.syntax.format import format_text
from tests.command import Command

BAD = "net A {\n  input x: [N, 3]\n  y = x -> desne(2)\n  output y\n}\n"
UGLY = "net A{input x:[N,3]   # three\n\n\n y=x->dense( 2 )\n output y}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- init ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "net"), [("tiny", "Tiny"), ("my-first.net", "MyFirst"), ("4th", "Net4th")])
def test_init_writes_a_file_that_is_right_and_formatted(name: str, net: str, netc: Command) -> None:
    done = netc("init", name)
    path = Path(name if name.endswith(".net") else f"{name}.net")
    assert (done.code, done.err) == (0, "")
    assert str(path) in done.out
    assert netc("check", path).out == f"{path}: 1 net ({net}), no mistakes\n"
    assert netc("fmt", "--check", path).code == 0
    (compiled,) = load_file(str(path)).nets.values()
    assert compiled.train is not None
    assert compiled.train.data is not None
    assert compiled.train.data.kind == "digits"


def test_init_never_overwrites(netc: Command) -> None:
    Path("tiny.net").write_text("mine")
    done = netc("init", "tiny")
    assert done.code == 2
    assert "tiny.net is there already" in done.err
    assert Path("tiny.net").read_text() == "mine"


def test_init_says_where_it_cannot_write(netc: Command) -> None:
    done = netc("init", "no-such-folder/tiny")
    assert done.code == 2
    assert "no-such-folder/tiny.net cannot be written" in done.err


# ---- check -----------------------------------------------------------------------------------------------------------


def test_check_tells_all_files_and_goes_on_after_a_wrong_one(netc: Command) -> None:
    Path("bad.net").write_text(BAD)
    Path("good.net").write_text(BAD.replace("desne", "dense"))
    done = netc("check", "bad.net", "good.net", "lenet5")
    assert done.code == 1
    assert "good.net: 1 net (A), no mistakes" in done.out
    assert "lenet5.net: 3 nets" in done.out
    assert done.err.rstrip().endswith("bad.net: 1 error")


def test_check_as_json(netc: Command) -> None:
    Path("bad.net").write_text(BAD)
    done = netc("check", "bad.net", "digits", "--json")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert found["schema"] == "netc.check/1"
    bad, digits = found["files"]
    assert (bad["file"], bad["errors"], bad["warnings"]) == ("bad.net", 1, 0)
    assert bad["diagnostics"] == [
        {
            "code": "E0202",
            "severity": "error",
            "message": "unknown layer `desne`",
            "label": "",
            "span": {"file": "bad.net", "line": 3, "col": 12, "end_line": 3, "end_col": 17},
            "notes": [],
            "trace": ["A.y"],
            "help": "did you mean `dense`?",
        }
    ]
    assert (digits["nets"], digits["errors"], digits["diagnostics"]) == (["Digits"], 0, [])


def test_check_as_sarif(netc: Command) -> None:
    Path("a bad one.net").write_text(BAD + BAD)
    done = netc("check", "a bad one.net", "--format", "sarif")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["version"] == "2.1.0"
    (run,) = found["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0202", "E0204"]
    first, second, *_ = run["results"]
    assert (first["ruleId"], first["level"]) == ("E0202", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20bad%20one.net"
    assert place["region"] == {"startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 17}
    assert first["properties"] == {"trace": ["A.y"]}
    assert second["relatedLocations"][0]["message"]["text"] == "first defined here"


def test_a_file_that_cannot_be_read_is_told_beside_the_others(netc: Command) -> None:
    Path("binary.net").write_bytes(b"\xff\xfe")
    done = netc("check", "binary.net", "digits")
    assert done.code == 1
    assert "is not UTF-8" in done.err
    assert "digits.net" in done.out


def test_strict_passes_where_there_is_nothing_to_tell(netc: Command) -> None:
    assert netc("check", "--strict", *spec_names()).code == 0


# ---- fmt -------------------------------------------------------------------------------------------------------------


def test_fmt_formats_in_place_and_keeps_permissions(netc: Command) -> None:
    path = Path("ugly.net")
    path.write_text(UGLY)
    path.chmod(0o640)
    assert netc("fmt", "--check", path).code == 1
    assert path.read_text() == UGLY
    assert netc("fmt", path).out == "ugly.net: formatted\n"
    assert path.read_text() == format_text(UGLY, "ugly.net")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert netc("fmt", path).out == ""
    assert netc("fmt", "--check", path).code == 0
    assert sorted(p.name for p in Path().iterdir()) == ["ugly.net"]  # nothing is left behind


def test_fmt_writes_through_a_link(netc: Command) -> None:
    Path("real.net").write_text(UGLY)
    Path("link.net").symlink_to("real.net")
    assert netc("fmt", "link.net").code == 0
    assert Path("link.net").is_symlink()
    assert Path("real.net").read_text() == format_text(UGLY, "real.net")


def test_fmt_makes_line_ends_and_the_mark_of_order_plain(netc: Command) -> None:
    Path("dos.net").write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    assert netc("fmt", "dos.net").code == 0
    assert Path("dos.net").read_bytes() == BAD.encode()


def test_fmt_leaves_a_broken_file_as_it_is_and_formats_the_others(netc: Command) -> None:
    Path("broken.net").write_text("net A {\n y = = x\n}")
    Path("ugly.net").write_text(UGLY)
    done = netc("fmt", "broken.net", "ugly.net")
    assert done.code == 1
    assert "error[E01" in done.err
    assert Path("broken.net").read_text() == "net A {\n y = = x\n}"
    assert Path("ugly.net").read_text() != UGLY


def test_fmt_of_standard_input_goes_to_standard_output(netc: Command) -> None:
    done = netc("fmt", "-", stdin=UGLY.encode())
    assert (done.code, done.out) == (0, format_text(UGLY, "-"))
    assert netc("fmt", "--check", "-", stdin=UGLY.encode()).code == 1
    assert netc("fmt", "--check", "-", stdin=done.out.encode()).code == 0


# ---- specs -----------------------------------------------------------------------------------------------------------


def test_specs_are_listed_with_their_nets(netc: Command) -> None:
    done = netc("specs")
    assert done.code == 0
    for name in spec_names():
        assert name in done.out
    assert "61,706" in done.out
    found = json.loads(netc("specs", "--json").out)
    lenet = next(spec for spec in found["specs"] if spec["name"] == "lenet5")
    assert lenet["nets"][0]["params"] == 61_706


def test_specs_fit_the_terminal(netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(len(line) for line in netc("specs").out.splitlines()) <= 60


@pytest.mark.parametrize("columns", [10, 30, 40, 50, 60, 80])
def test_figures_of_specs_are_never_cut(columns: int, netc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(netc("specs", "--json").out)
    figures = [f"{net['params']:,}" for spec in found["specs"] for net in spec["nets"]]
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = netc("specs").out.splitlines()[1:]
    assert [figure in line.split() for figure, line in zip(figures, lines, strict=True)] == [True] * len(
        lines
    )
    if columns >= 30:
        assert max(len(line) for line in lines) <= columns


def test_a_spec_can_be_printed(netc: Command) -> None:
    done = netc("specs", "digits")
    Path("mine.net").write_text(done.out)
    assert netc("check", "mine.net").code == 0


# ---- draw and report -------------------------------------------------------------------------------------------------


def test_draw_writes_dot_and_names_the_file(netc: Command) -> None:
    done = netc("draw", "digits", "-o", "d.dot")
    assert (done.code, done.out) == (0, "Digits is drawn in d.dot\n")
    assert Path("d.dot").read_text() == netc("draw", "digits", "-o", "-").out
    assert netc("draw", "resnet", "--net", "ResNet18", "--depth", "0", "-o", "-").out.count("Basic(64)") >= 1


def test_draw_writes_svg_by_default(netc: Command) -> None:
    assert netc("draw", "digits").code == 0
    assert Path("Digits.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


@pytest.mark.parametrize("out", ["net.jpeg", "net", "no-such-folder/net.svg"])
def test_draw_refuses_what_it_cannot_write(out: str, netc: Command) -> None:
    done = netc("draw", "digits", "-o", out)
    assert done.code == 2
    assert out.split("/")[0].split(".")[-1] in done.err


def test_report_of_a_file_without_nets(netc: Command) -> None:
    Path("blocks.net").write_text("block B: x -> y {\n  y = x -> relu\n}\n")
    done = netc("report", "blocks.net")
    assert done.code == 2
    assert "blocks.net has no net" in done.err


def test_input_and_settings_change_the_net_and_not_its_claims(netc: Command) -> None:
    done = netc(
        "report", "resnet", "--net", "ResNet18", "--input", "3x64x64", "--set", "classes=10", "--json"
    )
    assert (done.code, done.err) == (0, "")
    (net,) = json.loads(done.out)["nets"]
    assert net["inputs"][0]["shape"] == ["N", 3, 64, 64]
    assert net["outputs"][0]["shape"] == ["N", 10]


TWO = """param wide: int = 4
net Right {
  input x: [N, 3, 8, 8]
  y = x -> Half(wide)
  output y
}
net Wrong(deep: int = 2) {
  input x: [N, 3, 8, 8]
  y = x -> Half(wide) -> conv(2, 9)
  output y
}
train Wrong {
  batch 0
}
block Half(c: int): x -> y {
  y = x -> conv(c, 3, pad=half)
}
"""


@pytest.mark.parametrize("command", ["report", "draw", "diff"])
def test_net_tells_no_mistakes_of_other_nets(command: str, netc: Command) -> None:
    Path("two.net").write_text(TWO)
    files = ["two.net"] * (2 if command == "diff" else 1)
    done = netc(command, *files, "--net", "Right")
    assert (done.code, done.err) == (0, "")
    assert netc(command, *files, "--net", "Wrong").code == 1


def test_net_decides_which_mistakes_count(netc: Command) -> None:
    Path("two.net").write_text(TWO)
    assert netc("report", "two.net").code == 1
    wrong = netc("report", "two.net", "--net", "Wrong")
    assert (wrong.err.count("error[E0302]"), wrong.err.count("error[")) == (1, 2)
    for sizes in ("3x2x2", "3x0x2"):  # the second is no size
        done = netc("report", "two.net", "--net", "Right", "--input", sizes)
        assert (done.code, bool(done.err)) == ((0, False) if sizes == "3x2x2" else (2, True))
    both = netc("report", "two.net", "--net", "Right", "--set", "wide=-1")  # in the block that both use
    assert (both.code, both.err.count("error[")) == (1, 1)
    assert "in: Right" in both.err
    deep = netc("report", "two.net", "--net", "Right", "--set", "deep=3")
    assert "no setting `deep`" in deep.err  # Wrong alone takes it
    Path("two.net").write_text(TWO + "param again: int\n")
    done = netc("report", "two.net", "--net", "Right")  # a mistake of the file
    assert (done.code, done.err.count("error[")) == (1, 1)


def test_a_name_is_looked_for_among_all_nets_of_the_file(netc: Command) -> None:
    Path("two.net").write_text(TWO)
    done = netc("report", "two.net", "--net", "Rihgt")
    assert done.code == 2
    assert "did you mean `Right`?" in done.err


def test_an_unknown_setting_is_an_error(netc: Command) -> None:
    done = netc("report", "resnet", "--set", "clases=10")
    assert done.code == 2
    assert "did you mean `classes`?" in done.err


SETTABLE = """param wide: int = 4
param act: layer = relu
net A {
  input x: [N, 3]
  y = x -> dense(wide) -> act
  output y
}
train A {
  target label: int[N]
  loss [y, label] -> softmax_xent
}
"""


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "batch=3",
            """\
error[E0203]: the file has no setting `batch`
 --> <command line>:1:7
1 | --set batch=3
  |       ^^^^^
  = help: did you mean `train.batch`?
""",
        ),
        (
            "train.batch=0",
            """\
error[E0207]: `batch` takes an int from 1 to 2147483647
 --> <command line>:1:19
1 | --set train.batch=0
  |                   ^
  = in: train A
""",
        ),
        (
            "train.seet=0",
            """\
error[E0203]: a train block has no setting `seet`
 --> <command line>:1:13
1 | --set train.seet=0
  |             ^^^^
  = in: train A
  = help: did you mean `seed`?
""",
        ),
        (
            "train.batch=)",
            """\
error[E0110]: this `)` closes nothing
 --> <command line>:1:19
1 | --set train.batch=)
  |                   ^
""",
        ),
        (
            "wide=many",
            """\
error[E0207]: `wide` takes an int, not "many"
 --> <command line>:1:12
1 | --set wide=many
  |            ^^^^
""",
        ),
        (
            "act=tahn",
            """\
error[E0202]: unknown layer `tahn`
 --> <command line>:1:11
1 | --set act=tahn
  |           ^^^^
  = help: did you mean `tanh`?
""",
        ),
    ],
)
def test_a_wrong_setting_is_quoted_where_it_was_given(setting: str, told: str, netc: Command) -> None:
    Path("a.net").write_text(SETTABLE)
    for command in ("report", "draw"):
        done = netc(command, "a.net", "--set", setting)
        assert (done.code, done.err) == (2, told)


def test_the_second_setting_is_quoted_in_its_own_line(netc: Command) -> None:
    Path("a.net").write_text(SETTABLE)
    done = netc("report", "a.net", "--set", "wide=8", "--set", "train.optimizer=sgd(lr=-1)")
    assert done.code == 2
    assert "2 | --set train.optimizer=sgd(lr=-1)\n  |                              ^^\n" in done.err


def test_a_mistake_that_a_setting_makes_in_the_file_is_the_file_s(netc: Command) -> None:
    Path("a.net").write_text(SETTABLE)
    done = netc("report", "a.net", "--set", "wide=0")
    assert done.code == 1
    assert "--> a.net:5:18" in done.err
    assert "did you mean" not in done.err  # `wide` is what was meant


def test_a_layer_is_set_by_its_name(netc: Command) -> None:
    Path("a.net").write_text(SETTABLE)
    done = netc("report", "a.net", "--set", "act=tanh", "--json")
    assert (done.code, done.err) == (0, "")
    assert [layer["kind"] for layer in json.loads(done.out)["nets"][0]["layers"]] == ["dense", "tanh"]
    net = "net B(act: layer = relu) {\n  input x: [N, 3]\n  y = x -> act\n  output y\n}\n"
    Path("b.net").write_text(net)
    done = netc("report", "b.net", "--set", "act=tanh", "--json")
    assert [layer["kind"] for layer in json.loads(done.out)["nets"][0]["layers"]] == ["tanh"]


def test_input_needs_one_input(netc: Command) -> None:
    Path("two.net").write_text("net A {\n  input a: [N, 3]\n  input b: [N, 3]\n  y = a + b\n  output y\n}\n")
    done = netc("report", "two.net", "--input", "4")
    assert done.code == 2
    assert "A has 2 inputs; name the one that is meant, as --input a=3" in done.err
    done = netc("report", "two.net", "--input", "c=4")
    assert (done.code, "there is no input `c`; there is `a`, `b`" in done.err) == (2, True)
    done = netc("report", "two.net", "--input", "a=4")
    assert (done.code, "`+` needs equal shapes" in done.err) == (1, True)
    done = netc("report", "two.net", "--input", "a=4", "--input", "b=4", "--json")
    assert [i["shape"] for i in json.loads(done.out)["nets"][0]["inputs"]] == [["N", 4], ["N", 4]]


TWINS = """net Twins {
  input a: [N, 3, H, W] where H >= 8, W % 8 == 0
  input b: [N, 3, H, W]
  p = a -> conv(4, 3, pad=1)
  q = b -> conv(4, 7, pad=3)
  y = p + q -> gap -> flatten
  output y
}
"""


def test_a_symbolic_net_of_several_inputs_is_filled_in(netc: Command) -> None:
    Path("twins.net").write_text(TWINS)
    assert "depends on H and W: --input a=3xHxW, in numbers, fills it in" in netc("report", "twins.net").out
    ways = (("a=3x16x32",), ("b=3x16x32",), ("a=3x16x32", "b=3x16x32"))
    for way in ways:
        done = netc("report", "twins.net", "--json", *(part for s in way for part in ("--input", s)))
        assert (done.code, done.err) == (0, "")
        (net,) = json.loads(done.out)["nets"]
        assert [i["shape"] for i in net["inputs"]] == [["N", 3, 16, 32]] * 2
        assert net["totals"]["macs"] == 16 * 32 * 4 * 3 * (9 + 49)
    done = netc("report", "twins.net", "--input", "a=3x16x33")
    assert (done.code, "what `where` asks for does not hold" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (("3x33",), "Twins has 2 inputs; name the one"),
        (("b=3x33",), "`b` of Twins is [N, 3, H, W], so --input takes 3 sizes, and 3x33 has 2"),
        (("a=3x8x8", "b=3x16x16"), "sizes of one name are equal, and 3x8x8 gives them two numbers"),
        (("a=3x8x8", "a=3x8x8"), "give the sizes of each input once"),
        (("a=3x8x8", "3x8x8"), "give the sizes of each input once"),
        (("=3x8x8",), "is no size of one example"),
    ],
)
@pytest.mark.parametrize(
    "command", [("report",), ("draw", "-o", "-"), ("bench", "--passes"), ("diff", "twins.net")]
)
def test_sizes_that_do_not_fit_are_wrong_usage(
    command: Sequence[str], sizes: Sequence[str], said: str, netc: Command
) -> None:
    Path("twins.net").write_text(TWINS)
    done = netc(*command, "twins.net", *(part for s in sizes for part in ("--input", s)))
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())


@pytest.mark.parametrize("size", ["784", "1x28", "28x28"])
def test_input_keeps_its_rank(size: str, netc: Command) -> None:
    done = netc("report", "lenet5", "--net", "LeNet5", "--input", size)
    assert (done.code, done.out) == (2, "")
    assert "`image` of LeNet5 is [N, 1, 28, 28], so --input takes 3 sizes" in " ".join(done.err.split())
