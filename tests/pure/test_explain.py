"""Every page of `netc explain` is true: wrong examples fail as they say, mended ones and those of layers pass."""

from __future__ import annotations

import json
import re

import pytest

from netc.analyze.advice import CODES, advice_of_file
from netc.errors import NetError
from netc.explain import Topic, argument_pages, code_pages, example, pages, topics
from netc.layers import LAYERS
from netc.layers.initial import INITS
from netc.loading import load_text
from netc.syntax.tables import tables
from netc.train.augment import AUGMENTATIONS
from netc.train.keys import KEYS
from netc.train.settings import METRICS, OPTIMIZERS, SCHEDULES, STOPS
from netc.train.sources import SOURCES
from tests.command import CHECKOUT, Command

# Unreadable files, or ones too large for a page: in words; test_messages.py, test_parse.py have cases of them.
WITHOUT_EXAMPLE = {"E0801", "E0802", "E0803", "E0804", "E0807", "E0824"}


def codes(text: str) -> list[str]:
    """All that `netc check` finds in a text, or in the last of several that begin with `# name.net`."""
    parts = re.split(r"^# (\w+\.net)\n", text, flags=re.MULTILINE)
    others = dict(zip(parts[1:-2:2], parts[2:-2:2], strict=True))
    try:
        loaded = load_text(parts[-1], imports=others) if others else load_text(text)
    except NetError as error:
        return [d.code for d in error.diagnostics]
    if loaded.diagnostics:
        return [d.code for d in loaded.diagnostics]
    return [d.code for d in advice_of_file({k: v.facts for k, v in loaded.nets.items()}, loaded.file)]


@pytest.mark.parametrize("code", sorted(code_pages().keys() - WITHOUT_EXAMPLE))
def test_an_example_has_its_mistake_and_its_mend_mends_it(code: str) -> None:
    page = code_pages()[code]
    assert codes(page.wrong) == [code]
    assert page.mends
    assert all(page.wrong.count(old) >= 1 for old, _ in page.mends)
    assert codes(page.right) == []


def test_only_what_no_file_shows_has_its_example_and_its_mend_in_words() -> None:
    assert {c for c, p in code_pages().items() if not p.wrong} == WITHOUT_EXAMPLE
    for code, page in code_pages().items():
        assert bool(page.shown) == bool(page.remedy) == (code in WITHOUT_EXAMPLE)
        assert all(f"\n{part}\n  " in page.text() for part in ("Example", "Mend", "Source"))


@pytest.mark.parametrize("code", code_pages())
def test_every_code_has_its_source_and_the_pages_it_names_are_there(code: str) -> None:
    page = code_pages()[code]
    assert page.sources
    names = {n for topic in topics() for n in topic.names} | pages().keys()
    for source in page.sources:
        assert all(name in names for name in re.findall(r"`netc explain (\S+)`", source))
        assert re.search(r"\b(19|20)\d\d\b|`netc explain", source)


def test_every_code_of_the_source_has_a_page_and_no_other() -> None:
    used: set[str] = set(CODES)
    for path in (CHECKOUT / "netc").rglob("*.py"):
        used |= set(re.findall(r"\bE0\d{3}\b", path.read_text(encoding="utf-8")))
    assert used == code_pages().keys()


@pytest.mark.parametrize("code", sorted(CODES - {"W0001", "W0002"}))
def test_advice_cites_its_source(code: str) -> None:
    page = code_pages()[code]
    assert page.sources
    assert all(re.search(r"\b(19|20)\d\d\b", source) for source in page.sources)
    assert f"# allow {code}: " in page.text()


@pytest.mark.parametrize("name", pages())
def test_the_example_of_a_page_is_right(name: str) -> None:
    page = pages()[name]
    assert not [c for c in codes(page.example) if c.startswith("E")]
    assert re.search(rf"\b{name}\b", page.example)
    assert page.about
    text = page.text()
    assert all(f"  {a.name}" in text for a in page.arguments)
    assert all(a.kind in text for a in page.arguments)


