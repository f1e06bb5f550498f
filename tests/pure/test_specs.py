"""The nets that ship: without mistakes, in one style, and with the figures that were published of them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from netc.analyze.advice import advice_of_file
from netc.analyze.export import csv_text
from netc.analyze.report import NetReport, totals
from netc.draw import to_dot
from netc.errors import render_all
from netc.loading import Compiled, load_file
from netc.resources import spec_names
from netc.syntax import ast
from netc.syntax.format import format_text

GOLDEN = Path(__file__).parents[1] / "golden" / "specs"
SPECS = (
    "alexnet", "digits", "efficientnet", "filters", "googlenet", "highway", "inception_resnet", "lectures", "lenet5",
    "mlp", "mobilenet", "regression", "resnet", "resnet_cifar", "resnet_slim", "senet", "siamese", "unet", "vgg",
    "wide_resnet", "xception",
)  # fmt: skip
FEW = 150  # layers
each_spec = pytest.mark.parametrize("spec", SPECS)


def nets(spec: str) -> dict[str, Compiled]:
    return dict(load_file(spec).must_be_right().nets)


def test_these_are_all() -> None:
    assert spec_names() == sorted(SPECS)


# ---- Every spec -------------------------------------------------------------------------------------------------


@each_spec
def test_no_mistakes_and_no_advice(spec: str) -> None:
    loaded = load_file(spec)
    advice = advice_of_file({name: net.facts for name, net in loaded.nets.items()}, loaded.file)
    found = (*loaded.diagnostics, *advice)
    assert not found, render_all(found, loaded.sources)


@each_spec
def test_style(spec: str) -> None:
    loaded = load_file(spec)
    assert isinstance(loaded.file.items[0], ast.Version)
    assert format_text(loaded.text, loaded.path) == loaded.text


@each_spec
def test_every_net_is_described_and_states_its_figures(spec: str) -> None:
    for item in load_file(spec).file.items:
        if isinstance(item, ast.Net):
            assert item.doc, item.name.id
            assert any(isinstance(s, ast.Expect) for s in item.body), item.name.id


@each_spec
def test_every_net_is_drawn(spec: str) -> None:
    for net in nets(spec).values():
        dot = to_dot(net.graph)
        assert dot.startswith("digraph")
        assert all(name in dot for name in net.graph.outputs)


@each_spec
def test_report_is_the_golden_one(spec: str) -> None:
    """The totals of every net, but for the planner's bytes, and its layers as `netc report --format csv` lists them
    where they are not many."""
    reports = [NetReport(net.facts, None) for net in nets(spec).values()]
    figures = {
        r.graph.name: {k: v for k, v in totals(r).items() if k not in ("infer_bytes", "train_bytes", "batch")}
        for r in reports
    }
    for name, text in (
        (f"{spec}.csv", csv_text([r for r in reports if len(r.graph.nodes) <= FEW])),
        (f"{spec}.json", json.dumps(figures, indent=2) + "\n"),
    ):
        path = GOLDEN / name
        if os.environ.get("NETC_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8", newline="")
        assert path.read_bytes().decode() == text, f"{path}: NETC_UPDATE_GOLDEN=1 writes it anew"


# ---- Published figures, written here once more so that no `expect` line is its own witness ---------------------------


@dataclass(frozen=True)
class Figures:
    """What was published: parameters, MACs at 224x224 or the net's own size, field of the last map, depth."""

    params: int  # trained
    macs: int | None = None
    field: tuple[int, int, int] | None = None  # size, stride, padding
    depth: int | None = None
    state: int | None = None


