"""The nets that are measured, each as netc has it and as PyTorch has it, and the batch that both are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    import netc

# In no spec: the perceptron whose hidden layers are those of Cireşan's first, for MNIST's 784 pixels, with ReLU.
PERCEPTRON = """
net MLP {
  input image: [N, 784]
  logits = image -> dense(1000) -> relu -> dense(500) -> relu -> dense(10)
  output logits
}
"""
# The spec has the shallowest and the deepest net of the paper's table 6; this is any between them.
CIFAR_RESNET = """
from "resnet_cifar.net" import Stages

net ResNet%(depth)d {
  input image: [N, 3, 32, 32]
  logits = image -> Stages(%(n)d) -> gap -> flatten -> dense(10)
  output logits
}
"""


@dataclass(frozen=True)
class Case:
    """A net at a batch size.

    `spec` and `net` name it among the shipped specs; `text` is a net that is none of the spec's own, but may import
    from it.  `module` is a function of tests/torch_NAME.py, and its arguments.  An example has `shape`.
    """

    name: str
    batch: int
    spec: str
    net: str
    module: tuple[str, str, tuple[Any, ...]]
    shape: tuple[int, ...]
    classes: int = 1000
    text: str = ""

    @property
    def key(self) -> str:
        """What the command line and the results call it: `LeNet-5 b1`."""
        return f"{self.name} b{self.batch}"

    def load(self) -> netc.Net:
        """The net as netc reads it."""
        import netc
        from netc.loading import load_text
        from netc.resources import spec_path

        if not self.text:
            return netc.load(self.spec, self.net)
        spec = spec_path(self.spec)
        assert spec
        loaded = load_text(self.text, imports={spec.name: spec.read_text("utf-8")})
        return netc.Net(loaded.must_be_right(), self.net)

    def build(self) -> torch.nn.Module:
        """The same layers in PyTorch."""
        file, name, arguments = self.module
        make: Callable[..., torch.nn.Module] = getattr(import_module(f"tests.torch_{file}"), name)
        return make(*arguments)

    def data(self) -> tuple[Any, Any]:
        """The batch that every peer is given: x `(N, *shape)` float32, y `(N,)` int64."""
        import numpy as np

        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, *self.shape), np.float32)
        return x, rng.integers(0, self.classes, self.batch)


def _large(name: str, batch: int, spec: str, net: str, file: str, module: str, side: int = 224) -> Case:
    return Case(name, batch, spec, net, (file, module, ()), (3, side, side))


def _lenet(batch: int) -> Case:
    return Case("LeNet-5", batch, "lenet5", "LeNet5", ("early_nets", "lenet5", ()), (1, 28, 28), 10)


def _cifar(n: int) -> Case:
    depth = 6 * n + 2
    text = CIFAR_RESNET % {"depth": depth, "n": n}
    module = ("nets", "cifar_resnet", (n,))
    return Case(f"ResNet-{depth}", 16, "resnet_cifar", f"ResNet{depth}", module, (3, 32, 32), 10, text)


MLP = Case("MLP", 64, "mlp", "MLP", ("early_nets", "mlp", (784, 1000, 500, 10)), (784,), 10, PERCEPTRON)
# Small ones first: where time runs out, it is the large ones that have fewer rounds.
TABLE = (
    MLP,
    _lenet(64),
    _lenet(1),
    _large("AlexNet", 16, "alexnet", "AlexNet", "early_nets", "alexnet"),
    _large("MobileNetV1", 16, "mobilenet", "MobileNetV1", "nets", "mobilenet"),
    _large("ResNet-18", 16, "resnet", "ResNet18", "nets", "resnet18"),
    _large("GoogLeNet", 16, "googlenet", "GoogLeNet", "nets", "GoogLeNet"),
    _large("ResNet-50", 8, "resnet", "ResNet50", "nets", "resnet50"),
    _large("Xception", 4, "xception", "Xception", "nets", "xception", 299),
    _large("VGG-16", 8, "vgg", "VGG_D", "early_nets", "vgg16"),
)
SMALL_RESNET = _large("ResNet-18", 4, "resnet", "ResNet18", "nets", "resnet18")
QUICK = (MLP, _lenet(64), _lenet(1), SMALL_RESNET)
BATCHES = tuple(_lenet(2**i) for i in range(9))  # 1 to 256
DEPTHS = tuple(_cifar(n) for n in (3, 5, 7, 9, 18))  # 20, 32, 44, 56 and 110 layers

CASES = {case.key: case for case in (*TABLE, SMALL_RESNET, *BATCHES, *DEPTHS)}
