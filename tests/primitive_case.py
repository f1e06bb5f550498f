"""Applications of each primitive, drawn by hypothesis: what the backend tests and the oracle run over.

`CASES[name]` draws the operands (float64, or integers) and parameters of one primitive.  Sizes are small and
odd, with batches of 1, maps of 1×1, windows that hang over, groups, strides larger than windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from netc import ops
from netc.ir import Builder, Program
from netc.ops.fused import Expression, Step
from netc.ops.windows import reach, window_count
from netc.runtime import compile_program
from netc.types import NUMPY_NAME, DType, TensorType
from tests.application import Application, Draw, image, numbers, pads, pair, sizes
from tests.norm_case import NORMS
from tests.sampling_case import lookup, lookup_grad, resample, resample_grad

# ---- Contractions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    params: dict[str, Any]


def geometry(draw: Draw) -> Geometry:
    """Sizes of a convolution whose windows fit at least once."""
    n, (h, width) = draw(sizes(1, 3)), pair(draw, 1, 9)
    kernel, stride, dilation = pair(draw, 1, 4), pair(draw, 1, 3), pair(draw, 1, 2)
    pad = pads(draw, 2)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c, k = groups * draw(sizes(1, 5)), groups * draw(st.sampled_from([1, 2, 3, 6, 17, 35]))
    if draw(st.booleans()) and groups > 1:
        c = k = groups  # depthwise
    out = tuple(
        window_count(s, reach(f, d), t, p)
        for s, f, d, t, p in zip((h, width), kernel, dilation, stride, pad, strict=True)
    )
    assume(min(out) > 0)
    params = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    return Geometry((n, h, width, c), (*kernel, c // groups, k), (n, *out, k), params)


def conv(draw: Draw) -> Application:
    g = geometry(draw)
    return Application(ops.conv, (numbers(draw, *g.x), numbers(draw, *g.w)), g.params, prod(g.w[:3]), True)


def conv_data(draw: Draw) -> Application:
    g = geometry(draw)
    operands = numbers(draw, *g.y), numbers(draw, *g.w)
    return Application(ops.conv_data, operands, {"size": g.x[1:3], **g.params}, prod(g.w[:2]) * g.w[3], True)


def conv_weights(draw: Draw) -> Application:
    g = geometry(draw)
    operands = numbers(draw, *g.x), numbers(draw, *g.y)
    return Application(ops.conv_weights, operands, {"window": g.w[:2], **g.params}, prod(g.y[:3]), True)


def with_epilogue(draw: Draw) -> Application:
    """A convolution, and its bias and a residual in one loop; what is in between is a result as well or not."""
    app = draw(st.sampled_from([conv, conv_data]))(draw)
    (y,) = app.op.type(*(TensorType(x.shape, "f64") for x in app.operands), **app.params)
    expression = Expression((Step(ops.bias, (0, 1)), Step(ops.add, (3, 2))), (4,))
    params = {
        "first": Step(app.op, (0, 1), tuple(sorted(app.params.items()))),
        "then": Step(ops.fused, (4, 2, 3), (("expression", expression),)),
        "keeps": draw(st.booleans()),
    }
    more = numbers(draw, y.dims[3]), numbers(draw, *y.dims)
    return Application(ops.with_epilogue, (*app.operands, *more), params, app.terms + 2, True)


def dot(draw: Draw) -> Application:
    wide = st.sampled_from([1, 2, 3, 7, 13, 16, 33, 66])
    m, k, n = draw(wide), draw(st.sampled_from([1, 5, 31, 600])), draw(wide)
    ta, tb = draw(st.booleans()), draw(st.booleans())
    a, b = numbers(draw, *((k, m) if ta else (m, k))), numbers(draw, *((n, k) if tb else (k, n)))
    return Application(ops.dot, (a, b), {"ta": ta, "tb": tb}, k, True)


def with_update(draw: Draw) -> Application:
    """A product, of which momentum and a weight take their share; the rate is one number."""
    m, k, n = (draw(st.sampled_from(sizes)) for sizes in ((1, 13, 29, 66), (1, 5, 64), (1, 7, 33)))
    steps = Step(ops.add, (1, 3)), Step(ops.mul, (4, 2)), Step(ops.add, (0, 5))
    params = {
        "first": Step(ops.dot, (0, 1), (("ta", True),)),
        "then": Step(ops.fused, (2, 3, 4, 5), (("expression", Expression(steps, (4, 6))),)),
    }
    operands = [numbers(draw, *shape) for shape in ((k, m), (k, n), (m, n), (m, n), ())]
    return Application(ops.with_update, tuple(operands), params, k + 3, True)


# ---- Pools -------------------------------------------------------------------------------------------------


# Those that kernels have loops of their own for come often.
WINDOWS = st.sampled_from([(3, 3), (2, 2)]) | st.tuples(st.integers(1, 4), st.integers(1, 4))


def _pool(draw: Draw, dilated: bool) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    n, (h, w), c = draw(sizes(1, 3)), pair(draw, 1, 9), draw(st.sampled_from([1, 3, 16, 35]))
    kernel, stride = draw(WINDOWS), pair(draw, 1, 3)
    dilation = pair(draw, 1, 2) if dilated else (1, 1)
    pad = pads(draw, min(kernel) // 2)  # as every framework wants it, so that no window sees padding only
    ceil = draw(st.booleans())
    out = tuple(
        window_count(s, reach(f, d), t, p, ceil)
        for s, f, d, t, p in zip((h, w), kernel, dilation, stride, pad, strict=True)
    )
    assume(min(out) > 0)
    params = {"kernel": kernel, "stride": stride, "pad": pad, "ceil": ceil}
    return (n, h, w, c), (n, *out, c), params | ({"dilation": dilation} if dilated else {})


def _seen(x: tuple[int, ...], y: tuple[int, ...], p: dict[str, Any]) -> bool:
    """Whether every window sees an element."""
    for i in (0, 1):
        starts = [o * p["stride"][i] - p["pad"][i][0] for o in range(y[i + 1])]
        d = p.get("dilation", (1, 1))[i]
        taps = [[s + d * t for t in range(p["kernel"][i])] for s in starts]
        if not all(any(0 <= t < x[i + 1] for t in row) for row in taps):
            return False
    return True


def maxpool(draw: Draw) -> Application:
    x, _, params = _pool(draw, dilated=True)
    return Application(ops.maxpool, (numbers(draw, *x),), params, 0)


def maxpool_grad(draw: Draw) -> Application:
    x, y, params = _pool(draw, dilated=True)
    assume(_seen(x, y, params))
    return Application(
        ops.maxpool_grad, (numbers(draw, *x), numbers(draw, *y)), params, prod(params["kernel"])
    )


def maxpool_placed(draw: Draw) -> Application:
    x, y, params = _pool(draw, dilated=True)
    assume(_seen(x, y, params))
    return Application(ops.maxpool_placed, (numbers(draw, *x),), params, 0)


def unpool(draw: Draw) -> Application:
    """Places may lie in the padding, where nothing goes."""
    x, y, params = _pool(draw, dilated=True)
    assume(_seen(x, y, params))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    places = rng.integers(0, prod(params["kernel"]), y).astype(np.uint8)
    params |= {"size": x[1:3]}
    return Application(ops.unpool, (places, numbers(draw, *y)), params, prod(params["kernel"]))


def avgpool(draw: Draw) -> Application:
    x, y, params = _pool(draw, dilated=False)
    count_pad = draw(st.booleans())
    assume(_seen(x, y, params))
    return Application(
        ops.avgpool, (numbers(draw, *x),), params | {"count_pad": count_pad}, prod(params["kernel"]), True
    )


def avgpool_grad(draw: Draw) -> Application:
    x, y, params = _pool(draw, dilated=False)
    assume(_seen(x, y, params))
    params |= {"count_pad": draw(st.booleans()), "size": x[1:3]}
    return Application(ops.avgpool_grad, (numbers(draw, *y),), params, prod(params["kernel"]), True)


# ---- Sums, norms, softmax, moves ---------------------------------------------------------------------------


def _part(draw: Draw, whole: tuple[int, ...]) -> tuple[int, ...]:
    n, h, w, c = whole
    return draw(st.sampled_from([(c,), (), (n, 1, 1, c), (n, h, 1, c), (n, 1, w, c), (n, h, w, 1), whole]))


def sum_to(draw: Draw) -> Application:
    x = image(draw)
    return Application(ops.sum_to, (numbers(draw, *x),), {"shape": _part(draw, x)}, prod(x), True)


def spread(draw: Draw) -> Application:
    whole = image(draw)
    return Application(ops.spread, (numbers(draw, *_part(draw, whole)),), {"shape": whole}, 0)


def moments(draw: Draw) -> Application:
    x = image(draw)
    return Application(ops.moments, (numbers(draw, *x),), {}, 4 * prod(x[:3]))


def _norm(draw: Draw) -> tuple[Any, ...]:
    shape = draw(st.sampled_from([image(draw), image(draw)[2:]]))
    c = shape[-1]
    vectors = [numbers(draw, c) for _ in range(3)]
    return numbers(draw, *shape), *vectors, numbers(draw, c, low=0.1)


def batch_norm(draw: Draw) -> Application:
    return Application(ops.batch_norm, _norm(draw), {"eps": 1e-5}, 8)


def batch_norm_grad(draw: Draw) -> Application:
    x, gamma, _, mean, var = _norm(draw)
    return Application(
        ops.batch_norm_grad,
        (x, gamma, mean, var, numbers(draw, *x.shape)),
        {"eps": 1e-5},
        40 * prod(x.shape[:-1]),
    )


def _logits(draw: Draw) -> Any:
    return numbers(draw, draw(sizes()), draw(st.sampled_from([1, 2, 10, 33])), low=-30, high=30)


def _labels(draw: Draw, x: Any) -> Any:
    return np.array([draw(st.integers(0, x.shape[1] - 1)) for _ in range(len(x))], np.int64)


def softmax(draw: Draw) -> Application:
    return Application(ops.softmax, (_logits(draw),), {}, 64)


def softmax_grad(draw: Draw) -> Application:
    x = _logits(draw)
    return Application(ops.softmax_grad, (x / 30, numbers(draw, *x.shape)), {}, 4 * x.shape[1] + 8)


def softmax_xent(draw: Draw) -> Application:
    x = _logits(draw)
    return Application(ops.softmax_xent, (x, _labels(draw, x)), {}, 64)


def softmax_xent_grad(draw: Draw) -> Application:
    x = _logits(draw)
    p = np.abs(x) / 30
    return Application(ops.softmax_xent_grad, (p, _labels(draw, x), numbers(draw, len(x), 1)), {}, 4)


def in_top(draw: Draw) -> Application:
    x = np.round(_logits(draw) / 10)
    return Application(ops.in_top, (x, _labels(draw, x)), {"k": draw(sizes(1, 3))}, 0)


def swap(draw: Draw) -> Application:
    shape = draw(sizes(1, 3)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    if draw(st.booleans()):
        return Application(ops.swap, (numbers(draw, *shape),), {}, 0)
    shape, axis = (*image(draw), draw(sizes(1, 3))), draw(st.integers(0, 3))
    return Application(ops.swap, (numbers(draw, *shape),), {"axis": axis}, 0)


def concat(draw: Draw) -> Application:
    shape, axis = list(image(draw)), draw(st.integers(0, 3))
    parts = [draw(sizes()) for _ in range(draw(sizes(1, 4)))]
    operands = tuple(numbers(draw, *shape[:axis], size, *shape[axis + 1 :]) for size in parts)
    return Application(ops.concat, operands, {"axis": axis}, 0)


def _stretch(draw: Draw) -> tuple[tuple[int, ...], int, int, int]:
    shape, axis = image(draw), draw(st.integers(0, 3))
    start = draw(st.integers(0, shape[axis] - 1))
    return shape, axis, start, draw(st.integers(start + 1, shape[axis]))


def cut(draw: Draw) -> Application:
    shape, axis, start, stop = _stretch(draw)
    return Application(ops.cut, (numbers(draw, *shape),), {"axis": axis, "start": start, "stop": stop}, 0)


def uncut(draw: Draw) -> Application:
    shape, axis, start, stop = _stretch(draw)
    g = numbers(draw, *shape[:axis], stop - start, *shape[axis + 1 :])
    return Application(ops.uncut, (g,), {"axis": axis, "start": start, "stop": stop, "size": shape[axis]}, 0)


def reshape(draw: Draw) -> Application:
    shape = image(draw)
    return Application(ops.reshape, (numbers(draw, *shape),), {"shape": (shape[0], prod(shape[1:]))}, 0)


def fill(draw: Draw) -> Application:
    return Application(
        ops.fill, (), {"shape": image(draw), "value": draw(st.sampled_from([0.0, 1.0, -2.5]))}, 0
    )


def dropout_mask(draw: Draw) -> Application:
    params = {
        "shape": image(draw),
        "p": draw(st.sampled_from([0.0, 0.1, 0.5, 0.9])),
        "stream": draw(st.integers(0, 9)),
    }
    return Application(ops.dropout_mask, (np.array(draw(st.integers(0, 2**40)), np.int64),), params, 0)


# ---- Pointwise ---------------------------------------------------------------------------------------------


PARAMETERS: dict[str, dict[str, float]] = {
    "scale": {"factor": 0.3},
    "shift": {"offset": -1.7},
    "clip": {"low": -1.5, "high": 2.0},
    "clip_grad": {"low": -1.5, "high": 2.0},
    "leaky": {"slope": 0.2},
    "leaky_grad": {"slope": 0.2},
    "elu": {"alpha": 1.3},
    "elu_grad": {"alpha": 1.3},
}


def pointwise(op: ops.Primitive) -> Callable[[Draw], Application]:
    count = op.body.__code__.co_argcount if op.body else 0
    params = PARAMETERS.get(op.name, {})
    positive = op.name in ("sqrt", "div")

    def application(draw: Draw) -> Application:
        whole = draw(st.sampled_from([image(draw), image(draw)[2:], ()]))
        shapes = [whole]
        for _ in range(count - len(params) - 1):
            shapes.append(_part(draw, whole) if len(whole) == 4 and draw(st.booleans()) else whole)
            if len(whole) == 4 and shapes[-1] == (*whole[:3], 1):
                shapes[-1] = whole  # the last axis is never broadcast
        if op.name in ("add", "sub", "mul", "div") and draw(st.booleans()):
            shapes.reverse()
        terms = 64 if op.name == "gelu_tanh_grad" else 16  # there 1 − tanh² cancels, and is multiplied by x³
        low, high = (0.05, 0.75) if op.name in ("bce", "bce_grad") else (0.3 if positive else -6.0, 6.0)
        return Application(op, tuple(numbers(draw, *s, low=low, high=high) for s in shapes), params, terms)

    return application


def fused(draw: Draw) -> Application:
    """Momentum: v' = μ v + g, w' = w − η v', with a bias over channels on top so that every kind of operand
    occurs, and sums.
    """
    shape = draw(st.sampled_from([image(draw), (4, 12, 12, 3), (33, 2, 17)]))
    vector = draw(st.booleans())  # without one rows of few channels are put together
    steps = (
        Step(ops.scale, (0,), (("factor", 0.9),)),
        Step(ops.add, (5, 1)),
        Step(ops.mul, (6, 2)),
        Step(ops.sub, (3, 7)),
        Step(ops.add, (8, 4)),
        Step(ops.tanh, (9,)),
    )
    operands = [numbers(draw, *s) for s in (shape, shape, (), shape, shape[-1:] if vector else ())]
    sums = draw(st.sampled_from([(), (10,), (0, 8)]))
    expression = Expression(steps, draw(st.sampled_from([(6, 8, 10), (8,)])), sums)
    return Application(
        ops.fused, tuple(operands), {"expression": expression}, 16 + prod(shape[:-1]) * len(sums)
    )


CASES: dict[str, Callable[[Draw], Application]] = {
    f.__name__: f
    for f in (
        conv, conv_data, conv_weights, with_epilogue, dot, with_update, maxpool, maxpool_grad, maxpool_placed,
        unpool, avgpool, avgpool_grad, sum_to, spread, moments, batch_norm, batch_norm_grad, softmax, softmax_grad,
        softmax_xent, softmax_xent_grad, in_top, swap, concat, cut, uncut, fill, reshape, dropout_mask, fused,
        resample, resample_grad, lookup, lookup_grad,
    )
} | NORMS | {op.name: pointwise(op) for op in ops.ALL.values() if op.body is not None}  # fmt: skip


# ---- Running them ------------------------------------------------------------------------------------------


def cast(x: Any, dtype: str) -> Any:
    return x.astype(NUMPY_NAME[dtype_of(x, dtype)])


def dtype_of(x: Any, dtype: Any) -> DType:
    """What an operand has where numbers have `dtype`."""
    return {"i": "int", "u": "byte"}.get(x.dtype.kind, dtype)


def program(app: Application, dtype: Any, stay: bool = False) -> Program:
    """The application alone; its second operand is a weight if weights `stay`."""
    b = Builder(dtype=dtype)
    inputs = [
        b.input(
            f"x{i}",
            TensorType(x.shape, dtype_of(x, dtype)),
            "frozen" if stay and i == 1 else "data",
        )
        for i, x in enumerate(app.operands)
    ]
    params = app.params | ({"dtype": dtype} if app.op in (ops.dropout_mask, ops.fill, ops.vector) else {})
    for i, out in enumerate(b.all(app.op, *inputs, **params)):
        b.outputs[f"y{i}"] = out
    return b.finish()


def run(app: Application, backend: Any, dtype: str, threads: int = 1, stay: bool = False) -> list[Any]:
    exe = compile_program(program(app, dtype, stay), backend, threads, stay=stay)
    feeds = {f"x{i}": cast(x, dtype) for i, x in enumerate(app.operands)}
    if stay:
        exe["x1"][...] = feeds.pop("x1")
        exe.prepare()
    return list(exe.run(feeds).values())
