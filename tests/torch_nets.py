"""Shipped nets as PyTorch modules, written from the papers.

Each registers its layers in the order in which its spec writes them, so that weights go over by their order.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.torch_early_nets import LRN


def unit(
    before: int, c: int, k: int, stride: int = 1, act: type[nn.Module] | None = nn.ReLU, **more: Any
) -> nn.Sequential:
    """Convolution without a bias, batch normalisation, activation; padded to keep the size."""
    conv = nn.Conv2d(before, c, k, stride, **({"padding": k // 2} | more), bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c), *([act()] if act else []))


def head(before: int, classes: int, dropout: float = 0.0) -> nn.Sequential:
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *drop, nn.Linear(before, classes))


class Sum(nn.Module):
    """What two modules make of the same input, added; without a second one the input itself."""

    def __init__(self, main: nn.Module, skip: nn.Module | None = None, act: nn.Module | None = None) -> None:
        super().__init__()
        self.main, self.skip, self.act = main, skip or nn.Identity(), act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.main(x) + self.skip(x))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, c: int, hidden: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.down, self.act, self.up = nn.Conv2d(c, hidden, 1), act(), nn.Conv2d(hidden, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(self.act(self.down(x.mean((2, 3), keepdim=True)))).sigmoid()


# ---- GoogLeNet ------------------------------------------------------------------------------------------------------


def biased(before: int, c: int, k: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, c, k, stride, k // 2), nn.ReLU())


class Inception(nn.Module):
    def __init__(self, x: int, b1: int, r3: int, b3: int, r5: int, b5: int, bp: int) -> None:
        super().__init__()
        self.p1 = biased(x, b1, 1)
        self.p3 = nn.Sequential(biased(x, r3, 1), biased(r3, b3, 3))
        self.p5 = nn.Sequential(biased(x, r5, 1), biased(r5, b5, 5))
        self.pp = nn.Sequential(nn.MaxPool2d(3, 1, 1), biased(x, bp, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.p1(x), self.p3(x), self.p5(x), self.pp(x)], 1)


class GoogLeNet(nn.Module):
    """As it predicts: without the auxiliary heads."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.to_4a = nn.Sequential(
            biased(3, 64, 7, 2), pool(), nn.LocalResponseNorm(**LRN), biased(64, 64, 1),
            biased(64, 192, 3), nn.LocalResponseNorm(**LRN), pool(),
            Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64), pool(),
            Inception(480, 192, 96, 208, 16, 48, 64),
        )  # fmt: skip
        self.to_4d = nn.Sequential(
            Inception(512, 160, 112, 224, 24, 64, 64), Inception(512, 128, 128, 256, 24, 64, 64),
            Inception(512, 112, 144, 288, 32, 64, 64),
        )  # fmt: skip
        self.to_5b = nn.Sequential(
            Inception(528, 256, 160, 320, 32, 128, 128), pool(),
            Inception(832, 256, 160, 320, 32, 128, 128), Inception(832, 384, 192, 384, 48, 128, 128),
        )  # fmt: skip
        self.logits = head(1024, classes, dropout=0.4)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.to_5b(self.to_4d(self.to_4a(x))))


class GoogLeNetTraining(GoogLeNet):
    """With both auxiliary heads."""

    def __init__(self, classes: int = 1000, pixels: int = 16) -> None:
        super().__init__(classes)

        def auxiliary(x: int) -> nn.Module:
            return nn.Sequential(
                nn.AvgPool2d(5, 3), biased(x, 128, 1), nn.Flatten(),
                nn.Linear(128 * pixels, 1024), nn.ReLU(), nn.Dropout(0.7), nn.Linear(1024, classes),
            )  # fmt: skip

        self.first, self.second = auxiliary(512), auxiliary(528)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        a = self.to_4a(x)
        d = self.to_4d(a)
        return {"logits": self.logits(self.to_5b(d)), "first": self.first(a), "second": self.second(d)}


# ---- ResNets and their kin ------------------------------------------------------------------------------------------


def basics(counts: tuple[int, ...], classes: int = 1000) -> nn.Module:
    """ResNet-18 and ResNet-34."""
    layers: list[nn.Module] = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    x = 64
    for stage, (c, count) in enumerate(zip((64, 128, 256, 512), counts, strict=True)):
        for i in range(count):
            s = 2 if stage and not i else 1
            main = nn.Sequential(unit(x, c, 3, s), unit(c, c, 3, act=None))
            skip = unit(x, c, 1, s, act=None) if s != 1 or x != c else None
            layers.append(Sum(main, skip, nn.ReLU()))
            x = c
    return nn.Sequential(*layers, head(x, classes))


def resnet18(classes: int = 1000) -> nn.Module:
    return basics((2, 2, 2, 2), classes)


