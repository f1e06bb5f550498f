"""The layers of the language.  To add one: a file (or a class beside its kin) and an import here."""

from netc.layers import activation, conv, dense, join, loss, normalise, pool
from netc.layers.args import Argument, ArgumentError, Word, said
from netc.layers.base import LAYERS, Layer, LayerError, Sight, Window

__all__ = [
    "LAYERS",
    "Argument",
    "ArgumentError",
    "Layer",
    "LayerError",
    "Sight",
    "Window",
    "Word",
    "activation",
    "conv",
    "dense",
    "join",
    "loss",
    "normalise",
    "pool",
    "said",
]
