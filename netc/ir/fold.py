"""Folding: a scale and a shift of the channels that a convolution or a dense layer gives go into its weights and bias.

    (w ∗ x) s + o  =  (w s) ∗ x + o        for a number s and o of each output channel

Outside of training a batch norm is such a scale and shift, by numbers that follow from its statistics (Jacob et al.,
2018, section 3.2, equation 14).  What is left of `conv -> bn` is then a convolution with a bias; `w s` is computed from
weights alone, so `split_constant` moves it out of the program that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netc import ops
from netc.ir.builder import Builder
from netc.ir.constant import constants
from netc.ir.passes import Pass, drop_unused, share_equal
from netc.ir.program import Equation, Program
from netc.ops.primitive import Value

_LINEAR: Final = (ops.conv, ops.dot, ops.conv_data)
_SCALES: Final = (ops.mul, ops.scale)
_SHIFTS: Final = (ops.add, ops.bias, ops.sub, ops.shift)
_STEPS: Final = (*_SCALES, *_SHIFTS)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A contraction, and what is then done to each channel of its result by itself; nobody else reads in between."""

    linear: Equation
    steps: tuple[Equation, ...]

    @property
    def pays(self) -> bool:
        """One shift by itself is a bias already."""
        scales = any(eq.op in _SCALES for eq in self.steps)
        return scales or sum(eq.op in _SHIFTS for eq in self.steps) > 1


def fold(program: Program) -> Program:
    """Every scale and shift that can be in a contraction's weights and bias is there; the rest is as it was."""
    chains = {chain.steps[-1].outputs[0]: chain for chain in _chains(program)}
    gone = {eq.outputs[0] for chain in chains.values() for eq in (chain.linear, *chain.steps)}
    b = Builder.after(program)
    now: dict[Value, Value] = {}
    for eq in program.equations:
        if chain := chains.get(eq.outputs[0]):
            now[eq.outputs[0]] = _folded(b, chain, now)
        elif eq.outputs[0] not in gone:
            b.equations.append(eq.reading(now))
    outputs = {name: now.get(v, v) for name, v in program.outputs.items()}
    updates = tuple((old, now.get(new, new)) for old, new in program.updates)
    return Program(program.inputs, tuple(b.equations), outputs, updates)


# ---- What can be folded -----------------------------------------------------------------------------------


def _chains(program: Program) -> Iterator[_Chain]:
    known, readers = constants(program), _only_readers(program)
    for eq in program.equations:
        if _scalable(eq, known):
            chain = _Chain(eq, tuple(_steps(eq.outputs[0], readers, known)))
            if chain.pays:
                yield chain


def _scalable(eq: Equation, known: set[Value]) -> bool:
    """Whether it is linear in weights that are known, of which each output channel has its own."""
    if eq.op not in _LINEAR or eq.inputs[1] not in known or eq.inputs[0] in known:
        return False
    return not eq.params.get("tb") and (eq.op is not ops.conv_data or eq.params.get("groups", 1) == 1)


def _only_readers(program: Program) -> dict[Value, Equation]:
    """The equation that reads a value, where one does, once, and nobody outside."""
    readers: dict[Value, Equation] = {}
    shared = {*program.outputs.values(), *(new for _, new in program.updates)}
    for eq in program.equations:
        for v in eq.inputs:
            if v in readers:
                shared.add(v)
            readers[v] = eq
    return {v: eq for v, eq in readers.items() if v not in shared}


def _steps(y: Value, readers: dict[Value, Equation], known: set[Value]) -> list[Equation]:
    """The scales and shifts by constants that follow y, up to the last of them, and views that keep its channels."""
    steps: list[Equation] = []
    while (eq := readers.get(y)) is not None and _is_step(eq, y, known):
        steps.append(eq)
        y = eq.outputs[0]
    while steps and steps[-1].op is ops.reshape:
        steps.pop()
    return steps


def _is_step(eq: Equation, y: Value, known: set[Value]) -> bool:
    channels = y.type.shape[-1:]
    if eq.op is ops.reshape:
        return eq.outputs[0].type.shape[-1:] == channels
    if eq.op not in _STEPS or (eq.op is ops.sub and eq.inputs[0] is not y):
        return False
    return all(v in known and v.type.shape in ((), channels) for v in eq.inputs if v is not y)


# ---- The algebra ------------------------------------------------------------------------------------------


def _folded(b: Builder, chain: _Chain, now: dict[Value, Value]) -> Value:
    """y s + o, of which s is in the weights: emits what computes it."""
    factor, offset = _affine(b, chain)
    x, w = (now.get(v, v) for v in chain.linear.inputs)
    with b.at(chain.linear.node):
        if factor is not None:
            w = _scaled(b, chain.linear, w, factor)
        y = b(chain.linear.op, x, w, **chain.linear.params)
    last = chain.steps[-1]
    with b.at(last.node):
        if y.type != last.outputs[0].type:
            y = b(ops.reshape, y, shape=last.outputs[0].type.shape)
        return y if offset is None else b(ops.bias, y, offset)


def _affine(b: Builder, chain: _Chain) -> tuple[Value | None, Value | None]:
    """The scale and the shift that all steps make together, each a `(C,)` or a number, or None where there is none."""
    factor: Value | None = None
    offset: Value | None = None
    y = chain.linear.outputs[0]
    for eq in chain.steps:
        other = next((v for v in eq.inputs if v is not y), None)
        with b.at(eq.node):
            if eq.op in _SCALES:
                factor = _times(b, eq, factor, other)
                offset = None if offset is None else _times(b, eq, offset, other)
            elif eq.op is ops.shift:
                offset = _constant(b, y, 0.0) if offset is None else offset
                offset = b(ops.shift, offset, **eq.params)
            elif other is not None and eq.op is ops.sub:
                offset = b(ops.neg, other) if offset is None else b(ops.sub, offset, other)
            elif other is not None:
                offset = other if offset is None else b(ops.add, offset, other)
        y = eq.outputs[0]
    return factor, offset


def _times(b: Builder, eq: Equation, old: Value | None, other: Value | None) -> Value:
    """`old` times the scale of an equation: a constant `other`, or a number that it knows."""
    if other is not None:
        return other if old is None else b(ops.mul, old, other)
    return b(ops.scale, _constant(b, eq.outputs[0], 1.0) if old is None else old, **eq.params)


def _constant(b: Builder, y: Value, value: float) -> Value:
    """One number for each channel of y."""
    return b(ops.fill, shape=y.type.shape[-1:], value=value, dtype=y.type.dtype)


def _scaled(b: Builder, eq: Equation, w: Value, factor: Value) -> Value:
    """The weights of a contraction, those of each output channel times its factor."""
    if eq.op is not ops.conv_data:
        return b(ops.mul, w, factor)  # (R, S, C, K) or (C, K) by (K,)
    r, s, k, c = w.type.dims  # the output channels are the last but one
    if factor.type.rank:
        columns = b(ops.spread, b(ops.reshape, factor, shape=(k, 1)), shape=(k, c))
        factor = b(ops.reshape, columns, shape=(k * c,))
    rows = b(ops.mul, b(ops.reshape, w, shape=(r * s, k * c)), factor)  # (R·S, K·C)
    return b(ops.reshape, rows, shape=w.type.shape)


#: What comes before `split_constant`.  An equation that nobody wants must not count as a reader, so it goes first.
FOLDING: Final[tuple[Pass, ...]] = (share_equal, drop_unused, fold)
