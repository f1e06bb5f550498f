"""Advice from the order of layers: what undoes, repeats or disturbs what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netc.analyze.advice.study import Study, advice
from netc.errors import Diagnostic
from netc.graph.model import Node

_LINEAR: Final = ("conv", "dense", "conv_transpose")
_CLEAR: Final = ("flatten", "reshape", "identity")  # what leaves two linear layers one linear map
ZEROS: Final = "zeros"
SIGMOIDS: Final = 3  # one after another: a gradient is divided by 4 at each, at least


def bias_before_bn(about: Study) -> Iterator[Diagnostic]:
    """W0201: a bias that batch normalisation takes away again with the mean.

    S. Ioffe and C. Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift, 2015, section 3.2.
    """
    for node in about.layers:
        reader = about.only_read_by(node)
        if (
            reader
            and reader.kind == "bn"
            and any(w.name == "bias" and w.trained for w in node.expansion.weights)
        ):
            yield advice(
                "W0201",
                node,
                f"`bn` subtracts the mean, and the bias of this `{node.kind}` with it",
                "has a bias",
                "write bias=false (Ioffe and Szegedy, 2015)",
                [(reader, "subtracts it")],
            )


def linear_after_linear(about: Study) -> Iterator[Diagnostic]:
    """W0202: two linear layers with nothing between, which are no more than one, unless the first is narrow.

    A. Perminov, Introduction to Neural Networks, 2025, on why activations are not linear.
    """
    for node in about.layers:
        if not _is_linear(node):
            continue
        reader = about.only_read_by(node)
        while reader and reader.kind in _CLEAR:
            reader = about.only_read_by(reader)
        if reader is None or not _is_linear(reader):
            continue
        wide, narrow = node.type.shape[1], (about.before(node).type.shape[1], reader.type.shape[1])
        if isinstance(wide, int) and any(isinstance(n, int) and wide >= n for n in narrow):
            yield advice(
                "W0202",
                reader,
                f"`{node.kind}` and `{reader.kind}` with nothing between are one linear layer",
                "linear",
                "put an activation between them, or leave one out (Perminov, 2025)",
                [(node, "linear too")],
            )


def _is_linear(node: Node) -> bool:
    trained = all(w.trained for w in node.expansion.weights)
    return node.kind in _LINEAR and getattr(node.layer, "groups", 1) == 1 and trained


def many_sigmoids(about: Study) -> Iterator[Diagnostic]:
    """W0203: sigmoids one after another on every path from an input, without normalisation.

    A. Avdyushenko, Machine Learning, part 2, lecture 1: Convolutional Neural Networks, 2022; X. Glorot and Y. Bengio,
    Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010.
    """
    stacks: list[tuple[Node, ...]] = []  # the sigmoids on the path that has the fewest
    told = False
    for node in about.graph.nodes:
        before = min((stacks[i] for i in node.inputs), key=len, default=())
        if node.kind == "bn":
            before = ()
        elif node.kind == "sigmoid":
            before = (*before, node)[-SIGMOIDS:]
        stacks.append(before)
        if not told and node.kind == "sigmoid" and len(before) == SIGMOIDS and about.readers[node.id]:
            told = True
            yield advice(
                "W0203",
                node,
                f"{SIGMOIDS} sigmoids in a row divide gradients by {4**SIGMOIDS} or more on their way back",
                f"sigmoid {SIGMOIDS} on the way from the input",
                "take relu, or put bn before them (Avdyushenko, lecture 1, 2022)",
                [(n, f"sigmoid {i}") for i, n in enumerate(before[:-1], 1)],
            )


def dropout_before_bn(about: Study) -> Iterator[Diagnostic]:
    """W0204: dropout, whose outputs vary more in training than later, before the running variance of a `bn`.

    X. Li, S. Chen, X. Hu and J. Yang, Understanding the Disharmony between Dropout and Batch Normalization by
    Variance Shift, 2019.
    """
    behind: list[Node | None] = []  # the dropout that a tensor comes from, with no `bn` or join on the way
    for node in about.graph.nodes:
        before = behind[node.inputs[0]] if len(node.inputs) == 1 else None
        behind.append(node if node.kind == "dropout" else None if node.kind == "bn" else before)
        if node.kind == "bn" and before and getattr(before.layer, "p", 1) > 0:
            yield advice(
                "W0204",
                before,
                "dropout before `bn` makes the variance that it learns too large for prediction",
                "varies more in training",
                "put dropout after the last bn (Li, Chen, Hu and Yang, 2019)",
                [(node, "keeps a running variance")],
            )


def equal_weights(about: Study) -> Iterator[Diagnostic]:
    """W0205: weights that all begin at 0, with layers that learn behind them; a join or an output may want that.

    E. Sokolov, Foundations of Deep Learning, lecture 5: Optimisation, Architectures, 2023: no symmetries; A. Perminov,
    Introduction to Neural Networks, 2025, asks why.
    """
    for node in about.layers:
        if str(node.own.rule) != ZEROS or node.own.frozen:
            continue
        reader = about.only_read_by(node)
        while reader and len(reader.inputs) == 1 and not reader.expansion.multiplies:
            reader = about.only_read_by(reader)
        if reader and len(reader.inputs) == 1:
            yield advice(
                "W0205",
                node,
                f"units of this `{node.kind}` begin alike, get equal gradients and stay alike",
                "all begins at 0",
                "write init=he, or leave init out (Sokolov, lecture 5, 2023)",
                [(reader, "learns from equal units")],
            )
