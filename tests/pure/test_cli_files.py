"""init, check, fmt, specs and draw: what they write, and what they leave alone."""

from __future__ import annotations

import json
import stat
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
    assert done.code == 1
    assert "blocks.net has no net" in done.err


def test_input_and_settings_change_the_net_and_not_its_claims(netc: Command) -> None:
    done = netc(
        "report", "resnet", "--net", "ResNet18", "--input", "3x64x64", "--set", "classes=10", "--json"
    )
    assert (done.code, done.err) == (0, "")
    (net,) = json.loads(done.out)["nets"]
    assert net["inputs"][0]["shape"] == ["N", 3, 64, 64]
    assert net["outputs"][0]["shape"] == ["N", 10]


def test_an_unknown_setting_is_an_error(netc: Command) -> None:
    done = netc("report", "resnet", "--set", "clases=10")
    assert done.code == 1
    assert "did you mean `classes`?" in done.err


def test_input_needs_one_input(netc: Command) -> None:
    Path("two.net").write_text("net A {\n  input a: [N, 3]\n  input b: [N, 3]\n  y = a + b\n  output y\n}\n")
    done = netc("report", "two.net", "--input", "4")
    assert done.code == 2
    assert "A has 2" in done.err


def test_input_that_does_not_fit_is_told_at_the_layer(netc: Command) -> None:
    done = netc("report", "lenet5", "--net", "LeNet5", "--input", "784")
    assert done.code == 1
    assert "needs a map [N, C, H, W] or [N, C, L], and gets [N, 784]" in done.err
