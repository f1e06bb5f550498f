"""The public names, and what a user does with them first."""

from __future__ import annotations

import pytest

import netc

TEXT = """
## A line.
net Line {
  input x: [N, 3]
  y = x -> dense(2)
  output y
}
net Other {
  input x: [N, 1, 8, 8]
  y = x -> conv(4, 3)
  output y
}
"""


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(netc, name) is not None for name in netc.__all__)
    assert set(netc.__all__) <= set(dir(netc))
    assert len(netc.__all__) <= 12


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = netc.lod  # type: ignore[attr-defined]


def test_a_net_is_chosen_by_name() -> None:
    assert repr(netc.parse(TEXT, net="Line")) == "<net Line: 8 parameters, 6 MACs>"
    with pytest.raises(ValueError, match=r"has the nets Line, Other; say which"):
        netc.parse(TEXT)
    with pytest.raises(ValueError, match="no `Third`"):
        netc.parse(TEXT, net="Third")


def test_settings_are_taken() -> None:
    text = "param c: int = 2\n" + TEXT.replace("dense(2)", "dense(c)")
    assert netc.parse(text, net="Line", settings={"c": 5}).report().to_dict()["totals"]["params"] == 20


def test_a_wrong_file_raises_with_its_diagnostics() -> None:
    with pytest.raises(netc.NetError, match=r"error\[E0202\]: unknown layer `dens`") as caught:
        netc.parse(TEXT.replace("dense", "dens"), net="Line")
    assert [(d.code, d.span.line, d.span.col) for d in caught.value.diagnostics] == [("E0202", 5, 12)]


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("lenet", "did you mean `lenet5`?"),
        ("nothing", "there are alexnet, "),
        ("lenet5.nets", "did you mean `lenet5`?"),
    ],
)
def test_a_spec_that_is_not_there_is_told_with_those_that_are(name: str, help: str) -> None:
    with pytest.raises(
        netc.NetError, match=f"cannot read `{name}`: there is no such file, nor a spec"
    ) as caught:
        netc.load(name)
    assert help in str(caught.value)


def test_a_report_prints_and_is_a_dict() -> None:
    report = netc.parse(TEXT, net="Line").report(batch=4)
    assert "dense" in str(report)
    assert report.to_dict()["layers"][0]["kind"] == "dense"


def test_a_drawing_is_dot_and_svg() -> None:
    drawing = netc.parse(TEXT, net="Other").draw()
    assert drawing.dot.startswith("digraph")
    assert "<svg" in drawing._repr_svg_()
