"""The meaning of convolution, pooling, norms, losses and activations against PyTorch, in 64 bits, drawn
sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netc import ops
from tests.primitive_case import CASES, Application, run

DRAWS = settings(max_examples=25, deadline=None, derandomize=True)
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
Pads = tuple[tuple[int, int], tuple[int, int]]


def nchw(x: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def nhwc(x: torch.Tensor) -> Any:
    return x.detach().numpy().transpose(0, 2, 3, 1)


def weights(w: Any) -> torch.Tensor:
    """(R, S, C/G, K) to PyTorch's (K, C/G, R, S)."""
    return torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))


def padded(x: torch.Tensor, pad: Pads, value: float = 0.0) -> torch.Tensor:
    """PyTorch's convolutions pad both sides alike; ours need not."""
    (top, bottom), (left, right) = pad
    return F.pad(x, (left, right, top, bottom), value=value)


def torch_conv(x: torch.Tensor, w: torch.Tensor, p: dict[str, Any]) -> torch.Tensor:
    return F.conv2d(padded(x, p["pad"]), w, None, p["stride"], 0, p["dilation"], p["groups"])


@DRAWS
@given(st.data())
def test_conv(data: st.DataObject) -> None:
    app = CASES["conv"](data.draw)
    x, w = app.operands
    np.testing.assert_allclose(
        run(app, "numpy", "f64")[0], nhwc(torch_conv(nchw(x), weights(w), app.params)), **CLOSE
    )


@DRAWS
@given(st.data())
def test_conv_data(data: st.DataObject) -> None:
    app = CASES["conv_data"](data.draw)
    g, w = app.operands
    n, (h, width), c = g.shape[0], app.params["size"], w.shape[2] * app.params["groups"]
    x = torch.zeros(n, c, h, width, dtype=torch.float64, requires_grad=True)
    torch_conv(x, weights(w), app.params).backward(nchw(g))
    assert x.grad is not None
    np.testing.assert_allclose(run(app, "numpy", "f64")[0], nhwc(x.grad), **CLOSE)


@DRAWS
@given(st.data())
def test_conv_weights(data: st.DataObject) -> None:
    app = CASES["conv_weights"](data.draw)
    x, g = app.operands
    shape = g.shape[3], x.shape[3] // app.params["groups"], *app.params["window"]
    w = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    torch_conv(nchw(x), w, app.params).backward(nchw(g))
    assert w.grad is not None
    got = run(app, "numpy", "f64")[0]
    np.testing.assert_allclose(got, w.grad.numpy().transpose(2, 3, 1, 0), **CLOSE)


def like_torch(app: Application) -> tuple[int, int]:
    """The padding, where PyTorch can be told it: alike on both sides and at most half a window."""
    (top, bottom), (left, right) = app.params["pad"]
    kh, kw = app.params["kernel"]
    assume(top == bottom <= kh // 2 and left == right <= kw // 2)
    return top, left


def torch_pool(name: str, x: torch.Tensor, app: Application) -> torch.Tensor:
    p, pad = app.params, like_torch(app)
    if name == "maxpool":
        return F.max_pool2d(x, p["kernel"], p["stride"], pad, p["dilation"], p["ceil"])
    return F.avg_pool2d(x, p["kernel"], p["stride"], pad, p["ceil"], p["count_pad"])


@pytest.mark.parametrize("name", ["maxpool", "avgpool"])
def test_pool(name: str) -> None:
    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        app = CASES[name](data.draw)
        want = torch_pool(name, nchw(app.operands[0]), app)
        np.testing.assert_allclose(run(app, "numpy", "f64")[0], nhwc(want), **CLOSE)

    drawn()


@pytest.mark.parametrize("name", ["maxpool", "avgpool"])
def test_pool_gradient(name: str) -> None:
    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        app = CASES[f"{name}_grad"](data.draw)
        g = app.operands[-1]
        shape = app.operands[0].shape if name == "maxpool" else (g.shape[0], *app.params["size"], g.shape[3])
        start = app.operands[0] if name == "maxpool" else np.zeros(shape)
        x = nchw(start).requires_grad_()
        torch_pool(name, x, app).backward(nchw(g))
        assert x.grad is not None
        np.testing.assert_allclose(run(app, "numpy", "f64")[0], nhwc(x.grad), **CLOSE)

    drawn()


@DRAWS
@given(st.data())
def test_batch_norm(data: st.DataObject) -> None:
    app = CASES["batch_norm_grad"](data.draw)
    x, gamma, _, _, g = app.operands
    assume(x.size > x.shape[-1])  # PyTorch wants more than one value a channel
    mean, var = run(Application(ops.moments, (x,)), "numpy", "f64")
    flat = torch.from_numpy(x.reshape(-1, x.shape[-1]).copy()).requires_grad_()
    scale, shift = torch.from_numpy(gamma).requires_grad_(), torch.zeros(len(gamma), dtype=torch.float64)
    shift.requires_grad_()
    y = F.batch_norm(flat, None, None, scale, shift, training=True, eps=1e-5)
    y.backward(torch.from_numpy(g.reshape(flat.shape).copy()))
    grads = run(Application(app.op, (x, gamma, mean, var, g), app.params), "numpy", "f64")
    for got, want in zip(grads, (flat.grad, scale.grad, shift.grad), strict=True):
        assert want is not None
        # where all values of a channel are equal, 1/σ is 316 and cancels nearly equal numbers
        np.testing.assert_allclose(got.reshape(want.shape), want.numpy(), rtol=1e-8, atol=1e-8)


@DRAWS
@given(st.data())
def test_softmax_xent(data: st.DataObject) -> None:
    app = CASES["softmax_xent"](data.draw)
    logits, label = torch.from_numpy(app.operands[0]), torch.from_numpy(app.operands[1])
    loss, p = run(app, "numpy", "f64")
    np.testing.assert_allclose(loss[:, 0], F.cross_entropy(logits, label, reduction="none").numpy(), **CLOSE)
    np.testing.assert_allclose(p, F.softmax(logits, 1).numpy(), **CLOSE)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "softplus"])
def test_activation(name: str) -> None:
    @DRAWS
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        app = CASES[name](data.draw)
        want = getattr(F if name == "softplus" else torch, name)(torch.from_numpy(app.operands[0]))
        np.testing.assert_allclose(run(app, "numpy", "f64")[0], want.numpy(), **CLOSE)

    drawn()
