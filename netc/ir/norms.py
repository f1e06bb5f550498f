"""Norms are opened: batch normalisation becomes pointwise equations and sums, which `fuse` joins with what is around.

    y = (x − μ) s + β                               s = γ / σ, σ = √(var + ε), for each channel
    dβ = Σ g,  dγ = Σ g (x − μ) / σ
    dx = (g − dβ / M − (x − μ) dγ / (σ M)) s

So the activation and the residual that follow a norm are done in the one loop that normalises.  Going back there are
two loops, since dx needs the sums: the first reads g and x, the second reads them again and writes dx.  Where g is the
gradient of an activation that follows the norm, both loops make it anew from x, which they read anyway, and from the
gradient that comes in: neither the activation's result is read for it, nor its gradient ever stored.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

from netc import ops
from netc.ir.builder import Builder
from netc.ir.program import Equation, Program
from netc.ops.primitive import Primitive, Value

_NORMS: Final = (ops.batch_norm, ops.batch_norm_grad)
_FAR: Final = 3  # pointwise equations that are done again, one behind the other


def open_norms(program: Program) -> Program:
    """Every `batch_norm` and `batch_norm_grad` as pointwise equations and sums; what nobody reads then is left in."""
    if all(eq.op not in _NORMS for eq in program.equations):
        return program
    made = _Made.of(program)
    b = Builder.after(program)
    for eq in program.equations:
        if eq.op not in _NORMS:
            b.equations.append(eq)
            continue
        with b.at(eq.node):
            if eq.op is ops.batch_norm:
                _normalised(b, eq.inputs, b(ops.div, eq.inputs[1], _deviation(b, eq)), eq.outputs[0])
            else:
                _backward(b, eq, made.activation(eq))
    return replace(program, equations=tuple(b.equations))


def _deviation(b: Builder, eq: Equation) -> Value:
    """σ of each channel."""
    var = eq.inputs[4] if eq.op is ops.batch_norm else eq.inputs[3]
    return b(ops.root, b(ops.shift, var, offset=eq.params["eps"]))


def _normalised(b: Builder, operands: tuple[Value, ...], scale: Value, out: Value | None = None) -> Value:
    """(x − μ) s + β"""
    x, _, beta, mean, _ = operands
    scaled = b(ops.mul, b(ops.sub, x, mean), scale)
    return _into(b, out or b.value(x.type), ops.add, scaled, beta)


def _backward(b: Builder, eq: Equation, activation: _Activation | None) -> None:
    x, gamma, mean, _, g = eq.inputs
    dx, dgamma, dbeta = eq.outputs
    share = 1 / prod(x.type.dims[:-1])
    deviation = _deviation(b, eq)
    scale = b(ops.div, gamma, deviation)
    first = activation.gradient(b, scale) if activation else g
    along = b(ops.sum_to, b(ops.mul, first, b(ops.sub, x, mean)), shape=mean.type.shape)
    _into(b, dbeta, ops.sum_to, first, shape=mean.type.shape)
    _into(b, dgamma, ops.div, along, deviation)
    level = b(ops.scale, dbeta, factor=share)
    slope = b(ops.scale, b(ops.div, dgamma, deviation), factor=share)
    second = activation.gradient(b, scale) if activation else g
    rest = b(ops.sub, b(ops.sub, second, level), b(ops.mul, b(ops.sub, x, mean), slope))
    _into(b, dx, ops.mul, rest, scale)


def _into(b: Builder, out: Value, op: Primitive, *inputs: Value, **params: Any) -> Value:
    """An equation whose result has readers already."""
    b.equations.append(Equation(op, inputs, (out,), params, b.node))
    return out


# ---- The activation behind a norm --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Activation:
    """What makes the gradient that a norm is given, from the norm's result and one gradient that comes in."""

    norm: Equation
    chain: tuple[Equation, ...]

    def gradient(self, b: Builder, scale: Value) -> Value:
        """Emits it once more, from the norm's operand."""
        copy = {self.norm.outputs[0]: _normalised(b, self.norm.inputs, scale)}
        for eq in self.chain:
            copy[eq.outputs[0]] = b(eq.op, *(copy.get(v, v) for v in eq.inputs), **eq.params)
        return copy[self.chain[-1].outputs[0]]


@dataclass(frozen=True, slots=True)
class _Made:
    """Which equation makes each value, how often it is read, and the norm of each operand and its moments."""

    maker: dict[Value, Equation]
    reads: Counter[Value]
    norms: dict[tuple[Value, ...], Equation]

    @classmethod
    def of(cls, program: Program) -> _Made:
        maker = {v: eq for eq in program.equations for v in eq.outputs}
        reads = Counter(v for eq in program.equations for v in eq.inputs)
        reads.update([*program.outputs.values(), *(new for _, new in program.updates)])
        norms = {_key(eq): eq for eq in program.equations if eq.op is ops.batch_norm}
        return cls(maker, reads, norms)

    def activation(self, eq: Equation) -> _Activation | None:
        """The activation whose gradient `eq` is the only one to read, if all else that makes it is one array."""
        norm, last = self.norms.get(_key(eq)), self.maker.get(eq.inputs[4])
        if norm is None or last is None or last.op.body is None or self.reads[eq.inputs[4]] > 1:
            return None
        whole = eq.inputs[4].type
        chain: dict[Value, Equation] = {}
        full = {v for v in last.inputs if v.type == whole}
        behind = {v for v in full if self._follows(v, norm, chain, _FAR)}
        return _Activation(norm, (*chain.values(), last)) if behind and len(full - behind) == 1 else None

    def _follows(self, v: Value, norm: Equation, chain: dict[Value, Equation], far: int) -> bool:
        """Whether v is the norm's result, or pointwise from it alone; `chain` gets what makes it from there."""
        if v is norm.outputs[0] or v in chain:
            return True
        eq = self.maker.get(v)
        if far == 0 or eq is None or eq.op.body is None:
            return False
        same = [u for u in eq.inputs if u.type == v.type]
        if not same or not all(self._follows(u, norm, chain, far - 1) for u in same):
            return False
        chain[v] = eq
        return True


def _key(eq: Equation) -> tuple[Value, ...]:
    """x, γ, mean and variance of a norm, or of its gradient."""
    x, gamma, *rest = eq.inputs
    mean, var = rest[1:] if eq.op is ops.batch_norm else rest[:2]
    return x, gamma, mean, var