@pytest.mark.parametrize("topic", topics(), ids=lambda t: t.names[0])
def test_the_example_of_a_topic_is_right_and_formatted(topic: Topic) -> None:
    assert topic.about
    assert topic.example
    assert codes(topic.example) == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("input a: [N, 4]\n  input b: [N, 4]\n  output a, b", []),
        ("input a: [N, 4]\n  input b: [N, 4]\n  output a\n  output b", []),
        ("input a: [N, 4]\n  l, r = a -> split(2)\n  output l, r", []),
        ("input a: [N, 4]\n  input b: [N, 4]\n  l, r = [a, b]\n  output l, r", []),
        ("input a, b: [N, 4]\n  output a, b", ["E0101"]),
        ("input a: [N, 4]\n  l, r = a -> split(4)\n  output l, r", ["E0210"]),
        ("input a: [N, 4]\n  l, r = a -> relu\n  output l, r", ["E0210"]),
    ],
)
def test_names_with_commas_are_as_the_page_of_a_net_says(body: str, found: list[str]) -> None:
    assert codes(f"net A {{\n  {body}\n}}\n") == found
    (page,) = [t for t in topics() if "net" in t.names]
    about = " ".join(page.about.split())
    assert "Each input has an `input` line of its own" in about
    assert "Several inputs" not in about


def test_a_field_that_is_the_whole_input_is_told_of(netc: Command) -> None:
    told = netc("explain", "rf").out
    assert told == netc("explain", "whole").out
    assert 'expect rf(gate) == "whole"' in told
    assert "netc explain rf" in netc("explain", "expect").out
    (page,) = [t for t in topics() if "whole" in t.names]
    for claim in ('rf(a) == "whole"', "rf(gate) == 3", "rf(gate) == 32"):  # it is equal to nothing else
        assert codes(page.example.replace("rf(a) == 3", claim)) == ["E0701"]
    assert codes(page.example.replace("rf(a) == 3", "rf(gate) > 3")) == ["E0208"]
    assert codes(page.example.replace("rf(a) == 3", 'rf(gate).local == "whole"')) == []


@pytest.mark.parametrize(
    "word", ["half", "same", "valid", "stride", "kernel", "dilation", "border", "round", "window"]
)
def test_what_windows_take_is_told_once(word: str, netc: Command) -> None:
    told = netc("explain", word).out
    assert told.startswith("window, kernel, ")
    for name, cls in LAYERS.items():
        if any(a.name == "kernel" for a in cls.arguments()):
            assert f"`{name}`" in told
            assert "netc explain window" in netc("explain", name).out
    assert "netc explain window" in netc("explain", "pad").out  # the layer, which is not the argument


@pytest.mark.parametrize(("word", "sizes"), [("half", [5, 5, 3]), ("same", [5, 5, 3]), ("valid", [3, 1, 2])])
def test_padding_is_as_the_page_of_windows_says(word: str, sizes: list[int]) -> None:
    layers = (
        f"conv(4, 3, pad={word})",
        f"conv(4, 3, dilation=2, pad={word})",
        f"conv(4, 3, stride=2, pad={word})",
    )
    for layer, size in zip(layers, sizes, strict=True):
        text = "net A {{\n  input x: [N, 3, 5, 5]\n  y = x -> {}\n  output y\n  expect shape(y) == [N, 4, {}, {}]\n}}\n"
        assert not [c for c in codes(text.format(layer, size, size)) if c.startswith("E")]


@pytest.mark.parametrize("name", argument_pages())
def test_every_argument_and_each_of_its_words_has_a_page(name: str, netc: Command) -> None:
    done = netc("explain", name)
    assert done.code == 0
    page = argument_pages()[name].text()
    for of, argument in argument_pages()[name].uses:
        assert re.search(rf"^  {of} +{argument.name}\b.* {re.escape(argument.kind)}$", page, re.MULTILINE)
        assert name == argument.name or name in argument.words


