"""Who is measured: netc, and those whom it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.speed.cases import CASES, Case

Mode = Literal["train", "infer"]
Step = Callable[[], Any]  # one training step, which gives its loss, or one inference, which gives its output

NETC = "netc"
EAGER, LAST, COMPILED, ONNX = "eager", "eager channels_last", "torch.compile", "ONNX Runtime"
# The module that makes the steps; it is what a process of that peer imports.
MODULES = {
    NETC: "netc_peer",
    EAGER: "torch_peer",
    LAST: "torch_peer",
    COMPILED: "torch_peer",
    ONNX: "onnx_peer",
}
CACHES = (NETC, COMPILED)  # these keep compiled code on disk, so their first start differs from the next


@dataclass(frozen=True)
class Job:
    """What one process is to do.  `model` is a file with the network, where the peer reads it from one."""

    peer: str
    key: str
    mode: Mode
    threads: int
    model: str = ""

    @property
    def case(self) -> Case:
        return CASES[self.key]

    def message(self) -> dict[str, Any]:
        return asdict(self)


def taking_part(case: Case, mode: Mode, compiled: bool) -> list[str]:
    """Their names.  Where there are no maps, channels_last is no layout of its own."""
    names = [NETC, EAGER]
    names += [LAST] if len(case.shape) > 1 else []
    names += [COMPILED] if compiled else []
    return names + ([ONNX] if mode == "infer" else [])


def environment(threads: int, caches: str) -> dict[str, str]:
    """What a process finds in its environment, on top of what is there: threads, and folders of compiled code."""
    count = str(threads)
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NETC_NUM_THREADS")
    return {
        **dict.fromkeys(counts, count),
        "NETC_CACHE_DIR": f"{caches}/netc",
        "TORCHINDUCTOR_CACHE_DIR": f"{caches}/inductor",
    }