PUBLISHED = {
    # Parameters: torchvision 0.29; fields: Araujo, Norris and Sim, Distill 2019, and its library's table
    ("vgg", "VGG_A"): Figures(132_863_336, 7_609_090_048, (150, 32, 59), 11),
    ("vgg", "VGG_B"): Figures(133_047_848, 11_308_466_176, (156, 32, 62), 13),
    ("vgg", "VGG_D"): Figures(138_357_544, 15_470_264_320, (212, 32, 90), 16),
    ("vgg", "VGG_E"): Figures(143_667_240, 19_632_062_464, (268, 32, 118), 19),
    ("resnet", "ResNet18"): Figures(11_689_512, 1_814_073_344, (435, 32, 217), 18),
    ("resnet", "ResNet34"): Figures(21_797_672, 3_663_761_408, (899, 32, 449), 34),
    ("resnet", "ResNet50"): Figures(25_557_032, 4_089_184_256, (427, 32, 213), 50),
    ("resnet", "ResNet101"): Figures(44_549_160, 7_801_405_440, (971, 32, 485), 101),
    ("resnet", "ResNet152"): Figures(60_192_808, 11_513_626_624, (1451, 32, 725), 152),
    ("resnet", "ResNet50_2015"): Figures(25_557_032, 3_857_973_248, (483, 32, 241), 50),
    ("alexnet", "AlexNet"): Figures(61_100_840, 714_188_480, (195, 32, 66), 8),
    ("alexnet", "AlexNet2012"): Figures(60_965_224, 724_406_816, (195, 32, 64), 8),
    ("googlenet", "GoogLeNet"): Figures(6_998_552, 1_582_671_872, (715, 32, 327), 22),
    ("resnet_cifar", "ResNet20"): Figures(269_722, 40_551_040, (81, 4, 40), 20),
    ("resnet_cifar", "ResNet110"): Figures(1_727_962, 252_887_680, (501, 4, 250), 110),
    ("senet", "SE_ResNet50"): Figures(28_088_024, 3_860_488_192, (483, 32, 241)),
    ("wide_resnet", "WideResNet"): Figures(36_479_194, 5_243_328_768, (109, 4, 54)),
    ("efficientnet", "EfficientNetB0"): Figures(5_288_548, 385_814_752, (851, 32, 425)),
    # Keras 3 counts what is trained and, in its totals, running means and variances: 22,910,480, 4,253,864, 55,873,736
    ("xception", "Xception"): Figures(
        22_855_952, 8_357_403_496, (1083, 32, 538), None, 22_910_480 - 22_855_952
    ),
    ("mobilenet", "MobileNetV1"): Figures(
        4_231_976, 568_740_352, (315, 32, 157), None, 4_253_864 - 4_231_976
    ),
    ("mobilenet", "MobileNetV1_Same"): Figures(4_231_976, 568_740_352, (315, 32, 126)),
    ("inception_resnet", "InceptionResNetV2"): Figures(55_813_192, None, (3039, 32, 1482), None, 60_544),
    ("lenet5", "LeNet5"): Figures(61_706, 416_520, (16, 4, 2), 5),
    ("lenet5", "LeNet5_Original"): Figures(60_000),
    # G. Koch et al., 2015
    ("siamese", "Siamese"): Figures(38_951_745),
    # E. Sokolov, Foundations of Deep Learning, 2022, lecture 2
    ("mlp", "MLP"): Figures(785_000 + 10_010, None, None, 2),
}


@pytest.mark.parametrize(("spec", "net"), PUBLISHED)
def test_published_figures(spec: str, net: str) -> None:
    facts, figures = nets(spec)[net].facts, PUBLISHED[spec, net]
    assert facts.params - facts.frozen == figures.params
    assert figures.macs in (None, facts.macs)
    assert figures.depth in (None, facts.depth)
    assert figures.state in (None, facts.state)
    if figures.field is not None:
        assert facts.last_map
        assert rsp(nets(spec)[net], facts.last_map.path) == figures.field


def rsp(net: Compiled, path: str) -> tuple[int, int, int]:
    """Size, stride and padding of the field at a layer; the same in height and width."""
    (field,) = (net.facts.fields[n.id] for n in net.graph.nodes if n.path == path)
    assert field
    height, width = zip(field.local or (), field.stride or (), field.pad or (), strict=True)
    assert height == width
    return height


def test_fields_of_vgg_16s_pools() -> None:
    """The library's table of the Distill paper."""
    pools = {"pool1": (6, 2, 2), "pool2": (16, 4, 6), "pool3": (44, 8, 18), "pool4": (100, 16, 42)}
    net = nets("vgg")["VGG_D"]
    assert {name: rsp(net, name) for name in pools} == pools


SLIM = {  # the same table
    "ResNet50_Slim": {
        "block1": (35, 8, 15),
        "block2": (99, 16, 47),
        "block3": (291, 32, 143),
        "block4": (483, 32, 239),
    },
    "ResNet101_Slim": {"block4": (1027, 32, 511)},
    "ResNet152_Slim": {"block4": (1507, 32, 751)},
    "ResNet200_Slim": {"block4": (1763, 32, 879)},
}


@pytest.mark.parametrize("name", SLIM)
def test_fields_of_slims_resnets(name: str) -> None:
    net = nets("resnet_slim")[name]
    paths = {tensor: net.graph.nodes[net.graph.tensors[tensor]].path for tensor in SLIM[name]}
    assert {tensor: rsp(net, path) for tensor, path in paths.items()} == SLIM[name]


def test_fields_of_alexnet_v2() -> None:
    """The same table."""
    net = nets("alexnet")["AlexNet2012"]
    wanted = {"conv1": (11, 4, 0), "pool1": (19, 8, 0), "conv2": (51, 8, 16)}
    wanted |= {"conv3": (99, 16, 32), "conv4": (131, 16, 48), "conv5": (163, 16, 64), "pool5": (195, 32, 64)}
    assert {name: rsp(net, name) for name in wanted} == wanted


