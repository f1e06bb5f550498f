"""What a kernel does between its own work: a stretch of another call, for pixels that it has just finished.

`then` is two numbers: where five words lie that say what to call, and the thread's number (`table.py` writes the words,
the driver's trampoline passes both on).  The words are a trampoline, a kernel, its block of arguments, and the two
numbers that make units of pixels.
"""

# pyright: basic
# pyright: reportCallIssue=false
# Numba gives these functions their types when they are called, and intrinsics their first argument.

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()


@intrinsic
def follow(_, then, lo, hi):
    """Pixels lo..hi are finished; nothing happens where `then` names no call."""

    def generate(ctx, builder, signature, values):
        place, thread = (builder.extract_value(values[0], i) for i in range(2))
        with builder.if_then(builder.icmp_signed("!=", place, ir.Constant(_WORD, 0))):
            words = builder.inttoptr(place, _WORD.as_pointer())
            call, kernel, block, times, over = (
                builder.load(builder.gep(words, [ir.Constant(_WORD, i)])) for i in range(5)
            )
            arguments = [_BYTES, _WORD, _WORD, _WORD, _BYTES]
            function = builder.inttoptr(call, ir.FunctionType(ir.VoidType(), arguments).as_pointer())
            first = builder.sdiv(builder.mul(values[1], times), over)
            up = builder.sub(builder.add(builder.mul(values[2], times), over), ir.Constant(_WORD, 1))
            kernel, block = builder.inttoptr(kernel, _BYTES), builder.inttoptr(block, _BYTES)
            builder.call(function, [kernel, thread, first, builder.sdiv(up, over), block])
        return ctx.get_dummy_value()

    return types.void(types.UniTuple(types.intp, 2), types.intp, types.intp), generate
