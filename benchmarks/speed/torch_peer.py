"""PyTorch's steps: eager in both layouts, and through torch.compile."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.speed.cases import Case
from benchmarks.speed.peers import COMPILED, LAST, Job, Step

RATE, MOMENTUM = 1e-7, 0.9  # as in netc_peer


def build(job: Job, x: Any, y: Any) -> tuple[Step, dict[str, Any]]:
    """The step, with PyTorch's fused optimiser, its fastest."""
    torch.set_num_threads(job.threads)
    torch.manual_seed(0)
    module = job.case.build()
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    if job.peer == LAST:
        module = module.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    run = torch.compile(module) if job.peer == COMPILED else module
    if job.mode == "infer":
        module.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return run(inputs).numpy()

        return infer, {}
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)

    def train() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(run(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train, {}


def export(case: Case, file: str) -> None:
    """Writes the network for ONNX Runtime."""
    torch.manual_seed(0)
    module = case.build().eval()
    x, _ = case.data()
    torch.onnx.export(
        module, (torch.from_numpy(x),), file, input_names=["x"], external_data=False, verbose=False
    )