def bottlenecks(counts: tuple[int, ...], early: bool, gate: bool, classes: int = 1000) -> nn.Module:
    """ResNet-50 and deeper; the stride is in the first 1x1 convolution where `early`."""
    layers: list[nn.Module] = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    x = 64
    for stage, (c, count) in enumerate(zip((64, 128, 256, 512), counts, strict=True)):
        for i in range(count):
            s = 2 if stage and not i else 1
            main = [
                unit(x, c, 1, s if early else 1),
                unit(c, c, 3, 1 if early else s),
                unit(c, 4 * c, 1, act=None),
            ]
            gates = [Gate(4 * c, 4 * c // 16, nn.ReLU)] if gate else []
            skip = unit(x, 4 * c, 1, s, act=None) if s != 1 or x != 4 * c else None
            layers.append(Sum(nn.Sequential(*main, *gates), skip, nn.ReLU()))
            x = 4 * c
    return nn.Sequential(*layers, head(x, classes))


def resnet50(classes: int = 1000) -> nn.Module:
    return bottlenecks((3, 4, 6, 3), early=False, gate=False, classes=classes)


class Subsample(nn.Module):
    """Option A: every other pixel, and zeros for new channels."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def cifar_resnet(n: int) -> nn.Module:
    layers: list[nn.Module] = [unit(3, 16, 3)]
    x = 16
    for c in (16, 32, 64):
        for _ in range(n):
            main = nn.Sequential(unit(x, c, 3, c // x), unit(c, c, 3, act=None))
            layers.append(Sum(main, Subsample() if c != x else None, nn.ReLU()))
            x = c
    return nn.Sequential(*layers, head(64, 10))


def wide_resnet(depth: int = 28, k: int = 10) -> nn.Module:
    def ready(c: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(c), nn.ReLU()]

    def conv(x: int, c: int, stride: int = 1) -> nn.Module:
        return nn.Conv2d(x, c, 3, stride, 1, bias=False)

    layers: list[nn.Module] = [conv(3, 16)]
    x = 16
    for c, stride in ((16 * k, 1), (32 * k, 2), (64 * k, 2)):
        main = nn.Sequential(conv(x, c, stride), *ready(c), conv(c, c))
        layers += [*ready(x), Sum(main, nn.Conv2d(x, c, 1, stride, bias=False))]
        for _ in range((depth - 4) // 6 - 1):
            layers.append(Sum(nn.Sequential(*ready(c), conv(c, c), *ready(c), conv(c, c))))
        x = c
    return nn.Sequential(*layers, *ready(x), head(x, 10))


# ---- Depthwise convolutions -----------------------------------------------------------------------------------------


def mobilenet(classes: int = 1000) -> nn.Module:
    layers: list[nn.Module] = [unit(3, 32, 3, 2, nn.ReLU6)]
    x = 32
    for c, s in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    ):
        layers += [unit(x, x, 3, s, nn.ReLU6, groups=x), unit(x, c, 1, act=nn.ReLU6)]
        x = c
    return nn.Sequential(*layers, head(x, classes, dropout=0.001))


def separable(x: int, c: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(x, x, 3, padding=1, groups=x, bias=False), unit(x, c, 1, act=None))


def xception(classes: int = 1000) -> nn.Module:
    def shrink(x: int, c1: int, c2: int, first: bool = False) -> nn.Module:
        begin = [] if first else [nn.ReLU()]
        main = nn.Sequential(*begin, separable(x, c1), nn.ReLU(), separable(c1, c2), nn.MaxPool2d(3, 2, 1))
        return Sum(main, unit(x, c2, 1, 2, act=None))

    def middle() -> nn.Module:
        return Sum(nn.Sequential(*(m for _ in range(3) for m in (nn.ReLU(), separable(728, 728)))))

    return nn.Sequential(
        unit(3, 32, 3, 2, padding=0), unit(32, 64, 3, padding=0),
        shrink(64, 128, 128, True), shrink(128, 256, 256), shrink(256, 728, 728),
        *(middle() for _ in range(8)), shrink(728, 728, 1024),
        separable(1024, 1536), nn.ReLU(), separable(1536, 2048), nn.ReLU(), head(2048, classes),
    )  # fmt: skip


def efficientnet(classes: int = 1000) -> nn.Module:
    layers: list[nn.Module] = [unit(3, 32, 3, 2, nn.SiLU)]
    x = 32
    for expand, k, c, n, stride in (
        (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
        (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
    ):  # fmt: skip
        for i in range(n):
            wide, s = expand * x, stride if i == 0 else 1
            main = nn.Sequential(
                *([unit(x, wide, 1, act=nn.SiLU)] if expand != 1 else []),
                unit(wide, wide, k, s, nn.SiLU, groups=wide),
                Gate(wide, x // 4, nn.SiLU),
                unit(wide, c, 1, act=None),
            )
            layers.append(Sum(main) if s == 1 and x == c else main)
            x = c
    return nn.Sequential(*layers, unit(x, 1280, 1, act=nn.SiLU), head(1280, classes))


# ---- Inception-ResNet-v2 --------------------------------------------------------------------------------------------


class Shift(nn.BatchNorm2d):
    """Batch normalisation without a scale."""

    def __init__(self, c: int) -> None:
        super().__init__(c, affine=False)
        self.bias = nn.Parameter(torch.zeros(c))


def shifted(x: int, c: int, k: int | tuple[int, int], stride: int = 1, pad: bool = True) -> nn.Sequential:
    r, s = k if isinstance(k, tuple) else (k, k)
    conv = nn.Conv2d(x, c, (r, s), stride, (r // 2, s // 2) if pad else 0, bias=False)
    return nn.Sequential(conv, Shift(c), nn.ReLU())


class Beside(nn.Module):
    """Branches of one input, side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception_resnet(classes: int = 1000) -> nn.Module:
    def row(x: int, *steps: tuple[Any, ...]) -> nn.Module:
        units: list[nn.Module] = []
        for c, *how in steps:
            units.append(shifted(x, c, *how))
            x = c
        return nn.Sequential(*units)

    def residual(x: int, inner: int, *branches: nn.Module, act: nn.Module | None = None) -> nn.Module:
        return Sum(nn.Sequential(Beside(*branches), nn.Conv2d(inner, x, 1)), None, act)

    def a() -> nn.Module:
        rows = row(320, (32, 1)), row(320, (32, 1), (32, 3)), row(320, (32, 1), (48, 3), (64, 3))
        return residual(320, 128, *rows, act=nn.ReLU())

    def b() -> nn.Module:
        return residual(
            1088, 384, row(1088, (192, 1)), row(1088, (128, 1), (160, (1, 7)), (192, (7, 1))), act=nn.ReLU()
        )

    def c(act: nn.Module | None) -> nn.Module:
        return residual(
            2080, 448, row(2080, (192, 1)), row(2080, (192, 1), (224, (1, 3)), (256, (3, 1))), act=act
        )

    small = (3, 2, False)  # a kernel of 3, a stride of 2, no padding
    mixed_5b = Beside(
        row(192, (96, 1)), row(192, (48, 1), (64, 5)), row(192, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), shifted(192, 64, 1)),
    )  # fmt: skip
    mixed_6a = Beside(
        row(320, (384, *small)), row(320, (256, 1), (256, 3), (384, *small)), nn.MaxPool2d(3, 2)
    )
    mixed_7a = Beside(
        row(1088, (256, 1), (384, *small)), row(1088, (256, 1), (288, *small)),
        row(1088, (256, 1), (288, 3), (320, *small)), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    return nn.Sequential(
        row(3, (32, *small), (32, 3, 1, False), (64, 3)), nn.MaxPool2d(3, 2),
        row(64, (80, 1), (192, 3, 1, False)), nn.MaxPool2d(3, 2), mixed_5b, *(a() for _ in range(10)),
        mixed_6a, *(b() for _ in range(20)), mixed_7a, *(c(nn.ReLU()) for _ in range(9)), c(None),
        shifted(2080, 1536, 1), head(1536, classes),
    )  # fmt: skip


# ---- Highway, siamese, U-Net ----------------------------------------------------------------------------------------


class Highway(nn.Module):
    def __init__(self, h: nn.Module, t: nn.Module) -> None:
        super().__init__()
        self.h, self.t = h, t

    def forward(self, x: Tensor) -> Tensor:
        t = self.t(x).sigmoid()
        return self.h(x).relu() * t + x * (1 - t)


def highway(layers: int = 9) -> nn.Module:
    inner = (Highway(nn.Linear(50, 50), nn.Linear(50, 50)) for _ in range(layers))
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), *inner, nn.Linear(50, 10))


