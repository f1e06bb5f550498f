"""The machine's view of a net: programs, how they are built, differentiated, checked and improved."""

from netc.ir.builder import Builder
from netc.ir.check import IllFormed, check
from netc.ir.constant import split_constant
from netc.ir.fold import fold
from netc.ir.grad import gradients, one
from netc.ir.passes import PASSES, simplify
from netc.ir.program import Equation, Init, Input, Program, Role

__all__ = [
    "PASSES",
    "Builder",
    "Equation",
    "IllFormed",
    "Init",
    "Input",
    "Program",
    "Role",
    "check",
    "fold",
    "gradients",
    "one",
    "simplify",
    "split_constant",
]
