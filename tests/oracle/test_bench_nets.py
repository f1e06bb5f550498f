"""What the benchmark gives netc and what it gives PyTorch is the same net: as many parameters, the same shapes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed.cases import CASES


@pytest.mark.parametrize("key", CASES)
def test_both_sides_have_the_same_net(key: str) -> None:
    case = CASES[key]
    facts = case.load().compiled.facts
    with torch.device("meta"):  # takes no memory, and multiplies no numbers
        module = case.build()
        result = module(torch.empty(case.batch, *case.shape))
    assert facts.params == sum(p.numel() for p in module.parameters())
    trained = [tuple(w.shape) for node in facts.graph.nodes for w in node.expansion.weights if w.trained]
    assert sorted(trained) == sorted(tuple(p.shape) for p in module.parameters())
    [name] = facts.graph.outputs
    assert tuple(result.shape) == (case.batch, *facts.graph.node(name).type.shape[1:])
    assert tuple(facts.graph.inputs[0].type.shape[1:]) == case.shape
    assert result.shape[1] == case.classes


@pytest.mark.parametrize("key", CASES)
def test_both_sides_have_as_many_layers_of_each_kind(key: str) -> None:
    """Layers without weights count in a step's time as well."""
    case = CASES[key]
    with torch.device("meta"):
        theirs = [type(m).__name__ for m in case.build().modules()]
    ours = [node.layer.kind for node in case.load().compiled.graph.nodes if node.layer]
    pairs = (
        ("dropout", "Dropout"), ("relu", "ReLU"), ("relu6", "ReLU6"), ("bn", "BatchNorm2d"),
        ("lrn", "LocalResponseNorm"), ("avgpool", "AvgPool2d"), ("gap", "AdaptiveAvgPool2d"), ("dense", "Linear"),
    )  # fmt: skip
    for kind, module in pairs:
        assert ours.count(kind) == theirs.count(module), kind
