"""One layer as a program of its own: the way in which tests run, differentiate and compare layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import ops
from netc.errors import Report
from netc.graph.bind import bind_layer
from netc.graph.evaluate import Evaluator
from netc.graph.model import Graph
from netc.ir.builder import Builder
from netc.ir.grad import gradients, one
from netc.ir.passes import simplify
from netc.ir.program import Input, Program
from netc.layers import LAYERS, Layer
from netc.lower import emit
from netc.runtime import compile_program
from netc.syntax.parse import parse
from netc.types import DType, TensorType, logical, physical

BACKENDS = ("numpy", "cpu")
STEP = 7  # the step whose dropout masks are drawn
LABELS = 5  # integer inputs hold labels below this

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A layer, as it is written, on inputs of known logical types."""

    source: str
    types: tuple[TensorType, ...]

    def __str__(self) -> str:
        return f"{self.source} on {', '.join(map(repr, self.types))}"

    @property
    def layer(self) -> Layer:
        file, errors = parse(f"net T {{\ninput x: [N, 1]\ny = x -> {self.source}\noutput y\n}}", "case.net")
        assert not errors
        (call,) = file.items[0].body[1].chain.steps  # type: ignore[union-attr]
        return bind_layer(call.name, call, Evaluator(Report(), {}))


def examples() -> list[Case]:
    """Every example of every layer of the language."""
    return [Case(source, types) for cls in LAYERS.values() for source, types in cls.examples]


def at_batch(t: TensorType, batch: int, dtype: DType) -> TensorType:
    """The physical type at a known batch."""
    return TensorType(physical((batch, *t.shape[1:])), "int" if t.dtype == "int" else dtype)


def program(case: Case, batch: int, *, training: bool, dtype: DType, grads: bool = True) -> Program:
    """The layer's result `y` and, with `grads`, the gradient of Σ y · cotangent by each input and parameter."""
    b = Builder(training=training, dtype=dtype)
    xs = [b.input(f"x{i}", at_batch(t, batch, dtype), "data") for i, t in enumerate(case.types)]
    if case.layer.kind == "bce":  # of probabilities
        xs = [b(ops.sigmoid, x) for x in xs]
    with b.at("layer"):
        y = case.layer.expand(b, *xs)
    b.outputs["y"] = y
    for i in list(b.inputs.values()):
        if i.role == "state" and i.value in b.updates:
            b.outputs[f"new {i.name}"] = b.updates[i.value]
    if grads:
        weighted = b(ops.mul, y, b.input("cotangent", y.type, "data"))
        total = b(ops.sum_to, weighted, shape=()) if y.type.rank else weighted
        wanted = [i for i in b.inputs.values() if differentiable(i)]
        for i, g in zip(wanted, gradients(b, total, one(b), [i.value for i in wanted]), strict=True):
            if g is not None:  # the layer does not look at this one
                b.outputs[f"grad {i.name}"] = g
    return simplify(b.finish())


def sensitivity(graph: Graph, of: str, by: Sequence[str], dtype: DType = "f64") -> Program:
    """At batch 1, the gradient of Σ cotangent · `of` by each tensor in `by`; all named as in the net."""
    b = Builder(training=False, dtype=dtype)
    values = emit(graph, b, 1)
    y = values[graph.tensors[of]]
    total = b(ops.sum_to, b(ops.mul, y, b.input("cotangent", y.type, "data")), shape=())
    wanted = [values[graph.tensors[name]] for name in by]
    for name, g in zip(by, gradients(b, total, one(b), wanted), strict=True):
        assert g is not None
        b.outputs[f"grad {name}"] = g
    return simplify(b.finish())


def differentiable(i: Input) -> bool:
    return i.name != "cotangent" and i.role in ("data", "param") and i.value.type.dtype != "int"


def draw(p: Program, seed: int = 0) -> Arrays:
    """A value for every input.  Within one array all values differ and none is near 0: far from every kink."""
    rng = np.random.default_rng(seed)
    values: Arrays = {}
    for i in p.inputs:
        t = i.value.type
        if i.role == "counter":
            values[i.name] = STEP
        elif i.name == "seed":
            continue
        elif t.dtype == "int":
            values[i.name] = rng.integers(0, LABELS, t.dims)
        else:
            spread = np.linspace(-2, 2, 2 * ((t.size + 1) // 2))[: t.size]  # an even count has no 0
            array = rng.permutation(spread).reshape(t.dims)
            if i.role == "state" and i.name.endswith("var"):
                array = np.abs(array) + 0.5
            values[i.name] = array.astype(np.float32 if t.dtype == "f32" else np.float64)
    return values


def runner(p: Program, backend: str) -> Callable[[Mapping[str, Any]], Arrays]:
    """A program as a function: what stays between runs is written into its buffers, the rest is fed."""
    exe = compile_program(p, backend)  # type: ignore[arg-type]

    def once(values: Mapping[str, Any]) -> Arrays:
        for name, buffer in exe.buffers.items():
            buffer[...] = values[name]
        return exe.run(
            {i.name: values[i.name] for i in p.inputs if i.name not in exe.buffers and i.name in values}
        )

    return once


def run(p: Program, values: Mapping[str, Any], backend: str) -> Arrays:
    """Runs a program once."""
    return runner(p, backend)(values)


def nhwc(x: Any) -> Any:
    """`(N, C, H, W)` to `(N, H, W, C)`; vectors stay."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim > 2 else x


def nchw(x: Any) -> Any:
    """`(N, H, W, C)` to `(N, C, H, W)`; vectors stay."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim > 2 else x


def to_door(i: Input, array: Any) -> Any:
    """A parameter as files and PyTorch have it."""
    return np.ascontiguousarray(array.transpose(i.door)) if i.door else array


def from_door(i: Input, array: Any) -> Any:
    """A parameter of PyTorch's layout as programs have it."""
    return np.ascontiguousarray(array.transpose(np.argsort(i.door))) if i.door else array


def outer_type(t: TensorType) -> TensorType:
    return TensorType(logical(t.shape), t.dtype)


def written(pair: Any) -> str:
    """A number, or a pair of them at any depth, as it is written in a `.net` file."""
    return f"({written(pair[0])}, {written(pair[1])})" if isinstance(pair, tuple) else str(pair)


def close(found: Arrays, wanted: Arrays, *, rtol: float, atol: float) -> None:
    """Compares the arrays of the same names."""
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=rtol, atol=atol, err_msg=name)