def highway_convolutional(width: int = 16) -> nn.Module:
    layers: list[nn.Module] = [biased(1, width, 3)]
    for n in (3, 3, 2):
        layers += [Highway(*(nn.Conv2d(width, width, 3, padding=1) for _ in "ht")) for _ in range(n)]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(9 * width, 10))


class Siamese(nn.Module):
    def __init__(self, pixels: int = 36) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Conv2d(1, 64, 10), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 7), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(128, 128, 4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(128, 256, 4), nn.ReLU(), nn.Flatten(),
            nn.Linear(256 * pixels, 4096), nn.Sigmoid(),
        )  # fmt: skip
        self.decide = nn.Linear(4096, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.decide((self.embed(a) - self.embed(b)).abs())


class UNet(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()

        def double(x: int, c: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(x, c, 3), nn.ReLU(), nn.Conv2d(c, c, 3), nn.ReLU())

        sizes = [width * f for f in (1, 2, 4, 8, 16)]
        self.down = nn.ModuleList(double(x, c) for x, c in zip([1, *sizes], sizes, strict=False))
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * c, c, 2, 2), double(2 * c, c)])
            for c in reversed(sizes[:-1])
        )
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for i, double in enumerate(self.down):
            x = double(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for skip, (enlarge, double) in zip(reversed(skips[:-1]), self.up, strict=True):  # type: ignore[misc]
            large = enlarge(x)
            cut = (skip.shape[2] - large.shape[2]) // 2
            x = double(torch.cat([skip[:, :, cut:-cut, cut:-cut], large], 1))
        return self.last(x)
