"""What LLVM makes, for processors that the tests do not run on, of all that multiplies and adds: read, not run.

NEON on an ARM; and on a RISC-V without vectors, the variant that is written in scalars.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import pytest
from llvmlite import ir
from numba import types
from numba.core import codegen
from numba.core.registry import cpu_target

from netc.backends.cpu import channelwise, gather, tile, transform, vmath
from netc.backends.cpu.jit import kernel
from netc.backends.cpu.target import variant
from netc.backends.cpu.walk import walk_text


@dataclass(frozen=True)
class Machine:
    family: str
    features: str
    multiply_add: str  # of a vector; of a number where there are none
    apart: str  # calls, and arithmetic of one number or in two steps
    stack: str

    @property
    def vectors(self) -> bool:
        return self.family == "aarch64"


NEON = Machine("aarch64", "+neon", r"\tfmla\tv\d+\.(?:4s|2d)", r"\t(?:fmadd|fmul|bl)\t", "[sp")
SSE = Machine("x86_64", "", r"\tmulp[sd]", r"\tcallq?\t", "(%rsp)")
SCALAR = Machine("riscv64", "+m,+a,+f,+d", r"\tfmadd\.[sd]", r"\t(?:fmul\.[sd]|call)\t", "(sp)")

# How many sums a tile has, as rows and vectors, and what makes it from the heights of a tall and a short one.
Maker = Callable[[int, int], Any]
TILES: dict[str, tuple[Callable[[int, int], int], Maker]] = {
    f"{name}, {'tall' if tall else 'short'} of {vectors}": (
        lambda t, s, tall=tall, vectors=vectors: vectors * (t if tall else s),
        lambda t, s, tall=tall, vectors=vectors, make=make: make(t if tall else s, vectors),
    )
    for name, make in (
        ("block", lambda height, vectors: tile._make(height, vectors, False)),
        ("block with a mask", lambda height, vectors: tile._make(height, vectors, True)),
        ("gathered", gather._make_gathered),
        ("lined", gather._make_lined),
    )
    for tall in (True, False)
    for vectors in (1, 2)
} | {
    "depthwise, four pixels": (lambda *_: 8, lambda *_: channelwise._make_spread(4, 2, False)),
    "depthwise, one pixel": (lambda *_: 8, lambda *_: channelwise._make_spread(1, 8, False)),
    "depthwise, by weights": (lambda *_: 4, lambda *_: channelwise._make_collect(False)),
}
TRANSFORMS = ("BT6", "AT43", "G43", "BT4", "AT23", "G23", "AT25", "G25", "AT34", "G34", "AT52", "G52")


def alone(intrinsic: Any, dtype: Any) -> str:
    """The IR of a function that does nothing but this; what it is given are addresses of the values."""
    array = types.Array(dtype, 1, "C")
    count = len(inspect.signature(intrinsic._defn).parameters) - 1
    signature, generate = intrinsic._defn(None, *[array] * count)
    context, module = cpu_target.target_context, ir.Module()
    kinds = [context.get_value_type(kind).as_pointer() for kind in signature.args]
    f = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "alone")
    builder = ir.IRBuilder(f.append_basic_block())
    generate(context, builder, signature, [builder.load(given) for given in f.args])
    builder.ret_void()
    return str(module)


def assembly(text: str, machine: Machine) -> str:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = f"{machine.family}-linux-gnu"
    made = llvm.Target.from_triple(triple).create_target_machine(
        cpu="generic", features=machine.features, opt=3
    )
    module = llvm.parse_assembly(text)
    module.triple = triple
    module.verify()
    passes = llvm.create_pass_builder(made, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    return made.emit_assembly(module)


def inner_loop(text: str, multiply_add: str) -> str:
    """The shortest loop that multiplies and adds, from its label to the branch back."""
    lines = text.split("\n")
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if line.startswith(".LBB")}
    branches = ((i, re.match(r"\t[bjct]\w*[.\w]*\t.*(\.LBB\w+)", line)) for i, line in enumerate(lines))
    loops = ("\n".join(lines[labels[m[1]] : i + 1]) for i, m in branches if m and labels[m[1]] <= i)
    return min((loop for loop in loops if re.search(multiply_add, loop)), key=len)


@pytest.mark.parametrize("dtype", [types.float32, types.float64], ids=str)
@pytest.mark.parametrize("machine", [NEON, SCALAR], ids=lambda machine: machine.family)
@pytest.mark.parametrize("name", TILES)
def test_inner_loops(name: str, machine: Machine, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one block of as many multiply-adds as there are sums, all of which stay in registers."""
    width, tall, short = variant(machine.features, machine.family)
    monkeypatch.setattr(tile, "VECTOR_BYTES", width)
    monkeypatch.setattr(gather, "TALL", tall)
    sums, make = TILES[name]
    loop = inner_loop(assembly(alone(make(tall, short), dtype), machine), machine.multiply_add)
    lanes = 1 if machine.vectors else 8 * width // dtype.bitwidth
    assert len(re.findall(machine.multiply_add, loop)) == sums(tall, short) * lanes
    assert machine.stack not in loop
    assert not re.search(machine.apart, loop)
    assert loop.count(".LBB") == 2  # its label and the branch back


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_are_vectors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Winograd's convolution, with NEON.  The largest have 36 vectors and what they work with for 32 registers: a
    few must wait on the stack.  With SSE, which has no fused form, no library is asked for it.
    """
    monkeypatch.setattr(transform, "LANES", variant("", "aarch64")[0] // 4)
    matrix = getattr(transform, name)
    text = alone(transform.two_sided(matrix), types.float32)
    made = assembly(text, NEON)
    plain = all(x in (0, 1, -1) for row in matrix for x in row)
    assert plain or re.search(NEON.multiply_add, made)
    assert not re.search(r"\t(?:f\w+\ts\d|fmadd|bl\t)", made)
    assert len(re.findall(r"\tst[rp]\tq.*\[sp", made)) <= 16
    assert "call" not in assembly(text, SSE)


@pytest.mark.parametrize("name", ["exp_of", "tanh_of", "erf_of"])
def test_exponentials_become_vectors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM makes vectors of a loop over them for NEON too, from what Numba gives it."""
    function, given = getattr(vmath, name), []
    optimise = codegen.CPUCodeLibrary._optimize_final_module

    def noted(library: Any) -> None:
        given.append(str(library._final_module))
        optimise(library)

    @kernel
    def loop(lo: int, hi: int, x: Any, y: Any) -> None:
        for i in range(lo, hi):
            y[i] = function(x[i])

    monkeypatch.setattr(codegen.CPUCodeLibrary, "_optimize_final_module", noted)
    numbers = types.float32[::1]
    loop.compile((types.int64, types.int64, numbers, numbers))
    text = re.sub(r'target datalayout.*|"target-(cpu|features)"="[^"]*"', "", given[-1])
    found = inner_loop(assembly(text, NEON), NEON.multiply_add)
    assert NEON.stack not in found
    assert not re.search(r"\t(?:f\w+\ts\d|fmadd|bl\t)", found)


def test_walk_is_that_of_an_arm_too() -> None:
    """It flushes numbers that are not normal, and puts the mode back."""
    assert assembly(walk_text("aarch64"), NEON).count("FPCR, x") == 2
