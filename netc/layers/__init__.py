"""The layers of the language.  To add one: a file (or a class beside its kin) and an import here."""

from netc.layers import (
    activation,
    conv,
    dense,
    embedding,
    join,
    loss,
    normalise,
    pool,
    rearrange,
    resize,
    transpose_conv,
)
from netc.layers.args import Argument, ArgumentError, Word, said
from netc.layers.base import LAYERS, Layer, LayerError, Rise, Sight, Window

__all__ = [
    "LAYERS",
    "Argument",
    "ArgumentError",
    "Layer",
    "LayerError",
    "Rise",
    "Sight",
    "Window",
    "Word",
    "activation",
    "conv",
    "dense",
    "embedding",
    "join",
    "loss",
    "normalise",
    "pool",
    "rearrange",
    "resize",
    "said",
    "transpose_conv",
]
