"""The primitives.  Each states its type, its meaning in NumPy, its gradient and its cost in one place.

`ALL` is every primitive by its name; backends and tests run over it.
"""

from netc.ops.contract import conv, conv_data, conv_weights, dot
from netc.ops.fused import fused
from netc.ops.normalise import (
    batch_norm,
    batch_norm_grad,
    in_top,
    moments,
    softmax,
    softmax_grad,
    softmax_xent,
    softmax_xent_grad,
)
from netc.ops.pointwise import (
    add,
    bias,
    div,
    mul,
    neg,
    relu,
    relu_grad,
    root,
    scale,
    shift,
    sigmoid,
    sigmoid_grad,
    softplus,
    sub,
    tanh,
    tanh_grad,
)
from netc.ops.pool import avgpool, avgpool_grad, maxpool, maxpool_grad
from netc.ops.primitive import Application, Emit, Primitive, Value
from netc.ops.random import dropout_mask
from netc.ops.shape import concat, cut, fill, reshape, spread, sum_to, swap, uncut

ALL = {p.name: p for p in list(globals().values()) if isinstance(p, Primitive)}

__all__ = [
    "ALL",
    "Application",
    "Emit",
    "Primitive",
    "Value",
    "add",
    "avgpool",
    "avgpool_grad",
    "batch_norm",
    "batch_norm_grad",
    "bias",
    "concat",
    "conv",
    "conv_data",
    "conv_weights",
    "cut",
    "div",
    "dot",
    "dropout_mask",
    "fill",
    "fused",
    "in_top",
    "maxpool",
    "maxpool_grad",
    "moments",
    "mul",
    "neg",
    "relu",
    "relu_grad",
    "reshape",
    "root",
    "scale",
    "shift",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_grad",
    "softmax_xent",
    "softmax_xent_grad",
    "softplus",
    "spread",
    "sub",
    "sum_to",
    "swap",
    "tanh",
    "tanh_grad",
    "uncut",
]
