"""Fixes for what people write who come from another framework."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from netc.layers import LAYERS
from netc.syntax import ast

# Lower case, without the number of axes and without underscores: Keras and PyTorch differ in those.
_ELSEWHERE: Final = {
    "linear": "dense", "fc": "dense", "fullyconnected": "dense", "innerproduct": "dense",
    "batchnorm": "bn", "batchnormalization": "bn", "layernorm": "ln", "layernormalization": "ln",
    "groupnorm": "gn", "groupnormalization": "gn", "instancenorm": "instance_norm", "localresponsenorm": "lrn",
    "convolution": "conv", "convtranspose": "conv_transpose", "convtransposed": "conv_transpose",
    "deconv": "conv_transpose", "depthwiseconv": "depthwise", "separableconv": "separable",
    "maxpooling": "maxpool", "avgpooling": "avgpool", "averagepooling": "avgpool", "averagepool": "avgpool",
    "globalaveragepooling": "gap", "globalavgpool": "gap", "globalmaxpooling": "gmp", "globalmaxpool": "gmp",
    "concatenate": "concat", "cat": "concat", "multiply": "mul", "subtract": "sub", "plus": "add",
    "swish": "silu", "upsampling": "upsample", "interpolate": "upsample", "zeropad": "pad", "zeropadding": "pad",
    "permute": "transpose", "view": "reshape", "embed": "embedding", "droppath": "drop_path",
    "crossentropyloss": "softmax_xent", "crossentropy": "softmax_xent", "mseloss": "mse", "lloss": "mae",
    "nllloss": "nll", "bceloss": "bce", "bcewithlogitsloss": "bce_logits", "smoothlloss": "huber",
    "huberloss": "huber", "hingeloss": "hinge",
}  # fmt: skip
_BY_LETTERS: Final = {name.replace("_", ""): name for name in LAYERS}


def known_as(name: str, among: Container[str]) -> str:
    """What netc calls a layer that has another name elsewhere; nothing for other names.

    >>> known_as("BatchNorm2d", LAYERS), known_as("LeakyReLU", LAYERS), known_as("cnov", LAYERS)
    ('netc calls it `bn`', 'netc calls it `leaky_relu`', '')
    """
    plain = name.lower().replace("_", "")
    for axes in ("1d", "2d", "1", "2"):
        plain = plain.replace(axes, "")
    found = _ELSEWHERE.get(plain) or _BY_LETTERS.get(plain)
    return f"netc calls it `{found}`" if found and found in among else ""


def of_operand(op: str, e: ast.Expr) -> str:
    """The fix where an operand of a sum or a product is no tensor."""
    if isinstance(e, ast.Call):
        return f"give the branch a name on a line of its own, `a = x -> {e.name}(…)`, and join the names: `y = a + x`"
    if isinstance(e, ast.Number) and op != "*":
        return "tensors are joined by +, - and *, and numbers scale by a layer with given weights"
    if isinstance(e, ast.Number):
        fixed = f"depthwise(1, weight=[[{e.text}]], bias=false, frozen=true)"
        return f"a layer scales, not a number: `x -> {fixed}` multiplies a map by {e.text}"
    return ""


def of_argument(kind: str) -> str:
    """The fix where a tensor is given in the parentheses of a layer that joins several."""
    sign = {"add": " or `a + b`", "sub": " or `a - b`", "mul": " or `a * b`"}.get(kind, "")
    least, _ = LAYERS[kind].operands if kind in LAYERS else (1, 1)
    return f"tensors stand left of the arrow: `[a, b] -> {kind}`{sign}" if least > 1 else ""
