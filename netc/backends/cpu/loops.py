"""Pointwise equations become loops: the source of each scalar body, pasted into one loop over memory.

    add($0, $1); relu($2) → $3        with the operands' kinds "full" and "vector"

becomes

    for row in range(lo, hi):
        r0 = x0[row * inner : row * inner + inner]
        …
        for i in range(inner):
            a0 = r0[i]
            a1 = x1[i]
            v2 = a0 + a1
            v3 = max(v2, T(0.0))
            w0[i] = v3

Where every operand has the result's shape or is a scalar the loop is flat.  A result that lives where an
operand lives is written through the operand's name, so LLVM sees that they are one.  Numbers that a primitive
is given (a factor, a rate) are arguments, so that one compiled loop serves them all.

A loop that sums each channel takes its rows in blocks, each into sums of its own, whose number follows from the shape
alone, or, taken along by a convolution, from that one's blocks; `kernels/reduce.py: total` adds them up in their order.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import gcd, inf, prod
from typing import Any, Literal

from netc import ops
from netc.backends.cpu.call import ALONE, Along, Borrow, Bound, Call, Finish, Own, block_of
from netc.backends.cpu.emit import Kernel, kernels, load
from netc.ops.fused import Expression, Step, fused, whole_type
from netc.ops.primitive import Value

Kind = Literal["full", "scalar", "vector", "gate"]

# Blocks of rows that are summed by themselves: rounding grows with the rows of a block plus the number of blocks.
_PARTS, _LEAST, _MOST = 32, 16, 256  # about so many of them, each of so many rows at least and at most
_WIDE = 64  # numbers of a row from which its loop is worth its start: several rows of few channels are taken as one

_HEAD = '''"""{title}"""

from math import log, sqrt

from netc.backends.cpu.jit import kernel
{imports}

@kernel
'''
# What a loop imports if it uses it: each takes time when the loop is loaded.
_IMPORTS = {
    "tiled": "from netc.backends.cpu.repeat import tiled",
    "_of(": "from netc.backends.cpu.vmath import erf_of, exp_of, log1p_of, tanh_of",
}
_RENAMED = {"erf": "erf_of", "exp": "exp_of", "tanh_of": "tanh_of", "log1p": "log1p_of"}


@dataclass(frozen=True, slots=True)
class Loop:
    """All that the source depends on.  `kinds` are the operands'; `over` gives the operand that a result
    replaces.
    """

    expression: Expression
    kinds: tuple[Kind, ...]
    over: tuple[int | None, ...]

    @property
    def flat(self) -> bool:
        """Whether rows do not matter: no operand is shorter than the result, but scalars."""
        return all(k in ("full", "scalar") for k in self.kinds)


def pointwise(b: Bound) -> list[Call]:
    """One loop, whatever the expression, and one more call for each sum."""
    loop, shape = _loop(b), _shape(b)
    if loop.flat and not loop.expression.sums:
        return [Call(_kernel(loop), prod(shape), _arguments(b, loop, 0), b.work)]
    rows = prod(shape[:-1])
    merged = _merged(b, loop, rows)
    if loop.expression.sums:
        rows //= merged
        return _summing(b, loop, merged, min(max(-(-rows // _PARTS), _LEAST), _MOST))
    return [Call(_kernel(loop), rows // merged, _arguments(b, loop, merged), b.work)]


def along(b: Bound, pixels: int) -> Along:
    """The loop for a kernel that finishes so many pixels at a time."""
    loop, shape = _loop(b), _shape(b)
    rows = prod(shape[:-1])
    if loop.flat and not loop.expression.sums:
        return Along(Call(_kernel(loop), prod(shape), _arguments(b, loop, 0), b.work), shape[-1])
    merged = _merged(b, loop, gcd(rows, pixels))
    if not loop.expression.sums:
        return Along(Call(_kernel(loop), rows // merged, _arguments(b, loop, merged), b.work), 1, merged)
    block = block_of(pixels // merged)
    if not block:
        return ALONE
    blocks, *totals = _summing(b, loop, merged, block)
    return Along(blocks, 1, merged * block, tuple(totals))


def finish(b: Bound, y: Value) -> Finish | None:
    """The loop as a tile does it to its sums, which are y: a bias, then a residual of the same type, and bounds; None
    where it is another.
    """
    if b.eq.op is not fused and b.eq.op is not ops.bias:
        return None
    expression, inputs = _expression(b), b.eq.inputs
    (first, *others), biased = expression.steps, len(inputs)  # the number of the first step's result
    if first.op is not ops.bias or inputs[first.args[0]] is not y or inputs[first.args[1]] is y:
        return None
    last, residual, bounds = biased, None, {"low": -inf, "high": inf}
    if others and others[0].op is ops.add:
        operands = [i for i in others.pop(0).args if i != biased]
        if len(operands) != 1 or inputs[operands[0]].type != y.type or inputs[operands[0]] is y:
            return None
        last, residual = last + 1, operands[0]
    if others and others[0].op in (ops.relu, ops.clip) and others[0].args == (last,):
        last, bounds = last + 1, dict(others.pop(0).params) or {"low": 0.0, "high": inf}
    if others or expression.sums or expression.results != (last,):
        return None
    added = None if residual is None else b.inputs[residual]
    return Finish(b.inputs[first.args[1]], bounds["low"], bounds["high"], added)


def _merged(b: Bound, loop: Loop, rows: int) -> int:
    """How many rows of few channels are taken as one; it divides their number."""
    merged = 1
    while rows % (2 * merged) == 0 and merged * _shape(b)[-1] < _WIDE and "gate" not in loop.kinds:
        merged *= 2
    return merged


def _shape(b: Bound) -> tuple[int, ...]:
    return whole_type(tuple(v.type for v in b.eq.inputs), _expression(b)).dims


def _loop(b: Bound) -> Loop:
    """What the source of the equation's loop depends on."""
    expression, shape = _expression(b), _shape(b)
    kinds: tuple[Kind, ...] = tuple(_kind(b.shape(i), shape) for i in range(len(b.inputs)))
    homes = {x.ctypes.data: i for i, x in enumerate(b.inputs) if kinds[i] == "full"}
    results = b.outputs[: len(expression.results)]
    return Loop(expression, kinds, tuple(homes.get(out.ctypes.data) for out in results))