def test_arguments_of_several_layers_lead_to_these(netc: Command) -> None:
    for word in ("allow", "advice"):
        assert "# allow W0201" in netc("explain", word).out
    told = netc("explain", "eps").out
    assert all(f"  {name} " in told for name in ("bn", "ln", "gn", "adam"))
    found = json.loads(netc("explain", "count_pad", "--json").out)
    assert found["uses"] == [
        {"of": "avgpool", "name": "count_pad", "takes": "true or false", "default": "true"}
    ]


def test_every_word_of_the_language_has_a_page(netc: Command) -> None:
    functions = {"floor", "ceil", "range", "min", "max", "len"}
    for word in sorted(tables().keywords.keys() | functions | {"weight", "frozen", "label", "+", "*"}):
        assert netc("explain", word).code == 0, word


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_page_of_a_layer_has_its_source_and_says_if_it_has_weights(name: str) -> None:
    page = pages()[name]
    assert "Source: " in page.about
    cls = LAYERS[name]
    files = [load_text(example(cls, i)) for i in range(len(cls.examples) if not cls.loss else 0)]
    weighs = any(node.expansion.weights for f in files for net in f.nets.values() for node in net.graph.nodes)
    assert ("init, frozen, weight" in page.text()) == weighs


def test_everything_that_can_be_named_has_a_page() -> None:
    registries = (LAYERS, KEYS, INITS, OPTIMIZERS, SCHEDULES, STOPS, METRICS, SOURCES, AUGMENTATIONS)
    for registry in registries:
        assert registry.keys() <= pages().keys()
    # `split` is a step and no layer; nothing else has a page, and no name has two.
    assert sum(map(len, registries)) + 1 == len(pages())


def test_the_page_of_a_setting_says_what_it_takes_and_what_else_holds() -> None:
    batch, optimizer, augment = (pages()[name].text() for name in ("batch", "optimizer", "augment"))
    assert "It takes an int of at least 1. Where it is not said: 32." in batch
    assert "  adam  " in optimizer
    assert "Where it is not said: sgd(lr=0.01, " in optimizer
    assert all(f"\n  {name} " in augment for name in AUGMENTATIONS)


# ---- The command -----------------------------------------------------------------------------------------------------


def test_pages_are_printed(netc: Command) -> None:
    layer = netc("explain", "conv")
    assert layer.code == 0
    assert "Σ over c, r, s" in layer.out
    assert "  stride=1 " in layer.out
    code = netc("explain", "w0201")
    assert code.out.startswith("W0201: a bias before batch normalisation")
    assert "Ioffe" in code.out


def test_the_list_names_every_page(netc: Command) -> None:
    done = netc("explain")
    assert done.code == 0
    listed = set(re.findall(r"^  (\S+) ", done.out, re.MULTILINE))
    parts = {n for topic in topics() for n in topic.names}
    assert {name.rstrip(",:") for name in listed} >= pages().keys() | code_pages().keys()
    assert all(name in done.out for name in parts)


def test_json(netc: Command) -> None:
    found = json.loads(netc("explain", "maxpool", "--json").out)
    assert found["schema"] == "netc.explain/1"
    assert found["arguments"][1] == {
        "name": "stride", "takes": "an int of at least 1, or (height, width)", "default": "kernel",
    }  # fmt: skip
    assert codes(json.loads(netc("explain", "E0302", "--json").out)["right"]) == []
    assert json.loads(netc("explain", "--json").out)["names"].keys() == pages().keys()
    assert json.loads(netc("explain", "augment", "--json").out)["choices"].keys() == AUGMENTATIONS.keys()


@pytest.mark.parametrize(
    ("name", "said"),
    [("desne", "did you mean `dense`?"), ("E0333", "did you mean `E03"), ("%", "lists them")],
)
def test_an_unknown_name_gets_a_suggestion(name: str, said: str, netc: Command) -> None:
    done = netc("explain", name)
    assert done.code == 2
    assert said in " ".join(done.err.split())
