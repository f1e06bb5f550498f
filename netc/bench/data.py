"""Examples at random, of the kinds that a net and its losses take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.graph.model import Graph
from netc.layers.embedding import Embedding
from netc.layers.loss import LABELLED
from netc.train.spec import TrainSpec
from netc.types import NUMPY_NAME


def inputs(graph: Graph, batch: int) -> dict[str, NDArray[Any]]:
    """Normal numbers for every input, `(N, C, H, W)`; for whole numbers those that every reader knows."""
    rng = np.random.default_rng(0)
    out: dict[str, NDArray[Any]] = {}
    for node in graph.inputs:
        shape = (batch, *node.type.dims_after(1))
        if node.type.dtype == "int":
            readers = [n.layer for n in graph.nodes if node.id in n.inputs]
            known = min((r.vocabulary for r in readers if isinstance(r, Embedding)), default=2)
            out[node.name] = rng.integers(0, known, shape)
        else:
            out[node.name] = rng.standard_normal(shape, np.float32).astype(
                NUMPY_NAME[graph.dtype], copy=False
            )
    return out


def target(graph: Graph, spec: TrainSpec, batch: int) -> NDArray[Any]:
    """Labels of the classes that there are, or numbers from 0 to 1."""
    rng = np.random.default_rng(1)
    name, t = spec.target
    shape = (batch, *t.dims_after(1))
    if t.dtype != "int":
        return rng.random(shape, np.float32).astype(NUMPY_NAME[graph.dtype], copy=False)
    scored = [x for x in spec.losses if isinstance(x.layer, LABELLED) and x.operands[1] == name]
    classes = min((graph.node(x.operands[0]).type.dims_after(1)[0] for x in scored), default=2)
    return rng.integers(0, classes, shape)