def _kernel(loop: Loop) -> Kernel:
    return load("loop", source(loop)).loop


def _arguments(b: Bound, loop: Loop, merged: int, sums: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    """What the kernel takes, where so many rows are `merged` into one, or all are (0)."""
    one = b.outputs[0].dtype.type
    outputs = [out for out, over in zip(b.outputs, loop.over, strict=False) if over is None]
    numbers = [one(value) for step in loop.expression.steps for _, value in step.params]
    if not merged:
        return (*b.inputs, *outputs, *numbers)
    shape, inner = _shape(b), merged * _shape(b)[-1]
    gates = [_strides(b.shape(i), shape) for i, kind in enumerate(loop.kinds) if kind == "gate"]
    vectors = [x for x, kind in zip(b.inputs, loop.kinds, strict=True) if kind == "vector"]
    tiles = [Own(inner if x.size < inner else 0, x.dtype) for x in vectors]
    return (
        *b.inputs,
        *outputs,
        *tiles,
        *sums,
        inner,
        *([_leading(shape)] if gates else []),
        *gates,
        *numbers,
    )


def _summing(b: Bound, loop: Loop, merged: int, block: int) -> list[Call]:
    """The loop over blocks of so many merged rows, and what adds their sums up."""
    shape = _shape(b)
    rows, inner = prod(shape[:-1]) // merged, shape[-1] * merged
    parts, count = -(-rows // block), len(loop.expression.sums)
    partial = Borrow(parts * count * inner, b.outputs[0].dtype)
    calls = [Call(_kernel(loop), parts, _arguments(b, loop, merged, (partial, rows, block)), b.work)]
    total = kernels("reduce").total
    for i, out in enumerate(b.outputs[-count:]):
        args = (partial, out, parts, count * inner, i * inner, inner // out.size, out.size)
        calls.append(Call(total, out.size, args, parts * inner))
    return calls


def _expression(b: Bound) -> Expression:
    if b.eq.op is fused:
        return b.params["expression"]
    count = len(b.inputs)
    params = tuple(sorted(b.params.items()))
    return Expression((Step(b.eq.op, tuple(range(count)), params),), (count,))


def _kind(operand: tuple[int, ...], result: tuple[int, ...]) -> Kind:
    if operand == result:
        return "full"
    if operand == ():
        return "scalar"
    return "vector" if len(operand) == 1 else "gate"


def _leading(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """All axes but the last, as three."""
    if len(shape) > 4:
        raise ValueError(f"the CPU backend broadcasts over at most 4 axes, not {shape}")
    a, b, c = (1,) * (4 - len(shape)) + shape[:-1]
    return a, b, c


def _strides(operand: tuple[int, ...], result: tuple[int, ...]) -> tuple[int, int, int]:
    """How far the operand moves for a step along each leading axis of the result: 0 where it repeats."""
    sizes = (1,) * (4 - len(operand)) + operand
    steps = (sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3])
    whole = _leading(result)
    a, b, c = (0 if sizes[i] == 1 and whole[i] != 1 else steps[i] for i in range(3))
    return a, b, c


# ---- The source -------------------------------------------------------------------------------------------


@cache
def source(loop: Loop) -> str:
    """A module with the one kernel `loop(lo, hi, *operands, *results, *tiles, *sizes, *numbers)`: a tile is memory
    for a row of an operand that is a vector.
    """
    results = [f"y{j}" for j, over in enumerate(loop.over) if over is None]
    operands = [f"x{i}" for i in range(len(loop.kinds))]
    gates, vectors = ([i for i, k in enumerate(loop.kinds) if k == kind] for kind in ("gate", "vector"))
    tiles = [f"t{i}" for i in vectors]
    sizes = ["partial", "rows", "block"] if loop.expression.sums else []
    sizes += ["inner"] if sizes or not loop.flat else []
    sizes += ["leading", *(f"strides{i}" for i in gates)] if gates else []
    numbers = [f"p{s}_{name}" for s, step in enumerate(loop.expression.steps) for name, _ in step.params]
    arguments = ", ".join(["lo", "hi", *operands, *results, *tiles, *sizes, *numbers])
    full = [f"x{i}" for i, kind in enumerate(loop.kinds) if kind == "full"] + results
    lines = [f"def loop({arguments}):", f"    T = {full[0]}.dtype.type"]
    lines += [f"    a{i} = x{i}[0]" for i, kind in enumerate(loop.kinds) if kind == "scalar"]
    lines += [f"    x{i}r = tiled(x{i}, t{i}, inner)" for i in vectors]
    if loop.expression.sums:
        lines += _indented(_blocks(loop, full))
    elif loop.flat:
        lines += [f"    {name}r = {name}[lo:hi]" for name in full]
        lines += ["    for i in range(hi - lo):", *_indented(_inside(loop), 2)]
    else:
        lines += ["    for row in range(lo, hi):", *_indented(_row(loop, full), 2)]
    text = "\n".join(lines) + "\n"
    imports = "".join(f"{line}\n" for used, line in _IMPORTS.items() if used in text)
    return _HEAD.format(title=_title(loop), imports=imports) + text


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]


def _blocks(loop: Loop, full: list[str]) -> Iterator[str]:
    """Blocks lo..hi of rows, each with its sums `(sums, inner)` in `partial`."""
    count = len(loop.expression.sums)
    yield "for unit in range(lo, hi):"
    yield f"    sums = partial[unit * {count} * inner : (unit + 1) * {count} * inner]"
    yield "    for i in range(sums.size):"
    yield "        sums[i] = 0"
    for j in range(count):
        yield f"    s{j} = sums[{j} * inner : {j + 1} * inner]"
    yield "    for row in range(unit * block, min(rows, (unit + 1) * block)):"
    yield from _indented(_row(loop, full), 2)


def _row(loop: Loop, full: list[str]) -> Iterator[str]:
    """One row: where its operands and results are, and the loop over its numbers."""
    for name in full:
        yield f"{name}r = {name}[row * inner : row * inner + inner]"
    for i, kind in enumerate(loop.kinds):
        if kind == "gate":
            yield f"at{i} = row // (leading[1] * leading[2]) * strides{i}[0]"
            yield f"at{i} += row // leading[2] % leading[1] * strides{i}[1] + row % leading[2] * strides{i}[2]"
            yield f"x{i}r = x{i}[at{i} : at{i} + inner]"
    yield "for i in range(inner):"
    yield from _indented(_inside(loop))


def _title(loop: Loop) -> str:
    """The expression without the values of its numbers: the text, and so the file, is the same for all of
    them.
    """
    steps = [f"{s.op}({', '.join(f'${i}' for i in s.args)})" for s in loop.expression.steps]
    sums = (
        f", and the sums of {', '.join(f'${i}' for i in loop.expression.sums)},"
        if loop.expression.sums
        else ""
    )
    return f"{'; '.join(steps)}{sums} with operands that are {', '.join(loop.kinds)}."


def _inside(loop: Loop) -> Iterator[str]:
    """The statements for one element: all loads, the steps, all stores, all sums."""
    count = len(loop.kinds)
    for i, kind in enumerate(loop.kinds):
        if kind != "scalar":
            yield f"a{i} = x{i}r[i]"
    names = [f"a{i}" for i in range(count)]
    for s, step in enumerate(loop.expression.steps):
        numbers = {name: f"p{s}_{name}" for name, _ in step.params}
        yield from _pasted(step, f"v{count + s}", [names[i] for i in step.args], numbers)
        names.append(f"v{count + s}")
    for j, result in enumerate(loop.expression.results):
        over = loop.over[j]
        yield f"{f'y{j}' if over is None else f'x{over}'}r[i] = {names[result]}"
    for j, summed in enumerate(loop.expression.sums):
        yield f"s{j}[i] += {names[summed]}"


def _pasted(step: Step, result: str, operands: list[str], numbers: dict[str, str]) -> Iterator[str]:
    """The body of a primitive with its own names replaced: assignments, and the one `return` as the last."""
    assert step.op.body is not None
    body = _body(step.op.body)
    first = [a.arg for a in body.args.args]
    names = dict(zip(first, [*operands, *(numbers[name] for name in first[len(operands) :])], strict=True))
    for statement in body.body:
        stored = [
            n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        names |= {name: f"{result}_{name}" for name in stored}
        renamed = _Renamed(names).visit(ast.parse(ast.unparse(statement)).body[0])
        if isinstance(renamed, ast.Return) and renamed.value is not None:
            yield f"{result} = {ast.unparse(renamed.value)}"
        elif isinstance(renamed, ast.Assign):
            yield ast.unparse(renamed)
        else:
            raise TypeError(
                f"the body of {step.op} has a statement that cannot be pasted: {ast.unparse(renamed)}"
            )


@cache
def _body(function: Callable[..., Any]) -> ast.FunctionDef:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    return definition


class _Renamed(ast.NodeTransformer):
    """Names replaced, and numbers made constants of the loop's type: `x * 0.5` on 32 bits must stay 32 bits."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names | _RENAMED

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Call(ast.Name("T", ast.Load()), [ast.Constant(float(node.value))], [])  # type: ignore[arg-type]
