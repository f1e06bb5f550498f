"""The source of pointwise loops: what is in it, and what its numbers are."""

from __future__ import annotations

import numpy as np

from netc import ops
from netc.backends.cpu import emit, loops, store
from netc.ops.fused import Expression, Step


def expression(*steps: Step, results: tuple[int, ...]) -> Expression:
    return Expression(steps, results)


def test_source_of_a_loop() -> None:
    e = expression(Step(ops.add, (0, 1)), Step(ops.relu, (2,)), results=(3,))
    text = loops.source(loops.Loop(e, ("full", "vector"), (0,)))
    assert "v2 = a0 + a1" in text
    assert "v3 = max(v2, T(0.0))" in text
    assert "x0r[i] = v3" in text
    assert "y0" not in text  # the result is the operand's memory


def test_numbers_of_a_program_are_not_in_the_source() -> None:
    texts = {
        loops.source(
            loops.Loop(expression(Step(ops.scale, (0,), (("factor", f),)), results=(1,)), ("full",), (None,))
        )
        for f in (0.5, 0.25)
    }
    assert len(texts) == 1


def test_32_bits_stay_32_bits() -> None:
    source = emit.load(
        "loop",
        loops.source(
            loops.Loop(
                expression(Step(ops.sigmoid, (0,)), Step(ops.scale, (1,), (("factor", 0.5),)), results=(2,)),
                ("full",),
                (None,),
            )
        ),
    )
    arguments = store.kinds((0, 64, *[np.zeros(64, np.float32)] * 2, np.float32(0.5)))
    store.compiled(emit.written(source), "loop", arguments)
    loop = emit.imported(emit.written(source)).loop
    assert "fpext float" not in loop.inspect_llvm(loop.signatures[0])
