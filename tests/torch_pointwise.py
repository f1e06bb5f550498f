"""What activations, normalisations and losses are in PyTorch: (layer, inputs, weights by name, training) -> result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

Tensor = torch.Tensor
Weights = dict[str, Tensor]
Oracle = Callable[[Any, list[Tensor], Weights, bool], Tensor]


def _of(f: Callable[..., Tensor], *fields: str) -> Oracle:
    """A function of the inputs and, by name or as `theirs:ours`, of fields of the layer."""
    pairs = [field.split(":") for field in fields]
    return lambda layer, x, w, training: f(*x, **{p[0]: getattr(layer, p[-1]) for p in pairs})


# torch.group_norm is F.group_norm without its refusal of one number a channel.


def _ln(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    (x0,) = x
    gamma, beta = (None, None) if layer.affine == "scalar" else (w.get("weight"), w.get("bias"))
    if layer.over == "C":
        last = x0.movedim(1, -1)
        y = F.layer_norm(last, last.shape[-1:], gamma, beta, layer.eps).movedim(-1, 1)
    elif layer.affine == "feature":
        y = F.layer_norm(x0, x0.shape[1:], gamma, beta, layer.eps)
    else:
        y = torch.group_norm(x0, 1, gamma, beta, layer.eps)
    return y * w["weight"] + w["bias"] if layer.affine == "scalar" else y


def _gn(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return torch.group_norm(x[0], layer.groups, w.get("weight"), w.get("bias"), layer.eps)


def _instance_norm(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return F.instance_norm(x[0], None, None, w.get("weight"), w.get("bias"), True, 0.0, layer.eps)


def _lrn(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    x0 = x[0] if x[0].ndim > 2 else x[0][:, :, None]  # PyTorch's wants a map, and divides alpha by size
    y = F.local_response_norm(x0, layer.size, layer.alpha * layer.size, layer.beta, layer.k)
    return y.reshape(x[0].shape)


def _l2norm(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return F.normalize(x[0], dim=1, eps=layer.eps)


def _softmax_xent(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    logits, label = x
    given = torch.tensor(layer.class_weights, dtype=logits.dtype) if layer.class_weights else None
    return layer.weight * F.cross_entropy(logits, label, given, label_smoothing=layer.smoothing)


def _hinge(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    scores, label = x
    rows = scores.movedim(1, -1).reshape(-1, scores.shape[1])
    return layer.weight * F.multi_margin_loss(rows, label.reshape(-1), margin=layer.margin)


def _bce(layer: Any, x: list[Tensor], w: Weights, training: bool) -> Tensor:
    return layer.weight * F.binary_cross_entropy(*(torch.sigmoid(t) for t in x))


def _loss(f: Callable[..., Tensor], *fields: str) -> Oracle:
    plain = _of(f, *fields)
    return lambda layer, x, w, training: layer.weight * plain(layer, x, w, training)


MORE: dict[str, Oracle] = {
    "relu6": _of(F.relu6),
    "leaky_relu": _of(F.leaky_relu, "negative_slope:slope"),
    "prelu": lambda layer, x, w, training: F.prelu(x[0], w["weight"]),
    "elu": _of(F.elu, "alpha"),
    "selu": _of(F.selu),
    "gelu": lambda layer, x, w, training: F.gelu(
        x[0], approximate={"erf": "none", "tanh": "tanh"}[layer.form]
    ),
    "silu": _of(F.silu),
    "hardsigmoid": _of(lambda x: F.relu6(x + 3) / 6),  # the gradient of its own takes 1/6 in 32 bits
    "hardswish": _of(F.hardswish),
    "sign": _of(torch.sign),
    "identity": _of(lambda x: x),
    "log_softmax": _of(lambda x: F.log_softmax(x, 1)),
    "ln": _ln,
    "gn": _gn,
    "instance_norm": _instance_norm,
    "lrn": _lrn,
    "l2norm": _l2norm,
    "softmax_xent": _softmax_xent,
    "nll": _loss(F.nll_loss),
    "hinge": _hinge,
    "bce": _bce,
    "bce_logits": _loss(F.binary_cross_entropy_with_logits),
    "mae": _loss(F.l1_loss),
    "huber": _loss(F.huber_loss, "delta"),
}