@pytest.mark.parametrize("layers", [9, 19, 49, 99])
def test_highway_layers(layers: int) -> None:
    facts = load_file("highway", {"layers": str(layers)}).nets["Highway"].facts
    assert facts.params == 39_760 + 5_100 * layers


@pytest.mark.parametrize(("width", "thousands"), [(16, 39), (32, 151)])
def test_convolutional_highway(width: int, thousands: int) -> None:
    """Table 1 of Training Very Deep Networks."""
    facts = load_file("highway", {"width": str(width)}).nets["HighwayConvolutional"].facts
    assert round(facts.params / 1000) == thousands


def test_plain_net_has_the_macs_of_the_residual_one() -> None:
    """3.6 billion, figure 3 of the paper; what it lacks are three projections."""
    resnet = nets("resnet")
    plain, residual = resnet["Plain34"].facts, resnet["ResNet34"].facts
    assert plain.macs
    assert plain.macs // 10**8 == 36
    assert residual.params - plain.params == 173_824
    assert plain.last_map
    assert residual.last_map
    assert rsp(resnet["Plain34"], plain.last_map.path) == rsp(resnet["ResNet34"], residual.last_map.path)


def test_auxiliary_heads() -> None:
    """They hang on 4a and 4d, and count 3.2 million parameters each."""
    net = nets("googlenet")["GoogLeNetTraining"]
    assert net.facts.params == 6_998_552 + 3_188_840 + 3_190_888
    assert net.train
    assert [loss.layer.settings()["weight"] for loss in net.train.losses] == [1, 0.3, 0.3]


def test_lenet5_as_published_sees_its_whole_input() -> None:
    net = nets("lenet5")["LeNet5_1998"]
    assert net.facts.params == 61_706
    assert net.facts.macs == 416_520
    assert rsp(net, "s4") == (16, 4, 0)
    assert rsp(net, "c5") == (32, 4, 0)
    (dense,) = (f for n, f in zip(net.graph.nodes, net.facts.fields, strict=True) if n.path == "dense1")
    assert dense
    assert dense.size == (32, 32)


def test_ciresans_five() -> None:
    """Millions of weights in table 1 of arXiv 1003.0358, which cuts them off after two digits."""
    printed = {1: 1.34, 2: 3.26, 3: 6.69, 4: 12.11, 5: 8.86}
    found = {i: nets("mlp")[f"Ciresan{i}"].facts.params for i in printed}
    assert {i: params // 10_000 / 100 for i, params in found.items()} == printed


def test_fields_that_the_lecture_prints() -> None:
    """E. Sokolov, Foundations of Deep Learning, 2025, lecture 3."""
    lectures = nets("lectures")
    for net, sizes in {"Fields3": (3, 5, 7), "Fields5": (5, 9, 13)}.items():
        assert tuple(rsp(lectures[net], name)[0] for name in ("first", "second", "third")) == sizes
    assert rsp(lectures["FieldsStrided"], "second") == (7, 2, 0)


# ---- What can be trained ------------------------------------------------------------------------------------------


def test_one_net_at_most_is_trained_on_data() -> None:
    """`netc train SPEC` needs no net's name: the first net of a file is its main one."""
    for spec in SPECS:
        compiled = list(nets(spec).values())
        with_data = [net for net in compiled if net.train and net.train.data]
        assert len(with_data) <= 1
        assert with_data in ([], compiled[:1])


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        ("digits", "digits"),
        ("lenet5", "mnist"),
        ("mlp", "mnist"),
        ("regression", "digits"),
        ("resnet_cifar", "cifar10"),
    ],
)
def test_trained_on(spec: str, data: str) -> None:
    train = next(iter(nets(spec).values())).train
    assert train
    assert train.data
    assert train.data.kind == data


@each_spec
def test_another_number_of_classes(spec: str) -> None:
    """A param of the file is set from outside; its `expect` lines stand for the net as written."""
    loaded = load_file(spec)
    if any(isinstance(item, ast.Param) for item in loaded.file.items):
        smaller = load_file(spec, {"classes": "10"})
        assert all(net.graph.node("logits").type.shape[1] == 10 for net in smaller.nets.values())
        assert not smaller.failed
    else:
        assert load_file(spec, {"classes": "10"}).failed


@pytest.mark.parametrize("name", spec_names())
def test_every_net_names_its_source(name: str) -> None:
    for net, compiled in load_file(name).nets.items():
        assert re.search(r"\b(19|20)\d\d\b", compiled.graph.doc), net
