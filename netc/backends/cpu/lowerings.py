"""What makes the calls of a primitive, and of a contraction with its epilogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from netc import ops
from netc.backends.cpu import conv, dot, loops, norms, sampling, simple, strips
from netc.backends.cpu.call import DONE, Along, Bound, Call, Lowering
from netc.ir.program import Equation
from netc.ops.epilogue import with_epilogue
from netc.ops.fused import Step, fused
from netc.ops.primitive import Primitive, Value

_BY_NAME: Final[dict[str, Lowering]] = {
    f.__name__: f
    for f in (
        dot.dot, conv.conv, conv.conv_data, conv.conv_weights,
        simple.maxpool, simple.maxpool_placed, simple.maxpool_grad, simple.unpool, simple.avgpool, simple.avgpool_grad,
        simple.sum_to, simple.spread, simple.moments, simple.batch_norm, simple.batch_norm_grad,
        simple.softmax, simple.softmax_grad, simple.softmax_xent, simple.softmax_xent_grad, simple.in_top,
        simple.swap, simple.concat, simple.cut, simple.uncut, simple.fill, simple.dropout_mask,
        norms.standardise, norms.standardise_grad, norms.lrn, norms.lrn_grad, norms.l2norm, norms.l2norm_grad,
        norms.log_softmax, norms.log_softmax_grad, norms.pick, norms.unpick, norms.vector,
        sampling.resample, sampling.resample_grad, sampling.lookup, sampling.lookup_grad, strips.with_update,
    )
}  # fmt: skip


def lowering(op: Primitive) -> Lowering:
    """What makes the calls for a primitive; NotImplementedError where nothing does."""
    if op.body is not None or op is fused:
        return loops.pointwise
    if op is with_epilogue:
        return _with_epilogue
    if op.name not in _BY_NAME:
        raise NotImplementedError(f"the CPU backend has no kernel for {op}")
    return _BY_NAME[op.name]


def _with_epilogue(b: Bound) -> list[Call]:
    """The first part's calls, one of which does the second part or takes it along if it can; else those of both."""
    first, then = _parts(b)
    along: Callable[[Bound, int], Along] = simple.moments_along if then.eq.op is ops.moments else loops.along
    finish = None if b.params["keeps"] else loops.finish(then, b.eq.outputs[0])
    calls = lowering(first.eq.op)(replace(first, epilogue=partial(along, then), finish=finish))
    given = (a for c in calls for a in c.args if isinstance(a, Along))
    taken = next((a for a in given if a.call or a is DONE), None)
    return [*calls, *(taken.after if taken else lowering(then.eq.op)(then))]


def _parts(b: Bound) -> tuple[Bound, Bound]:
    """Both parts by themselves.  What is between them lies where the first result does, whichever that is: the second
    part may write over it.
    """
    first, then, keeps = b.params["first"], b.params["then"], b.params["keeps"]
    y = b.eq.outputs[0]
    values, arrays, stay = (*b.eq.inputs, y), (*b.inputs, b.outputs[0]), (*b.stay, False)
    results, homes = b.eq.outputs[keeps:], b.outputs[keeps:]

    def bound(part: Step, outputs: tuple[Value, ...], homes: Sequence[Any]) -> Bound:
        eq = Equation(part.op, tuple(values[i] for i in part.args), outputs, dict(part.params), b.eq.node)
        staying = tuple(stay[i] for i in part.args) if b.stay else ()
        return replace(
            b, eq=eq, inputs=tuple(arrays[i] for i in part.args), outputs=tuple(homes), stay=staying
        )

    return bound(first, (y,), b.outputs[:1]), bound(then, results, homes)
