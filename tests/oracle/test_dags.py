"""Nets at random, of branches that part and join again, have the shapes and as many parameters as PyTorch's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from netc.loading import load_text

MOST_ELEMENTS = 200_000  # of one example, so that no head becomes large
Step = tuple[str, nn.Module]  # a layer as netc and as PyTorch write it


@dataclass
class Net:
    """A net as it is drawn: its lines, its tensors in PyTorch, which have no memory (`meta`), and its parameters."""

    data: st.DataObject
    tensors: dict[str, Tensor]
    lines: list[str] = field(default_factory=list[str])
    params: int = 0

    def int(self, least: int, most: int) -> int:
        return self.data.draw(st.integers(least, most))

    def one(self, of: Any) -> Any:
        return self.data.draw(st.sampled_from(of))

    def source(self) -> tuple[str, Tensor]:
        """A tensor, or several that fit, joined."""
        name = self.one(list(self.tensors)) if self.lines else "x"
        x = self.tensors[name]
        alike = [n for n, t in self.tensors.items() if t.shape == x.shape]
        beside = [n for n, t in self.tensors.items() if t.dim() == x.dim() and t.shape[2:] == x.shape[2:]]
        gates = [n for n, t in self.tensors.items() if x.dim() == 4 and t.shape == (*x.shape[:2], 1, 1)]
        kind = self.one(["alone", "alone", "sign", "join", "concat", "rows", "gate"])
        if kind == "sign":
            return f"{name} {self.one('+-*')} {self.one(alike)}", x
        if kind == "join":
            return f"[{name}, {self.one(alike)}, {self.one(alike)}] -> {self.one(['add', 'mul'])}", x
        if kind == "concat":
            other = self.one(beside)
            return f"[{name}, {other}] -> concat", torch.cat([x, self.tensors[other]], 1)
        if kind == "rows" and x.dim() == 4:
            return f"[{name}, {self.one(alike)}] -> concat(axis=H)", torch.cat([x, x], 2)
        if kind == "gate" and gates:
            return f"{name} * {self.one(gates)}", x
        return name, x

    def statement(self) -> None:
        """One line: a source, and up to four layers."""
        text, x = self.source()
        for _ in range(self.int(0 if self.lines else 1, 4)):
            step = dense(self, x) if x.dim() == 2 else self.one(LAYERS)(self, x)
            if step is None:
                continue
            written, module = step
            y = module.to("meta").eval()(x)
            if y.numel() <= MOST_ELEMENTS:
                text, x = f"{text} -> {written}", y
                self.params += sum(p.numel() for p in module.parameters())
        name = f"t{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        self.tensors[name] = x

    @property
    def text(self) -> str:
        sizes = ", ".join(map(str, self.tensors["x"].shape[1:]))
        lines = [f"  input x: [N, {sizes}]", *self.lines, f"  output {', '.join(list(self.tensors)[1:])}"]
        return "\n".join(["net A {", *lines, "}", ""])


# ---- Layers, each None where what was drawn does not fit -----------------------------------------------------


def conv(net: Net, x: Tensor) -> Step | None:
    c, out, k, s, p, d = (
        x.shape[1],
        2 * net.int(1, 4),
        net.int(1, 4),
        net.int(1, 3),
        net.int(0, 2),
        net.int(1, 2),
    )
    if min(x.shape[2:]) + 2 * p < d * (k - 1) + 1:
        return None
    groups, bias = net.one([g for g in {1, 2, c} if c % g == 0 and out % g == 0]), net.one([False, True])
    cls = nn.Conv1d if x.dim() == 3 else nn.Conv2d
    said = f"stride={s}, pad={p}, dilation={d}, groups={groups}, bias={str(bias).lower()}"
    return f"conv({out}, {k}, {said})", cls(c, out, k, s, p, d, groups, bias)


def oblong_conv(net: Net, x: Tensor) -> Step | None:
    """Kernel, stride and padding differ along height and width."""
    k, s, p = ((net.int(1, 4), net.int(1, 4)), (net.int(1, 3), net.int(1, 3)), (net.int(0, 2), net.int(0, 2)))
    if x.dim() == 3 or any(size + 2 * b < a for size, a, b in zip(x.shape[2:], k, p, strict=True)):
        return None
    return f"conv(3, {k}, stride={s}, pad={p})", nn.Conv2d(x.shape[1], 3, k, s, p)


def half_conv(net: Net, x: Tensor) -> Step | None:
    """A window that keeps the size, or halves it."""
    k, s, d = net.one([1, 3, 5]), net.int(1, 2), net.int(1, 2)
    cls = nn.Conv1d if x.dim() == 3 else nn.Conv2d
    module = cls(x.shape[1], 4, k, s, d * (k - 1) // 2, d)
    return f"conv(4, {k}, stride={s}, dilation={d}, pad=half)", module


def depthwise(net: Net, x: Tensor) -> Step | None:
    if x.dim() == 3:
        return None
    c, k, s = x.shape[1], net.one([1, 3]), net.int(1, 2)
    return f"depthwise({k}, stride={s}, pad=half)", nn.Conv2d(c, c, k, s, k // 2, groups=c)


def conv_transpose(net: Net, x: Tensor) -> Step | None:
    out, k, s, p, d = net.int(1, 6), net.int(1, 4), net.int(1, 3), net.int(0, 2), net.int(1, 2)
    extra = net.int(0, s - 1)
    if min((size - 1) * s - 2 * p + d * (k - 1) + extra + 1 for size in x.shape[2:]) < 1:
        return None
    cls = nn.ConvTranspose1d if x.dim() == 3 else nn.ConvTranspose2d
    said = f"stride={s}, pad={p}, dilation={d}, output_pad={extra}"
    return f"conv_transpose({out}, {k}, {said})", cls(x.shape[1], out, k, s, p, extra, 1, True, d)


def maxpool(net: Net, x: Tensor) -> Step | None:
    k, s, d, ceil = net.int(1, 4), net.int(1, 3), net.int(1, 2), net.one([False, True])
    p = net.int(0, k // 2)
    if min(x.shape[2:]) + 2 * p < d * (k - 1) + 1 or d > min(
        x.shape[2:]
    ):  # of padding alone there is no maximum
        return None
    cls = nn.MaxPool1d if x.dim() == 3 else nn.MaxPool2d
    said = f"stride={s}, pad={p}, dilation={d}, round={'ceil' if ceil else 'floor'}"
    return f"maxpool({k}, {said})", cls(k, s, p, d, ceil_mode=ceil)


def avgpool(net: Net, x: Tensor) -> Step | None:
    k, s, ceil = net.int(1, 4), net.int(1, 3), net.one([False, True])
    p = net.int(0, k // 2)
    if min(x.shape[2:]) + 2 * p < k:
        return None
    cls = nn.AvgPool1d if x.dim() == 3 else nn.AvgPool2d
    return f"avgpool({k}, stride={s}, pad={p}, round={'ceil' if ceil else 'floor'})", cls(k, s, p, ceil)


def bn(_: Net, x: Tensor) -> Step:
    return "bn", (nn.BatchNorm1d if x.dim() == 3 else nn.BatchNorm2d)(x.shape[1])


def prelu(_: Net, x: Tensor) -> Step:
    return "prelu", nn.PReLU(x.shape[1])


def relu(_: Net, _x: Tensor) -> Step:
    return "relu", nn.ReLU()


def upsample(net: Net, _: Tensor) -> Step:
    factor = net.int(1, 3)
    return f"upsample({factor})", nn.Upsample(scale_factor=factor)


def adaptive(net: Net, x: Tensor) -> Step:
    size = net.int(1, 4)
    return f"adaptive_avgpool({size})", (nn.AdaptiveAvgPool1d if x.dim() == 3 else nn.AdaptiveAvgPool2d)(size)


def gap(_: Net, x: Tensor) -> Step:
    return "gap", (nn.AdaptiveAvgPool1d if x.dim() == 3 else nn.AdaptiveAvgPool2d)(1)


def flatten(_: Net, _x: Tensor) -> Step:
    return "flatten", nn.Flatten()


def dense(net: Net, x: Tensor) -> Step:
    out, bias = net.int(1, 9), net.one([False, True])
    return f"dense({out}, bias={str(bias).lower()})", nn.Linear(x.shape[1], out, bias)


LAYERS = (
    conv, conv, oblong_conv, half_conv, half_conv, depthwise, conv_transpose, maxpool, avgpool, bn, prelu, relu,
    upsample, adaptive, gap, flatten,
)  # fmt: skip


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_a_net_at_random_has_the_shapes_and_parameters_of_pytorch(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 2))
    shape = [data.draw(st.integers(1, 6)), *(data.draw(st.integers(7, 20)) for _ in range(axes))]
    net = Net(data, {"x": torch.empty(1, *shape, device="meta")})
    for _ in range(data.draw(st.integers(1, 8))):
        net.statement()
    event(f"{len(net.lines)} lines")
    found = load_text(net.text)
    assert not found.failed, (net.text, found.diagnostics)
    made = found.nets["A"]
    for name, tensor in net.tensors.items():
        assert made.graph.node(name).type.shape[1:] == tuple(tensor.shape[1:]), (net.text, name)
    assert made.facts.params == net.params, net.text
