"""Pictures: what is in them, that the user's text survives them, and who draws them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netc.draw import FORMATS, GraphvizError, PictureError, TooLargeError, render, to_dot
from netc.draw.picture import WHEEL
from netc.errors import MissingDependency, Report
from netc.graph import Graph, elaborate
from netc.syntax.parse import parse

GOLDEN = Path(__file__).parents[1] / "golden" / "draw"
SVG = "{http://www.w3.org/2000/svg}"
LENET = (GOLDEN / "lenet.net").read_text(encoding="utf-8")
RESIDUAL = (GOLDEN / "residual.net").read_text(encoding="utf-8")


def graph(text: str, file: str = "t.net") -> Graph:
    """The first net of a text that has no mistakes."""
    tree, diagnostics = parse(text, file)
    report = Report(list(diagnostics))
    graphs = elaborate(tree, {}, report).graphs
    assert not report.items
    return next(iter(graphs.values()))


def net(body: str) -> Graph:
    """A net of one input `x: [N, 8, 6, 6]`, with blocks for it."""
    block = "block B(c: int): x -> y {\n m = x -> conv(c, 3, pad=half) -> relu\n y = m + x\n}\n"
    return graph(f"netc 1\n{block}net T {{\n  input x: [N, 8, 6, 6]\n  {body}\n}}\n")


def boxes(dot: str) -> list[str]:
    """The lines of the boxes: layers and unopened blocks, inputs among them."""
    return re.findall(r"^ *n\d+ \[.*$", dot, re.MULTILINE)


def drawn(dot: str, path: Path) -> ElementTree.Element:
    render(dot, path)
    return ElementTree.fromstring(path.read_bytes())


def texts(svg: ElementTree.Element) -> list[str]:
    return [t.text or "" for t in svg.iter(f"{SVG}text")]


@pytest.fixture
def by_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the `dot` program."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


# ---- What is drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dot"),
    [
        ("lenet", to_dot(graph(LENET, "lenet.net"))),
        ("residual", to_dot(graph(RESIDUAL, "residual.net"))),
        ("residual_blocks", to_dot(graph(RESIDUAL, "residual.net"), depth=0, theme="dark", rankdir="LR")),
    ],
)
def test_dot_is_as_agreed(name: str, dot: str) -> None:
    """Run with NETC_UPDATE_GOLDEN=1 to agree to what is drawn now; then look at the picture."""
    path = GOLDEN / f"{name}.dot"
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        path.write_text(dot, encoding="utf-8")
    assert dot == path.read_text(encoding="utf-8")


def test_what_follows_a_layer_is_a_strip_of_it() -> None:
    dot = to_dot(net("y = x -> conv(4, 3) -> bn -> relu -> maxpool(2) -> flatten\n  output y"))
    assert len(boxes(dot)) == 3  # x, conv with two strips, maxpool with one
    assert "conv 3×3, 4" in dot
    assert ">bn</FONT></TD><TD" in dot


def test_what_others_read_too_is_no_strip() -> None:
    forked = net("a = x -> conv(4, 3)\n  b = a -> relu\n  y = a + b\n  output y")
    assert len(boxes(to_dot(forked))) == 4  # x, conv, relu, add
    given_out = net("a = x -> flatten -> dense(4)\n  p = a -> softmax\n  output a, p")
    assert len(boxes(to_dot(given_out))) == 4  # x, flatten, dense, softmax: nothing is put into an input


def test_copies_in_a_row_are_drawn_once() -> None:
    g = net("y = x -> B(8) * 3\n  output y")
    assert to_dot(g).count("subgraph") == 1
    assert "×3" in to_dot(g)
    assert to_dot(g, fold=False).count("subgraph") == 3
    assert "×3" in to_dot(g, depth=0)
    assert len(boxes(to_dot(g, depth=0))) == 2
    assert len(boxes(to_dot(g, depth=0, fold=False))) == 4


@pytest.mark.parametrize(
    "body",
    [
        "a = x -> B(8)\n  b = a -> B(8)\n  y = a + b\n  output y",  # the first is read from elsewhere
        "a = x -> B(8)\n  y = a -> B(8)\n  output a, y",  # the first is an output
        "a = x -> B(8)\n  b = x -> B(8)\n  y = a + b\n  output y",  # beside each other
        "y = x -> B(8) -> bn -> B(8)\n  output y",  # something between
        "y = x -> conv(8, (1, 2)) * 4\n  output y",  # other shapes
        "y = x -> conv(8, 1) -> conv(8, 1) -> conv(8, 1)\n  output y",  # three layers: papers draw them
    ],
)
def test_what_differs_is_not_folded(body: str) -> None:
    g = net(body)
    assert to_dot(g) == to_dot(g, fold=False)


def test_many_equal_layers_are_drawn_once() -> None:
    assert "×5" in to_dot(net("y = x -> conv(8, 1) * 5\n  output y"))


def test_a_box_of_several_blocks_has_the_parameters_of_all() -> None:
    g = net("y = x -> B(8) * 3\n  output y")
    total = sum(n.expansion.params for n in g.nodes)
    folded, opened = to_dot(g, depth=0), to_dot(g)
    assert f">{total:,}<" in folded
    assert f"3 in a row; {total:,} parameters" in folded
    assert f">{total:,}<" not in opened  # in an opened block stand the layers of one copy


def test_depth_opens_blocks_level_by_level() -> None:
    text = "netc 1\nblock A: x -> y {\n y = x -> B -> B2 -> bn\n}\n"
    text += "block B: x -> y {\n m = x -> relu\n y = m + x\n}\nblock B2: x -> y {\n m = x -> tanh\n y = m + x\n}\n"
    g = graph(text + "net T {\n input x: [N, 4]\n y = x -> A\n output y\n}\n")
    counts = [to_dot(g, depth=d).count("subgraph") for d in (0, 1, 2, None)]
    assert counts == [0, 1, 3, 3]


def test_arrows_go_through_a_fold() -> None:
    dot = to_dot(net("a = x -> B(8) * 3\n  y = a -> conv(2, 1)\n  output y"))
    ends = {
        name.strip('"')
        for arrow in re.findall(r'^  ("[^"]+") -> ("[^"]+")', dot, re.MULTILINE)
        for name in arrow
    }
    made = {m.strip('"') for m in re.findall(r'^ *(n\d+|"[^"]+") \[', dot, re.MULTILINE)}
    assert ends == made  # none leads to a box that is not drawn, and no box stands alone


# ---- The user's text ------------------------------------------------------------------------------------------------

NASTY = 'Сеть "x" <b>&amp; \\N \\G {|} 100% a\\b'


@pytest.mark.usefixtures("by_wheel")
def test_text_of_the_user_is_shown_as_it_is(tmp_path: Path) -> None:
    g = graph(
        f"netc 1\n## {NASTY}\nnet T {{\n  input x: [N, 3]\n  y = x -> dense(2)\n  output y\n}}\n",
        'a"\\N&<.net',
    )
    svg = drawn(to_dot(g), tmp_path / "t.svg")
    shown = NASTY.replace("\\", "\N{SET MINUS}")
    assert shown in texts(svg)
    assert shown in (svg.findtext(f"{SVG}desc") or "")
    titles = [t.text or "" for t in svg.iter(f"{SVG}title")]
    assert any(t.endswith('a"\N{SET MINUS}N&<.net:5') for t in titles)


@pytest.mark.usefixtures("by_wheel")
def test_svg_tells_those_who_cannot_see_it(tmp_path: Path) -> None:
    svg = drawn(to_dot(graph(LENET, "some/where/lenet.net")), tmp_path / "t.svg")
    assert (svg.get("role"), svg.findtext(f"{SVG}title")) == ("img", "LeNet5")
    assert "61,706 parameters" in (svg.findtext(f"{SVG}desc") or "")
    titles = [t.text or "" for t in svg.iter(f"{SVG}title")]
    assert any(
        t.startswith("LeNet5.c1: conv(6, 5, pad=2) → [N, 6, 28, 28], 156 parameters, lenet.net:5")
        for t in titles
    )
    assert not any(re.fullmatch(r"n\d+(->n\d+)?", t) for t in titles)
    assert not list(svg.iter(f"{SVG}a"))
    assert {"c1", "conv 5×5, 6", "156", "6×28×28"} <= {t.strip() for t in texts(svg)}


# ---- Who draws ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_wheel")
@pytest.mark.parametrize(
    ("form", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_every_format_without_the_dot_program(form: str, magic: bytes, tmp_path: Path) -> None:
    assert form in FORMATS
    render(to_dot(graph(RESIDUAL)), tmp_path / f"t.{form.upper()}")
    assert (tmp_path / f"t.{form.upper()}").read_bytes().startswith(magic)


@pytest.mark.usefixtures("by_wheel")
def test_text_has_its_width_on_a_machine_without_fonts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = to_dot(graph(LENET))
    before = drawn(dot, tmp_path / "before.svg")
    (tmp_path / "none.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "none.conf"))
    assert drawn(dot, tmp_path / "after.svg").get("width") == before.get("width")


@pytest.mark.usefixtures("by_wheel")
def test_nothing_is_imported_from_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pygraphviz.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    render(to_dot(graph(LENET)), "t.svg")
    assert Path("t.svg").exists()


@pytest.mark.usefixtures("by_wheel")
def test_a_thousand_layers_can_be_laid_out(tmp_path: Path) -> None:
    g = net(
        "y = x -> flatten -> for c in [2, 3, 4, 5] { for i in [6, 7, 8, 9, 6, 7, 8, 9] "
        "{ dense(c) -> dense(i) -> (dense(9) * 16) } }\n  output y".replace(
            "(dense(9) * 16)", "dense(9) * 16"
        )
    )
    svg = drawn(to_dot(g, fold=False), tmp_path / "t.svg")
    assert sum("dense" in t for t in texts(svg)) == len(g.nodes) - 2


def fake_dot(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_the_dot_program_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, monkeypatch, 'echo "$@"; cat')
    render("digraph { a }", tmp_path / "t.png")
    assert (tmp_path / "t.png").read_text() == "-Tpng -Gdpi=200\ndigraph { a }"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Error: out of ink' >&2; exit 1", "out of ink"),
        ("kill -SEGV $$", "it ended with -11"),
        ("true", "said nothing"),
    ],
)
def test_a_graphviz_that_fails_leaves_the_old_picture(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dot(tmp_path, monkeypatch, script)
    monkeypatch.setattr("netc.draw.picture.WHEEL", "a_wheel_that_is_not_there")
    (tmp_path / "t.svg").write_text("old")
    with pytest.raises(GraphvizError, match=re.escape(said)):
        render("digraph { a }", tmp_path / "t.svg")
    assert (tmp_path / "t.svg").read_text() == "old"


def test_the_wheel_draws_where_the_dot_program_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, monkeypatch, "echo 'no plugin' >&2; exit 1")
    render(to_dot(graph(RESIDUAL)), tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("by_wheel")
def test_no_graphviz_at_all_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.draw.picture.WHEEL", "a_wheel_that_is_not_there")
    with pytest.raises(MissingDependency, match=r"pip install 'pygraphviz>=2\.0\.4'"):
        render("digraph { a }", tmp_path / "t.svg")
    render("digraph { a }", tmp_path / "t.dot")  # needs none
    assert WHEEL == "pygraphviz"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("t.jpeg", r"t\.jpeg has `\.jpeg`; a picture is one of \.svg, \.png, \.pdf, \.dot"),
        ("t", "no extension"),
        ("no/t.svg", "there is no folder"),
        ("taken.dot", "cannot be written: Is a directory"),
    ],
)
def test_paths_that_take_no_picture(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "taken.dot").mkdir()
    with pytest.raises(PictureError, match=said):
        render("digraph { a }", tmp_path / name)


# ---- Columns --------------------------------------------------------------------------------------------------------

WAYS = """block I(c: int): x -> y {
  a = x -> conv(c, 1)
  b = x -> conv(c, 1) -> conv(c, 3, pad=half)
  d = x -> conv(c, 1) -> conv(c, 5, pad=half)
  e = x -> maxpool(3, stride=1, pad=half) -> conv(c, 1)
  y = [a, b, d, e] -> concat
}
"""


def weights(dot: str) -> list[int]:
    """The weight of each arrow, in the order of the text."""
    found = re.findall(r"^  .* -> .* \[(.*)\];$", dot, re.MULTILINE)
    return [int(w[1]) if (w := re.search(r'weight="(\d+)"', a)) else 1 for a in found]


@pytest.mark.usefixtures("by_wheel")
def test_blocks_of_several_equal_ways_stand_in_one_column(tmp_path: Path) -> None:
    """Their joins stood aside of their forks once, so that ten blocks went down in a staircase."""

    def width(blocks: int) -> float:
        chain = "".join(f" -> I({c})" for c in range(8, 8 + blocks))
        g = graph(f"{WAYS}net T {{\n  input x: [N, 3, 8, 8]\n  y = x{chain}\n  output y\n}}\n")
        svg = drawn(to_dot(g), tmp_path / "t.svg")
        return float(svg.attrib["viewBox"].split()[2])

    assert width(10) < 1.25 * width(1)


def test_a_column_follows_the_longest_way() -> None:
    dot = to_dot(net("a = x -> conv(4, 1) -> conv(4, 1)\n  s = x -> conv(4, 1)\n  y = a + s\n  output y"))
    # x to the first of two, the first to the second; x to the one; the two ways into the sum; to the output
    assert weights(dot) == [6, 6, 2, 6, 1, 6]


# ---- Pictures that are too large ------------------------------------------------------------------------------------


def all_read_all(layers: int) -> Graph:
    lines = ["a0 = x -> conv(3, 1)", "a1 = a0 -> conv(3, 1)"]
    lines += [
        f"a{i} = [{', '.join(f'a{j}' for j in range(i))}] -> concat -> conv(3, 1)" for i in range(2, layers)
    ]
    return net("\n  ".join([*lines, f"output a{layers - 1}"]))


def test_what_is_read_twice_has_one_arrow_that_says_so() -> None:
    arrows = re.findall(
        r"^  .* -> .*$", to_dot(net("y = x + x\n  z = [y, y, y] -> concat\n  output z")), re.MULTILINE
    )
    assert len(arrows) == 3  # from x, to concat, to the output
    assert 'label=" twice"' in arrows[0]
    assert 'label=" 3 times"' in arrows[1]
    assert "label" not in arrows[2]


def test_a_dense_net_is_laid_out_with_straight_lines_and_a_plain_one_is_not() -> None:
    assert "splines" in to_dot(all_read_all(20), limit=True)
    assert "splines" not in to_dot(all_read_all(8), limit=True)


def test_a_net_that_graphviz_could_not_lay_out_is_refused_by_name_of_the_option() -> None:
    g = all_read_all(60)
    with pytest.raises(TooLargeError, match=r"1,830 arrows, which pass 68,382 others by, .* --depth 0"):
        to_dot(g, limit=True)
    assert to_dot(g).count(" -> ") == 1830  # its text is no trouble
    wide = net(
        "".join(f"a{i} = x -> conv(3, 1)\n  " for i in range(1_001))
        + f"y = [{', '.join(f'a{i}' for i in range(1_001))}] -> concat\n  output y"
    )
    with pytest.raises(TooLargeError, match="1,001 of them side by side"):
        to_dot(wide, limit=True)
    long = net("y = x" + " -> conv(3, 1)" * 11_000 + "\n  output y")
    with pytest.raises(TooLargeError, match=r"boxes and .* arrows is too large"):
        to_dot(long, limit=True, fold=False)


@pytest.mark.usefixtures("by_wheel")
def test_names_of_50000_letters_are_drawn_short(tmp_path: Path) -> None:
    name = "n" * 50_000
    text = f"## {name}\nnet {name} {{\n  input x: [N, 4]\n  {name} = x -> {name}: relu\n  output {name}\n}}\n"
    svg = drawn(to_dot(graph(text)), tmp_path / "t.svg")
    assert max(map(len, texts(svg))) <= 200
    assert all(len(t.text or "") < 3_000 for t in svg.iter(f"{SVG}title"))


def test_what_takes_too_long_or_too_much_memory_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netc.draw.picture._LONGEST", 1)
    fake_dot(tmp_path, monkeypatch, "exec sleep 60")
    with pytest.raises(TooLargeError, match=r"more than 1 s .* --depth 0"):
        render("digraph { a }", tmp_path / "t.svg")
    (tmp_path / "bin" / "dot").write_text("#!/bin/sh\necho 'Error: out of memory' >&2; exit 1\n")
    with pytest.raises(TooLargeError, match="too large to lay out in the memory there is"):
        render("digraph { a }", tmp_path / "t.svg")


def test_drawing_imports_nothing_heavy() -> None:
    code = "import sys, netc.draw; print({'numba', 'numpy', 'matplotlib', 'pygraphviz'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
